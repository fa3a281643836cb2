//! Composites that arrange elements anew: grids, diagonals, sections, shuffles of channels and pixels, differences of neighbours.

use super::{Padding, Reduction};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

impl Tensor {
    /// The coordinate grids of vectors: for each of n vectors a tensor of n axes that repeats it along the others. `indexing` is "ij", or
    /// "xy" to exchange the first two axes.
    /// [torch.meshgrid](https://docs.pytorch.org/docs/stable/generated/torch.meshgrid.html).
    #[track_caller]
    pub fn meshgrid(vectors: &[Tensor], indexing: &str) -> Result<Vec<Tensor>> {
        meshgrid(vectors, indexing)
    }

    /// All combinations of r elements of a vector, one a row, in the order of their indices.
    /// [torch.combinations](https://docs.pytorch.org/docs/stable/generated/torch.combinations.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1i64, 2, 3]).combinations(2, false)?.to_vec::<i64>()?, [1, 2, 1, 3, 2, 3]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the number of elements is symbolic, or there are more than a million combinations.
    #[track_caller]
    pub fn combinations(&self, r: i64, with_replacement: bool) -> Result<Tensor> {
        combinations(self, r, with_replacement)
    }

    /// Matrices along the diagonal of one that is zero elsewhere.
    /// [torch.block_diag](https://docs.pytorch.org/docs/stable/generated/torch.block_diag.html).
    #[track_caller]
    pub fn block_diag(blocks: &[Tensor]) -> Result<Tensor> {
        block_diag(blocks)
    }

