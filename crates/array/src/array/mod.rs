//! Arrays: shared bytes with a dtype, a shape and strides, owned or mapped from a file.

mod blocks;
mod compare;
mod convert;
mod dtype;
mod mapped;
mod print;
mod random;
mod scalar;
mod stream;
pub(crate) mod strided_loop;
mod sub_byte;
mod view;

pub use blocks::{Elements, blocks};
pub use compare::index;
pub use compare::{Comparison, Tolerance, compare};
pub use dtype::{DType, Element, PromotionPriority};
pub use mapped::map_shared;
pub use mapped::{map, map_file};
pub use random::Random;
pub use scalar::Scalar;
pub use sub_byte::{Narrowing, Round};

use crate::each_dtype;
use crate::error::{Error, Result};
use bytes::Bytes;
use ndarray::{ArrayD, ArrayViewD, Axis, CowArray, IxDyn, ShapeBuilder};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};

/// A value for each axis; for the usual ranks without memory of its own.
pub type Dims<T> = SmallVec<[T; 4]>;

/// An immutable n-dimensional array of any dtype: a view, given by shape and strides, of shared bytes.
///
/// The bytes are a Rust vector that was handed over, or a slice of a mapped file; a clone, a slice, a
/// permutation or an expansion shares them. Rank 0, axes of size 0 and ranks above 6 are ordinary.
/// The elements are read and written through ndarray: [`Array::view`] gives a view, [`Array::from`] takes an array.
#[derive(Clone)]
pub struct Array {
    dtype: DType,
    shape: Dims<usize>,
    /// In elements; negative where an axis runs backwards, 0 where it repeats.
    strides: Dims<isize>,
    /// The element at index 0, 0, …, counted from the start of `bytes`.
    offset: usize,
    /// Little-endian, as every format that we read stores elements. Bool bytes are 0 or 1.
    bytes: Bytes,
}

#[cfg(target_endian = "big")]
compile_error!("ontrace maps little-endian files; big-endian machines are not supported");

/// A vector as the owner of its bytes.
struct Owner<T>(Vec<T>);

impl<T: Element> AsRef<[u8]> for Owner<T> {
    fn as_ref(&self) -> &[u8] {
        T::bytes(&self.0)
    }
}

/// The strides of a row-major array of this shape.
pub fn contiguous_strides(shape: &[usize]) -> Dims<isize> {
    let mut strides = Dims::from_elem(1, shape.len());
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1) as isize;
    }
    strides
}

impl Array {
    /// An array of this shape from its elements in row-major order. The vector is not copied.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the number of elements differs.
    pub fn new<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Array> {
        if count(shape)? != elements.len() {
            return Err(Error::shape(format!("{} elements cannot have shape {shape:?}", elements.len())));
        }
        Ok(Array {
            dtype: T::DTYPE,
            shape: shape.into(),
            strides: contiguous_strides(shape),
            offset: 0,
            bytes: Bytes::from_owner(Owner(elements)),
        })
    }

    /// An array that is a view of existing bytes (a mapped file, say), which are not copied.
    ///
    /// `strides` (row-major where `None`) and `offset` are in elements.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where the view reaches outside the bytes or a Bool is neither 0 nor 1.
    pub fn from_bytes(dtype: DType, bytes: Bytes, shape: &[usize], strides: Option<&[isize]>, offset: usize) -> Result<Array> {
        let elements = count(shape)?;
        if strides.is_some_and(|strides| strides.len() != shape.len()) {
            return Err(Error::damaged(format!("strides {:?} for shape {shape:?}", strides.unwrap_or_default())));
        }
        let own = strides.map_or_else(|| contiguous_strides(shape), Dims::from);
        if elements > 0 {
            // The first element in the bytes, and where the last one ends.
            let (mut low, mut end) = (offset as i128, offset as i128 + 1);
            match strides {
                None => end += elements as i128 - 1,
                Some(strides) => {
                    for (&length, &stride) in shape.iter().zip(strides) {
                        let reach = (length as i128 - 1) * stride as i128;
                        if reach < 0 { low += reach } else { end += reach }
                    }
                }
            }
            if low < 0 || end * dtype.size() as i128 > bytes.len() as i128 {
                return Err(Error::damaged(format!(
                    "an array of shape {shape:?} and strides {own:?} at {offset} reaches outside its {} bytes",
                    bytes.len()
                )));
            }
            if dtype == DType::Bool && bytes[low as usize..end as usize].iter().any(|&b| b > 1) {
                return Err(Error::damaged("invalid bool: a byte that is neither 0 nor 1"));
            }
        }
        Ok(Array { dtype, shape: shape.into(), strides: own, offset, bytes })
    }

