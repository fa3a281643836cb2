//! Convolutions of 3 × 3 taps with fewer multiplications, by Winograd's minimal filtering F(2 × 2, 3 × 3): patches of 4 × 4 positions and filters are
//! transformed and multiplied, a matrix product for each of the 16 elements, and the products are transformed to 2 × 2 results.
//! [Lavin and Gray](https://arxiv.org/abs/1509.09308)

use super::fused_activation::between_vectors;
use super::packed_gemm::{Ends, Panels};
use super::room::with_room;
use super::threads::{run_items, threads};
use super::vector::{LINE, load, store, vectorised};
use super::window::Window;
use crate::error::{Error, Result};
use ndarray::{Array3, ArrayView2, ArrayView3};
use pulp::{Arch, Simd, WithSimd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Positions of a patch along an axis.
const SIDE: usize = 4;
/// Results of a patch along an axis.
const STEP: usize = 2;
/// Elements of a patch.
const ELEMENTS: usize = SIDE * SIDE;
/// Elements of transformed patches and their products that lie in a core's cache.
const ROOM: usize = 1 << 18;
/// Patches that a thread takes together where fewer would lie in its cache: for each of them it reads the transformed filters.
const TOGETHER: usize = 56;
/// The least channels and filters that save more multiplications than the transformations cost.
const LEAST: usize = 32;
/// The least patches of an image: with fewer, reading the transformed filters, which are 16 / 9 as large, takes longer than the multiplications.
const LEAST_PATCHES: usize = 36;

/// What filters of three taps become: rows of a matrix by which they are multiplied from both sides.
const FILTER: [[f64; 3]; SIDE] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// The other way.
const TAPS: [[f64; SIDE]; 3] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, -1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];

/// Transformed filters: for each element of a patch a matrix, a row for each channel and a column for each filter.
#[derive(Debug)]
pub(super) struct Winograd {
    matrices: Vec<Panels>,
}

/// Images of shape (batch, `spatial`, channels), and how often a window of 3 × 3 is put down along each axis.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub values: &'a [f32],
    pub spatial: [usize; 2],
    pub pads: [usize; 2],
    pub steps: [usize; 2],
}

/// What is done to results that lie together, the first of which has this index among all.
pub(super) type FinishRun<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// The transformed taps of a channel in up to [`LINE`] filters, each of `size` taps: a line for each element of a patch.
#[inline(always)]
fn transformed(filters: &[f32], size: usize, channel: usize) -> [[f32; LINE]; ELEMENTS] {
    let mut taps = [[0.0; LINE]; 9];
    for (i, filter) in filters.chunks_exact(size).enumerate() {
        taps.iter_mut().zip(&filter[channel * 9..]).for_each(|(tap, &x)| tap[i] = f64::from(x));
    }
    let sum = |factors: [f64; 3], x: [&[f64; LINE]; 3]| -> [f64; LINE] {
        std::array::from_fn(|i| factors[0] * x[0][i] + factors[1] * x[1][i] + factors[2] * x[2][i])
    };
    let rows = FILTER.map(|row| [0, 1, 2].map(|j| sum(row, [&taps[j], &taps[3 + j], &taps[6 + j]])));
    std::array::from_fn(|element| {
        let [x, y, z] = &rows[element / SIDE];
        sum(FILTER[element % SIDE], [x, y, z]).map(|sum| sum as f32)
    })
}

impl Winograd {
    /// Whether a convolution is worth it: its taps, how they slide, its channels and filters, and the sizes of its results.
    pub fn suits(kernel: &[usize], window: &Window, channels: usize, filters: usize, steps: &[usize]) -> bool {
        let slides = window.strides == [1, 1] && window.dilations == [1, 1] && kernel == [3, 3];
        let patches = || steps.iter().map(|steps| steps.div_ceil(STEP)).product::<usize>();
        slides && channels.min(filters) >= LEAST && steps.len() == 2 && patches() >= LEAST_PATCHES
    }

    /// Transforms filters of shape (filters, channels, 9); `None` where an element overflows.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where the machine has no room for them.
    pub fn new(filters: ArrayView3<f32>) -> Result<Option<Winograd>> {
        let (count, channels, taps) = filters.dim();
        let (size, values) = (channels.saturating_mul(count), filters.as_standard_layout());
        let mut elements = super::fill::zeros::<f32>(size.saturating_mul(ELEMENTS))?;
        let filters = values.as_slice().unwrap_or_default().chunks((LINE * channels * taps).max(1));
        vectorised(
            #[inline(always)]
            || {
                for (filters, first) in filters.zip((0..).step_by(LINE)) {
                    for channel in 0..channels {
                        let at = channel * count + first..channel * count + count.min(first + LINE);
                        for (element, line) in transformed(filters, channels * taps, channel).iter().enumerate() {
                            elements[element * size..][at.clone()].copy_from_slice(&line[..at.len()]);
                        }
                    }
                }
            },
        );
        if !elements.iter().all(|element| element.is_finite()) {
            return Ok(None);
        }
        let matrix = |elements| {
            let matrix = ArrayView2::from_shape((channels, count), elements).map_err(|error| Error::internal(error.to_string()))?;
            Panels::new(matrix)
        };
        let matrices = elements.chunks_exact(size.max(1)).map(matrix).collect::<Result<_>>()?;
        Ok(Some(Winograd { matrices }))
    }