    /// The last axis laid on a diagonal of two new axes; zeros elsewhere. `offset` is positive above the main diagonal.
    /// [torch.diag_embed](https://docs.pytorch.org/docs/stable/generated/torch.diag_embed.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1i64, 2]).diag_embed(0, 0, 1)?.to_vec::<i64>()?, [1, 0, 0, 2]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn diag_embed(&self, offset: i64, first: i64, second: i64) -> Result<Tensor> {
        diag_embed(self, offset, first, second)
    }

    /// `value` on the diagonal, where all indices are equal. In a matrix with more rows than columns it begins again below, with a row left
    /// out between, where `wrap` is true.
    /// [torch.Tensor.fill_diagonal_](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.fill_diagonal_.html).
    #[track_caller]
    pub fn fill_diagonal(&self, value: impl Into<Scalar>, wrap: bool) -> Result<Tensor> {
        self.masked_fill(&on_diagonal(self, wrap)?, Tensor::weak(value.into()))
    }

    /// An axis cut into `count` parts, the first ones longer by one where it does not divide.
    /// [torch.tensor_split](https://docs.pytorch.org/docs/stable/generated/torch.tensor_split.html).
    ///
    /// # Errors
    ///
    /// Where the axis has a symbolic size, or the count is not positive.
    #[track_caller]
    pub fn split_sections(&self, count: i64, axis: i64) -> Result<Vec<Tensor>> {
        sections(self, count, axis)
    }

    /// An axis cut before each of these indices.
    /// [torch.tensor_split](https://docs.pytorch.org/docs/stable/generated/torch.tensor_split.html).
    #[track_caller]
    pub fn split_at(&self, indices: &[Dim], axis: i64) -> Result<Vec<Tensor>> {
        cuts(self, indices, axis)
    }

    /// (…, c · r², h, w) to (…, c, h · r, w · r): channels become pixels.
    /// [torch.nn.functional.pixel_shuffle](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pixel_shuffle.html).
    ///
    /// # Errors
    ///
    /// Where the channels are no multiple of r².
    #[track_caller]
    pub fn pixel_shuffle(&self, r: i64) -> Result<Tensor> {
        let (front, c, h, w) = self.image_axes()?;
        let few =
            size::div_exact(&c, &Dim::Fixed(r * r)).ok_or_else(|| Error::shape(format!("{c} channels are not a multiple of {r}²")))?;
        let split = self.reshape([front.as_slice(), &[few.clone(), r.into(), r.into(), h.clone(), w.clone()]].concat())?;
        split.permute(&behind(front.len(), &[0, 3, 1, 4, 2]))?.reshape([front, vec![few, h * r, w * r]].concat())
    }

    /// (…, c, h · r, w · r) to (…, c · r², h, w): pixels become channels.
    /// [torch.nn.functional.pixel_unshuffle](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pixel_unshuffle.html).
    ///
    /// # Errors
    ///
    /// Where height or width are no multiple of r.
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: i64) -> Result<Tensor> {
        let (front, c, h, w) = self.image_axes()?;
        let part = |n: Dim| size::div_exact(&n, &Dim::Fixed(r)).ok_or_else(|| Error::shape(format!("{n} is not a multiple of {r}")));
        let (h, w) = (part(h)?, part(w)?);
        let split = self.reshape([front.as_slice(), &[c.clone(), h.clone(), r.into(), w.clone(), r.into()]].concat())?;
        split.permute(&behind(front.len(), &[0, 2, 4, 1, 3]))?.reshape([front, vec![c * (r * r), h, w]].concat())
    }

    /// Channels (axis 1) interleaved from the groups.
    /// [torch.nn.functional.channel_shuffle](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.channel_shuffle.html).
    ///
    /// # Errors
    ///
    /// Where the channels do not divide into the groups.
    #[track_caller]
    pub fn channel_shuffle(&self, groups: i64) -> Result<Tensor> {
        let mut split = self.shape().to_vec();
        let channels = self.dim(1)?;
        split[1] = size::div_exact(&channels, &Dim::Fixed(groups))
            .ok_or_else(|| Error::shape(format!("{channels} channels are not divisible into {groups} groups")))?;
        split.insert(1, groups.into());
        self.reshape(&split)?.transpose(1, 2)?.reshape(self.shape())
    }

    /// The sum over the axes on which `size`, a shape that broadcasts to that of the tensor, is 1 or absent.
    /// [torch.Tensor.sum_to_size](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.sum_to_size.html).
    #[track_caller]
    pub fn sum_to_size(&self, size: &[Dim]) -> Result<Tensor> {
        let extra = self.rank().checked_sub(size.len()).ok_or_else(|| Error::shape("sum_to_size cannot add axes"))?;
        let summed = |axis: &usize| *axis < extra || (size[*axis - extra] == 1 && self.shape()[*axis] != 1);
        let axes: Vec<i64> = (0..self.rank()).filter(summed).map(|axis| axis as i64).collect();
        if size.is_empty() {
            return self.sum(.., false);
        }
        if axes.is_empty() { Ok(self.clone()) } else { self.sum(&axes, true)?.reshape(size) }
    }

    /// The n-th differences of neighbours along an axis; of truth values, whether neighbours differ.
    /// [torch.diff](https://docs.pytorch.org/docs/stable/generated/torch.diff.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1i64, 4, 9]).diff(1, 0)?.to_vec::<i64>()?, [3, 5]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn diff(&self, n: i64, axis: i64) -> Result<Tensor> {
        (0..n).try_fold(self.clone(), |x, _| {
            let (high, low) = (x.slice(axis, 1..)?, x.slice(axis, ..-1)?);
            if x.dtype() == DType::Bool { high.logical_xor(low) } else { high.sub(low) }
        })
    }

    /// Each element repeated `count` times along an axis, its copies one after the other.
    /// [torch.repeat_interleave](https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1i64, 2]).repeat_interleave(2, 0)?.to_vec::<i64>()?, [1, 1, 2, 2]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, count: impl Into<Dim>, axis: i64) -> Result<Tensor> {
        let axis = self.shape().axis(axis)?;
        // Of nothing there is nothing, however often, and torch asks for no count.
        if self.shape()[axis].fixed() == Some(0) {
            return Ok(self.clone());
        }
        let mut wide = self.shape().to_vec();
        wide.insert(axis + 1, count.into());
        self.unsqueeze(axis as i64 + 1)?.expand(&wide)?.flatten(axis as i64, axis as i64 + 1)
    }

    /// The index of each element, as often as the element says: [2, 0, 1] gives [0, 0, 2]. Where the counts differ from call to call, so does
    /// the number of indices, which is `total` where that is known.
    /// [torch.repeat_interleave](https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html) of one tensor.
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[2i64, 0, 1]).repeated_indices(None)?.to_vec::<i64>()?, [0, 0, 2]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// For counts that are negative or too large, and for a tensor that is no vector of integers.
    #[track_caller]
    pub fn repeated_indices(&self, total: Option<Dim>) -> Result<Tensor> {
        if self.rank() != 1 || !self.dtype().is_int() {
            return Err(Error::argument(format!("expected a vector of counts, got {}", self.ty())));
        }
        let counts = self.cast(DType::I64)?;
        if !counts.is_traced() {
            return indices_of(&counts.to_array()?.to_i64s()?);
        }
        let ends = counts.cumsum(0)?;
        let total = total.map_or_else(|| counts.sum(0, false)?.to_dim(), Ok)?;
        // At each position, how many elements end there; then, how many have ended up to it.
        let (none, one) = (Tensor::zeros(&[&total + 1i64], DType::I64)?, Tensor::ones(ends.shape(), DType::I64)?);
        none.index_put_along(0, &ends, &one, Reduction::Add)?.cumsum(0)?.narrow(0, 0, total)
    }

    /// A rotation by k quarter iterations from the first axis towards the second.
    /// [torch.rot90](https://docs.pytorch.org/docs/stable/generated/torch.rot90.html).
    #[track_caller]
    pub fn rot90(&self, k: i64, first: i64, second: i64) -> Result<Tensor> {
        match k.rem_euclid(4) {
            0 => Ok(self.clone()),
            1 => self.flip(&[second])?.transpose(first, second),
            2 => self.flip(&[first, second]),
            _ => self.transpose(first, second)?.flip(&[second]),
        }
    }

    /// The indices on each axis of a shape of the elements at these positions of the flattened tensor.
    /// [torch.unravel_index](https://docs.pytorch.org/docs/stable/generated/torch.unravel_index.html).
    #[track_caller]
    pub fn unravel_index(&self, shape: &[i64]) -> Result<Vec<Tensor>> {
        let mut rest = self.clone();
        let mut indices = Vec::new();
        for &n in shape.iter().rev() {
            indices.push(rest.remainder(n)?);
            rest = rest.floor_divide(n)?;
        }
        indices.reverse();
        Ok(indices)
    }
}

