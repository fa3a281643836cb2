//! Depthwise convolutions of f32: each channel by its own filter, over images whose channels lie together.

use super::fused_activation::between_vectors;
use super::packed_gemm::Ends;
use super::take::unravel;
use super::vector::{load, store};
use super::window::Window;
use pulp::{Arch, Simd, WithSimd};

/// A depthwise convolution of images of one size.
#[derive(Clone, Copy)]
pub(super) struct Depthwise<'a> {
    pub(super) window: &'a Window,
    pub(super) kernel: &'a [usize],
    pub(super) channels: usize,
    /// Tap by tap, channels fastest.
    pub(super) weights: &'a [f32],
    pub(super) ends: Ends<'a>,
    /// The spatial sizes of the images and of the results.
    pub(super) spatial: &'a [usize],
    pub(super) steps: &'a [usize],
}

impl Depthwise<'_> {
    /// Lines of results that are worth writing at once: what they see of a few channels stays in the cache closest to a core.
    pub(super) const TOGETHER: usize = 8;

    /// Writes lines of results along the last axis, from this one on.
    pub(super) fn write(self, x: &[f32], first: usize, out: &mut [f32]) {
        Arch::new().dispatch(Lines { conv: self, x, first, out });
    }
}

/// Lines of results, and what they are computed of.
struct Lines<'a> {
    conv: Depthwise<'a>,
    x: &'a [f32],
    first: usize,
    out: &'a mut [f32],
}

/// A line that a window sees: where it starts in the images, and its taps in the weights.
#[derive(Clone, Copy)]
struct SeenLine {
    start: usize,
    taps: usize,
}

impl WithSimd for Lines<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Lines { conv, x, first, out } = self;
        let (channels, last) = (conv.channels, conv.steps.len() - 1);
        let (length, taps) = (conv.spatial[last] * channels, conv.kernel[last]);
        let (shape, line) = ([&[usize::MAX], &conv.steps[..last]].concat(), conv.steps[last] * channels);
        let seen: Vec<Vec<SeenLine>> = (first..)
            .take(out.len() / line)
            .map(|line| {
                let position = unravel(line, &shape);
                let seen = conv.window.lines(conv.kernel, &position, conv.spatial);
                seen.map(|(outer, line)| SeenLine { start: line * length, taps: outer * taps * channels }).collect()
            })
            .collect();
        let line_sums = LineSums { conv, x };
        // What is frequent has loops of known sizes, all of whose sums and weights stay in registers.
        let stride = if conv.window.dilations[last] == 1 && channels >= S::F32_LANES { conv.window.strides[last] } else { 0 };
        match (taps, stride) {
            (3, 1) => line_sums.unrolled::<S, 3, 1>(simd, &seen, out),
            (3, 2) => line_sums.unrolled::<S, 3, 2>(simd, &seen, out),
            (5, 1) => line_sums.unrolled::<S, 5, 1>(simd, &seen, out),
            (5, 2) => line_sums.unrolled::<S, 5, 2>(simd, &seen, out),
            (7, 1) => line_sums.unrolled::<S, 7, 1>(simd, &seen, out),
            (7, 2) => line_sums.unrolled::<S, 7, 2>(simd, &seen, out),
            _ => seen.iter().zip(out.chunks_exact_mut(line)).for_each(
                #[inline(always)]
                |(seen, out)| line_sums.any(simd, seen, out),
            ),
        }
    }
}

/// Computes lines of results.
#[derive(Clone, Copy)]
struct LineSums<'a> {
    conv: Depthwise<'a>,
    x: &'a [f32],
}

