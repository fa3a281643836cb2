//! Products with a matrix that stays: it is laid out once, so that each of them reads it from front to back.

use super::fused_activation::{FusedActivation, between_vectors};
use super::product::{DEPTH, HEIGHT, ROWS, copy_panels, depth};
use super::threads::{run_items, threads};
use super::vector::{CacheLine, load, store};
use crate::array::room;
use crate::error::{Error, Result};
use bytemuck::Zeroable;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};

/// Multiplications that are worth a thread of their own.
const GRAIN: usize = 1 << 18;
/// The most tasks for each thread.
const TASKS: usize = 4;
/// How many times as large as both other sides a matrix may be that every thread reads as a whole. They then divide the rows, as the kernels before and
/// behind a product divide lines: what a thread reads is what it wrote, and lies in its cache.
const READ_TWICE: usize = 10;

/// A matrix for the right side of products, in panels of a few columns, the elements of a panel one row behind the other.
///
/// Every sum is taken from front to back, so that neither the threads nor the sides of the result show.
#[derive(Debug)]
pub struct Panels {
    rows: usize,
    columns: usize,
    /// The elements that this machine computes with at once. A panel is some of them wide; the last one as few as it needs.
    lanes: usize,
    /// How many rows are taken together, block by block.
    blocks: Vec<usize>,
    /// The panels of a block, one beside the other; those of the next block come behind them.
    lines: Vec<CacheLine>,
}

impl Panels {
    /// Lays a matrix out.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where the machine has no room for it.
    pub fn new(matrix: ArrayView2<f32>) -> Result<Panels> {
        Panels::for_segments(matrix, &segments([0], matrix.nrows()))
    }

    /// Lays a matrix out for a left side whose rows lie in these [segments].
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where the machine has no room for it.
    pub fn for_segments(matrix: ArrayView2<f32>, segments: &[Segment]) -> Result<Panels> {
        let ((rows, columns), lanes) = (matrix.dim(), Arch::new().dispatch(SimdLanes));
        let size = columns.checked_next_multiple_of(lanes).and_then(|padded| padded.checked_mul(rows));
        let lines = size.ok_or_else(|| Error::too_big(format!("a matrix of {rows} × {columns} is too large")))?.div_ceil(16);
        room::<f32>(lines * 16)?;
        let blocks: Vec<usize> = blocks(segments).map(|block| block.1).collect();
        let mut panels = Panels { rows, columns, lanes, blocks, lines: vec![CacheLine::zeroed(); lines] };
        let width = panels.width();
        let mut values: &mut [f32] = bytemuck::cast_slice_mut(&mut panels.lines);
        let mut rest = matrix;
        for &depth in &panels.blocks {
            let block;
            (block, rest) = rest.split_at(Axis(0), depth);
            let (room, after) = values.split_at_mut(depth * columns.next_multiple_of(lanes));
            copy_panels(block, width, lanes, room);
            values = after;
        }
        Ok(panels)
    }

    /// The sides of the matrix.
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// C ← f(A·B + bias), on several threads where it is worth it; the bias is a value a column, f an activation, and C is not read.
    ///
    /// # Panics
    /// Where the sides do not fit, A is not in row-major order, or the elements of a row of C do not lie together.
    pub fn multiply(&self, a: ArrayView2<f32>, bias: Option<&[f32]>, activation: Option<FusedActivation>, mut c: ArrayViewMut2<f32>) {
        let (m, k) = a.dim();
        assert!(
            k == self.rows && c.dim() == (m, self.columns),
            "the product of {m} × {k} by {:?} does not have shape {:?}",
            self.dim(),
            c.dim()
        );
        assert!(bias.is_none_or(|bias| bias.len() == self.columns), "the bias does not have {} elements", self.columns);
        if k == 0 {
            c.indexed_iter_mut().for_each(|((_, column), y)| *y = bias.map_or(0.0, |bias| bias[column]));
            return activation.into_iter().for_each(|activation| apply(activation, &mut c));
        }
        let values = a.to_slice().expect("a matrix in row-major order");
        let starts = |first: usize, starts: &mut [usize]| (first..).zip(starts).for_each(|(row, start)| *start = row * k);
        let left = Left { values, count: m, starts: &starts, segments: &segments([0], k) };
        let bounds = activation.and_then(FusedActivation::bounds);
        let finish =
            |_: usize, _: usize, block: &mut ArrayViewMut2<f32>| activation.into_iter().for_each(|activation| apply(activation, block));
        let finish: Option<Finish> = if activation.is_some() && bounds.is_none() { Some(&finish) } else { None };
        self.multiply_rows(left, Ends { bias, bounds }, finish, c);
    }