    /// The filters, of shape (filters, channels, 9), as they were but for rounding.
    pub fn filters(&self) -> Array3<f32> {
        let (channels, count) = self.matrices[0].dim();
        Array3::from_shape_fn((count, channels, 9), |(filter, channel, tap)| {
            let (i, j) = (tap / 3, tap % 3);
            let element =
                |(a, b): (usize, usize)| TAPS[i][a] * f64::from(self.matrices[a * SIDE + b].element(channel, filter)) * TAPS[j][b];
            pairs(SIDE).map(element).sum::<f64>() as f32
        })
    }

    /// Writes the results for images; false, and anything written, where one is infinite or NaN: sums of them spread over a patch.
    ///
    /// # Panics
    /// Where the slices do not have the sizes of their shapes.
    pub fn run(&self, images: Images, ends: Ends, finish: Option<FinishRun>, out: &mut [f32]) -> bool {
        let (channels, filters) = self.matrices[0].dim();
        let line = images.steps[1] * filters;
        let is_finite = AtomicBool::new(true);
        let compute = |mut task: Task| {
            let count = task.runs.iter().map(|run| run.count).sum::<usize>();
            with_room(ELEMENTS * count * (channels + filters), |room: &mut [f32]| {
                let (patches, products) = room.split_at_mut(ELEMENTS * count * channels);
                Arch::new().dispatch(ToPatches { images, channels, task: &task, patches });
                for (matrix, (patches, products)) in
                    self.matrices.iter().zip(patches.chunks_exact(count * channels).zip(products.chunks_exact_mut(count * filters)))
                {
                    matrix.multiply_alone(patches, products);
                }
                if !Arch::new().dispatch(FromProducts { filters, products, count, ends, task: &mut task }) {
                    is_finite.store(false, Ordering::Relaxed);
                }
            });
            if let Some(finish) = finish {
                for run in task.runs {
                    let first = (task.image * images.steps[0] + run.row * STEP) * line + run.first * STEP * filters;
                    run.lines
                        .into_iter()
                        .enumerate()
                        .filter(|(_, line)| !line.is_empty())
                        .for_each(|(i, out)| finish(first + i * line, out));
                }
            }
        };
        run_items(self.tasks(images, out), compute);
        is_finite.into_inner()
    }

    /// The results, divided.
    fn tasks<'o>(&self, images: Images, out: &'o mut [f32]) -> Vec<Task<'o>> {
        let (channels, filters) = self.matrices[0].dim();
        let [rows, columns] = images.steps.map(|steps| steps.div_ceil(STEP));
        let line = images.steps[1] * filters;
        let patches = rows * columns;
        let least = patches.div_ceil((ROOM / (ELEMENTS * (channels + filters))).max(TOGETHER));
        // As many for each thread.
        let parts = if out.len() > images.steps[0] * line { least } else { least.next_multiple_of(threads()) }.min(patches);
        let mut tasks = Vec::new();
        for (image, out) in out.chunks_exact_mut(images.steps[0] * line).enumerate() {
            let (mut part, mut end) = (0, 0);
            for (row, lines) in out.chunks_mut(STEP * line).enumerate() {
                let (mut one, mut other) = lines.split_at_mut(line);
                let mut first = 0;
                while first < columns {
                    if row * columns + first == end {
                        part += 1;
                        end = part * patches / parts;
                        tasks.push(Task { image, runs: Vec::new() });
                    }
                    let count = (columns - first).min(end - row * columns - first);
                    let width = (STEP * count).min(images.steps[1] - STEP * first) * filters;
                    let lines = [&mut one, &mut other].map(|rest| {
                        let (run, after) = std::mem::take(rest).split_at_mut_checked(width).unwrap_or_default();
                        *rest = after;
                        run
                    });
                    if let Some(task) = tasks.last_mut() {
                        task.runs.push(PatchRun { row, first, count, lines });
                    }
                    first += count;
                }
            }
        }
        tasks
    }
}

/// Patches that one thread computes.
struct Task<'o> {
    image: usize,
    runs: Vec<PatchRun<'o>>,
}

