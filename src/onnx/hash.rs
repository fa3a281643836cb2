//! The hash by which files, graphs and weights are known.

use crate::array::Array;
use std::io::{self, Write};

/// The [BLAKE3](https://github.com/BLAKE3-team/BLAKE3) hash of bytes, in hexadecimal digits.
pub fn blake3(bytes: &[u8]) -> String {
    ::blake3::hash(bytes).to_string()
}

/// Model metadata: the [hash of the weights](super::Model::weights_hash). Where the value is empty it is put in as the model is written: the weights are read
/// once for both.
pub(crate) const WEIGHTS_HASH_KEY: &str = "ontrace.weights_blake3";

/// The digits of a hash.
pub(super) const DIGITS: usize = 64;

/// The hash of weights: of each the [beginning](WeightsHash::begin), then its elements as they are written.
#[derive(Default)]
pub(super) struct WeightsHash(::blake3::Hasher);

impl WeightsHash {
    pub(super) fn begin(&mut self, array: &Array) {
        self.0.update(format!("{}{:?}", array.dtype(), array.shape()).as_bytes());
    }

    pub(super) fn finish(&self) -> String {
        self.0.finalize().to_string()
    }
}

impl Write for WeightsHash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