    /// An array of rank 0.
    pub fn scalar<T: Element>(x: T) -> Array {
        Array { dtype: T::DTYPE, shape: Dims::new(), strides: Dims::new(), offset: 0, bytes: Bytes::from_owner(Owner(vec![x])) }
    }

    /// An array of rank 1. The vector is not copied.
    pub fn vector<T: Element>(elements: Vec<T>) -> Array {
        Array {
            dtype: T::DTYPE,
            shape: smallvec![elements.len()],
            strides: smallvec![1],
            offset: 0,
            bytes: Bytes::from_owner(Owner(elements)),
        }
    }

    /// A value in this dtype, repeated (without memory) to this shape.
    pub fn full(dtype: DType, shape: &[usize], x: Scalar) -> Array {
        let one = each_dtype!(dtype, T => Array::scalar(x.to::<T>()), else Array { dtype, ..Array::scalar(dtype.encode(x.to_f64(), Narrowing::default())) });
        Array { shape: shape.into(), strides: Dims::from_elem(0, shape.len()), ..one }
    }

    /// An array without elements, whose shape has an axis of size 0.
    #[doc(hidden)]
    pub fn empty(dtype: DType, shape: &[usize]) -> Result<Array> {
        match count(shape)? {
            0 => Ok(Array { dtype, shape: shape.into(), strides: contiguous_strides(shape), offset: 0, bytes: Bytes::new() }),
            n => Err(Error::internal(format!("an empty array of {n} elements"))),
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The step of each axis in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The size in bytes that the elements have when written out, shared or not.
    pub fn byte_len(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// Whether the elements stand one after the other in row-major order.
    pub fn is_contiguous(&self) -> bool {
        let mut row_major = 1;
        let mut axes = self.shape.iter().zip(&self.strides).rev();
        self.is_empty()
            || axes.all(|(&length, &stride)| {
                let fits = length == 1 || stride == row_major;
                row_major *= length as isize;
                fits
            })
    }

    /// The bytes of the elements in row-major order: shared where they stand so, otherwise gathered.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn to_bytes(&self) -> Result<Bytes> {
        match self.contiguous_bytes() {
            Some(bytes) => Ok(bytes),
            None => Ok(self.contiguous()?.bytes),
        }
    }

    /// The bytes of the elements, where these stand in row-major order.
    fn contiguous_bytes(&self) -> Option<Bytes> {
        if self.is_empty() {
            return Some(Bytes::new());
        }
        let start = self.offset * self.dtype.size();
        self.is_contiguous().then(|| self.bytes.slice(start..start + self.byte_len()))
    }

    /// Whether dtype, shape and the bytes of the elements are equal: unlike `==`, a NaN equals itself and −0 is not 0.
    pub fn same_bytes(&self, other: &Array) -> bool {
        if self.dtype != other.dtype || self.shape != other.shape {
            return false;
        }
        if let (Some(a), Some(b)) = (self.contiguous_bytes(), other.contiguous_bytes()) {
            return a == b;
        }
        if !self.fits() {
            // Such arrays repeat elements: they are compared where they repeat them alike.
            let repeats = |array: &Array| array.strides.iter().map(|&stride| stride == 0).collect::<Vec<_>>();
            let (a, b) = (self.distinct(), other.distinct());
            return repeats(self) == repeats(other) && a.fits() && a.same_bytes(&b);
        }
        let strided = strided_loop::StridedLoop::new(&self.shape, [&self.strides, &other.strides]);
        let (size, step) = (self.dtype.size(), strided.step());
        let element = |array: &Array, offset: isize| {
            let start = strided_loop::at_offset(array.offset, offset) * size;
            array.bytes.slice(start..start + size)
        };
        let mut same = true;
        strided.runs(0..strided.len(), &mut |at, [a, b]| {
            same = same && (0..at.len() as isize).all(|i| element(self, a + i * step[0]) == element(other, b + i * step[1]));
        });
        same
    }

    /// Whether a dense copy fits into memory.
    fn fits(&self) -> bool {
        count(&self.shape).and_then(|n| room::<u8>(n.saturating_mul(self.dtype.size()))).is_ok()
    }

    /// The elements without repetition along axes of stride 0.
    fn distinct(&self) -> Array {
        let length = |(&length, &stride): (&usize, &isize)| if stride == 0 { length.min(1) } else { length };
        Array { shape: self.shape.iter().zip(&self.strides).map(length).collect(), ..self.clone() }
    }

    /// Hashes dtype, shape and the bytes of the elements, whatever the strides; where a dense copy does not fit into memory, those of
    /// the elements that are not repetitions.
    #[doc(hidden)]
    pub fn hash_bytes(&self, state: &mut impl Hasher) {
        /// A hasher as a writer, which never fails.
        struct HashWriter<'a, H>(&'a mut H);
        impl<H: Hasher> Write for HashWriter<'_, H> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.write(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        (self.dtype, self.shape()).hash(state);
        let hashed = if self.fits() { self.clone() } else { self.distinct() };
        let _: io::Result<()> = hashed.write_to(&mut HashWriter(state));
    }

    /// The same elements in row-major order: the array itself where it is contiguous.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn contiguous(&self) -> Result<Array> {
        if self.is_contiguous() && is_aligned(self) {
            return Ok(self.clone());
        }
        if self.dtype.is_narrow() {
            return self.codes().contiguous()?.with_codes(self.dtype);
        }
        self.move_elements(|words| each_dtype!(words.dtype, T: word => Array::new(&words.shape, words.to_vec::<T>()?)))
    }

