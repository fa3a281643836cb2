//! Elements of any dtype as doubles or integers, some at a time, so that an array that is looked at is not there a second time, and wider.

use super::{Array, Element};
use crate::each_dtype;
use crate::error::Result;
use std::borrow::Cow;
use std::ops::Range;

/// How many elements are converted at a time.
const BLOCK: usize = 1 << 12;

/// Reads the elements of an array in row-major order as values of one type.
pub struct Elements<'a, N>(Box<dyn Fn(Range<usize>, &mut Vec<N>) + 'a>);

impl<'a, N: Copy + 'a> Elements<'a, N> {
    fn of<T: Element>(elements: Cow<'a, [T]>, convert: impl Fn(T) -> N + 'a) -> Elements<'a, N> {
        Elements(Box::new(move |range, values| values.extend(elements[range].iter().map(|&x| convert(x)))))
    }

    fn converted(elements: Vec<N>) -> Elements<'a, N> {
        Elements(Box::new(move |range, values| values.extend_from_slice(&elements[range])))
    }

    /// Replaces `values` by the elements of a range.
    pub fn read(&self, range: Range<usize>, values: &mut Vec<N>) {
        values.clear();
        (self.0)(range, values);
    }
}

/// The ranges of some elements each that `n` elements are.
pub fn blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |start| start..n.min(start + BLOCK))
}

impl Array {
    /// The elements as doubles, to be read in ranges.
    ///
    /// # Errors
    /// As [`Array::to_f64s`].
    #[doc(hidden)]
    pub fn doubles(&self) -> Result<Elements<'_, f64>> {
        each_dtype!(self.dtype, T => Ok(Elements::of(self.elements::<T>()?, |x| x.to_f64())), else Ok(Elements::converted(self.to_f64s()?)))
    }

    /// The elements as integers, to be read in ranges.
    ///
    /// # Errors
    /// As [`Array::to_i64s`].
    #[doc(hidden)]
    pub fn integers(&self) -> Result<Elements<'_, i64>> {
        each_dtype!(self.dtype, T => Ok(Elements::of(self.elements::<T>()?, |x| x.to_i64())), else Ok(Elements::converted(self.to_i64s()?)))
    }

    /// Visits the elements as doubles, in row-major order, without a copy of them all as [`Array::to_f64s`] makes one.
    ///
    /// ```
    /// let mut sum = 0.0;
    /// ontrace_array::Array::vector(vec![1i64, 2, 3]).for_each_f64(|x| sum += x)?;
    /// assert_eq!(sum, 6.0);
    /// # Ok::<(), ontrace_array::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::to_f64s`].
    pub fn for_each_f64(&self, mut visit: impl FnMut(f64)) -> Result<()> {
        let (elements, mut values) = (self.doubles()?, Vec::with_capacity(BLOCK));
        for range in blocks(self.len()) {
            elements.read(range, &mut values);
            values.iter().for_each(|&x| visit(x));
        }
        Ok(())
    }

    /// The element at this position in row-major order, as a double; `None` beyond the end.
    ///
    /// # Errors
    /// As [`Array::to_f64s`].
    #[doc(hidden)]
    pub fn double_at(&self, i: usize) -> Result<Option<f64>> {
        let mut values = Vec::new();
        if i < self.len() {
            self.doubles()?.read(i..i + 1, &mut values);
        }
        Ok(values.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn blocks_are_all_elements_in_order() {
        let values: Vec<f64> = (0..2 * BLOCK + 3).map(|i| i as f64).collect();
        for dtype in [DType::F64, DType::F32, DType::I64] {
            let array = Array::vector(values.clone()).cast(dtype).unwrap();
            let (mut seen, mut counted) = (Vec::new(), 0);
            array.for_each_f64(|x| seen.push(x)).unwrap();
            blocks(array.len()).for_each(|range| counted += range.len());
            assert_eq!((seen, counted), (values.clone(), values.len()));
            assert_eq!(array.double_at(BLOCK + 1).unwrap(), Some((BLOCK + 1) as f64));
            assert_eq!(array.double_at(values.len()).unwrap(), None);
        }
        let transposed = Array::new(&[2, 3], vec![1i64, 2, 3, 4, 5, 6]).unwrap().permute(&[1, 0]).unwrap();
        let mut seen = Vec::new();
        transposed.for_each_f64(|x| seen.push(x)).unwrap();
        assert_eq!(seen, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