impl LineSums<'_> {
    /// All lines, for `T` taps along the last axis that move by `STRIDE`, and at least as many channels as a vector has elements.
    #[inline(always)]
    fn unrolled<S: Simd, const T: usize, const STRIDE: usize>(self, simd: S, seen: &[Vec<SeenLine>], out: &mut [f32]) {
        /// Vectors of channels that are next to each other in the cache.
        const VECTORS: usize = 2;
        let (channels, lanes) = (self.conv.channels, S::F32_LANES);
        let line = self.conv.steps[self.conv.steps.len() - 1] * channels;
        for channel in (0..channels).step_by(VECTORS * lanes) {
            for (seen, out) in seen.iter().zip(out.chunks_exact_mut(line)) {
                for vector in 0..VECTORS {
                    let channel = channel + vector * lanes;
                    if channel < channels {
                        // The last vector ends with the last channel, and may compute some a second time.
                        self.unrolled_line::<S, T, STRIDE>(simd, seen, channel.min(channels - lanes), out);
                    }
                }
            }
        }
    }

    /// A vector of channels of a line.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "sums that are walked by reference do not stay in registers")]
    fn unrolled_line<S: Simd, const T: usize, const STRIDE: usize>(self, simd: S, seen: &[SeenLine], channel: usize, out: &mut [f32]) {
        /// Positions that are summed together. Many networks have lines of multiples of 7.
        const P: usize = 7;
        let LineSums { conv, x } = self;
        let (channels, lanes, last) = (conv.channels, S::F32_LANES, conv.steps.len() - 1);
        let (length, steps, pad) = (conv.spatial[last] * channels, conv.steps[last], conv.window.pads_begin[last]);
        for first in (0..steps).step_by(P) {
            let mut sums = [simd.splat_f32s(0.0); P];
            for &SeenLine { start, taps } in seen {
                let row = &x[start..][..length];
                let weights = &conv.weights[taps..][..T * channels];
                let mut w = [simd.splat_f32s(0.0); T];
                for t in 0..T {
                    w[t] = vector::<S>(&weights[t * channels + channel..][..lanes]);
                }
                // Columns before the line wrap to behind all others: no element of theirs is in it.
                let mut at = (first * STRIDE).wrapping_sub(pad).wrapping_mul(channels).wrapping_add(channel);
                for column in 0..(P - 1) * STRIDE + T {
                    if let Some(x) = row.get(at..at.wrapping_add(lanes)) {
                        let x = vector::<S>(x);
                        for p in 0..P {
                            if column >= p * STRIDE && column - p * STRIDE < T {
                                sums[p] = simd.mul_add_e_f32s(x, w[column - p * STRIDE], sums[p]);
                            }
                        }
                    }
                    at = at.wrapping_add(channels);
                }
            }
            if let Some(bias) = conv.ends.bias {
                let bias = vector::<S>(&bias[channel..][..lanes]);
                for p in 0..P {
                    sums[p] = simd.add_f32s(sums[p], bias);
                }
            }
            if let Some(bounds) = conv.ends.bounds {
                let bounds = [simd.splat_f32s(bounds[0]), simd.splat_f32s(bounds[1])];
                for p in 0..P {
                    sums[p] = between_vectors(simd, sums[p], bounds);
                }
            }
            for p in 0..P {
                if first + p < steps {
                    S::as_mut_simd_f32s(&mut out[(first + p) * channels + channel..][..lanes]).0[0] = sums[p];
                }
            }
        }
    }

    /// A line of any window.
    #[inline(always)]
    fn any<S: Simd>(self, simd: S, seen_lines: &[SeenLine], out: &mut [f32]) {
        let LineSums { conv, x } = self;
        let (window, spatial, last) = (conv.window, conv.spatial, conv.steps.len() - 1);
        let (channels, taps) = (conv.channels, conv.kernel[last]);
        let (stride, dilation, pad, length) = (window.strides[last], window.dilations[last], window.pads_begin[last], spatial[last]);
        let steps = conv.steps[last];
        // From `low` to `high` all taps lie in the line.
        let low = pad.div_ceil(stride).min(steps);
        let high = ((length + pad).saturating_sub((taps - 1) * dilation)).div_ceil(stride).clamp(low, steps);
        let mut seen: Vec<(usize, usize)> = Vec::with_capacity(seen_lines.len() * taps);
        let mut step = 0;
        while step < steps {
            let count = if (low..high).contains(&step) { high - step } else { 1 };
            let first = step * stride;
            seen.clear();
            for &SeenLine { start, taps: weight } in seen_lines {
                for tap in 0..taps {
                    let at = first + tap * dilation;
                    if (pad..length + pad).contains(&at) {
                        seen.push((start + (at - pad) * channels, weight + tap * channels));
                    }
                }
            }
            let sums = Sums { x, w: conv.weights, seen: &seen, apart: stride * channels, ends: conv.ends, channels };
            sums.write(simd, &mut out[step * channels..][..count * channels]);
            step += count;
        }
    }
}

