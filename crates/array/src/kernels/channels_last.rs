//! Operators on images of f32 whose channels lie together: each position is a vector of channels.

use super::fill::{write_lines, zeros};
use super::fused_activation::FusedActivation;
use super::take::unravel;
use super::threads::threads;
use super::vector::{load, store, vectorised};
use super::window::Window;
use crate::array::{Dims, count};
use crate::error::{Error, Result};
use pulp::{Arch, Simd, WithSimd};
use smallvec::{SmallVec, smallvec};

/// Elements of a task that are worth a thread of their own.
pub(super) const GRAIN: usize = 1 << 13;

/// What a window makes of the elements that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest; NaN where there is one.
    Max,
    /// The mean of those that are no padding.
    Mean,
    /// The mean, where padding counts as zeros.
    MeanWithPadding,
}

/// Pooling of images of shape (batch, spatial …, channels).
#[derive(Debug)]
pub struct ChannelsLastPool {
    pub pooling: Pooling,
    pub kernel: Vec<usize>,
    pub window: Window,
    /// Whether a window may hang over the end, as long as it begins before it.
    pub ceil: bool,
}

impl ChannelsLastPool {
    /// The shape of the results for images of this one.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the rank differs, and as [`Window::steps`].
    pub fn shape(&self, images: &[usize]) -> Result<Vec<usize>> {
        let axes = self.kernel.len();
        if images.len() != axes + 2 {
            return Err(Error::shape(format!("expected images of {axes} spatial axes, got shape {images:?}")));
        }
        let spatial = &images[1..=axes];
        let mut steps = self.window.steps(&self.kernel, spatial)?;
        for (axis, steps) in steps.iter_mut().enumerate().filter(|_| self.ceil) {
            let (stride, begin) = (self.window.strides[axis], self.window.pads_begin[axis]);
            let room = spatial[axis] + begin + self.window.pads_end[axis] - self.window.span(axis, self.kernel[axis]);
            let hangs = *steps * stride < spatial[axis] + begin;
            *steps += usize::from(!room.is_multiple_of(stride) && hangs);
        }
        Ok([&images[..1], &steps[..], &images[axes + 1..]].concat())
    }

    /// Writes the results for images.
    ///
    /// # Errors
    /// As [`ChannelsLastPool::shape`], and [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
    pub fn run(&self, (shape, x): (&[usize], &[f32]), out: &mut [f32]) -> Result<()> {
        let result = self.shape(shape)?;
        if x.len() != count(shape)? || out.len() != count(&result)? {
            return Err(Error::shape("slices do not have the sizes of their shapes"));
        }
        let axes = self.kernel.len();
        let (spatial, channels) = (&shape[1..=axes], shape[axes + 1]);
        let positions = &result[..=axes];
        if out.is_empty() {
            return Ok(());
        }
        let length = positions[axes] * channels;
        let parallel = threads() > 1 && out.len().saturating_mul(self.kernel.iter().product()) > 2 * GRAIN;
        write_lines(out, length, parallel, |first, out| {
            let mut merged = Vec::new();
            for (line, out) in (first..).zip(out.chunks_exact_mut(length)) {
                let position = unravel(line, &positions[..axes]);
                Arch::new().dispatch(PoolLine { pool: self, position, spatial, channels, x, merged: &mut merged, out });
            }
        });
        Ok(())
    }
}

/// Where the elements of a small window lie.
type Offsets = SmallVec<[usize; 16]>;

/// The results of a pool along the last axis.
struct PoolLine<'a> {
    pool: &'a ChannelsLastPool,
    /// The image, and where it stands along the other axes.
    position: Dims<usize>,
    spatial: &'a [usize],
    channels: usize,
    x: &'a [f32],
    /// Room for a line of the images.
    merged: &'a mut Vec<f32>,
    out: &'a mut [f32],
}