/// Patches beside each other.
struct PatchRun<'o> {
    /// Their row among the patches, and the first of them in it.
    row: usize,
    first: usize,
    count: usize,
    /// Their results; the second line is empty below the last.
    lines: [&'o mut [f32]; STEP],
}

/// Pairs of indices, row by row.
fn pairs(side: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..side * side).map(move |i| (i / side, i % side))
}

/// The differences and sums of what lies along one axis of a patch.
#[inline(always)]
fn along<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// Two results of what lies along one axis of a product.
#[inline(always)]
fn back<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; SIDE]) -> [S::f32s; STEP] {
    [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}

/// Reads the patches of a task and writes them transformed, element by element.
struct ToPatches<'a, 'o> {
    images: Images<'a>,
    channels: usize,
    task: &'a Task<'o>,
    patches: &'a mut [f32],
}

impl WithSimd for ToPatches<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ToPatches { images, channels, task, patches } = self;
        let [height, width] = images.spatial;
        let apart = patches.len() / ELEMENTS;
        let image = &images.values[task.image * height * width * channels..][..height * width * channels];
        let mut patch = 0;
        for run in &task.runs {
            for column in run.first..run.first + run.count {
                // Positions before the first wrap around, and lie in no image.
                let at = |axis: usize, position: usize, tap: usize| (position * STEP + tap).wrapping_sub(images.pads[axis]);
                let mut starts = [[None; SIDE]; SIDE];
                for (i, j) in pairs(SIDE) {
                    let (y, x) = (at(0, run.row, i), at(1, column, j));
                    starts[i][j] = (y < height && x < width).then(|| (y * width + x) * channels);
                }
                let mut channel = 0;
                while channel < channels {
                    let lanes = S::F32_LANES.min(channels - channel);
                    let mut rows = [[simd.splat_f32s(0.0); SIDE]; SIDE];
                    for i in 0..SIDE {
                        for j in 0..SIDE {
                            if let Some(start) = starts[i][j] {
                                rows[i][j] = load(simd, &image[start + channel..][..lanes]);
                            }
                        }
                        rows[i] = along(simd, rows[i]);
                    }
                    for j in 0..SIDE {
                        let column = along(simd, [rows[0][j], rows[1][j], rows[2][j], rows[3][j]]);
                        for i in 0..SIDE {
                            store(simd, &mut patches[(i * SIDE + j) * apart + patch + channel..][..lanes], column[i]);
                        }
                    }
                    channel += lanes;
                }
                patch += channels;
            }
        }
    }
}

/// Transforms products to results, and says whether all of them are finite.
struct FromProducts<'a, 'o> {
    filters: usize,
    products: &'a [f32],
    /// How many patches there are.
    count: usize,
    ends: Ends<'a>,
    task: &'a mut Task<'o>,
}