    /// Whether two arrays are the same view of the same bytes (not merely equal).
    pub fn is_same(&self, other: &Array) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && self.strides == other.strides
            && self.address() == other.address()
            && self.bytes.len() == other.bytes.len()
    }

    /// Where element 0 stands in memory: tells shared storage apart, and must not reach any output.
    pub fn address(&self) -> usize {
        self.bytes.as_ptr() as usize + self.offset * self.dtype.size()
    }

    /// The bytes of its storage, of which it may be a part.
    #[doc(hidden)]
    pub fn storage_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether its storage is a part of another array's.
    #[doc(hidden)]
    pub fn is_view_of(&self, other: &Array) -> bool {
        let range = |bytes: &Bytes| (bytes.as_ptr() as usize, bytes.as_ptr() as usize + bytes.len());
        let ((start, end), (low, high)) = (range(&self.bytes), range(&other.bytes));
        low <= start && end <= high
    }

    /// The elements in memory from the lowest to the highest of the view, and where element 0, 0, … stands among them:
    /// the strides lead from there. Nothing where there is no element; copied only where a file holds them unaligned.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) where `T` is not the element type.
    pub fn span<T: Element>(&self) -> Result<(Cow<'_, [T]>, usize)> {
        if T::DTYPE != self.dtype {
            return Err(Error::dtype(format!("expected {}, got {}", T::DTYPE, self.dtype)));
        }
        if self.is_empty() {
            return Ok((Cow::Borrowed(&[]), 0));
        }
        let mut low = self.offset as isize;
        let mut end = low + 1;
        for (&length, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = (length as isize - 1) * stride;
            if reach < 0 { low += reach } else { end += reach }
        }
        let bytes = &self.bytes[low as usize * self.dtype.size()..end as usize * self.dtype.size()];
        let elements = match T::slice(bytes) {
            Some(elements) => Cow::Borrowed(elements),
            None => Cow::Owned(realign::<T>(bytes)?),
        };
        Ok((elements, self.offset - low as usize))
    }

    /// The elements as an ndarray view; copied only where a file holds them unaligned.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) where `T` is not the element type.
    pub fn view<T: Element>(&self) -> Result<CowArray<'_, T, IxDyn>> {
        if self.is_empty() && T::DTYPE == self.dtype {
            return Ok(ArrayD::from_elem(IxDyn(&self.shape), T::default()).into());
        }
        Ok(match self.span::<T>()?.0 {
            Cow::Borrowed(span) => self.view_of(span)?.into(),
            Cow::Owned(span) if self.is_contiguous() => {
                let array = ArrayD::from_shape_vec(IxDyn(&self.shape), span);
                array.map_err(|error| Error::internal(format!("ndarray cannot take this array: {error}")))?.into()
            }
            Cow::Owned(span) => self.view_of(&span)?.to_owned().into(),
        })
    }

    /// The view as ndarray has it: non-negative strides from the lowest element, axes with negative strides inverted afterwards.
    fn view_of<'a, T: Element>(&self, span: &'a [T]) -> Result<ArrayViewD<'a, T>> {
        let strides: Vec<_> =
            self.shape.iter().zip(&self.strides).map(|(&length, stride)| if length == 1 { 0 } else { stride.unsigned_abs() }).collect();
        let mut view = ArrayViewD::from_shape(IxDyn(&self.shape).strides(IxDyn(&strides)), span)
            .map_err(|e| Error::internal(format!("ndarray cannot view this array: {e}")))?;
        for axis in (0..self.rank()).filter(|&axis| self.strides[axis] < 0 && self.shape[axis] > 1) {
            view.invert_axis(Axis(axis));
        }
        Ok(view)
    }

    /// The elements in row-major order, copied only where they do not stand so.
    ///
    /// # Errors
    /// As [`Array::to_vec`].
    pub fn elements<T: Element>(&self) -> Result<Cow<'_, [T]>> {
        if self.is_contiguous() { self.span().map(|span| span.0) } else { self.to_vec().map(Cow::Owned) }
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// As [`Array::view`]; [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let (elements, start) = self.span::<T>()?;
        match elements {
            // They were copied already because they were unaligned.
            Cow::Owned(elements) if self.is_contiguous() => Ok(elements),
            elements => {
                room::<T>(count(&self.shape)?)?;
                Ok(strided_loop::StridedLoop::new(&self.shape, [&self.strides]).gather(&elements, start))
            }
        }
    }

    /// The elements as doubles, in row-major order, whatever the dtype.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn to_f64s(&self) -> Result<Vec<f64>> {
        room::<f64>(count(&self.shape)?)?;
        each_dtype!(self.dtype, T => Ok(self.elements::<T>()?.iter().map(|x| x.to_f64()).collect()), else self.widened()?.to_f64s())
    }

    /// The elements as integers, in row-major order, whatever the dtype: floats truncated towards zero.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn to_i64s(&self) -> Result<Vec<i64>> {
        room::<i64>(count(&self.shape)?)?;
        each_dtype!(self.dtype, T => Ok(self.elements::<T>()?.iter().map(|x| x.to_i64()).collect()), else self.widened()?.to_i64s())
    }

    /// The only element as a number.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) unless there is exactly one element.
    pub fn item(&self) -> Result<Scalar> {
        if self.len() != 1 {
            return Err(Error::shape(format!("expected one element, got shape {:?}", self.shape)));
        }
        Ok(match self.dtype {
            DType::Bool => Scalar::Bool(self.to_i64s()?[0] != 0),
            dtype if dtype.is_float() => Scalar::Float(self.to_f64s()?[0]),
            _ => Scalar::Int(self.to_i64s()?[0]),
        })
    }

    /// The same values in another dtype: truncated towards zero and wrapped as torch's `to` does.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn cast(&self, dtype: DType) -> Result<Array> {
        match dtype {
            same if same == self.dtype => Ok(self.clone()),
            narrow if narrow.is_narrow() => self.narrowed(narrow, Narrowing::default()),
            wide if self.dtype.is_narrow() => self.widened()?.cast(wide),
            other => convert::convert(&self.contiguous()?, other),
        }
    }
}

