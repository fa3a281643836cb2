//! Windows taken apart into columns, and columns summed back into an image.

use super::conv::{Window, check_window};
use super::{Reader, widened};
use crate::array::Array;
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::fold_unfold;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one};

/// Columns, a window each, summed into an image. ONNX: [Col2Im](https://onnx.ai/onnx/operators/onnx__Col2Im.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Col2Im {
    /// The sizes of the image.
    pub spatial: Vec<usize>,
    /// The sizes of the window.
    pub kernel: Vec<usize>,
    /// How it moves.
    pub window: Window,
}

impl Col2Im {
    /// How many positions the window has.
    fn columns(&self) -> Result<usize> {
        let steps = self.window.steps(&self.kernel, &self.spatial)?;
        Ok(steps.iter().product())
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
        if !x.dtype.is_float()
            || self.spatial.len() != self.kernel.len()
            || columns.fixed().is_some_and(|n| self.columns().ok() != Some(n as usize))
        {
            return Err(Error::shape(format!("fold: columns {x} do not fit kernel {:?} and output {:?}", self.kernel, self.spatial)));
        }
        let spatial = self.spatial.iter().map(|&n| Dim::from(n));
        Ok(vec![Type::new(x.dtype, [batch.clone(), channels].into_iter().chain(spatial).collect::<Vec<_>>())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![fold_unfold::fold(inputs.at(0)?, &self.spatial, &self.kernel, &self.window)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let ints = |part: &[usize]| part.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let (image, block) = (builder.ints(&ints(&self.spatial)), builder.ints(&ints(&self.kernel)));
        let line = builder.node("Col2Im", &[inputs[0].clone(), image, block]);
        Ok(super::conv::with_window(line, &self.window).write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[("Col2Im", |node, inputs| {
    let counts = |i: usize| {
        let count = |n: i64| usize::try_from(n).map_err(|_| Error::argument(format!("invalid size {n}")));
        super::fixed(inputs.at(i)?)?.into_iter().map(count).collect::<Result<Vec<_>>>()
    };
    let (spatial, kernel) = (counts(1)?, counts(2)?);
    let ints: Vec<i64> = kernel.iter().map(|&n| n as i64).collect();
    let dims: Vec<Dim> = spatial.iter().map(|&n| Dim::from(n)).collect();
    let window = super::conv::read_window(node, &dims, &ints)?;
    Ok(vec![apply_one(Col2Im { spatial, kernel, window }, &[inputs.at(0)?])?])
})];

impl Tensor {
    /// Columns (batch, channels · kernel, steps) summed into an image (batch, channels, sizes …).
    ///
    /// [torch.nn.functional.fold](https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the columns are not those of such a window.
    #[track_caller]
    pub fn col2im(&self, spatial: &[usize], kernel: &[usize], window: Window) -> Result<Tensor> {
        let op = Col2Im { spatial: spatial.to_vec(), kernel: kernel.to_vec(), window };
        self.batched(3, |x| apply_one(op, &[x]))
    }

    /// What each window sees of an image (batch, channels, sizes …), as columns (batch, channels · kernel, steps): 0 in the padding.
    ///
    /// [torch.nn.functional.unfold](https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html)
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where a spatial axis is symbolic.
    #[track_caller]
    pub fn im2col(&self, kernel: &[usize], window: Window) -> Result<Tensor> {
        check_window(&window, kernel.len())?;
        if self.rank() == kernel.len() + 1 {
            return self.unsqueeze(0)?.im2col(kernel, window)?.squeeze_axes(&[0]);
        }
        let widths: Vec<i64> =
            window.pads_begin.iter().zip(&window.pads_end).rev().flat_map(|(&before, &after)| [before as i64, after as i64]).collect();
        let mut x = self.pad(&widths, super::Padding::Constant(0i64.into()))?;
        let misfit = || Error::shape(format!("a kernel of size {kernel:?} does not fit {}", self.ty()));
        let mut steps = Vec::new();
        for (axis, &taps) in kernel.iter().enumerate() {
            let at = 2 + 2 * axis;
            let n = x.shape().get(at).ok_or_else(misfit)?.fixed().ok_or_else(|| Error::size("unfold needs a fixed size"))?;
            let (stride, dilation) = (window.strides[axis] as i64, window.dilations[axis] as i64);
            let count = (n - dilation * (taps as i64 - 1) - 1).div_euclid(stride) + 1;
            if count < 0 || taps == 0 {
                return Err(misfit());
            }
            let positions: Vec<i64> = (0..taps as i64).flat_map(|tap| (0..count).map(move |step| tap * dilation + step * stride)).collect();
            x = x.index_select(at as i64, &Tensor::from(positions.as_slice()))?.unflatten(at as i64, [taps as i64, count])?;
            steps.push(count);
        }
        let axes = kernel.len() as i64;
        let order: Vec<i64> = [0, 1].into_iter().chain((0..axes).map(|i| 2 + 2 * i)).chain((0..axes).map(|i| 3 + 2 * i)).collect();
        let rows = self.dim(1)? * (kernel.iter().product::<usize>() as i64);
        x.permute(&order)?.reshape(&[self.dim(0)?, rows, Dim::Fixed(steps.iter().product())])
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "col2im", [floats(&[2, 12, 4])], |x| one(x[0].col2im(&[3, 3], &[2, 2], Window::dense(2))?);
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
        let kernel = fold_unfold::unfold(&x.to_array().unwrap(), &[2, 3], &window).unwrap();
        assert_eq!(columns.to_array().unwrap(), kernel);
        let image = columns.col2im(&[4, 5], &[2, 3], window).unwrap();
        assert_eq!(image.shape(), x.shape());
    }
}