    /// C ← A·B + bias, then `finish` on each block of C; as [`Panels::multiply`], for rows in segments.
    ///
    /// # Panics
    /// Where the sides do not fit, or there are no summands.
    pub fn multiply_rows<'a>(&'a self, a: Left<'a>, ends: Ends<'a>, finish: Option<Finish<'a>>, c: ArrayViewMut2<f32>) {
        let k: usize = a.segments.iter().map(|segment| segment.length).sum();
        debug_assert!(blocks(a.segments).map(|block| block.1).eq(self.blocks.iter().copied()), "panels for other segments");
        assert!(k > 0 && k == self.rows && c.dim() == (a.count, self.columns), "the sides of a product do not fit");
        let part = Part { panels: self, first: 0, columns: self.columns, ends };
        divided(Block { a, first: 0, part, finish, c });
    }

    /// C ← A·B on this thread, of matrices whose elements lie together.
    ///
    /// # Panics
    /// Where the sides do not fit.
    pub fn multiply_alone(&self, a: &[f32], c: &mut [f32]) {
        let starts = |first: usize, starts: &mut [usize]| (first..).zip(starts).for_each(|(row, start)| *start = row * self.rows);
        let m = a.len() / self.rows.max(1);
        let left = Left { values: a, count: m, starts: &starts, segments: &segments([0], self.rows) };
        let c = ArrayViewMut2::from_shape((m, self.columns), c).expect("the sides of a product fit");
        let part = Part { panels: self, first: 0, columns: self.columns, ends: Ends { bias: None, bounds: None } };
        Arch::new().dispatch(Block { a: left, first: 0, part, finish: None, c });
    }

    /// An element of the matrix.
    ///
    /// # Panics
    /// Where it has none there.
    pub fn element(&self, row: usize, column: usize) -> f32 {
        assert!(row < self.rows && column < self.columns, "an element outside of the matrix");
        let (mut start, mut row) = (0, row);
        let mut depths = self.blocks.iter();
        let depth = loop {
            match depths.next() {
                Some(&depth) if row >= depth => (start, row) = (start + depth, row - depth),
                depth => break depth.copied().unwrap_or(0),
            }
        };
        let (padded, panel) = (self.columns.next_multiple_of(self.lanes), column / self.width());
        let width = self.width().min(padded - panel * self.width());
        self.values()[start * padded + panel * self.width() * depth + row * width + column % self.width()]
    }

    /// The columns of a panel.
    fn width(&self) -> usize {
        vectors(self.lanes) * self.lanes
    }

    /// As floats.
    fn values(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }
}

/// The left side of a product: rows in segments, those of every row at the same distances from its start.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub values: &'a [f32],
    /// How many rows there are.
    pub count: usize,
    /// Tells where some rows start, the first of which is given.
    pub starts: &'a (dyn Fn(usize, &mut [usize]) + Sync),
    /// As the panels were made for.
    pub segments: &'a [Segment],
}

/// Elements of a row that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// How far from the start of the row.
    pub offset: usize,
    pub length: usize,
}

/// Segments of so many elements at these offsets, cut where they are long.
pub fn segments(offsets: impl IntoIterator<Item = usize>, length: usize) -> Vec<Segment> {
    let cut = |offset| {
        let part = depth(length);
        (0..length).step_by(part).map(move |at| Segment { offset: offset + at, length: part.min(length - at) })
    };
    offsets.into_iter().flat_map(cut).collect()
}