impl Array {
    /// The elements as unsigned integers of the same width: all that a kernel has to know which only moves them.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for a dtype that only stores.
    #[doc(hidden)]
    pub fn words(&self) -> Result<Array> {
        if self.dtype.is_narrow() {
            return Err(DType::not_taken(self.dtype));
        }
        Ok(Array { dtype: word(self.dtype), ..self.clone() })
    }

    /// Runs a kernel that moves elements without looking at them on their [words](Array::words).
    ///
    /// # Errors
    /// As [`Array::words`], and those of the kernel.
    #[doc(hidden)]
    pub fn move_elements(&self, kernel: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
        let moved = kernel(&self.words()?)?;
        match moved.dtype == word(self.dtype) {
            true => Ok(Array { dtype: self.dtype, ..moved }),
            false => Err(Error::internal(format!("words of {} moved as {}", self.dtype, moved.dtype))),
        }
    }

    fn same_elements<T: Element>(&self, other: &Array) -> bool {
        matches!((self.elements::<T>(), other.elements::<T>()), (Ok(a), Ok(b)) if a == b)
    }

    fn same_words<T: Element>(&self, other: &Array) -> bool {
        matches!((self.words(), other.words()), (Ok(a), Ok(b)) if a.same_elements::<T>(&b))
    }
    /// The same bytes as elements of another dtype of the same width.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) where the widths differ, [`Damaged`](crate::ErrorCode::Damaged) where a byte is no Bool.
    pub fn bit_cast(&self, dtype: DType) -> Result<Array> {
        if dtype.bits() != self.dtype.bits() {
            return Err(Error::dtype(format!("the bits of {} are not those of {dtype}", self.dtype)));
        }
        Array::from_bytes(dtype, self.to_bytes()?, &self.shape, None, 0)
    }
}