/// A permutation that leaves the first axes where they are.
fn behind(front: usize, back: &[i64]) -> Vec<i64> {
    (0..front as i64).chain(back.iter().map(|axis| axis + front as i64)).collect()
}

impl Tensor {
    /// The axes before those of an image, its channels, height and width.
    fn image_axes(&self) -> Result<(Vec<Dim>, Dim, Dim, Dim)> {
        let front = self.rank().checked_sub(3).ok_or_else(|| Error::shape(format!("channels, height and width of {}", self.ty())))?;
        Ok((self.shape()[..front].to_vec(), self.dim(-3)?, self.dim(-2)?, self.dim(-1)?))
    }
}

fn join(tensors: &[Tensor], axis: i64) -> Result<Tensor> {
    Tensor::cat(&tensors.iter().collect::<Vec<_>>(), axis)
}

fn meshgrid(tensors: &[Tensor], indexing: &str) -> Result<Vec<Tensor>> {
    let swapped = indexing == "xy" && tensors.len() > 1;
    let mut vectors = tensors.to_vec();
    if swapped {
        vectors.swap(0, 1);
    }
    let shape: Vec<Dim> = vectors.iter().map(Tensor::numel).collect();
    let grid = |(i, x): (usize, &Tensor)| {
        let mut across = vec![Dim::Fixed(1); shape.len()];
        across[i] = shape[i].clone();
        x.reshape(&across)?.expand(&shape)
    };
    let mut grids = vectors.iter().enumerate().map(grid).collect::<Result<Vec<_>>>()?;
    if swapped {
        grids.swap(0, 1);
    }
    Ok(grids)
}

fn combinations(x: &Tensor, r: i64, with_replacement: bool) -> Result<Tensor> {
    let n = x.dim(0)?;
    let Some(n) = n.fixed() else {
        return match r {
            2 => x.index_select(0, &pairs(&n, with_replacement)?),
            _ => Err(Error::size(format!("combinations: of {r} elements out of a symbolic number")).help("give that axis a fixed size")),
        };
    };
    let mut rows: Vec<Vec<i64>> = vec![vec![]];
    for _ in 0..r {
        let from = |row: &Vec<i64>| row.last().map_or(0, |last| last + i64::from(!with_replacement));
        rows = rows.iter().flat_map(|row| (from(row)..n).map(|i| [row.as_slice(), &[i]].concat())).collect();
        if rows.len() > 1_000_000 {
            return Err(Error::too_big("too many combinations"));
        }
    }
    let flat: Vec<i64> = rows.concat();
    if r == 0 {
        return Tensor::zeros([0], x.dtype());
    }
    x.index_select(0, &Tensor::from(flat.as_slice()))?.reshape([rows.len() as i64, r])
}

/// The pairs i < j (or i ≤ j) of indices below n, a row each, in order.
pub(super) fn pairs(n: &Dim, equal: bool) -> Result<Tensor> {
    super::constant_where_fixed(&[n], || {
        let index = Tensor::arange(0, n, 1, DType::I64)?;
        let (first, second) = (index.unsqueeze(1)?, &index);
        if equal { first.le(second)?.nonzero() } else { first.lt(second)?.nonzero() }
    })
}

fn block_diag(blocks: &[Tensor]) -> Result<Tensor> {
    let first = blocks.first().map_or(DType::F32, Tensor::dtype);
    let dtype = blocks.iter().try_fold(first, |dtype, x| dtype.promote(x.dtype()))?;
    let width: Dim = blocks.iter().try_fold(Dim::Fixed(0), |sum, x| Ok::<_, Error>(sum + x.dim(1)?))?;
    let mut before = Dim::Fixed(0);
    let mut rows = Vec::with_capacity(blocks.len());
    for block in blocks {
        let after = &width - &(&before + &block.dim(1)?);
        let row = block.cast(dtype)?.pad(&[before.clone(), after], Padding::Constant(Scalar::Int(0)))?;
        before = before + block.dim(1)?;
        rows.push(row);
    }
    join(&rows, 0)
}

