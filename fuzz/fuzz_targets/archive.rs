//! Archives of torch: zip, pickle, TorchScript source and the JSON of `torch.export`. Start from `tests/data` as the corpus: a fuzzer does not find
//! checksums by chance.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ontrace_fuzz::convert(bytes));
