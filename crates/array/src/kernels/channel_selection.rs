//! Images whose channels are channels of other images, all with the channels of a position together: what concatenations, splits and shuffles of channels
//! come to.

use super::channels_last::GRAIN;
use super::fill::write_lines;
use super::threads::threads;
use crate::error::{Error, Result};

/// Which channel of which images each channel is.
#[derive(Debug, PartialEq, Eq)]
pub struct ChannelSelection {
    /// The channels of each of the images.
    widths: Vec<usize>,
    channels: usize,
    runs: Vec<ChannelRun>,
}

/// Channels at equal distances in what is read and in what is written.
#[derive(Debug, PartialEq, Eq)]
struct ChannelRun {
    source: usize,
    from: usize,
    /// The distance in what is read.
    step: usize,
    to: usize,
    /// The distance in what is written.
    stride: usize,
    count: usize,
}

impl ChannelSelection {
    /// The selection of channels from images of so many: for each channel the number of the images, and the channel there.
    pub fn new(widths: Vec<usize>, channels: &[(usize, usize)]) -> ChannelSelection {
        // What is read in order is read once: the channels of each image by where they are in it.
        let mut order: Vec<(usize, usize, usize)> = channels.iter().enumerate().map(|(to, &(source, from))| (source, from, to)).collect();
        order.sort_unstable();
        let mut runs: Vec<ChannelRun> = Vec::new();
        for (source, from, to) in order {
            match runs.last_mut().filter(|run| run.source == source) {
                Some(run) if run.count == 1 && from > run.from && to > run.to => {
                    (run.step, run.stride, run.count) = (from - run.from, to - run.to, 2);
                }
                Some(run) if run.from + run.count * run.step == from && run.to + run.count * run.stride == to => run.count += 1,
                _ => runs.push(ChannelRun { source, from, step: 1, to, stride: 1, count: 1 }),
            }
        }
        ChannelSelection { widths, channels: channels.len(), runs }
    }

    /// How many channels are selected.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Writes the selected channels of images of as many positions.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the slices do not have as many positions, or there is no such channel.
    pub fn run(&self, images: &[&[f32]], out: &mut [f32]) -> Result<()> {
        let positions = out.len().checked_div(self.channels).unwrap_or(0);
        let fits = |(x, &width): (&&[f32], &usize)| Some(x.len()) == positions.checked_mul(width);
        let is_there = |run: &ChannelRun| self.widths.get(run.source).is_some_and(|&width| run.from + (run.count - 1) * run.step < width);
        if images.len() != self.widths.len() || out.len() != positions * self.channels || !images.iter().zip(&self.widths).all(fits) {
            return Err(Error::shape("slices do not have the sizes of their shapes"));
        }
        if !self.runs.iter().all(is_there) {
            return Err(Error::shape("a channel that the images do not have"));
        }
        write_lines(out, self.channels.max(1), threads() > 1 && out.len() > 2 * GRAIN, |first, out| {
            for (position, out) in (first..).zip(out.chunks_exact_mut(self.channels)) {
                for &ChannelRun { source, from, step, to, stride, count } in &self.runs {
                    let x = &images[source][position * self.widths[source] + from..][..(count - 1) * step + 1];
                    let out = &mut out[to..][..(count - 1) * stride + 1];
                    match (step, stride) {
                        (1, 1) => out.copy_from_slice(x),
                        (1, 2) => out.iter_mut().step_by(2).zip(x).for_each(|(out, &x)| *out = x),
                        (2, 1) => out.iter_mut().zip(x.iter().step_by(2)).for_each(|(out, &x)| *out = x),
                        _ => out.iter_mut().step_by(stride).zip(x.iter().step_by(step)).for_each(|(out, &x)| *out = x),
                    }
                }
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_is_the_one_that_was_asked_for() {
        let widths = vec![4, 1, 6];
        for channels in [
            vec![(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1)],
            vec![(0, 0), (2, 0), (0, 1), (2, 1), (0, 2), (2, 2)],
            vec![(2, 0), (2, 2), (2, 4)],
            vec![(2, 5), (0, 3), (0, 3), (1, 0), (2, 1), (2, 0), (0, 1)],
            vec![(1, 0)],
        ] {
            let selection = ChannelSelection::new(widths.clone(), &channels);
            for positions in [0, 1, 5, 20_000] {
                let images: Vec<Vec<f32>> =
                    widths.iter().enumerate().map(|(i, width)| (0..positions * width).map(|at| (at * 3 + i) as f32).collect()).collect();
                let images: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
                let mut out = vec![f32::NAN; positions * channels.len()];
                selection.run(&images, &mut out).unwrap();
                let expected: Vec<f32> = (0..positions)
                    .flat_map(|at| channels.iter().map(move |&(i, from)| (at, i, from)))
                    .map(|(at, i, from)| images[i][at * widths[i] + from])
                    .collect();
                assert_eq!(out, expected, "{channels:?}");
            }
        }
    }

    #[test]
    fn channels_side_by_side_and_every_second_one_are_one_run_each() {
        let halves = |channel: &dyn Fn(usize) -> (usize, usize)| {
            ChannelSelection::new(vec![8, 8], &(0..16).map(channel).collect::<Vec<_>>()).runs.len()
        };
        assert_eq!(halves(&|i| (i / 8, i % 8)), 2);
        assert_eq!(halves(&|i| (i % 2, i / 2)), 2);
    }

    #[test]
    fn channels_that_are_not_there_are_refused() {
        let refused = |channel| ChannelSelection::new(vec![2], &[channel]).run(&[&[1.0, 2.0]], &mut [0.0]).is_err();
        assert!(refused((0, 2)) && refused((1, 0)) && !refused((0, 1)));
        let selection = ChannelSelection::new(vec![2, 2], &[(0, 1), (1, 0)]);
        assert!(selection.run(&[&[1.0, 2.0], &[3.0]], &mut [0.0; 2]).is_err() && selection.run(&[&[1.0, 2.0]], &mut [0.0; 2]).is_err());
    }
}