/// The segments that are taken together, the cache's depth of them, over and over.
fn blocks(segments: &[Segment]) -> impl Iterator<Item = (&[Segment], usize)> {
    let mut rest = segments;
    std::iter::from_fn(move || {
        let mut depth = rest.first()?.length;
        let more = rest[1..].iter().take_while(|segment| {
            depth += segment.length;
            depth <= DEPTH
        });
        let (block, after) = rest.split_at(1 + more.count());
        rest = after;
        Some((block, block.iter().map(|segment| segment.length).sum()))
    })
}

/// Applies an activation to a block whose rows lie together.
fn apply(activation: FusedActivation, block: &mut ArrayViewMut2<f32>) {
    block.rows_mut().into_iter().filter_map(|row| row.into_slice()).for_each(|row| activation.apply(row));
}

/// What is done to a block of the result while it is in the cache: its first row, its first column, and the block.
pub type Finish<'a> = &'a (dyn Fn(usize, usize, &mut ArrayViewMut2<f32>) + Sync);

/// What sums end with.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    /// A value a column, which is added.
    pub bias: Option<&'a [f32]>,
    /// Bounds that they are kept between after that.
    pub bounds: Option<[f32; 2]>,
}

/// Some panels of a matrix, and what the sums of their columns end with.
#[derive(Clone, Copy)]
struct Part<'a> {
    panels: &'a Panels,
    /// The first panel.
    first: usize,
    columns: usize,
    ends: Ends<'a>,
}

impl Part<'_> {
    /// The columns before this one, where a panel begins, and those from it on.
    fn at_column(self, column: usize) -> (Self, Self) {
        let biases = self.ends.bias.map(|bias| bias.split_at(column)).unzip();
        let ends = |bias| Ends { bias, ..self.ends };
        let first = self.first + column / self.panels.width();
        (
            Part { columns: column, ends: ends(biases.0), ..self },
            Part { first, columns: self.columns - column, ends: ends(biases.1), ..self },
        )
    }
}

/// A block of the result, and what it is the product of.
struct Block<'a, 'c> {
    a: Left<'a>,
    /// The row of A that the first row of C belongs to.
    first: usize,
    part: Part<'a>,
    finish: Option<Finish<'a>>,
    c: ArrayViewMut2<'c, f32>,
}

impl<'a, 'c> Block<'a, 'c> {
    /// How many parts of the rows and of the columns are tasks of their own.
    fn parts(&self, threads: usize) -> (usize, usize) {
        let ((m, n), k) = (self.c.dim(), self.part.panels.rows);
        let (tiles, panels) = (m.div_ceil(ROWS), n.div_ceil(self.part.panels.width()));
        // Where rows are few, reading the matrix takes longer than the multiplications.
        let worth = m.max(2 * ROWS).saturating_mul(n).saturating_mul(k) / GRAIN;
        let most = worth.min(TASKS * threads);
        if threads == 1 || most < 2 {
            return (1, 1);
        }
        let least = threads.min(most);
        if tiles >= least && k * n <= READ_TWICE * (self.a.values.len() + m * n) {
            return ((m / HEIGHT).clamp(least, most), 1);
        }
        // Neighbouring panels meet the same rows of A while these are in the cache.
        let columns = panels.min(most).min(2 * threads);
        // What does not come out even by columns is divided by rows too.
        let even = panels.is_multiple_of(threads) || panels >= TASKS * threads;
        (if even { 1 } else { threads.min(tiles).min(most / columns).max(1) }, columns)
    }

    /// The tasks, in the order in which threads divide them: each takes neighbours.
    fn tasks(self, threads: usize) -> Vec<Block<'a, 'c>> {
        let (rows, columns) = self.parts(threads);
        let width = self.part.panels.width();
        let by_column = self.cut(Axis(1), columns, width);
        by_column.into_iter().flat_map(|block| block.cut(Axis(0), rows, ROWS)).collect()
    }

