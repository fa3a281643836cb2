//! Broken files: whatever a mutation does, a container is read or refused with a code.

use super::pickle::{Pickle, PickleNode};
use super::storage::{Storages, TRACED_INPUTS};
use super::zip::Archive;
use super::{ExportedProgram, Format, checkpoint};
use crate::error::{ErrorCode, Result};
use crate::module::DynModule;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::Path;

/// xorshift64*: the same mutations on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// The bytes with one to three changes: flips, splices, cuts, and sizes that claim too much.
    fn mutated(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                break;
            }
            // Directories and pickles are small beside the weights: half of the changes fall into the last third.
            let at = if self.below(2) == 0 { self.below(bytes.len()) } else { bytes.len() - 1 - self.below(bytes.len().div_ceil(3)) };
            match self.below(8) {
                0 | 1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                3 => {
                    let width = [2, 4, 8][self.below(3)].min(bytes.len() - at);
                    let claim = [0, 1, 0x7fff_ffff, 0xffff_fffe, u64::MAX, u64::MAX >> 1, bytes.len() as u64, 1 << 32][self.below(8)];
                    bytes[at..at + width].copy_from_slice(&claim.to_le_bytes()[..width]);
                }
                4 => drop(bytes.remove(at)),
                5 => bytes.insert(at, self.below(256) as u8),
                6 => {
                    let from = self.below(whole.len());
                    let piece = &whole[from..(from + self.below(60)).min(whole.len())];
                    let end = (at + piece.len()).min(bytes.len());
                    bytes[at..end].copy_from_slice(&piece[..end - at]);
                }
                _ if self.below(4) == 0 => bytes.truncate(at),
                _ => bytes[at] = bytes[at].wrapping_add(1),
            }
        }
        bytes
    }
}

/// Reads everything that a container holds, as the readers of programs do.
fn exercise(bytes: &Bytes) -> Result<usize> {
    let format = Format::of(bytes)?;
    if !bytes.starts_with(b"PK") {
        return Ok(checkpoint::read(bytes)?.values().map(|array| array.to_f64s().unwrap().len()).sum());
    }
    let archive = Archive::open(bytes.clone())?;
    let _ = archive.verify();
    let mut elements = 0;
    for (name, folder) in [("data.pkl", "data"), ("constants.pkl", "constants"), ("traced_inputs.pkl", TRACED_INPUTS)] {
        if archive.has(name) {
            let (pickle, storages) = (Pickle::of(&archive, name)?, Storages::new(&archive, folder)?);
            let mut stack = vec![pickle.root()];
            while let Some(id) = stack.pop() {
                let _ = storages.tensor(&pickle, id)?;
                match pickle.node(id) {
                    PickleNode::Tuple(items) | PickleNode::List(items) => stack.extend(items),
                    PickleNode::Dict(entries) => stack.extend(entries.iter().map(|entry| entry.1)),
                    PickleNode::Object(_, state) => stack.extend(*state),
                    _ => {}
                }
            }
        }
    }
    archive.names().filter(|name| name.ends_with(".py")).try_for_each(|name| archive.text(name).map(drop))?;
    if matches!(format, Format::TorchScript | Format::Checkpoint) {
        elements += checkpoint::read(bytes)?.values().map(|array| array.to_f64s().unwrap().len()).sum::<usize>();
    }
    Ok(elements)
}

/// Mutates a file this many times; says how many were still read, and which codes the others were refused with.
fn campaign(whole: &[u8], times: usize, seed: u64) -> (usize, Vec<ErrorCode>) {
    let (mut random, mut read, mut codes) = (Random(seed), 0, Vec::new());
    for _ in 0..times {
        match exercise(&random.mutated(whole).into()) {
            Ok(_) => read += 1,
            Err(error) => codes.push(error.code()),
        }
    }
    codes.sort_unstable();
    codes.dedup();
    (read, codes)
}