impl WithSimd for PoolLine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PoolLine { pool, position, spatial, channels, x, merged, out } = self;
        let last = spatial.len() - 1;
        let (window, taps, length) = (&pool.window, pool.kernel[last], spatial[last]);
        let (stride, dilation, pad) = (window.strides[last], window.dilations[last], window.pads_begin[last]);
        let mut lines: Offsets = window.lines(&pool.kernel, &position, spatial).map(|(_, line)| line * length * channels).collect();
        let combination = if pool.pooling == Pooling::Max { Combination::Largest } else { Combination::Sum };
        let x = match combination {
            // The channels of a position fill no vector, those of a line do. In which order the largest is sought does not show.
            Combination::Largest if channels < S::F32_LANES && lines.len() > 1 => {
                merged.resize(length * channels, 0.0);
                Position { combination, seen: &lines, shift: 0, x, out: merged }.with_simd(simd);
                lines = smallvec![0];
                merged
            }
            _ => x,
        };
        let all = pool.kernel.iter().product::<usize>();
        // What a window sees that begins at the first element of the line; those that hang over an end see less.
        let whole: Offsets = lines.iter().flat_map(|line| (0..taps).map(move |tap| line + tap * dilation * channels)).collect();
        let mut cut = Offsets::new();
        for (step, out) in out.chunks_exact_mut(channels).enumerate() {
            let begin = (step * stride).checked_sub(pad).filter(|begin| begin + taps.saturating_sub(1) * dilation < length);
            let (seen, shift) = match begin {
                Some(begin) => (&whole, begin * channels),
                None => {
                    cut.clear();
                    for line in &lines {
                        let inside = |tap: usize| (step * stride + tap * dilation).checked_sub(pad).filter(|&at| at < length);
                        cut.extend((0..taps).filter_map(inside).map(|at| line + at * channels));
                    }
                    (&cut, 0)
                }
            };
            Position { combination, seen, shift, x, out: &mut *out }.with_simd(simd);
            if pool.pooling != Pooling::Max {
                let counted = if pool.pooling == Pooling::Mean { seen.len() } else { all } as f32;
                out.iter_mut().for_each(|y| *y /= counted);
            }
        }
    }
}

/// How the elements that a position sees become one.
#[derive(Clone, Copy)]
enum Combination {
    Largest,
    Sum,
    SumOfSquares,
}

/// One position of a result, and where what it sees begins.
struct Position<'a> {
    combination: Combination,
    seen: &'a [usize],
    /// How far behind that it begins.
    shift: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Position<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.combination {
            Combination::Largest => self.combine(
                simd,
                f32::NEG_INFINITY,
                #[inline(always)]
                |y, x| {
                    let larger = simd.select_f32s(simd.less_than_f32s(y, x), x, y);
                    // Only NaN differs from itself.
                    simd.select_f32s(simd.equal_f32s(x, x), larger, x)
                },
            ),
            Combination::Sum => self.combine(
                simd,
                0.0,
                #[inline(always)]
                |y, x| simd.add_f32s(y, x),
            ),
            Combination::SumOfSquares => self.combine(
                simd,
                0.0,
                #[inline(always)]
                |y, x| simd.mul_add_f32s(x, x, y),
            ),
        }
    }
}

impl Position<'_> {
    /// Combines what is seen, a few vectors of channels at a time.
    #[inline(always)]
    fn combine<S: Simd>(self, simd: S, none: f32, pick: impl Fn(S::f32s, S::f32s) -> S::f32s) {
        /// Vectors that stay in registers together.
        const VECTORS: usize = 4;
        let Position { seen, shift, x, out, .. } = self;
        let x = x.get(shift..).unwrap_or_default();
        let chunk = VECTORS * S::F32_LANES;
        let none = simd.splat_f32s(none);
        let mut channel = 0;
        while channel + chunk <= out.len() {
            let mut all = [none; VECTORS];
            for from in seen {
                let x = S::as_simd_f32s(&x[from + channel..][..chunk]).0;
                for v in 0..VECTORS {
                    all[v] = pick(all[v], x[v]);
                }
            }
            S::as_mut_simd_f32s(&mut out[channel..][..chunk]).0.copy_from_slice(&all);
            channel += chunk;
        }
        while channel < out.len() {
            let end = (channel + S::F32_LANES).min(out.len());
            let mut one = none;
            for from in seen {
                // What lies behind the channels is not kept.
                let x = &x[from + channel..];
                one = pick(one, load(simd, &x[..x.len().min(S::F32_LANES)]));
            }
            store(simd, &mut out[channel..end], one);
            channel = end;
        }
    }
}

/// What the positions of an image are reduced to, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpatialReduction {
    Mean,
    Sum,
    /// √Σx²
    Norm,
}

