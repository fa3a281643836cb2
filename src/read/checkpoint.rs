//! Checkpoints: tensors by name, without a program.

use super::budget::Budget;
use super::pickle::{Id, Pickle, PickleNode};
use super::state_dict::Checkpoint;
use super::storage::{Storages, StoredTensor, is_tensor};
use super::zip::Archive;
use super::{Format, file_version, legacy, safetensors};
use crate::array::map_file;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use bytes::Bytes;
use std::path::Path;

/// How deeply dictionaries and modules may nest in a checkpoint.
const DEEPEST: usize = 200;

/// Where training scripts put a model's state dict, beside an optimiser's state, the epoch and the like.
const WRAPPERS: &[&str] = &["state_dict", "model_state_dict", "model", "net", "module", "params_ema", "params", "weights"];

/// Reads a checkpoint: what `torch.save` wrote, or safetensors. The file is mapped, its weights stay where they are.
///
/// Of a `.pth` this is the state dict, be it the whole file, an entry such as `state_dict` or `model` beside others, or in a
/// module that was saved whole; where there is none, every tensor of the file by its path, `optimizer.state.0.step`. A TorchScript
/// archive gives the parameters and buffers of its modules.
///
/// # Errors
/// [`Read`](ErrorCode::Read), [`Damaged`](ErrorCode::Damaged), [`TooBig`](ErrorCode::TooBig) and [`TooDeep`](ErrorCode::TooDeep) as the file is;
/// [`Unsupported`](ErrorCode::Unsupported) for tensors that are sparse, quantised, complex or of eight-bit floats;
/// [`NotAModel`](ErrorCode::NotAModel) where it is something else or holds no tensor.
pub fn checkpoint(path: impl AsRef<Path>) -> Result<Checkpoint> {
    let path = path.as_ref();
    read(&map_file(path)?).at(path.display())
}

/// Reads a checkpoint that is in memory.
///
/// # Errors
/// As [`checkpoint`].
pub(crate) fn read(bytes: &Bytes) -> Result<Checkpoint> {
    match Format::of(bytes)? {
        Format::Safetensors => safetensors::read(bytes),
        Format::Checkpoint | Format::TorchScript if bytes.starts_with(b"PK") => {
            let archive = Archive::open(bytes.clone())?;
            file_version::stated(&archive)?;
            let pickle = Pickle::of(&archive, "data.pkl")?;
            tensors(&pickle, &Storages::new(&archive, "data")?, Budget::of(bytes.len())).at("data.pkl")
        }
        Format::Checkpoint => {
            let (pickle, storages) = legacy::read(bytes)?;
            tensors(&pickle, &storages, Budget::of(bytes.len()))
        }
        other => Err(Error::new(ErrorCode::NotAModel, format!("expected a checkpoint, got {}", other.name()))),
    }
}

/// What kind of checkpoint a file is, and what to do with one to get a model.
///
/// # Errors
/// As the file is refused by [`Format::of_file`].
pub fn describe_checkpoint(path: impl AsRef<Path>) -> Result<(String, &'static str)> {
    let path = path.as_ref();
    let bytes = map_file(path)?;
    let format = Format::of(&bytes).at(path.display())?;
    Ok(described(&bytes, format))
}

/// As [`describe_checkpoint`].
pub(super) fn described(bytes: &Bytes, format: Format) -> (String, &'static str) {
    const LIGHTNING: &str = "load it in Python, model = MyModule.load_from_checkpoint(path), and save the model itself: torch.jit.trace(model.eval(), x).save(\"m.pt\"), then convert that file";
    const SAVE: &str = "save the model itself with torch.export.save or torch.jit.trace(model, x).save(\"m.pt\"), then convert that file";
    let name = format.name();
    let pickle = if format == Format::Checkpoint { main_pickle(bytes) } else { None };
    let Some(pickle) = pickle else { return (format!("{name} (state_dict): weights only, no model code"), SAVE) };
    if let Some(class) = module_class(&pickle) {
        return (format!("{name}: a module of class {class}, saved with torch.save, without its code"), SAVE);
    }
    match lightning_version(&pickle) {
        Some(version) => (format!("checkpoint of PyTorch Lightning {version}: weights and training state, no model code"), LIGHTNING),
        None => (format!("{name} (state_dict): weights only, no model code"), SAVE),
    }
}

/// The pickle of what was saved.
fn main_pickle(bytes: &Bytes) -> Option<Pickle> {
    match bytes.starts_with(b"PK") {
        true => Pickle::of(&Archive::open(bytes.clone()).ok()?, "data.pkl").ok(),
        false => Some(legacy::read(bytes).ok()?.0),
    }
}

