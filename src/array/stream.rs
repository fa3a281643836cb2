//! Writing: row-major bytes through a small buffer, whatever the strides.

use super::Array;
use std::io::{self, Write};

/// Bytes gathered before they are handed on.
const ROOM: usize = 1 << 16;

impl Array {
    /// Writes the elements in row-major order, little-endian. A transposed, sliced or repeated view is gathered
    /// through a small buffer, never as a whole.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(bytes) = self.contiguous_bytes() {
            return out.write_all(&bytes);
        }
        match self.dtype.size() {
            1 => gather::<1>(self, out),
            2 => gather::<2>(self, out),
            4 => gather::<4>(self, out),
            _ => gather::<8>(self, out),
        }
    }
}

/// The elements of a view that is not contiguous (so it has axes, none of size 0), `N` bytes each.
fn gather<const N: usize>(array: &Array, out: &mut impl Write) -> io::Result<()> {
    let (Some((&length, outer)), Some((&step, steps))) = (array.shape.split_last(), array.strides.split_last()) else {
        return Ok(());
    };
    let mut buffer = Vec::with_capacity(ROOM + N);
    let mut index = vec![0; outer.len()];
    let mut row = array.offset as isize;
    loop {
        let mut at = row;
        for _ in 0..length {
            let start = at as usize * N;
            buffer.extend_from_slice(&array.bytes[start..start + N]);
            if buffer.len() >= ROOM {
                out.write_all(&buffer)?;
                buffer.clear();
            }
            at = at.wrapping_add(step);
        }
        // The next row: the last axis that is not at its end goes on, those behind it start over.
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return out.write_all(&buffer);
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < outer[axis] {
                row += steps[axis];
                break;
            }
            row -= steps[axis] * (outer[axis] as isize - 1);
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_view_larger_than_the_buffer_comes_out_whole() {
        let x = Array::new(&[300, 400], (0..120_000u32).collect()).unwrap().permute(&[1, 0]).unwrap();
        let bytes = written(&x);
        assert_eq!(bytes.len(), 480_000);
        assert_eq!(bytes[4 * 301..4 * 302], 401u32.to_le_bytes());
    }
}