/// A number for each channel of each image: what its positions are reduced to.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
pub fn reduced(reduction: SpatialReduction, batch: usize, channels: usize, x: &[f32], out: &mut [f32]) -> Result<()> {
    /// Positions that are summed in f32; sums of so many are summed in f64.
    const BLOCK: usize = 32;
    if Some(out.len()) != batch.checked_mul(channels) || !x.len().is_multiple_of(out.len().max(1)) {
        return Err(Error::shape("slices do not have the sizes of their shapes"));
    }
    if out.is_empty() {
        return Ok(());
    }
    let positions = x.len() / out.len();
    // The mean of no positions is 0 / 0.
    let blocks = positions.div_ceil(BLOCK).max(1);
    let combination = if reduction == SpatialReduction::Norm { Combination::SumOfSquares } else { Combination::Sum };
    let mut partial = zeros::<f32>(batch * blocks * channels)?;
    write_lines(&mut partial, channels, threads() > 1 && x.len() > 2 * GRAIN, |first, out| {
        for (line, out) in (first..).zip(out.chunks_exact_mut(channels)) {
            let (image, block) = (line / blocks, line % blocks);
            let seen = block * BLOCK..((block + 1) * BLOCK).min(positions);
            let seen: Vec<usize> = seen.map(|position| (image * positions + position) * channels).collect();
            Arch::new().dispatch(Position { combination, seen: &seen, shift: 0, x, out });
        }
    });
    let mut totals = zeros::<f64>(channels)?;
    for (out, partial) in out.chunks_exact_mut(channels).zip(partial.chunks_exact(blocks * channels)) {
        totals.fill(0.0);
        for partial in partial.chunks_exact(channels) {
            totals.iter_mut().zip(partial).for_each(|(total, &sum)| *total += f64::from(sum));
        }
        for (out, total) in out.iter_mut().zip(&totals) {
            *out = match reduction {
                SpatialReduction::Mean => total / positions as f64,
                SpatialReduction::Sum => *total,
                SpatialReduction::Norm => total.sqrt(),
            } as f32;
        }
    }
    Ok(())
}

/// The product of images and a number for each channel of each.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
pub fn scaled(batch: usize, channels: usize, x: &[f32], scale: &[f32], out: &mut [f32]) -> Result<()> {
    if x.len() != out.len() || scale.len() != batch * channels || !x.len().is_multiple_of(scale.len().max(1)) {
        return Err(Error::shape("slices do not have the sizes of their shapes"));
    }
    if out.is_empty() {
        return Ok(());
    }
    let image = out.len() / channels / batch;
    write_lines(out, channels, threads() > 1 && x.len() > 2 * GRAIN, |first, out| {
        vectorised(
            #[inline(always)]
            || {
                for ((i, out), x) in (first..).zip(out.chunks_exact_mut(channels)).zip(x[first * channels..].chunks_exact(channels)) {
                    let scale = &scale[i / image * channels..][..channels];
                    out.iter_mut().zip(x).zip(scale).for_each(|((y, x), scale)| *y = x * scale);
                }
            },
        );
    });
    Ok(())
}

/// A normalisation by statistics that are known: a factor and a shift for each channel, and an activation.
#[derive(Debug)]
pub struct Normalisation {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub activation: Option<FusedActivation>,
}

/// Images times a number for each channel, plus another, then activated.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
pub fn normalised(Normalisation { scale, shift, activation }: &Normalisation, x: &[f32], out: &mut [f32]) -> Result<()> {
    /// Elements that are activated while they are in the cache.
    const BLOCK: usize = 1 << 12;
    let channels = scale.len();
    if shift.len() != channels || x.len() != out.len() || !x.len().is_multiple_of(channels.max(1)) {
        return Err(Error::shape("slices do not have the sizes of their shapes"));
    }
    write_lines(out, channels.max(1), threads() > 1 && x.len() > 2 * GRAIN, |first, out| {
        let block = BLOCK.next_multiple_of(channels);
        for (out, x) in out.chunks_mut(block).zip(x[first * channels..].chunks(block)) {
            vectorised(
                #[inline(always)]
                || {
                    for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        out.iter_mut().zip(x).zip(scale.iter().zip(shift)).for_each(|((y, x), (scale, shift))| *y = x * scale + shift);
                    }
                },
            );
            activation.iter().for_each(|activation| activation.apply(out));
        }
    });
    Ok(())
}

