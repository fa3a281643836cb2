//! The latencies of a benchmark as an SVG.

use super::statistics::{Summary, time};
use ontrace::{Error, Result};
use plotters::prelude::*;
use std::fmt::Display;

/// The colours of the first and the second model.
const COLOURS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(214, 39, 40)];

/// The most points that are plotted for each model.
const POINTS: usize = 4000;

fn failed(error: impl Display) -> Error {
    Error::internal(format!("the plot failed: {error}"))
}

/// Latencies in seconds by model, in the order of the calls: each call is a point, the median is a line.
pub fn latencies(series: &[(String, &[f64])]) -> Result<String> {
    let all: Vec<f64> = series.iter().flat_map(|row| row.1.iter().copied()).collect();
    let Some(summary) = Summary::of(&all) else { return Err(Error::argument("no calls were measured")) };
    // Few outliers would press everything else to the bottom.
    let top = (summary.p99 * 1.5).min(summary.max) * 1.05;
    let calls = series.iter().map(|row| row.1.len()).max().unwrap_or(1).max(2);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (900, 480)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(80)
            .caption("latency by call", ("sans-serif", 20))
            .build_cartesian_2d(0..calls, 0f64..top)
            .map_err(failed)?;
        chart.configure_mesh().x_desc("call").y_label_formatter(&|seconds| time(*seconds)).draw().map_err(failed)?;
        for ((name, latencies), colour) in series.iter().zip(COLOURS) {
            let step = latencies.len().div_ceil(POINTS).max(1);
            let points =
                latencies.iter().enumerate().step_by(step).map(|(i, &y)| Circle::new((i, y.min(top)), 2, colour.mix(0.5).filled()));
            let label = Summary::of(latencies).map(|summary| format!("{name}: median {}", time(summary.p50))).unwrap_or_default();
            chart.draw_series(points).map_err(failed)?;
            let middle = Summary::of(latencies).map_or(0.0, |summary| summary.p50);
            chart
                .draw_series(LineSeries::new([(0, middle), (calls, middle)], colour.stroke_width(2)))
                .map_err(failed)?
                .label(label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw().map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_markup_is_escaped() {
        let svg = latencies(&[("</text><script>alert(1)</script>".to_string(), &[0.1, 0.2, 0.15])]).unwrap();
        assert!(svg.starts_with("<svg") && !svg.contains("<script"), "{svg}");
    }

    #[test]
    fn every_call_is_a_point() {
        let svg = latencies(&[("a".to_string(), &[0.1, 0.2, 0.15]), ("b".to_string(), &[0.1, 0.2])]).unwrap();
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(latencies(&[]).is_err());
    }
}
