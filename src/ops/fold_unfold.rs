//! Windows taken apart into columns, and columns summed back into an image.

use super::conv::{Window, check_window, windows};
use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator, Substitution};
use crate::kernels::fold_unfold;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one};
use std::sync::Arc;

/// Columns, a window each, summed into an image. ONNX: [Col2Im](https://onnx.ai/onnx/operators/onnx__Col2Im.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Col2Im {
    /// The sizes of the image.
    pub spatial: Vec<Dim>,
    /// The sizes of the window.
    pub kernel: Vec<usize>,
    /// How it moves.
    pub window: Window,
}

impl Col2Im {
    /// How many positions the window has.
    fn columns(&self) -> Result<Dim> {
        let steps = self.spatial.iter().zip(&self.kernel).enumerate();
        steps.map(|(axis, (length, &taps))| windows(length, taps as i64, &self.window, axis)).product()
    }
}

impl Operator for Col2Im {
    fn name(&self) -> &'static str {
        "Col2Im"
    }

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::new().with("image_shape", &self.spatial).with("block_shape", &self.kernel);
        super::conv::window_attributes(attributes, &self.window)
    }

    fn since(&self) -> i64 {
        18
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        check_window(&self.window, self.kernel.len())?;
        let taps = self.kernel.iter().product::<usize>() as i64;
        let [batch, rows, columns] = &x.shape[..] else {
            return Err(Error::shape(format!("expected columns (batch, channels · kernel, steps), got {x}")));
        };
        let channels = rows
            .div_exact(&Dim::Fixed(taps), inputs.constraints())
            .ok_or_else(|| Error::shape(format!("{rows} rows are not a multiple of {taps}")))?;
        if !x.dtype.is_float() || self.spatial.len() != self.kernel.len() || !self.columns()?.fits(columns, inputs.constraints()) {
            return Err(Error::shape(format!("fold: columns {x} do not fit kernel {:?} and output {:?}", self.kernel, self.spatial)));
        }
        let sizes = self.spatial.iter().cloned();
        Ok(vec![Type::new(x.dtype, [batch.clone(), channels].into_iter().chain(sizes).collect::<Vec<_>>())])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let sizes = sizes.shape(&self.spatial)?;
        widened(inputs, |inputs| Ok(vec![fold_unfold::fold(inputs.at(0)?, &sizes, &self.kernel, &self.window)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let ints = |part: &[usize]| part.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let (image, block) = (builder.dims(&self.spatial)?, builder.ints(&ints(&self.kernel)));
        let line = builder.node("Col2Im", &[inputs[0].clone(), image, block]);
        Ok(super::conv::with_window(line, &self.window).write(outputs))
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Col2Im { spatial: of.dims(&self.spatial), ..self.clone() }))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[("Col2Im", |node, inputs| {
    let counts = |i: usize| {
        let count = |n: i64| usize::try_from(n).map_err(|_| Error::argument(format!("invalid size {n}")));
        super::fixed(inputs.at(i)?)?.into_iter().map(count).collect::<Result<Vec<_>>>()
    };
    let (sizes, kernel) = (super::dims_of(inputs.at(1)?)?, counts(2)?);
    let ints: Vec<i64> = kernel.iter().map(|&n| n as i64).collect();
    let window = super::conv::read_window(node, &sizes, &ints)?;
    let (x, op) = (inputs.at(0)?, Col2Im { spatial: sizes, kernel, window });
    Ok(vec![match x.dtype() {
        // Doubles hold the sums of these; beyond the dtype they wrap.
        DType::U8 | DType::I8 | DType::U16 | DType::I16 | DType::U32 | DType::I32 => {
            apply_one(op, &[&x.cast(DType::F64)?])?.cast(DType::I64)?.cast(x.dtype())?
        }
        DType::I64 | DType::U64 => sum_by_halves(op, x)?,
        // Whether any of those that meet is true.
        DType::Bool => apply_one(op, &[&x.cast(DType::F32)?])?.cast(DType::Bool)?,
        _ => apply_one(op, &[x])?,
    }])
})];

/// Sums of integers of 64 bits, which wrap: doubles hold the sums of their upper and of their lower 32 bits.
fn sum_by_halves(op: Col2Im, x: &Tensor) -> Result<Tensor> {
    let half = 1i64 << 32;
    let whole = x.cast(DType::I64)?;
    let lower = whole.remainder(half)?;
    let upper = whole.sub(&lower)?.floor_divide(half)?;
    let sum = |part: &Tensor| apply_one(op.clone(), &[&part.cast(DType::F64)?])?.cast(DType::I64);
    sum(&upper)?.mul(half)?.add(sum(&lower)?)?.cast(x.dtype())
}

impl Tensor {
    /// Columns (batch, channels · kernel, steps) summed into an image (batch, channels, sizes …).
    ///
    /// [torch.nn.functional.fold](https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the columns are not those of such a window.
    #[track_caller]
    pub fn col2im(&self, sizes: impl Into<Shape>, kernel: &[usize], window: Window) -> Result<Tensor> {
        let op = Col2Im { spatial: sizes.into().to_vec(), kernel: kernel.to_vec(), window };
        self.batched(3, |x| apply_one(op, &[x]))
    }

    /// What each window sees of an image (batch, channels, sizes …), as columns (batch, channels · kernel, steps): 0 in the padding.
    ///
    /// [torch.nn.functional.unfold](https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the kernel does not fit the image.
    #[track_caller]
    pub fn im2col(&self, kernel: &[usize], window: Window) -> Result<Tensor> {
        check_window(&window, kernel.len())?;
        if self.rank() == kernel.len() + 1 {
            return self.unsqueeze(0)?.im2col(kernel, window)?.squeeze_axes(&[0]);
        }
        let widths: Vec<i64> =
            window.pads_begin.iter().zip(&window.pads_end).rev().flat_map(|(&before, &after)| [before as i64, after as i64]).collect();
        let mut x = self.pad(&widths, super::Padding::Constant(0i64.into()))?;
        let mut steps = Dim::Fixed(1);
        for (axis, &taps) in kernel.iter().enumerate() {
            let at = 2 + 2 * axis;
            let n = x.shape().get(at).ok_or_else(|| Error::shape(format!("a kernel of size {kernel:?} does not fit {}", self.ty())))?;
            // The image is padded already.
            let count = windows(
                n,
                taps as i64,
                &Window { strides: window.strides.clone(), dilations: window.dilations.clone(), ..Window::dense(kernel.len()) },
                axis,
            )?;
            let taps = Dim::from(taps);
            x = x.index_select(
                at as i64,
                &super::positions((&taps, window.dilations[axis] as i64), (&count, window.strides[axis] as i64))?,
            )?;
            steps = steps * count;
        }
        let axes = kernel.len() as i64;
        let order: Vec<i64> = [0, 1].into_iter().chain((0..axes).map(|i| 2 + 2 * i)).chain((0..axes).map(|i| 3 + 2 * i)).collect();
        let rows = self.dim(1)? * (kernel.iter().product::<usize>() as i64);
        x.permute(&order)?.reshape(&[self.dim(0)?, rows, steps])
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "col2im", [floats(&[2, 12, 4])], |x| one(x[0].col2im([3, 3], &[2, 2], Window::dense(2))?);
        "col2im_as_another", [floats(&[2, 12, 20]), floats(&[5, 6])], |x| one(x[0].col2im([x[1].dim(0)?, x[1].dim(1)?], &[2, 2], Window::dense(2))?);
        "im2col_strides", [floats(&[2, 3, 7, 9])], |x| one(x[0].im2col(&[2, 3], Window::symmetric(&[2, 1], &[1, 0], &[1, 2]))?);
        "unfold_and_fold", [floats(&[2, 3, 4, 6])], |x| one(x[0].im2col(&[2, 2], Window::symmetric(&[2, 2], &[0, 0], &[1, 1]))?.col2im([x[0].dim(2)?, x[0].dim(3)?], &[2, 2], Window::symmetric(&[2, 2], &[0, 0], &[1, 1]))?);
        "im2col", [floats(&[2, 3, 4, 4])], |x| one(x[0].im2col(&[2, 2], Window::dense(2))?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_what_windows_see_and_sum_back() {
        let x = Tensor::new([1, 2, 4, 5], (0..40).map(|i| i as f32).collect()).unwrap();
        let window = Window::symmetric(&[1, 2], &[1, 0], &[2, 1]);
        let columns = x.im2col(&[2, 3], window.clone()).unwrap();
        // A row for each channel and tap, a column for each of 4 × 2 windows: one down, two to the right, taps two rows apart, a row of zeros around.
        let expected = |row: usize, column: usize| {
            let (channel, tap) = (row / 6, row % 6);
            let (i, j) = (column / 2 + tap / 3 * 2, column % 2 * 2 + tap % 3);
            if (1..5).contains(&i) { (channel * 20 + (i - 1) * 5 + j) as f32 } else { 0.0 }
        };
        let expected: Vec<f32> = (0..12 * 8).map(|i| expected(i / 8, i % 8)).collect();
        assert_eq!(columns.to_array().unwrap(), Array::new(&[1, 12, 8], expected).unwrap());
        let image = columns.col2im([4, 5], &[2, 3], window).unwrap();
        assert_eq!(image.shape(), x.shape());
    }
}
