//! Arrays of numpy: what is read and written again is the same.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ontrace::read::numpy::{read_npy, read_npz, write_npy};

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    let _ = read_npz(&bytes);
    if let Ok(array) = read_npy(&bytes) {
        let written = Bytes::from(write_npy(&array).expect("an array that was read is written"));
        let again = read_npy(&written).expect("an array that was written is read");
        assert_eq!((again.shape(), again.dtype()), (array.shape(), array.dtype()));
    }
});