    /// The block in so many parts along an axis, each of them some grains long.
    fn cut(self, axis: Axis, parts: usize, grain: usize) -> Vec<Block<'a, 'c>> {
        let units = self.c.len_of(axis).div_ceil(grain);
        let mut blocks = Vec::with_capacity(parts);
        let (mut rest, mut done) = (self, 0);
        for i in 1..parts {
            let at = i * units / parts * grain;
            if at > done {
                let (block, after) = rest.split(axis, at - done);
                blocks.push(block);
                (rest, done) = (after, at);
            }
        }
        blocks.push(rest);
        blocks
    }

    /// The block in two.
    fn split(self, axis: Axis, at: usize) -> (Block<'a, 'c>, Block<'a, 'c>) {
        let Block { a, first, part, finish, c } = self;
        let (c1, c2) = c.split_at(axis, at);
        let ((part1, part2), first2) = if axis == Axis(1) { (part.at_column(at), first) } else { ((part, part), first + at) };
        (Block { a, first, part: part1, finish, c: c1 }, Block { a, first: first2, part: part2, finish, c: c2 })
    }
}

/// Computes a result in tasks. How it is divided does not show: no sum is divided.
fn divided(block: Block) {
    run_items(block.tasks(threads()), |block| Arch::new().dispatch(block));
}

/// The elements that this machine computes with at once.
struct SimdLanes;

impl WithSimd for SimdLanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// How many vectors a panel is wide: [`ROWS`] times as many sums fit into the registers, of which machines with vectors of eight have 16.
const fn vectors(lanes: usize) -> usize {
    if lanes == 8 { 2 } else { 4 }
}

impl WithSimd for Block<'_, '_> {
    type Output = ();

    /// Part by part of what the caches hold, on this thread.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Block { a, first, part, finish, mut c } = self;
        let (values, width) = (part.panels.values(), part.panels.width());
        let (k, padded) = (part.panels.rows, part.panels.columns.next_multiple_of(S::F32_LANES));
        let first_column = part.first * width;
        let mut starts = [0; HEIGHT];
        for (i, mut c) in c.axis_chunks_iter_mut(Axis(0), HEIGHT).enumerate() {
            let row = first + i * HEIGHT;
            let starts = &mut starts[..c.nrows()];
            (a.starts)(row, starts);
            let mut start = 0;
            for (segments, depth) in blocks(a.segments) {
                let span = segments.iter().map(|segment| segment.offset + segment.length).max().unwrap_or(0);
                let left = Tiles { values: a.values, starts, segments, span, first: start == 0 };
                let end = start + depth;
                for (i, mut c) in c.axis_chunks_iter_mut(Axis(1), width).enumerate() {
                    let (panel, ahead) = values[start * padded + (part.first + i) * depth * width..]
                        .split_at(depth * c.ncols().next_multiple_of(S::F32_LANES));
                    let ends = Ends {
                        bias: part.ends.bias.filter(|_| end == k).map(|bias| &bias[i * width..][..c.ncols()]),
                        bounds: part.ends.bounds.filter(|_| end == k),
                    };
                    match c.ncols().div_ceil(S::F32_LANES) {
                        1 => panel_product::<S, 1>(simd, left, (panel, ahead), ends, c.view_mut()),
                        2 => panel_product::<S, 2>(simd, left, (panel, ahead), ends, c.view_mut()),
                        3 => panel_product::<S, 3>(simd, left, (panel, ahead), ends, c.view_mut()),
                        _ => panel_product::<S, 4>(simd, left, (panel, ahead), ends, c.view_mut()),
                    }
                }
                start = end;
            }
            if let Some(finish) = finish {
                finish(row, first_column, &mut c);
            }
        }
    }
}

/// Some summands of some rows of the left side.
#[derive(Clone, Copy)]
struct Tiles<'a> {
    values: &'a [f32],
    starts: &'a [usize],
    segments: &'a [Segment],
    /// How far from the start of a row the last of its segments ends.
    span: usize,
    /// Whether the sums begin with 0, not with what C holds.
    first: bool,
}

/// How the sums of a tile begin and end, in vectors.
struct TileEnds<S: Simd, const V: usize> {
    /// Whether they begin with 0, not with what C holds.
    first: bool,
    /// What they end with: a value a column.
    bias: Option<[S::f32s; V]>,
    bounds: Option<[S::f32s; 2]>,
}

