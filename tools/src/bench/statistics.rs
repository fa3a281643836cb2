//! Statistics of latencies.

use serde_json::{Value, json};

/// Latencies in seconds, summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub calls: usize,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
    pub mean: f64,
    /// The sum.
    pub total: f64,
}

impl Summary {
    /// `None` where there is no latency.
    pub fn of(latencies: &[f64]) -> Option<Summary> {
        let mut sorted = latencies.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max, total) = (*sorted.first()?, *sorted.last()?, sorted.iter().sum::<f64>());
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| percentile(&sorted, share));
        Some(Summary { calls: sorted.len(), min, p50, p90, p99, max, mean: total / sorted.len() as f64, total })
    }

    /// Calls a second, one after the other.
    pub fn throughput(&self) -> f64 {
        self.calls as f64 / self.total.max(f64::MIN_POSITIVE)
    }

    /// As JSON, in seconds.
    pub fn to_json(self) -> Value {
        json!({
            "calls": self.calls,
            "min": self.min,
            "p50": self.p50,
            "p90": self.p90,
            "p99": self.p99,
            "max": self.max,
            "mean": self.mean,
            "throughput": self.throughput(),
        })
    }
}

/// The value that a share of the sorted values does not exceed, interpolated between two as NumPy does it by default.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let position = share * sorted.len().saturating_sub(1) as f64;
    let (below, part) = (position.floor() as usize, position.fract());
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(a), Some(b)) => a + (b - a) * part,
        (Some(a), None) => *a,
        _ => f64::NAN,
    }
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 0.5)
}

/// A time in the unit that suits it: `23.4 ms`.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of numpy.percentile.
    #[test]
    fn percentiles_are_interpolated() {
        let latencies: Vec<f64> = [5.0, 1.0, 4.0, 2.0, 3.0, 10.0, 6.0, 7.0, 8.0, 9.0].to_vec();
        let summary = Summary::of(&latencies).unwrap();
        assert_eq!((summary.min, summary.p50, summary.p90, summary.p99, summary.max), (1.0, 5.5, 9.1, 9.91, 10.0));
        assert_eq!((summary.calls, summary.mean, summary.total), (10, 5.5, 55.0));
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0, 4.0]), 2.5);
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!([time(1.5e-6), time(0.0234), time(2.0)], ["1.5 µs", "23.40 ms", "2.00 s"]);
    }
}