impl WithSimd for FromProducts<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let FromProducts { filters, products, count, ends, task } = self;
        let apart = count * filters;
        let bounds = ends.bounds.map(|[low, high]| [simd.splat_f32s(low), simd.splat_f32s(high)]);
        let zero = simd.splat_f32s(0.0);
        // 0 times what is finite.
        let mut check = zero;
        let mut patch = 0;
        for run in &mut task.runs {
            for step in 0..run.count {
                let mut filter = 0;
                while filter < filters {
                    let lanes = S::F32_LANES.min(filters - filter);
                    let mut columns = [[zero; STEP]; SIDE];
                    for j in 0..SIDE {
                        let mut column = [zero; SIDE];
                        for i in 0..SIDE {
                            column[i] = load(simd, &products[(i * SIDE + j) * apart + patch + filter..][..lanes]);
                        }
                        columns[j] = back(simd, column);
                    }
                    for (i, line) in run.lines.iter_mut().enumerate() {
                        let results = back(simd, [columns[0][i], columns[1][i], columns[2][i], columns[3][i]]);
                        for (j, mut result) in results.into_iter().enumerate() {
                            let start = (step * STEP + j) * filters + filter;
                            if start + lanes > line.len() {
                                // Beyond the last line or column lies nothing.
                                continue;
                            }
                            check = simd.mul_add_f32s(result, zero, check);
                            if let Some(bias) = ends.bias {
                                result = simd.add_f32s(result, load(simd, &bias[filter..][..lanes]));
                            }
                            if let Some(bounds) = bounds {
                                result = between_vectors(simd, result, bounds);
                            }
                            store(simd, &mut line[start..][..lanes], result);
                        }
                    }
                    filter += lanes;
                }
                patch += filters;
            }
        }
        simd.reduce_sum_f32s(check) == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements without pattern between −1 and 1.
    fn noise(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    struct Case {
        batch: usize,
        spatial: [usize; 2],
        pads: [usize; 2],
        channels: usize,
        filters: usize,
    }

    impl Case {
        fn steps(&self) -> [usize; 2] {
            [0, 1].map(|axis| self.spatial[axis] + 2 * self.pads[axis] - 2)
        }

        fn weights(&self) -> Array3<f32> {
            let shape = (self.filters, self.channels, 9);
            Array3::from_shape_vec(shape, noise(self.filters * self.channels * 9, 2)).unwrap()
        }

        /// The sums by their definition.
        fn exact(&self, x: &[f32]) -> Vec<f64> {
            let ([height, width], weights, [rows, columns]) = (self.spatial, self.weights(), self.steps());
            let mut out = Vec::new();
            for (image, (row, column)) in
                (0..self.batch).flat_map(|image| (0..rows * columns).map(move |i| (image, (i / columns, i % columns))))
            {
                for filter in 0..self.filters {
                    let mut sum = 0.0;
                    for (tap, channel) in (0..9).flat_map(|tap| (0..self.channels).map(move |channel| (tap, channel))) {
                        let (y, x_) = ((row + tap / 3).wrapping_sub(self.pads[0]), (column + tap % 3).wrapping_sub(self.pads[1]));
                        if y < height && x_ < width {
                            let at = ((image * height + y) * width + x_) * self.channels + channel;
                            sum += f64::from(x[at]) * f64::from(weights[(filter, channel, tap)]);
                        }
                    }
                    out.push(sum);
                }
            }
            out
        }

        fn run(&self, x: &[f32], bounds: Option<[f32; 2]>, bias: Option<&[f32]>) -> Option<Vec<f32>> {
            let winograd = Winograd::new(self.weights().view()).unwrap().unwrap();
            let mut out = vec![f32::NAN; self.batch * self.steps().iter().product::<usize>() * self.filters];
            let images = Images { values: x, spatial: self.spatial, pads: self.pads, steps: self.steps() };
            winograd.run(images, Ends { bias, bounds }, None, &mut out).then_some(out)
        }
    }

    #[test]
    fn every_size_gives_the_definition() {
        for (batch, spatial, pads, channels, filters) in [
            (1, [8, 8], [1, 1], 32, 32),
            (2, [7, 9], [1, 1], 17, 40),
            (1, [5, 3], [0, 0], 3, 5),
            (3, [3, 3], [2, 0], 16, 70),
            (1, [30, 34], [1, 1], 33, 16),
        ] {
            let case = Case { batch, spatial, pads, channels, filters };
            let x = noise(batch * spatial[0] * spatial[1] * channels, 1);
            let bias = noise(filters, 3);
            let exact = case.exact(&x);
            let (plain, bounded) = (case.run(&x, None, None).unwrap(), case.run(&x, Some([0.0, 1.5]), Some(&bias)).unwrap());
            for (i, &sum) in exact.iter().enumerate() {
                let clamped = (sum + f64::from(bias[i % filters])).clamp(0.0, 1.5);
                let close = |a: f32, b: f64| (f64::from(a) - b).abs() <= 4e-7 * (9 * channels) as f64;
                assert!(
                    close(plain[i], sum) && close(bounded[i], clamped),
                    "{spatial:?} at {i}: {} and {}, not {sum}",
                    plain[i],
                    bounded[i]
                );
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_said_wherever_it_stands() {
        let case = Case { batch: 1, spatial: [6, 7], pads: [1, 1], channels: 4, filters: 3 };
        let x = noise(6 * 7 * 4, 1);
        for at in 0..x.len() {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = x.clone();
                x[at] = value;
                assert_eq!(case.run(&x, None, None), None);
            }
        }
        let huge: Vec<f32> = x.iter().map(|x| x * 3e38).collect();
        assert_eq!(case.run(&huge, None, None), None);
    }

    #[test]
    fn filters_come_back_but_for_rounding() {
        let case = Case { batch: 1, spatial: [6, 6], pads: [1, 1], channels: 70, filters: 130 };
        let winograd = Winograd::new(case.weights().view()).unwrap().unwrap();
        assert!(winograd.filters().iter().zip(&case.weights()).all(|(a, b)| (a - b).abs() <= 2e-7));
        let mut infinite = case.weights();
        infinite[(129, 69, 4)] = f32::INFINITY;
        assert!(Winograd::new(infinite.view()).unwrap().is_none());
    }

    #[test]
    fn the_threads_do_not_show() {
        let case = Case { batch: 1, spatial: [28, 26], pads: [1, 1], channels: 40, filters: 50 };
        let x = noise(28 * 26 * 40, 1);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.run(&x, None, None)).unwrap()
        };
        assert_eq!(run(1), run(3));
    }
}
