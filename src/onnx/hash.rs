//! The hash by which files, graphs and weights are known.

/// The [BLAKE3](https://github.com/BLAKE3-team/BLAKE3) hash of bytes, in hexadecimal digits.
pub fn blake3(bytes: &[u8]) -> String {
    ::blake3::hash(bytes).to_string()
}