/// A checkpoint of before torch 1.6, with a tensor and a view onto the same storage.
fn legacy() -> Vec<u8> {
    use super::sample::{dict, int, pickled, storage, tensor, text};
    let named = || storage("torch.FloatStorage", "7", 4);
    let value = dict(&[("a", tensor(named(), 0, &[2, 2], &[2, 1])), ("b", tensor(named(), 1, &[2], &[2]))]);
    let mut bytes = super::legacy::MAGIC.to_vec();
    let keys = [b"](".as_slice(), &text("7"), b"e"].concat();
    for part in [int(1001), dict(&[]), value, keys] {
        bytes.extend(pickled(&part));
    }
    bytes.extend(4u64.to_le_bytes());
    bytes.extend([0.5f32, 1., 1.5, 2.].iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

fn safetensors() -> Vec<u8> {
    let header = r#"{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[8,11]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 11]].concat()
}

fn mlp() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mlp.pt")).unwrap()
}

#[test]
fn the_files_themselves_are_good() {
    // 16 × 32, 32 × 32 and 32 × 10 weights, and biases of 32 and 32.
    assert_eq!(exercise(&mlp().into()).unwrap(), 512 + 1024 + 320 + 64);
    assert_eq!(exercise(&safetensors().into()).unwrap(), 5);
    let checkpoint = checkpoint::read(&legacy().into()).unwrap();
    assert_eq!(checkpoint["a"].to_f64s().unwrap(), [0.5, 1., 1.5, 2.]);
    assert_eq!(checkpoint["b"].to_f64s().unwrap(), [1., 2.]);
    assert_eq!(checkpoint["b"].address() - checkpoint["a"].address(), 4);
}

#[test]
fn a_changed_archive_is_read_or_refused() {
    let (read, codes) = campaign(&mlp(), 300, 0x0417ace);
    assert!((30..270).contains(&read), "mutations that change nothing, or break everything, test nothing: {read}");
    assert!(codes.contains(&ErrorCode::Damaged), "{codes:?}");
}

#[test]
fn the_parts_of_an_archive_are_read_or_refused_when_the_container_is_whole() {
    use super::sample::{Packed, pack};
    let archive = Archive::open(mlp().into()).unwrap();
    let (mut random, mut read) = (Random(0x9e3779b9), 0);
    for _ in 0..1000 {
        let broken = ["data.pkl", "constants.pkl", "traced_inputs.pkl", "data/0", "byteorder"][random.below(5)];
        let mut entry = |name: &str| {
            let bytes = archive.read(name).unwrap();
            Packed::stored(&format!("m/{name}"), &if name == broken { random.mutated(&bytes) } else { bytes.to_vec() })
        };
        let entries: Vec<_> = archive.names().map(&mut entry).collect();
        read += usize::from(exercise(&pack(&entries).into()).is_ok());
    }
    assert!((100..900).contains(&read), "{read}");
}

/// Every value of a document, by the path that leads to it.
fn pointers(value: &Value, path: &mut Vec<String>, all: &mut Vec<String>) {
    all.push(path.iter().map(|step| format!("/{step}")).collect());
    let mut below = |step: String, inner: &Value| {
        path.push(step);
        pointers(inner, path, all);
        path.pop();
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| below(i.to_string(), item)),
        Value::Object(entries) => entries.iter().for_each(|(key, entry)| below(key.replace('~', "~0").replace('/', "~1"), entry)),
        _ => {}
    }
}

/// A document of which one to three values are others: taken from elsewhere in it, or such as nobody expects.
fn changed(document: &Value, random: &mut Random) -> Value {
    let mut changed = document.clone();
    for _ in 0..=random.below(3) {
        let mut all = Vec::new();
        pointers(&changed, &mut Vec::new(), &mut all);
        // Mostly integers, words and switches: what holds many of them is less often changed whole.
        let leaves: Vec<&String> =
            all.iter().filter(|path| changed.pointer(path).is_some_and(|value| !value.is_array() && !value.is_object())).collect();
        let to = if random.below(8) > 0 && !leaves.is_empty() { leaves[random.below(leaves.len())] } else { &all[random.below(all.len())] };
        let from = &all[random.below(all.len())];
        let replacements =
            [json!(null), json!(-1), json!(i64::MAX), json!(1e300), json!(""), json!([]), json!({}), json!(true), json!("add")];
        let value = match random.below(2) {
            0 => replacements[random.below(replacements.len())].clone(),
            _ => changed.pointer(from).cloned().unwrap_or_default(),
        };
        if let Some(target) = changed.pointer_mut(to) {
            *target = value;
        }
    }
    changed
}

/// Opens an exported program and runs it on its sample inputs.
fn run_exported(bytes: Vec<u8>) -> Result<()> {
    let export = ExportedProgram::open(&Archive::open(bytes.into())?)?;
    export.forward(&export.example().tensors()).map(drop)
}