/// A few columns of C by a panel, tile by tile; what comes behind the panel is fetched on the way.
#[inline(always)]
fn panel_product<S: Simd, const V: usize>(simd: S, left: Tiles, (panel, ahead): (&[f32], &[f32]), ends: Ends, mut c: ArrayViewMut2<f32>) {
    let (m, columns, width) = (c.nrows(), c.ncols(), V * S::F32_LANES);
    let bias = ends.bias.map(|bias| {
        let mut vectors = [simd.splat_f32s(0.0); V];
        bytemuck::cast_slice_mut(&mut vectors)[..columns].copy_from_slice(bias);
        vectors
    });
    let bounds = ends.bounds.map(|bounds| bounds.map(|bound| simd.splat_f32s(bound)));
    let ends = &TileEnds { first: left.first, bias, bounds };
    // Each tile fetches its share, a little at each step.
    let tiles = m.div_ceil(ROWS).max(1);
    let (share, step) = (panel.len().div_ceil(tiles), width.div_ceil(tiles));
    let mut rows_of_c = c.rows_mut().into_iter();
    let mut row = 0;
    while row < m {
        let ahead = Ahead { from: ahead.as_ptr().wrapping_add(row / ROWS * share), step };
        /// The next rows as one tile.
        macro_rules! tile {
            ($R:literal) => {{
                let starts: &[usize; $R] = left.starts[row..].first_chunk().expect("as many rows as C has");
                let mut rows = || rows_of_c.next().and_then(|row| row.into_slice()).expect("contiguous rows");
                let run = |c: [&mut [S::f32s; V]; $R]| {
                    simd.vectorize(
                        #[inline(always)]
                        || tile::<S, $R, V>(simd, left, starts, panel, ahead, ends, c),
                    )
                };
                if columns == width {
                    let whole = |row| S::as_mut_simd_f32s(row).0.first_chunk_mut().expect("a row as wide as a panel");
                    run(std::array::from_fn(|_| whole(rows())));
                } else {
                    // The panel is wider than what is left of C.
                    let mut c: [&mut [f32]; $R] = std::array::from_fn(|_| rows());
                    let mut whole = [[simd.splat_f32s(0.0); V]; $R];
                    if !left.first {
                        for (whole, row) in whole.iter_mut().zip(&c) {
                            for (vector, row) in whole.iter_mut().zip(row.chunks(S::F32_LANES)) {
                                *vector = load(simd, row);
                            }
                        }
                    }
                    run(whole.each_mut());
                    for (whole, row) in whole.iter().zip(&mut c) {
                        for (&vector, row) in whole.iter().zip(row.chunks_mut(S::F32_LANES)) {
                            store(simd, row, vector);
                        }
                    }
                }
                $R
            }};
        }
        row += match m - row {
            // Sums of one vector a row leave registers for more rows, which the units that add them up wait for otherwise.
            8.. if V == 1 => tile!(8),
            ROWS.. => tile!(6),
            4.. => tile!(4),
            2.. => tile!(2),
            _ => tile!(1),
        };
    }
}

/// What is fetched into the cache while a tile is summed.
#[derive(Clone, Copy)]
struct Ahead {
    from: *const f32,
    /// How many elements at each step of the sums.
    step: usize,
}

impl Ahead {
    #[inline(always)]
    fn fetch(self, i: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: a hint, which reads nothing and may name any address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.from.wrapping_add(i * self.step).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = i;
    }
}

