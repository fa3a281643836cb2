//! Windows of an image taken apart into columns, and columns summed back into an image.

use super::fill::fill;
use super::half_precision::widened;
use super::im2col::Columns;
use super::real::Real;
use super::window::Window;
use crate::array::{Array, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// (batch, channels, sizes …) → (batch, channels · kernel, steps): a column holds what one window sees, 0 in the padding.
///
/// As [`torch.nn.functional.unfold`](https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html), for any number
/// of spatial axes and any dtype.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the image has other axes than the window; as [`Window::steps`].
#[cfg(test)]
pub fn unfold(x: &Array, kernel: &[usize], window: &Window) -> Result<Array> {
    let misfit = || Error::shape(format!("a kernel of size {kernel:?} does not fit an image of shape {:?}", x.shape()));
    let (&[batch, channels], spatial) = x.shape().split_first_chunk().ok_or_else(misfit)?;
    let steps = window.steps(kernel, spatial)?;
    let (taps, positions) = (count(kernel)?, count(&steps)?);
    let shape = [batch, channels.checked_mul(taps).ok_or_else(misfit)?, positions];
    count(&shape)?;
    let (x, image) = (x.contiguous()?, spatial.iter().product::<usize>());
    x.move_elements(|x| {
        each_dtype!(x.dtype(), T: word => {
            let (x, _) = x.span::<T>()?;
            let columns = Columns::new(window, kernel, spatial, &steps);
            let out = fill(batch * channels * taps, positions, positions, |first, out: &mut [T]| {
                for (out, row) in out.chunks_exact_mut(positions).zip(first..) {
                    columns.gather(&x[row / taps * image..][..image], row % taps, 0, out);
                }
            })?;
            Array::new(&shape, out)
        })
    })
}

/// (batch, channels · kernel, steps) → (batch, channels, spatial …): the transpose of torch's `unfold`, values that meet are added.
///
/// As [`torch.nn.functional.fold`](https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html); `spatial` is its
/// `output_size`.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the columns are not those of such windows; [`DType`](crate::ErrorCode::DType) unless a float.
pub fn fold(x: &Array, spatial: &[usize], kernel: &[usize], window: &Window) -> Result<Array> {
    let steps = window.steps(kernel, spatial)?;
    let (taps, positions) = (count(kernel)?, count(&steps)?);
    let &[batch, rows, given] = x.shape() else {
        return Err(Error::shape(format!("expected columns (batch, channels · kernel, steps), got shape {:?}", x.shape())));
    };
    if given != positions || rows % taps != 0 {
        return Err(Error::shape(format!("expected a multiple of {taps} rows and {positions} columns, got shape {:?}", x.shape())));
    }
    let shape = [&[batch, rows / taps], spatial].concat();
    count(&shape)?;
    widened(&[x], |operands| {
        let x = operands[0].contiguous()?;
        let columns = Columns::new(window, kernel, spatial, &steps);
        each_dtype!(x.dtype(), T: float => Array::new(&shape, sum::<T>(&x, &columns, batch * rows / taps, taps, positions, spatial)?))
    })
}

fn sum<T: Real>(x: &Array, columns: &Columns, planes: usize, taps: usize, positions: usize, spatial: &[usize]) -> Result<Vec<T>> {
    let (x, image) = (x.span::<T>()?.0, spatial.iter().product::<usize>());
    fill(planes, image, taps.saturating_mul(positions), |first, out: &mut [T]| {
        for (plane, of) in out.chunks_exact_mut(image).zip(first..) {
            for (tap, values) in x[of * taps * positions..][..taps * positions].chunks_exact(positions).enumerate() {
                columns.scatter(values, tap, 0, plane);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfold_is_a_window_a_column() {
        // numpy: np.stack([x[i:i+2, j:j+2].ravel() for i in range(2) for j in range(2)], axis=1) for x = arange(9).reshape(3, 3)
        let x = Array::new(&[1, 1, 3, 3], (0..9i32).collect()).unwrap();
        let window = Window { strides: vec![1, 1], dilations: vec![1, 1], pads_begin: vec![0, 0], pads_end: vec![0, 0] };
        let columns = unfold(&x, &[2, 2], &window).unwrap();
        assert_eq!(columns.shape(), [1, 4, 4]);
        assert_eq!(columns.to_i64s().unwrap(), [0, 1, 3, 4, 1, 2, 4, 5, 3, 4, 6, 7, 4, 5, 7, 8]);
    }

    #[test]
    fn fold_counts_how_many_windows_see_a_number() {
        let x = Array::new(&[1, 4, 4], vec![1f32; 16]).unwrap();
        let window = Window { strides: vec![1, 1], dilations: vec![1, 1], pads_begin: vec![0, 0], pads_end: vec![0, 0] };
        assert_eq!(fold(&x, &[3, 3], &[2, 2], &window).unwrap().to_f64s().unwrap(), [1., 2., 1., 2., 4., 2., 1., 2., 1.]);
        assert_eq!(fold(&x, &[4, 3], &[2, 2], &window).unwrap_err().code(), crate::ErrorCode::Shape);
    }

    #[test]
    fn fold_is_the_transpose_of_unfold() {
        // ⟨unfold x, y⟩ = ⟨x, fold y⟩ for all x and y.
        let window = Window { strides: vec![2, 1], dilations: vec![1, 2], pads_begin: vec![1, 0], pads_end: vec![0, 2] };
        let values = |n: usize, seed: usize| (0..n).map(|i| ((i * 37 + seed) % 11) as f64 - 5.0).collect::<Vec<_>>();
        let x = Array::new(&[2, 3, 5, 6], values(180, 1)).unwrap();
        let columns = unfold(&x, &[3, 2], &window).unwrap();
        let y = Array::new(columns.shape(), values(columns.len(), 4)).unwrap();
        let image = fold(&y, &[5, 6], &[3, 2], &window).unwrap();
        let dot = |a: &Array, b: &Array| a.to_f64s().unwrap().iter().zip(b.to_f64s().unwrap()).map(|(a, b)| a * b).sum::<f64>();
        assert_eq!(dot(&columns, &y), dot(&x, &image));
    }
}