#[test]
fn an_exported_program_whose_json_says_anything_is_run_or_refused() {
    use super::sample::{Packed, pack};
    let (mut random, mut run, mut codes) = (Random(0x5eed), 0, Vec::new());
    for name in ["while_loop", "map", "scan"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.pt2"));
        let archive = Archive::open(std::fs::read(file).unwrap().into()).unwrap();
        let documents: Vec<String> = archive.names().filter(|name| name.ends_with(".json")).map(str::to_string).collect();
        let archived = |broken: &str, with: &[u8]| {
            let entry = |name: &str| {
                let bytes = archive.read(name).unwrap();
                Packed::stored(&format!("m/{name}"), if name == broken { with } else { &bytes })
            };
            pack(&archive.names().map(entry).collect::<Vec<_>>())
        };
        run_exported(archived("", &[])).unwrap();
        for _ in 0..700 {
            let broken = &documents[random.below(documents.len())];
            let document: Value = serde_json::from_slice(&archive.read(broken).unwrap()).unwrap();
            match run_exported(archived(broken, changed(&document, &mut random).to_string().as_bytes())) {
                Ok(()) => run += 1,
                Err(error) => codes.push(error.code()),
            }
        }
    }
    codes.sort_unstable();
    codes.dedup();
    assert!((100..2000).contains(&run) && codes.len() > 3, "{run} {codes:?}");
    assert!(!codes.contains(&ErrorCode::Internal), "a broken file is no bug of ours: {codes:?}");
}

#[test]
fn changed_checkpoints_are_read_or_refused() {
    for (whole, seed) in [(legacy(), 7), (safetensors(), 8)] {
        let (read, codes) = campaign(&whole, 2000, seed);
        assert!((50..1900).contains(&read), "{read}");
        assert!(codes.contains(&ErrorCode::Damaged), "{codes:?}");
    }
}

#[test]
fn files_cut_off_anywhere_are_refused() {
    for whole in [mlp(), legacy(), safetensors()] {
        let step = if whole.len() > 10_000 { 97 } else { 1 };
        for length in (0..whole.len()).step_by(step) {
            let error = exercise(&whole[..length].to_vec().into()).unwrap_err();
            assert!(matches!(error.code(), ErrorCode::Damaged | ErrorCode::NotAModel), "{length}: {error:?}");
        }
    }
}

/// Every archive, checkpoint and tensor file beside the project, as torch wrote them.
#[test]
fn real_files_are_read_whole() {
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/zoo");
    let Ok(models) = std::fs::read_dir(&zoo) else {
        assert!(std::env::var_os("ONTRACE_REQUIRE_CORPORA").is_none(), "ONTRACE_REQUIRE_CORPORA is set, and there is no {}", zoo.display());
        return println!("skipped: no ../shared");
    };
    let mut files: Vec<_> =
        models.flatten().filter_map(|model| std::fs::read_dir(model.path()).ok()).flatten().flatten().map(|f| f.path()).collect();
    files.sort();
    let mut formats = [0; 3];
    for path in files {
        let bytes = crate::array::map_file(&path).unwrap();
        let format = Format::of(&bytes).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        if bytes.starts_with(b"PK") {
            let archive = Archive::open(bytes.clone()).unwrap();
            archive.verify().unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
            if format == Format::ExportedProgram {
                let inner = archive.slice("data/sample_inputs/model.pt").unwrap();
                assert!(matches!(checkpoint::read(&inner), Ok(tensors) if !tensors.is_empty()), "{}", path.display());
            }
        }
        let name = path.extension().and_then(|name| name.to_str());
        let (slot, expected) = match name {
            Some("pt") => (0, Format::TorchScript),
            Some("pt2") => (1, Format::ExportedProgram),
            _ => (2, Format::Safetensors),
        };
        assert_eq!(format, expected, "{}", path.display());
        formats[slot] += 1;
        match exercise(&bytes) {
            Ok(elements) => assert!(elements > 0 || format == Format::ExportedProgram, "{}", path.display()),
            // Functions without weights are archives without tensors.
            Err(error) => assert_eq!(error.code(), ErrorCode::NotAModel, "{}: {error:?}", path.display()),
        }
    }
    assert!(formats.iter().all(|&count| count > 0), "{formats:?}");
}
