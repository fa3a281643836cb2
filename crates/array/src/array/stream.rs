//! Writing: row-major bytes through a small buffer, whatever the strides.

use super::{Array, DType, is_aligned};
use std::io::{self, Write};

/// Bytes that are brought into order before they are handed on.
const ROOM: usize = 1 << 20;

impl Array {
    /// Writes the elements in row-major order, little-endian. A transposed, sliced or repeated view is copied part by part through a small
    /// buffer, never as a whole.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(bytes) = self.contiguous_bytes() {
            return out.write_all(&bytes);
        }
        let axis = self.shape.iter().position(|&size| size > 1).filter(|_| self.byte_len() > ROOM);
        let Some(axis) = axis else {
            if is_aligned(self) || self.dtype.is_narrow() {
                return out.write_all(&self.contiguous().and_then(|part| part.to_bytes()).map_err(io::Error::other)?);
            }
            return out.write_all(&self.by_bytes().to_vec::<u8>().map_err(io::Error::other)?);
        };
        let size = self.shape[axis];
        let step = (ROOM / (self.byte_len() / size).max(1)).max(1);
        for start in (0..size).step_by(step) {
            self.slice(axis, start, step.min(size - start), 1).map_err(io::Error::other)?.write_to(out)?;
        }
        Ok(())
    }

    /// The bytes of the elements along a further axis. To bring elements that a file holds unaligned into order, all that lies between the first and the
    /// last is copied, for a part of a transposed array nearly all of it; bytes are always aligned.
    fn by_bytes(&self) -> Array {
        let size = self.dtype.size();
        Array {
            dtype: DType::U8,
            shape: self.shape.iter().copied().chain([size]).collect(),
            strides: self.strides.iter().map(|stride| stride * size as isize).chain([1]).collect(),
            offset: self.offset * size,
            bytes: self.bytes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn written(array: &Array) -> Vec<u8> {
        let mut out = Vec::new();
        array.write_to(&mut out).unwrap();
        out
    }

    #[test]
    fn every_view_is_written_in_row_major_order() {
        let x = Array::new(&[2, 3, 4], (0..24u16).collect()).unwrap();
        for view in [
            x.clone(),
            x.permute(&[2, 0, 1]).unwrap(),
            x.slice(2, 3, 2, -2).unwrap(),
            x.slice(0, 1, 1, 1).unwrap().slice(1, 0, 2, 2).unwrap(),
            x.slice(1, 0, 1, 1).unwrap().broadcast(&[5, 2, 3, 4]).unwrap(),
            x.slice(1, 0, 0, 1).unwrap(),
            Array::full(crate::DType::F64, &[3, 2], 1.5.into()),
        ] {
            assert_eq!(written(&view), view.contiguous().unwrap().to_bytes().unwrap(), "{:?} {:?}", view.shape(), view.strides());
        }
    }

    #[test]
    fn views_of_unaligned_bytes_are_written_in_row_major_order() {
        let bytes: Vec<u8> = (0..=(6 * 300_000u32)).map(|n| (n % 251) as u8).collect();
        let x = Array::from_bytes(DType::F32, Bytes::from(bytes).slice(1..1 + 1_800_000), &[3, 150_000], None, 0).unwrap();
        assert!(!is_aligned(&x), "the vector begins at an aligned address");
        for view in [x.permute(&[1, 0]).unwrap(), x.slice(1, 149_999, 1000, -7).unwrap(), x.slice(0, 2, 2, -2).unwrap()] {
            assert_eq!(written(&view), view.contiguous().unwrap().to_bytes().unwrap(), "{:?} {:?}", view.shape(), view.strides());
        }
    }

    #[test]
    fn a_view_larger_than_the_buffer_comes_out_whole() {
        let x = Array::new(&[600, 700], (0..420_000u32).collect()).unwrap().permute(&[1, 0]).unwrap();
        let bytes = written(&x);
        assert_eq!(bytes.len(), 1_680_000);
        assert!(bytes.chunks(4).enumerate().all(|(i, x)| x == ((i % 600 * 700 + i / 600) as u32).to_le_bytes()));
    }
}
