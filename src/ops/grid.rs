//! Images read at positions that a grid names.

use super::{Reader, widened};
use crate::array::Array;
use crate::array::DType;
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::grid;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one};

pub use crate::kernels::grid::{GridPadding, Sampling};

/// An image read at the positions of a grid. ONNX: [GridSample](https://onnx.ai/onnx/operators/onnx__GridSample.html).
#[derive(Clone, Debug, PartialEq)]
pub struct GridSample {
    /// How a number is made from the pixels around.
    pub sampling: Sampling,
    /// What stands outside the image.
    pub outside: GridPadding,
    /// Whether −1 and 1 are the centres of the outermost pixels, or their edges.
    pub corners: bool,
}

/// The names of opset 16, and of opset 20.
const SAMPLINGS: &[(Sampling, &str, &str)] =
    &[(Sampling::Linear, "bilinear", "linear"), (Sampling::Nearest, "nearest", "nearest"), (Sampling::Cubic, "bicubic", "cubic")];
const OUTSIDES: &[(GridPadding, &str)] =
    &[(GridPadding::Zeros, "zeros"), (GridPadding::Border, "border"), (GridPadding::Reflection, "reflection")];

impl Operator for GridSample {
    fn name(&self) -> &'static str {
        "GridSample"
    }

    fn attributes(&self) -> Attributes {
        let sampling = SAMPLINGS.iter().find(|row| row.0 == self.sampling);
        let outside = OUTSIDES.iter().find(|row| row.0 == self.outside);
        Attributes::new()
            .with("mode", sampling.map_or("", |row| row.2))
            .with("padding_mode", outside.map_or("", |row| row.1))
            .with("align_corners", self.corners)
    }

    fn since(&self) -> i64 {
        16
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, grid) = (inputs.at(0)?, inputs.at(1)?);
        let axes = x.rank().saturating_sub(2);
        if axes == 0 || grid.rank() != axes + 2 || grid.shape[axes + 1] != axes as i64 || !x.dtype.is_float() || !grid.dtype.is_float() {
            return Err(Error::shape(format!("grid {grid} does not fit image {x}")));
        }
        if (axes != 2 && self.sampling == Sampling::Cubic) || x.shape[2..].iter().any(|n| *n == 0) {
            return Err(Error::shape(format!("grid {grid} does not fit image {x}")));
        }
        let dims = x.shape[..2].iter().chain(&grid.shape[1..=axes]).cloned();
        Ok(vec![Type::new(x.dtype, dims.collect::<Vec<_>>())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![grid::grid_sample(inputs.at(0)?, inputs.at(1)?, self.sampling, self.outside, self.corners)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let new = builder.opset() >= 20;
        if !new && outputs[0].rank() != 4 {
            return Err(Error::unsupported(format!("GridSample of {} axes needs opset 20", outputs[0].rank())));
        }
        let sampling = SAMPLINGS.iter().find(|row| row.0 == self.sampling).map_or("", |row| if new { row.2 } else { row.1 });
        let outside = OUTSIDES.iter().find(|row| row.0 == self.outside).map_or("", |row| row.1);
        let line = builder.node("GridSample", inputs).string("mode", sampling).string("padding_mode", outside);
        Ok(line.flag("align_corners", self.corners).write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[("GridSample", |node, inputs| {
    let (mode, outside) = (node.string("mode", "linear")?, node.string("padding_mode", "zeros")?);
    let sampling =
        SAMPLINGS.iter().find(|row| row.1 == mode || row.2 == mode).ok_or_else(|| Error::argument(format!("unknown mode {mode}")))?;
    let outside = OUTSIDES.iter().find(|row| row.1 == outside).ok_or_else(|| Error::argument(format!("unknown padding mode {outside}")))?;
    let op = GridSample { sampling: sampling.0, outside: outside.0, corners: node.int("align_corners", 0)? != 0 };
    let (x, grid) = (inputs.at(0)?, inputs.at(1)?);
    if !x.dtype().is_float() {
        // Positions and weights are floats; the samples are rounded towards zero.
        return Ok(vec![apply_one(op, &[&x.cast(grid.dtype())?, grid])?.cast(x.dtype())?]);
    }
    // The two may have different dtypes.
    Ok(vec![apply_one(op, &[x, &grid.cast(x.dtype())?])?])
})];

impl Tensor {
    /// An image (batch, channels, height, width) read at the positions of a grid (batch, rows, columns, 2) of numbers −1…1, x before y; or a
    /// volume with one axis more.
    ///
    /// [torch.nn.functional.grid_sample](https://pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where image and grid do not fit.
    #[track_caller]
    pub fn grid_sample(&self, grid: &Tensor, sampling: Sampling, outside: GridPadding, corners: bool) -> Result<Tensor> {
        if self.rank() == 5 {
            return volume(self, grid, sampling, outside, corners);
        }
        apply_one(GridSample { sampling, outside, corners }, &[self, grid])
    }

    /// The grid of an affine map (batch, axes, axes + 1) for an image of these sizes (batch, channels, sizes …).
    ///
    /// [torch.nn.functional.affine_grid](https://pytorch.org/docs/stable/generated/torch.nn.functional.affine_grid.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where map and sizes do not fit.
    #[track_caller]
    pub fn affine_grid(&self, shape: &[Dim], corners: bool) -> Result<Tensor> {
        let axes = shape.len().saturating_sub(2);
        if axes == 0 || self.rank() != 3 {
            return Err(Error::shape(format!("affine_grid: theta {} does not fit {} sizes", self.ty(), shape.len())));
        }
        let spatial = &shape[2..];
        if !self.dtype().is_float() {
            let shape: Vec<Dim> = std::iter::once(self.dim(0)?).chain(spatial.iter().cloned()).chain([Dim::from(axes)]).collect();
            return match shape.iter().any(|n| *n == 0) {
                true => Tensor::zeros(&shape, self.dtype()),
                false => Err(DType::not_taken(self.dtype())),
            };
        }
        let mut columns = Vec::new();
        // x, the last axis, comes first; ones come last.
        for (axis, n) in spatial.iter().enumerate().rev() {
            let count = Tensor::from_dim(n).cast(self.dtype())?;
            let steps = Tensor::arange(0, n, 1, DType::I64)?.cast(self.dtype())?;
            let positions = match corners {
                true => steps.mul(2.0)?.div(count.sub(1.0)?.maximum(1.0)?)?.sub(1.0)?,
                false => steps.mul(2.0)?.add(1.0)?.div(count)?.sub(1.0)?,
            };
            let mut across = vec![Dim::Fixed(1); axes];
            across[axis] = n.clone();
            columns.push(positions.reshape(&across)?.expand(spatial)?);
        }
        columns.push(Tensor::ones(spatial, self.dtype())?);
        let base = Tensor::stack(&columns.iter().collect::<Vec<_>>(), -1)?.flatten(0, -2)?;
        let shape: Vec<Dim> = std::iter::once(self.dim(0)?).chain(spatial.iter().cloned()).chain([Dim::from(axes)]).collect();
        base.unsqueeze(0)?.matmul(&self.transpose(1, 2)?)?.reshape(&shape)
    }
}

/// A volume read at positions, which opset 18 has no operator for: its eight neighbours, weighted.
fn volume(x: &Tensor, grid: &Tensor, sampling: Sampling, outside: GridPadding, corners: bool) -> Result<Tensor> {
    if sampling == Sampling::Cubic {
        return Err(Error::argument("grid_sample: bicubic interpolation takes an image of two axes, not a volume"));
    }
    if grid.rank() != 5 {
        return Err(Error::shape(format!("grid {} does not fit volume {}", grid.ty(), x.ty())));
    }
    let spatial = x.shape()[2..].to_vec();
    // For each neighbour its position, its weight, and whether it is inside.
    let mut reads: Vec<[Tensor; 3]> = Vec::new();
    for (axis, n) in spatial.iter().enumerate() {
        let count = Tensor::from_dim(n).cast(x.dtype())?;
        let last = count.sub(1.0)?;
        let g = grid.select(-1, 2 - axis as i64)?;
        let at = if corners { g.add(1.0)?.div(2.0)?.mul(&last)? } else { g.add(1.0)?.mul(&count)?.sub(1.0)?.div(2.0)? };
        let at = match outside {
            GridPadding::Zeros => at,
            // What is no number is the last position to torch.
            GridPadding::Border => at.is_nan()?.where_(&last, &at.maximum(0.0)?.minimum(&last)?)?,
            GridPadding::Reflection => {
                // Of one element there is nothing to reflect.
                let (low, span) = if corners { (0.0, last.maximum(1.0)?) } else { (-0.5, count.clone()) };
                let distance = at.sub(low)?.abs()?;
                let flips = distance.div(&span)?.floor()?;
                let rest = distance.sub(flips.mul(&span)?)?;
                let even = flips.remainder(2.0)?.eq(0.0)?;
                let mirrored = even.where_(&rest.add(low)?, &span.sub(&rest)?.add(low)?)?.maximum(0.0)?.minimum(&last)?;
                at.is_finite()?.where_(&mirrored, &last)?
            }
        };
        let taps = if sampling == Sampling::Nearest {
            vec![(at.round()?, Tensor::ones(at.shape(), x.dtype())?)]
        } else {
            let low = at.floor()?;
            let high = low.add(1.0)?;
            vec![(low.clone(), high.sub(&at)?), (high, at.sub(&low)?)]
        };
        let taps = taps.into_iter().map(|(position, weight)| {
            let seen = position.ge(0.0)?.logical_and(position.le(&last)?)?;
            Ok([seen.where_(&position, &Tensor::zeros((), x.dtype())?)?.cast(DType::I64)?, weight, seen])
        });
        let taps = taps.collect::<Result<Vec<_>>>()?;
        reads = if axis == 0 {
            taps
        } else {
            let pair = |[offset, weight, seen]: &[Tensor; 3], [position, w, is_inside]: &[Tensor; 3]| {
                Ok([offset.mul(n)?.add(position)?, weight.mul(w)?, seen.logical_and(is_inside)?])
            };
            reads.iter().flat_map(|read| taps.iter().map(move |tap| pair(read, tap))).collect::<Result<_>>()?
        };
    }
    let flat = x.flatten(2, -1)?;
    let shape: Vec<Dim> = x.shape()[..2].iter().chain(&grid.shape()[1..4]).cloned().collect();
    let mut sum: Option<Tensor> = None;
    let nothing = Tensor::zeros((), x.dtype())?;
    for read in reads {
        let [positions, weight, seen] = [0, 1, 2].map(|i| read[i].flatten(1, -1)?.unsqueeze(1));
        let (positions, weight, seen) = (positions?, weight?, seen?);
        let wide: Vec<Dim> = vec![x.dim(0)?, x.dim(1)?, positions.dim(2)?];
        // What is outside adds nothing, also where the pixel that stands for it is infinite.
        let term = seen.where_(&flat.gather(2, &positions.expand(&wide)?)?.mul(&weight)?, &nothing)?;
        sum = Some(sum.map_or(Ok(term.clone()), |sum| sum.add(&term))?);
    }
    sum.ok_or_else(|| Error::internal("a volume without spatial axes"))?.reshape(&shape)
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "grid_sample", [floats(&[2, 3, 4, 5]), of(DType::F32, &[2, 3, 3, 2], -1.0, 1.0)], |x| {
            one(x[0].grid_sample(&x[1], Sampling::Linear, GridPadding::Zeros, false)?)
        };
        "grid_sample_cubic", [floats(&[2, 3, 4, 5]), of(DType::F32, &[2, 3, 3, 2], -1.0, 1.0)], |x| {
            one(x[0].grid_sample(&x[1], Sampling::Cubic, GridPadding::Reflection, true)?)
        };
    }
}