/// The unsigned integer of the same width.
fn word(dtype: DType) -> DType {
    match dtype.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    }
}

/// Whether the first element stands where its type may stand.
fn is_aligned(array: &Array) -> bool {
    array.address().is_multiple_of(array.dtype.size())
}

/// A copy of unaligned bytes as elements.
fn realign<T: Element>(bytes: &[u8]) -> Result<Vec<T>> {
    let mut elements = vec![T::default(); bytes.len() / size_of::<T>()];
    let invalid = || Error::damaged(format!("the bytes are not valid for {}", T::DTYPE));
    for (element, chunk) in elements.iter_mut().zip(bytes.chunks_exact(size_of::<T>())) {
        let mut aligned = [0u64; 1];
        let room: &mut [u8] = bytemuck::cast_slice_mut(&mut aligned);
        room[..chunk.len()].copy_from_slice(chunk);
        *element = *T::slice(&bytemuck::cast_slice::<u64, u8>(&aligned)[..chunk.len()]).and_then(<[T]>::first).ok_or_else(invalid)?;
    }
    Ok(elements)
}

/// The number of elements of a shape.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where it is beyond the address space; so is an empty shape whose other axes are, because
/// strides are products of them.
pub fn count(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &length| n.checked_mul(length.max(1)))
        .filter(|&n| n <= isize::MAX as usize / 8)
        .map(|n| if shape.contains(&0) { 0 } else { n })
        .ok_or_else(|| Error::too_big(format!("an array of shape {shape:?}")))
}

/// Checks that there is room for `n` elements: a plain allocation that fails ends the process.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where there is not.
pub fn room<T: Element>(n: usize) -> Result<()> {
    const LARGE: usize = 1 << 28;
    let fits = match n.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= LARGE => true,
        _ => Vec::<T>::new().try_reserve_exact(n).is_ok(),
    };
    if fits { Ok(()) } else { Err(Error::too_big(format!("{n} elements of {}", T::DTYPE))) }
}