/// Images with the elements of a channel together, in an order that has the channels of a position together.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
pub fn to_channels_last(batch: usize, channels: usize, x: &[f32], out: &mut [f32]) -> Result<()> {
    /// Positions whose channels are written while they are in the cache.
    const BLOCK: usize = 128;
    if x.len() != out.len() || batch.checked_mul(channels).is_none_or(|planes| !x.len().is_multiple_of(planes.max(1))) {
        return Err(Error::shape("slices do not have the sizes of their shapes"));
    }
    if out.is_empty() {
        return Ok(());
    }
    let positions = out.len() / channels / batch;
    write_lines(out, channels, threads() > 1 && x.len() > 2 * GRAIN, |first, mut out| {
        let mut at = first;
        while !out.is_empty() {
            let (image, position) = (at / positions, at % positions);
            let count = BLOCK.min(positions - position).min(out.len() / channels);
            let (block, rest) = out.split_at_mut(count * channels);
            let plane = |channel| &x[(image * channels + channel) * positions + position..][..count];
            match channels {
                3 => {
                    let colours = plane(0).iter().zip(plane(1)).zip(plane(2));
                    block.as_chunks_mut().0.iter_mut().zip(colours).for_each(|(out, ((&r, &g), &b))| *out = [r, g, b]);
                }
                _ => (0..channels).for_each(|channel| {
                    block[channel..].iter_mut().step_by(channels).zip(plane(channel)).for_each(|(out, &x)| *out = x);
                }),
            }
            (out, at) = (rest, at + count);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_is_normalised_by_its_own_factor_and_shift() {
        let x: Vec<f32> = (0..3 * 50_000).map(|i| i as f32).collect();
        let mut out = vec![0.0; x.len()];
        let by = |scale: &[f32], shift: &[f32], activation| Normalisation { scale: scale.to_vec(), shift: shift.to_vec(), activation };
        normalised(&by(&[2.0, 0.5, -1.0], &[1.0, 0.0, 3.0], None), &x, &mut out).unwrap();
        assert!(x.iter().zip(&out).enumerate().all(|(i, (x, &y))| y == [2.0 * x + 1.0, 0.5 * x, 3.0 - x][i % 3]));
        normalised(&by(&[2.0, 0.5, -1.0], &[1.0, 0.0, 3.0], Some(FusedActivation::Relu)), &x, &mut out).unwrap();
        assert!(x.iter().zip(&out).enumerate().all(|(i, (x, &y))| y == [2.0 * x + 1.0, 0.5 * x, 3.0 - x][i % 3].max(0.0)));
        let refused = |by: &Normalisation, count| normalised(by, &vec![1.0; count], &mut vec![0.0; count]).is_err();
        assert!(refused(&by(&[1.0; 3], &[1.0; 2], None), 6) && refused(&by(&[1.0; 4], &[1.0; 4], None), 6));
        normalised(&by(&[], &[], None), &[], &mut []).unwrap();
    }

    #[test]
    fn channels_move_last_whatever_their_number() {
        for (batch, channels, positions) in [(2, 3, 300), (1, 5, 128), (3, 1, 7), (2, 3, 40_000), (0, 3, 4), (2, 0, 4)] {
            let x: Vec<f32> = (0..batch * channels * positions).map(|i| i as f32).collect();
            let mut out = vec![-1.0; x.len()];
            to_channels_last(batch, channels, &x, &mut out).unwrap();
            for (i, &y) in out.iter().enumerate() {
                let (image, position, channel) = (i / channels / positions, i / channels % positions, i % channels);
                assert_eq!(y, ((image * channels + channel) * positions + position) as f32);
            }
        }
    }

    #[test]
    fn channels_without_positions_are_reduced_as_nothing_is() {
        let of = |reduction| {
            let mut out = [7.0; 6];
            reduced(reduction, 2, 3, &[], &mut out).unwrap();
            out
        };
        assert_eq!((of(SpatialReduction::Sum), of(SpatialReduction::Norm)), ([0.0; 6], [0.0; 6]));
        assert!(of(SpatialReduction::Mean).iter().all(|y| y.is_nan()));
    }
}