/// The vector at the start of a slice.
#[inline(always)]
fn vector<S: Simd>(elements: &[f32]) -> S::f32s {
    S::as_simd_f32s(elements).0[0]
}

/// What positions of a depthwise convolution are the sums of.
#[derive(Clone, Copy)]
struct Sums<'a> {
    x: &'a [f32],
    w: &'a [f32],
    /// For each tap where the first position finds its channels, and where its weights lie.
    seen: &'a [(usize, usize)],
    /// How far further the next position finds them.
    apart: usize,
    ends: Ends<'a>,
    channels: usize,
}

impl Sums<'_> {
    /// Writes positions, a channel behind the other.
    #[inline(always)]
    fn write<S: Simd>(self, simd: S, out: &mut [f32]) {
        /// Positions that are summed together: each weight is read once for them.
        const TOGETHER: usize = 4;
        let mut first = 0;
        let mut fours = out.chunks_exact_mut(TOGETHER * self.channels);
        for out in &mut fours {
            self.positions::<S, TOGETHER>(simd, first, out);
            first += TOGETHER * self.apart;
        }
        for out in fours.into_remainder().chunks_exact_mut(self.channels) {
            self.positions::<S, 1>(simd, first, out);
            first += self.apart;
        }
    }

    #[inline(always)]
    fn positions<S: Simd, const P: usize>(self, simd: S, first: usize, out: &mut [f32]) {
        let mut channel = 0;
        while channel + 2 * S::F32_LANES <= self.channels {
            self.vectors::<S, P, 2>(simd, first, channel, out);
            channel += 2 * S::F32_LANES;
        }
        while channel + S::F32_LANES <= self.channels {
            self.vectors::<S, P, 1>(simd, first, channel, out);
            channel += S::F32_LANES;
        }
        if channel < self.channels {
            let width = self.channels - channel;
            for p in 0..P {
                let mut sum = simd.splat_f32s(0.0);
                for &(from, tap) in self.seen {
                    let x = load(simd, &self.x[from + first + p * self.apart + channel..][..width]);
                    let w = load(simd, &self.w[tap + channel..][..width]);
                    sum = simd.mul_add_e_f32s(x, w, sum);
                }
                if let Some(bias) = self.ends.bias {
                    sum = simd.add_f32s(sum, load(simd, &bias[channel..][..width]));
                }
                if let Some(bounds) = self.ends.bounds {
                    sum = between_vectors(simd, sum, bounds.map(|bound| simd.splat_f32s(bound)));
                }
                store(simd, &mut out[p * self.channels + channel..][..width], sum);
            }
        }
    }

    /// `V` vectors of channels of `P` positions.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "sums that are walked by reference do not stay in registers")]
    fn vectors<S: Simd, const P: usize, const V: usize>(self, simd: S, first: usize, channel: usize, out: &mut [f32]) {
        let width = V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        for &(from, tap) in self.seen {
            let w: &[S::f32s; V] = S::as_simd_f32s(&self.w[tap + channel..][..width]).0.first_chunk().expect("as many vectors");
            let x = &self.x[from + first + channel..][..(P - 1) * self.apart + width];
            for p in 0..P {
                let x = S::as_simd_f32s(&x[p * self.apart..][..width]).0;
                for v in 0..V {
                    sums[p][v] = simd.mul_add_e_f32s(x[v], w[v], sums[p][v]);
                }
            }
        }
        if let Some(bias) = self.ends.bias {
            let bias = S::as_simd_f32s(&bias[channel..][..width]).0;
            for p in 0..P {
                for v in 0..V {
                    sums[p][v] = simd.add_f32s(sums[p][v], bias[v]);
                }
            }
        }
        if let Some(bounds) = self.ends.bounds {
            let bounds = bounds.map(|bound| simd.splat_f32s(bound));
            for p in 0..P {
                for v in 0..V {
                    sums[p][v] = between_vectors(simd, sums[p][v], bounds);
                }
            }
        }
        for p in 0..P {
            let to = S::as_mut_simd_f32s(&mut out[p * self.channels + channel..][..width]).0;
            to[..V].copy_from_slice(&sums[p]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, for one image.
    fn expected(
        window: &Window,
        kernel: [usize; 2],
        channels: usize,
        sizes: [usize; 2],
        steps: [usize; 2],
        x: &[f32],
        w: &[f32],
    ) -> Vec<f64> {
        let mut out = Vec::new();
        let at = |step: usize, tap: usize, axis: usize| {
            let at = step * window.strides[axis] + tap * window.dilations[axis];
            at.checked_sub(window.pads_begin[axis]).filter(|&at| at < sizes[axis])
        };
        for (y, step) in (0..steps[0]).flat_map(|y| (0..steps[1]).map(move |step| (y, step))) {
            for channel in 0..channels {
                let taps = (0..kernel[0]).flat_map(|i| (0..kernel[1]).map(move |j| (i, j)));
                let products = taps.filter_map(|(i, j)| {
                    let (row, column) = (at(y, i, 0)?, at(step, j, 1)?);
                    let x = x[(row * sizes[1] + column) * channels + channel];
                    Some(f64::from(x) * f64::from(w[(i * kernel[1] + j) * channels + channel]))
                });
                out.push(products.sum());
            }
        }
        out
    }

    #[test]
    fn every_window_gives_the_definition() {
        let noise =
            |n: usize, seed: usize| -> Vec<f32> { (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5).collect() };
        for channels in [3, 8, 16, 40, 70] {
            for (taps, stride, dilation, pads) in [
                (3, 1, 1, [1, 1]),
                (3, 2, 1, [0, 1]),
                (5, 1, 1, [2, 2]),
                (5, 2, 1, [4, 0]),
                (7, 1, 1, [3, 3]),
                (7, 2, 1, [3, 2]),
                (3, 1, 2, [2, 2]),
                (3, 3, 1, [0, 0]),
                (4, 1, 1, [1, 2]),
                (3, 1, 1, [3, 3]),
            ] {
                for sizes in [[9, 15], [7, 7], [12, 8]] {
                    let window = Window {
                        strides: vec![stride; 2],
                        dilations: vec![dilation; 2],
                        pads_begin: vec![pads[0]; 2],
                        pads_end: vec![pads[1]; 2],
                    };
                    let kernel = [3, taps];
                    let steps = window.steps(&kernel, &sizes).unwrap();
                    let (x, w) = (noise(sizes[0] * sizes[1] * channels, 1), noise(3 * taps * channels, 2));
                    let conv = Depthwise {
                        window: &window,
                        kernel: &kernel,
                        channels,
                        weights: &w,
                        ends: Ends { bias: None, bounds: None },
                        spatial: &sizes,
                        steps: &steps,
                    };
                    let line = steps[1] * channels;
                    let mut out = vec![f32::NAN; steps[0] * line];
                    conv.write(&x, 0, &mut out[..line]);
                    conv.write(&x, 1, &mut out[line..]);
                    let expected = expected(&window, kernel, channels, sizes, [steps[0], steps[1]], &x, &w);
                    assert_eq!(out.len(), expected.len());
                    for (got, expected) in out.iter().zip(expected) {
                        assert!(
                            (f64::from(*got) - expected).abs() <= 1e-6,
                            "{taps} taps by {stride}, {channels} channels: {got}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}