/// `R` rows of C, `V` vectors wide.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "sums that are walked by reference do not stay in registers")]
fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    left: Tiles,
    starts: &[usize; R],
    panel: &[f32],
    mut ahead: Ahead,
    ends: &TileEnds<S, V>,
    c: [&mut [S::f32s; V]; R],
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    if !ends.first {
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = c[r][v];
            }
        }
    }
    let last = left.values.len().checked_sub(left.span).expect("room for a row");
    assert!(starts.iter().all(|&start| start <= last), "room for every row");
    let mut rest = S::as_simd_f32s(panel).0.as_chunks::<V>().0;
    let mut a = [left.values.as_ptr(); R];
    for r in 0..R {
        a[r] = a[r].wrapping_add(starts[r]);
    }
    for segment in left.segments {
        let panel;
        (panel, rest) = rest.split_at(segment.length);
        for (i, b) in panel.iter().enumerate() {
            ahead.fetch(i);
            for r in 0..R {
                // SAFETY: every row has room for its segments, which was asked before the first, and a segment of the panel is as long as one of them.
                let x = simd.splat_f32s(unsafe { *a[r].add(segment.offset + i) });
                for v in 0..V {
                    sums[r][v] = simd.mul_add_e_f32s(x, b[v], sums[r][v]);
                }
            }
        }
        ahead.from = ahead.from.wrapping_add(segment.length * ahead.step);
    }
    if let Some(bias) = &ends.bias {
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = simd.add_f32s(sums[r][v], bias[v]);
            }
        }
    }
    if let Some(bounds) = ends.bounds {
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = between_vectors(simd, sums[r][v], bounds);
            }
        }
    }
    for r in 0..R {
        for v in 0..V {
            c[r][v] = sums[r][v];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    /// Elements without pattern between −1 and 1.
    fn noise(rows: usize, columns: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(i, j)| (((i * columns + j) * 7919 + seed * 104729) % 2003) as f32 / 1001.0 - 1.0)
    }

    fn multiplied(a: &Array2<f32>, panels: &Panels, bias: Option<&[f32]>) -> Array2<f32> {
        let mut c = Array2::from_elem((a.nrows(), panels.dim().1), f32::NAN);
        panels.multiply(a.view(), bias, None, c.view_mut());
        c
    }

    #[test]
    fn every_side_gives_the_definition() {
        for m in [1, 3, 6, 13, 200] {
            for (k, n) in [(1, 1), (7, 15), (30, 16), (5, 65), (800, 40), (1537, 130)] {
                let (a, b, bias) = (noise(m, k, 1), noise(k, n, 2), noise(1, n, 3));
                let panels = Panels::new(b.view()).unwrap();
                let transposed = b.t().as_standard_layout().into_owned();
                assert_eq!(Panels::new(transposed.t()).unwrap().values(), panels.values());
                for bias in [None, bias.as_slice()] {
                    let c = multiplied(&a, &panels, bias);
                    for ((i, j), &y) in c.indexed_iter() {
                        let exact: f64 = (0..k).map(|l| f64::from(a[(i, l)]) * f64::from(b[(l, j)])).sum::<f64>()
                            + f64::from(bias.map_or(0.0, |bias| bias[j]));
                        assert!((f64::from(y) - exact).abs() <= 1e-6 * k as f64, "{m} × {k} × {n} at {i}, {j}: {y}, not {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_summands_the_bias_is_left() {
        let panels = Panels::new(noise(0, 70, 0).view()).unwrap();
        let bias: Vec<f32> = (0..70).map(|i| i as f32).collect();
        assert_eq!(multiplied(&noise(2, 0, 0), &panels, Some(&bias)).row(1).to_vec(), bias);
        assert_eq!(multiplied(&noise(0, 3, 0), &Panels::new(noise(3, 70, 0).view()).unwrap(), Some(&bias)).len(), 0);
        assert_eq!(multiplied(&noise(2, 3, 0), &Panels::new(noise(3, 0, 0).view()).unwrap(), None).len(), 0);
    }

    #[test]
    fn neither_the_threads_nor_the_rows_beside_it_show_in_a_row() {
        let (a, panels) = (noise(300, 900, 3), Panels::new(noise(900, 333, 4).view()).unwrap());
        let run = |threads, a: &Array2<f32>| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| multiplied(a, &panels, None))
        };
        let whole = run(1, &a);
        assert_eq!(run(2, &a), whole);
        assert_eq!(run(2, &a.slice(s![17..18, ..]).to_owned()).row(0), whole.row(17));
    }
}