impl<T: Element, D: ndarray::Dimension> From<ndarray::Array<T, D>> for Array {
    /// Takes an ndarray over; copied only where it is not in row-major order.
    fn from(array: ndarray::Array<T, D>) -> Array {
        let shape = Dims::from(array.shape());
        let elements = if array.is_standard_layout() {
            let len = array.len();
            let (mut elements, offset) = array.into_raw_vec_and_offset();
            elements.drain(..offset.unwrap_or(0));
            elements.truncate(len);
            elements
        } else {
            array.iter().copied().collect()
        };
        let strides = contiguous_strides(&shape);
        Array { dtype: T::DTYPE, shape, strides, offset: 0, bytes: Bytes::from_owner(Owner(elements)) }
    }
}

impl<T: Element> From<T> for Array {
    fn from(x: T) -> Array {
        Array::scalar(x)
    }
}

impl PartialEq for Array {
    /// Same dtype, same shape, same elements; a NaN equals nothing, nor does an array whose dense copy does not fit into memory.
    fn eq(&self, other: &Array) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && match self.dtype {
                DType::F16 => self.same_elements::<half::f16>(other),
                DType::BF16 => self.same_elements::<half::bf16>(other),
                DType::F32 => self.same_elements::<f32>(other),
                DType::F64 => self.same_elements::<f64>(other),
                narrow if narrow.is_narrow() => matches!((self.to_f64s(), other.to_f64s()), (Ok(a), Ok(b)) if a == b),
                integer => match integer.size() {
                    1 => self.same_words::<u8>(other),
                    2 => self.same_words::<u16>(other),
                    4 => self.same_words::<u32>(other),
                    _ => self.same_words::<u64>(other),
                },
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_bytes_are_read_with_their_strides() {
        let bytes = Bytes::from(bytemuck::cast_slice::<f32, u8>(&[0., 1., 2., 3., 4., 5.]).to_vec());
        let transposed = Array::from_bytes(DType::F32, bytes.clone(), &[3, 2], Some(&[1, 3]), 0).unwrap();
        assert_eq!(transposed.to_vec::<f32>().unwrap(), [0., 3., 1., 4., 2., 5.]);
        let backwards = Array::from_bytes(DType::F32, bytes.clone(), &[3], Some(&[-2]), 5).unwrap();
        assert_eq!(backwards.to_vec::<f32>().unwrap(), [5., 3., 1.]);
        let repeated = Array::from_bytes(DType::F32, bytes.clone(), &[2, 2], Some(&[0, 1]), 4).unwrap();
        assert_eq!(repeated.to_vec::<f32>().unwrap(), [4., 5., 4., 5.]);
        assert!(Array::from_bytes(DType::F32, bytes, &[3, 2], Some(&[1, 3]), 1).is_err());
    }

    #[test]
    fn unaligned_bytes_are_copied_and_right() {
        let mut bytes = vec![0u8];
        bytes.extend_from_slice(bytemuck::cast_slice(&[1.5f64, -2.0]));
        let array = Array::from_bytes(DType::F64, Bytes::from(bytes).slice(1..), &[2], None, 0).unwrap();
        assert_eq!(array.to_vec::<f64>().unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn rank_zero_empty_and_rank_eight_are_ordinary() {
        assert_eq!(Array::scalar(3i64).item().unwrap(), Scalar::Int(3));
        assert!(Array::new::<f32>(&[2, 0, 3], vec![]).unwrap().view::<f32>().unwrap().is_empty());
        let deep = Array::new(&[1, 2, 1, 2, 1, 2, 1, 2], (0..16u8).collect()).unwrap();
        assert_eq!(deep.view::<u8>().unwrap()[IxDyn(&[0, 1, 0, 0, 0, 1, 0, 1])], 11);
    }

    #[test]
    fn an_array_has_as_many_elements_as_its_shape_says() {
        assert!(Array::new(&[2, 2], vec![1f32; 3]).is_err());
        assert!(count(&[1 << 40, 1 << 40]).is_err());
        assert!(count(&[0, 1 << 40, 1 << 40]).is_err());
    }

    #[test]
    fn what_has_no_dense_copy_is_an_error_and_equals_nothing() {
        for dtype in [DType::F32, DType::I64, DType::Bool, DType::F16, DType::F8E4M3FN, DType::I4] {
            let huge = Array::full(dtype, &[2, 1 << 57], 1.into());
            let errors = [
                huge.cast(if dtype == DType::F64 { DType::F32 } else { DType::F64 }).err(),
                huge.cast(DType::U2).err(),
                huge.narrowed(DType::F8E5M2, Narrowing::default()).err(),
                huge.to_f64s().err(),
                huge.to_i64s().err(),
                huge.contiguous().err(),
                huge.to_bytes().err(),
                compare(&huge, &huge, Tolerance::EXACT).err(),
            ];
            for (i, error) in errors.into_iter().enumerate() {
                assert_eq!(error.map(|error| error.code()), Some(crate::ErrorCode::TooBig), "{dtype} {i}");
            }
            assert!(huge != huge.clone(), "{dtype}");
            assert!(huge.same_bytes(&huge.clone()) && !huge.same_bytes(&Array::full(dtype, &[2, 1 << 57], 0.into())), "{dtype}");
        }
        assert_eq!(Array::full(DType::I4, &[1 << 58], 1.into()).packed().unwrap_err().code(), crate::ErrorCode::TooBig);
    }

    #[test]
    fn bytes_are_compared_and_hashed_whatever_the_strides() {
        let hash = |x: &Array| {
            let mut hasher = std::hash::DefaultHasher::new();
            x.hash_bytes(&mut hasher);
            hasher.finish()
        };
        let x = Array::new(&[2, 3], vec![1f32, f32::NAN, -0.0, 4.0, 5.0, 6.0]).unwrap();
        let transposed = x.permute(&[1, 0]).unwrap().contiguous().unwrap().permute(&[1, 0]).unwrap();
        assert!(x.same_bytes(&transposed) && hash(&x) == hash(&transposed));
        let zero = Array::new(&[2, 3], vec![1f32, f32::NAN, 0.0, 4.0, 5.0, 6.0]).unwrap();
        assert!(!x.same_bytes(&zero) && hash(&x) != hash(&zero));
        assert!(!x.same_bytes(&x.reshape(&[3, 2]).unwrap()) && !x.same_bytes(&x.bit_cast(DType::I32).unwrap()));
        let ones = Array::full(DType::F64, &[3, 2], 1.0.into());
        assert!(ones.same_bytes(&ones.contiguous().unwrap()) && hash(&ones) == hash(&ones.contiguous().unwrap()));
    }

    #[test]
    fn every_dtype_is_filled() {
        for &dtype in DType::ALL.iter().chain(DType::NARROW) {
            let one = Array::full(dtype, &[2], 1.into());
            assert_eq!((one.dtype(), one.to_f64s().unwrap()), (dtype, vec![1.0; 2]));
        }
    }

    #[test]
    fn casts_truncate_and_wrap_as_torch_does() {
        let x = Array::vector(vec![-1.9f32, 300.0, 0.5]);
        assert_eq!(x.cast(DType::U8).unwrap().to_i64s().unwrap(), [255, 44, 0]);
        assert_eq!(x.cast(DType::Bool).unwrap().to_i64s().unwrap(), [1, 1, 1]);
        assert_eq!(Array::vector(vec![300i64]).cast(DType::I8).unwrap().to_i64s().unwrap(), [44]);
        let far = Array::vector(vec![3e9f32, -3e9, f32::NAN, f32::INFINITY, -7.9, 40000.0]);
        let low = i64::from(i32::MIN);
        for far in [far.cast(DType::F64).unwrap(), far] {
            let cast = |dtype| far.cast(dtype).unwrap().to_i64s().unwrap();
            assert_eq!(cast(DType::I32), [low, low, low, low, -7, 40000]);
            assert_eq!(cast(DType::I64), [3_000_000_000, -3_000_000_000, i64::MIN, i64::MIN, -7, 40000]);
            assert_eq!(cast(DType::I16), [0, 0, 0, 0, -7, -25536]);
            assert_eq!(cast(DType::U8), [0, 0, 0, 0, 249, 64]);
        }
    }
}
