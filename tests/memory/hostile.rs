//! Damaged files are refused with a code: never a panic, and never more memory than the file justifies.

use crate::{counting, panics};
use ontrace::array::Random;
use ontrace::{ErrorCode, Example, read, trace};
use std::collections::BTreeMap;
use std::path::Path;

/// How many mutations of each file are tried.
const MUTATIONS: u64 = 2000;

/// What opening and tracing may take: this, and four times the file.
const MEMORY: usize = 64 << 20;

/// The file with a few things changed: bits, pieces copied over others, the end cut off, values that may be sizes.
fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..random.integer(1, 4) {
        let at = |random: &mut Random, length: usize| random.integer(0, length as i64 - 1) as usize;
        let length = bytes.len();
        if length < 8 {
            break;
        }
        match random.integer(0, 5) {
            0 | 1 => bytes[at(&mut random, length)] ^= 1 << random.integer(0, 7),
            2 => {
                let count = random.integer(1, 64.min(length as i64 / 2)) as usize;
                let (from, to) = (at(&mut random, length - count), at(&mut random, length - count));
                bytes.copy_within(from..from + count, to);
            }
            3 => bytes.truncate(at(&mut random, length)),
            4 => {
                let offset = at(&mut random, length - 4);
                let number = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX][random.integer(0, 7) as usize];
                bytes[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
            }
            _ => {
                let (offset, byte) = (at(&mut random, length), random.integer(0, 255) as u8);
                bytes.insert(offset, byte);
            }
        }
    }
    bytes
}

/// Opens the file and, where that succeeds, traces its shapes; the code of the failure, if it fails.
fn attempt(path: &Path) -> Option<ErrorCode> {
    let opened = match read::open(path) {
        Ok(opened) => opened,
        Err(error) => return Some(error.code()),
    };
    let example: Example = opened.example().cloned()?.shapes_only();
    trace(&opened, example).err().map(|error| error.code())
}

fn every_mutation_is_survived(original: &[u8], suffix: &str) {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    std::fs::write(file.path(), original).unwrap();
    assert_eq!(attempt(file.path()), None, "the file itself opens");
    let mut failures = Vec::new();
    let mut codes: BTreeMap<Option<ErrorCode>, usize> = BTreeMap::new();
    for seed in 0..MUTATIONS {
        let bytes = mutated(original, seed);
        std::fs::write(file.path(), &bytes).unwrap();
        let (outcome, peak) = counting::peak(|| panics::caught(|| attempt(file.path())));
        match outcome {
            Ok(code) => *codes.entry(code).or_default() += 1,
            Err(message) => failures.push(format!("seed {seed} panics: {message}")),
        }
        if peak > MEMORY + 4 * bytes.len() {
            failures.push(format!("seed {seed} takes {peak} bytes for {}", bytes.len()));
        }
    }
    println!("{suffix}: {codes:?}");
    assert!(failures.is_empty(), "{} of {MUTATIONS}\n{}", failures.len(), failures.join("\n"));
    assert!(codes.len() > 3, "the mutations reach no depth: {codes:?}");
    assert!(!codes.contains_key(&Some(ErrorCode::Internal)), "a broken file is no bug of ours: {codes:?}");
}

#[test]
fn damaged_files_are_refused_without_panic_and_in_little_memory() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mlp.pt");
    let opened = read::open(&archive).unwrap();
    let example = opened
        .example()
        .cloned()
        .map_or_else(|| Example::new().input("x", &ontrace::Tensor::new([2, 16], vec![0.5f32; 32]).unwrap()), Example::shapes_only);
    let onnx = trace(&opened, example).unwrap().to_bytes().unwrap();
    every_mutation_is_survived(&std::fs::read(archive).unwrap(), ".pt");
    every_mutation_is_survived(&onnx, ".onnx");
}