/// The class of the module that was saved whole, where that is what the file is.
fn module_class(pickle: &Pickle) -> Option<String> {
    let PickleNode::Object(class, Some(state)) = pickle.node(pickle.root()) else { return None };
    pickle.lookup(*state, "_modules")?;
    match pickle.node(*class) {
        PickleNode::Global(module, name) => Some(format!("{module}.{name}")),
        _ => None,
    }
}

/// The version of Lightning that wrote the file, where it did.
fn lightning_version(pickle: &Pickle) -> Option<String> {
    let version = pickle.lookup(pickle.root(), "pytorch-lightning_version")?;
    Some(pickle.str(version).unwrap_or_default().chars().filter(|c| c.is_ascii_graphic()).take(20).collect())
}

/// The tensors of a pickled value by name.
fn tensors(pickle: &Pickle, storages: &Storages, budget: Budget) -> Result<Checkpoint> {
    let mut walk = Walk { pickle, storages, budget, found: Checkpoint::new() };
    walk.value(state_dict(pickle), &mut String::new(), 0)?;
    match walk.found.is_empty() {
        true => Err(Error::new(ErrorCode::NotAModel, "the checkpoint contains no tensor")),
        false => Ok(walk.found),
    }
}

/// The state dict within what was saved.
fn state_dict(pickle: &Pickle) -> Id {
    let mut id = pickle.root();
    while let PickleNode::Dict(entries) = pickle.node(id) {
        let wrapped = || WRAPPERS.iter().find_map(|name| pickle.lookup(id, name).filter(|&id| holds(pickle, id)));
        match entries.iter().any(|entry| is_tensor(pickle, entry.1)) {
            true => break,
            false => match wrapped() {
                Some(inner) => id = inner,
                None => break,
            },
        }
    }
    id
}

/// Whether a value can hold others by name.
fn holds(pickle: &Pickle, id: Id) -> bool {
    match pickle.node(id) {
        PickleNode::Dict(entries) => !entries.is_empty(),
        PickleNode::Object(_, state) => state.is_some(),
        _ => false,
    }
}

struct Walk<'a> {
    pickle: &'a Pickle,
    storages: &'a Storages<'a>,
    budget: Budget,
    found: Checkpoint,
}