/// The last axis laid on the diagonal of two new ones.
fn diag_embed(x: &Tensor, offset: i64, first: i64, second: i64) -> Result<Tensor> {
    let rank = x.rank() + 1;
    let (first, second) = (crate::dim::axis(first, rank)?, crate::dim::axis(second, rank)?);
    let n = x.dim(-1)? + offset.abs();
    // Each element stands in a row of its own, of which the mask keeps one position.
    let (above, left) = ((-offset).max(0), offset.max(0));
    let padded = x.pad(&[Dim::Fixed(left), Dim::Fixed(above)], Padding::Constant(Scalar::Int(0)))?;
    let mask = Tensor::eye(&n, &n, offset, DType::Bool)?;
    let spread = padded.unsqueeze(-2)?;
    let zero = Tensor::zeros((), x.dtype())?;
    let square = mask.where_(&spread, &zero)?;
    let mut order: Vec<i64> = (0..rank as i64 - 2).collect();
    let (low, high) = (first.min(second), first.max(second));
    let (row, column) = (rank as i64 - 2, rank as i64 - 1);
    order.insert(low, if first < second { row } else { column });
    order.insert(high, if first < second { column } else { row });
    square.permute(&order)
}

/// Which positions have one index on all axes; in a tall matrix the diagonal may begin again below its end.
fn on_diagonal(x: &Tensor, wrap: bool) -> Result<Tensor> {
    let along = |axis: usize, n: &Dim| {
        let mut across = vec![Dim::Fixed(1); x.rank()];
        across[axis] = n.clone();
        Tensor::arange(0, n, 1, DType::I64)?.reshape(&across)
    };
    let positions = x.shape().iter().enumerate().map(|(axis, n)| along(axis, n)).collect::<Result<Vec<_>>>()?;
    match positions.as_slice() {
        [rows, columns] if wrap => rows.remainder(&(x.dim(1)? + 1i64))?.eq(columns),
        [first, rest @ ..] if !rest.is_empty() => {
            rest.iter().try_fold(Tensor::ones((), DType::Bool)?, |same, other| same.logical_and(first.eq(other)?))
        }
        _ => Err(Error::shape("a diagonal needs two axes")),
    }
}

/// As many sections of an axis, the first ones longer by one where it does not divide.
fn sections(x: &Tensor, count: i64, axis: i64) -> Result<Vec<Tensor>> {
    const MOST: i64 = 1 << 20;
    if count > MOST {
        return Err(Error::too_big(format!("{count} parts of an axis: more than {MOST}")));
    }
    if count < 1 {
        return Err(Error::argument(format!("{count} sections")));
    }
    let n = x.dim(axis)?;
    if let Some(n) = n.fixed() {
        let sizes: Vec<i64> = (0..count).map(|i| n / count + i64::from(i < n % count)).collect();
        return x.split_with_sizes(&sizes, axis);
    }
    let (axis, rest) = (x.shape().axis(axis)?, &n % count);
    let start = |i: i64| (&n / count) * i + rest.min(i);
    (0..count).map(|i| x.part(axis, start(i), start(i + 1) - start(i))).collect()
}

/// The parts of an axis between the indices.
/// The index of each count, as often as it says.
fn indices_of(counts: &[i64]) -> Result<Tensor> {
    const MOST: usize = 1 << 24;
    let mut index = Vec::new();
    for (i, &n) in counts.iter().enumerate() {
        if !(0..=MOST as i64).contains(&n) || index.len() > MOST {
            return Err(Error::argument(format!("{n} repeats")));
        }
        index.extend(std::iter::repeat_n(i as i64, n as usize));
    }
    Ok(Tensor::from(index.as_slice()))
}

fn cuts(x: &Tensor, indices: &[Dim], axis: i64) -> Result<Vec<Tensor>> {
    let mut parts = Vec::with_capacity(indices.len() + 1);
    let mut start = Dim::Fixed(0);
    for index in indices {
        parts.push(x.slice(axis, start..index.clone())?);
        start = index.clone();
    }
    parts.push(x.slice(axis, start..)?);
    Ok(parts)
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "tensor_split", [floats(&[7, 2])], |x| x[0].split_sections(3, 0);
        "diag_embed", [floats(&[2, 4])], |x| one(x[0].diag_embed(1, -2, -1)?);
    }
}