impl Walk<'_> {
    fn value(&mut self, id: Id, path: &mut String, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Error::too_deep(format!("dictionaries nested more than {DEEPEST} deep")));
        }
        if is_tensor(self.pickle, id) {
            return self.tensor(id, path).at(path.escape_default());
        }
        match self.pickle.node(id) {
            PickleNode::Dict(entries) => entries.iter().try_for_each(|&(key, value)| match self.pickle.node(key) {
                PickleNode::Str(key) => self.below(value, path, depth, key),
                PickleNode::Int(key) => self.below(value, path, depth, &key.to_string()),
                _ => Ok(()),
            }),
            PickleNode::List(items) | PickleNode::Tuple(items) => {
                items.iter().enumerate().try_for_each(|(i, &item)| self.below(item, path, depth, &i.to_string()))
            }
            // A module of Python keeps its tensors and its submodules in three dictionaries.
            PickleNode::Object(_, Some(state)) if self.pickle.lookup(*state, "_modules").is_some() => {
                ["_parameters", "_buffers", "_modules"]
                    .iter()
                    .filter_map(|part| self.pickle.lookup(*state, part))
                    .try_for_each(|part| self.value(part, path, depth + 1))
            }
            PickleNode::Object(_, Some(state)) => self.value(*state, path, depth + 1),
            _ => Ok(()),
        }
    }

    fn below(&mut self, id: Id, path: &mut String, depth: usize, key: &str) -> Result<()> {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        let result = self.value(id, path, depth + 1);
        path.truncate(length);
        result
    }

    fn tensor(&mut self, id: Id, path: &str) -> Result<()> {
        let array = match self.storages.tensor(self.pickle, id)? {
            Some(StoredTensor::Real(array)) => array,
            Some(StoredTensor::Pairs(_)) => return Err(Error::unsupported("complex tensors are not supported here")),
            Some(StoredTensor::TypeOnly(_)) | None => return Ok(()),
        };
        self.budget.spend(400 + path.len() + 16 * array.rank())?;
        match self.found.insert(path.to_string(), array) {
            Some(_) => Err(Error::damaged("duplicate tensor name")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, Packed, dict, int, pack, pickled, storage, text, tuple};
    use super::*;

    /// A tensor that is one number of the storage.
    fn number(i: i64) -> Vec<u8> {
        sample::tensor(storage("torch.FloatStorage", "0", 4), i, &[1], &[1])
    }

    /// The names and tensors of a checkpoint that was saved with a storage of 0, 1, 2, 3.
    fn saved(value: &[u8]) -> Result<Vec<(String, f64)>> {
        let storage: Vec<u8> = [0f32, 1., 2., 3.].iter().flat_map(|x| x.to_le_bytes()).collect();
        let bytes = pack(&[Packed::stored("archive/data.pkl", &pickled(value)), Packed::stored("archive/data/0", &storage)]);
        Ok(read(&bytes.into())?.into_iter().map(|(name, array)| (name, array.to_f64s().unwrap()[0])).collect())
    }

    fn names(expected: &[(&str, f64)]) -> Result<Vec<(String, f64)>> {
        Ok(expected.iter().map(|&(name, number)| (name.to_string(), number)).collect())
    }

    fn module(class: &str, parts: [Vec<u8>; 3]) -> Vec<u8> {
        let [parameters, buffers, modules] = parts;
        let state = dict(&[("training", vec![0x88]), ("_parameters", parameters), ("_buffers", buffers), ("_modules", modules)]);
        [format!("cmine\n{class}\n)").as_bytes(), b"\x81", &state, b"b"].concat()
    }

    #[test]
    fn a_state_dict_has_its_names_in_its_order() {
        let value = dict(&[("model.weight", number(2)), ("lm_head.weight", number(0)), ("epoch", int(3))]);
        assert_eq!(saved(&value), names(&[("model.weight", 2.), ("lm_head.weight", 0.)]));
    }

    #[test]
    fn a_state_dict_is_found_beside_the_rest_of_a_training_run() {
        let model = dict(&[("fc.weight", number(1)), ("fc.bias", number(2))]);
        let optimizer = dict(&[("state", dict(&[("step", number(3))]))]);
        for wrapper in ["state_dict", "model_state_dict", "model"] {
            let value = dict(&[("epoch", int(7)), ("optimizer", optimizer.clone()), (wrapper, model.clone())]);
            assert_eq!(saved(&value), names(&[("fc.weight", 1.), ("fc.bias", 2.)]), "{wrapper}");
        }
        let twice = dict(&[("model", dict(&[("state_dict", model.clone())]))]);
        assert_eq!(saved(&twice), names(&[("fc.weight", 1.), ("fc.bias", 2.)]));
        let named_otherwise = dict(&[("generator", model), ("steps", tuple(&[number(0), text("x")]))]);
        assert_eq!(saved(&named_otherwise), names(&[("generator.fc.weight", 1.), ("generator.fc.bias", 2.), ("steps.0", 0.)]));
    }

    #[test]
    fn a_module_that_was_saved_whole_gives_the_names_of_its_state_dict() {
        let (none, empty) = (b"N".to_vec(), || dict(&[]));
        let norm = module("Norm", [dict(&[("weight", number(1)), ("bias", none)]), dict(&[("mean", number(2))]), empty()]);
        let net = module("Net", [empty(), empty(), dict(&[("0", norm)])]);
        assert_eq!(saved(&net), names(&[("0.weight", 1.), ("0.mean", 2.)]));
        let described =
            |value: &[u8]| described(&pack(&[Packed::stored("archive/data.pkl", &pickled(value))]).into(), Format::Checkpoint).0;
        let class =
            |value: &[u8]| module_class(&main_pickle(&pack(&[Packed::stored("archive/data.pkl", &pickled(value))]).into()).unwrap());
        assert_eq!(class(&net).as_deref(), Some("mine.Net"));
        assert_eq!(class(&dict(&[("weight", number(1))])), None);
        assert!(
            described(&net).contains("a module of class mine.Net") && described(&dict(&[("weight", number(1))])).contains("state_dict")
        );
        let lightning =
            dict(&[("pytorch-lightning_version", b"X\x05\x00\x00\x002.1.0".to_vec()), ("state_dict", dict(&[("weight", number(1))]))]);
        assert!(described(&lightning).contains("PyTorch Lightning 2.1.0"), "{}", described(&lightning));
    }

    #[test]
    fn what_holds_no_tensor_or_two_of_one_name_is_refused() {
        let code = |value: &[u8]| saved(value).unwrap_err().code();
        assert_eq!(code(&dict(&[("epoch", int(3))])), ErrorCode::NotAModel);
        assert_eq!(code(&dict(&[("a.b", number(0)), ("a", dict(&[("b", number(1))]))])), ErrorCode::Damaged);
        let deep = (0..300).fold(number(0), |inner, _| dict(&[("a", inner)]));
        assert_eq!(code(&deep), ErrorCode::TooDeep);
    }

    #[test]
    fn tensors_that_are_shared_beyond_measure_are_refused() {
        // Ten names for each of ten dictionaries, seven times over: ten million tensors in a few hundred bytes.
        let mut value = [number(0), b"q\x00".to_vec()].concat();
        for level in 0..7u8 {
            let names: Vec<_> = (0..10).map(|i| [text(&i.to_string()), vec![b'h', level]].concat()).collect();
            value = [value, b"0}(".to_vec(), names.concat(), vec![b'u', b'q', level + 1]].concat();
        }
        assert_eq!(saved(&value).unwrap_err().code(), ErrorCode::TooBig);
    }
}
