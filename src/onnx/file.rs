//! Models as files: mapped when they are read, replaced whole when they are written.

use super::atomic_file::{AtomicFile, failed};
use super::encode::Layout;
use super::external::Folder;
use super::model::{each_in_node, each_tensor, take_initializer};
use super::names::printable;
use super::proto::{ModelProto, TensorProto};
use super::{Model, decode, decode_budget, tensor};
use crate::array::{Array, map_file};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use bytes::Bytes;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use super::encode::MAX_MESSAGE;

/// What [`Model::save`] put on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The length of the model in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the model, in hexadecimal.
    pub blake3: String,
    /// The file beside it with the large weights, and its length, where the model would have been too long with them.
    pub data: Option<(PathBuf, u64)>,
}

impl Model {
    /// Opens a model: mapped, checked against [`decode_budget`](super::decode_budget), decoded. Weights stay where they are in the file, or in the files
    /// beside it; nothing is read before it is used.
    ///
    /// # Errors
    /// [`Read`](ErrorCode::Read) where the file cannot be read; otherwise as [`Model::load`].
    pub fn open(path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        Model::load(map_file(path)?, path.parent()).at(path.display())
    }

    /// Decodes a model. External data is looked for in `folder` and mapped; without a folder, a model
    /// that has such data is refused.
    ///
    /// # Errors
    /// [`NotAModel`](ErrorCode::NotAModel), [`Damaged`](ErrorCode::Damaged), [`TooBig`](ErrorCode::TooBig), [`TooDeep`](ErrorCode::TooDeep) for what
    /// the bytes are; [`Escapes`](ErrorCode::Escapes) and [`Read`](ErrorCode::Read) for the files that they name.
    pub fn load(bytes: Bytes, folder: Option<&Path>) -> Result<Model> {
        decode_budget::scan(&bytes)?;
        let mut data = ExternalData::of(folder);
        let (mut proto, initializers) = decoded(&mut data, |take| decode::model(&bytes, take))?;
        each_tensor(&mut proto, &mut |tensor| data.resolve(tensor))?;
        Ok(Model { proto, initializers })
    }

    /// Writes the model to a stream, weights included, in constant memory.
    ///
    /// # Errors
    /// [`Write`](ErrorCode::Write) where the writer refuses, or the model is longer than protobuf allows (2 GiB).
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let layout = Layout::whole(self)?;
        if layout.len() > MAX_MESSAGE {
            return Err(Error::write(format!("the model takes {} bytes, over protobuf's limit of 2 GiB", layout.len()))
                .help("save it under a path: large weights then go into a file beside it"));
        }
        layout.write(None, out).and_then(|()| out.flush()).map_err(|error| failed(&error, layout.len(), None))
    }

    /// Writes the model to a stream as one file, weights included, and says what was written.
    ///
    /// # Errors
    /// As [`Model::write_to`].
    pub fn save_to(&self, out: &mut impl Write) -> Result<Saved> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| failed(&error, bytes.len() as u64, None))?;
        let blake3 = super::hash::blake3(&bytes);
        Ok(Saved { bytes: bytes.len() as u64, blake3, data: None })
    }

    /// The bytes of the model, weights included.
    ///
    /// # Errors
    /// [`TooBig`](ErrorCode::TooBig) for repeated elements of less than a byte whose dense copy does not fit into memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let layout = Layout::whole(self)?;
        let mut bytes = Vec::with_capacity(layout.len() as usize);
        // A vector takes all that is written to it.
        let written: io::Result<()> = layout.write(None, &mut bytes);
        debug_assert!(written.is_ok());
        Ok(bytes)
    }

    /// Saves the model: under a passing name, synced, then renamed, so that the path holds the old file or the new one and never a
    /// part of either.
    ///
    /// A model that would be longer than protobuf's 2 GiB has its large weights in a file `NAME.data-HASH` beside it. The name
    /// says what is in it, so an old model never points at new weights; an older data file is left, as another model may still read it.
    ///
    /// # Errors
    /// [`Write`](ErrorCode::Write), with the path: no such folder, a folder, link or pipe in the way, no permission, a full disk.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Saved> {
        self.save_split(path, MAX_MESSAGE)
    }

    /// As [`Model::save`], with large weights in a file of their own where the model would be longer than `longest` bytes.
    ///
    /// # Errors
    /// As [`Model::save`].
    pub fn save_split(&self, path: impl AsRef<Path>, longest: u64) -> Result<Saved> {
        let path = path.as_ref();
        let whole = Layout::whole(self)?;
        let save = || match whole.len() > longest.min(MAX_MESSAGE) {
            false => save_whole(path, &whole),
            true => save_split(path, self),
        };
        save().at(path.display())
    }
}

/// The data beside a model. Opened only where a tensor asks for it: the folder of an ordinary model is nobody's business.
struct ExternalData<'a> {
    folder: Option<&'a Path>,
    opened: Option<Folder>,
}

impl ExternalData<'_> {
    fn of(folder: Option<&Path>) -> ExternalData<'_> {
        ExternalData { folder, opened: None }
    }

    fn resolve(&mut self, tensor: &mut TensorProto) -> Result<()> {
        match self.folder {
            Some(folder) if tensor::is_external(tensor) => match &mut self.opened {
                Some(opened) => opened.resolve(tensor),
                None => self.opened.insert(Folder::new(folder)?).resolve(tensor),
            },
            None if tensor::is_external(tensor) => Err(tensor::not_loaded()),
            _ => Ok(()),
        }
    }
}

/// What takes an initializer, told how many there are; gives it back where it stays in the message.
type Take<'a> = dyn FnMut(TensorProto, usize) -> Result<Option<TensorProto>> + 'a;

/// A decoded model, and its initializers as arrays.
fn decoded(data: &mut ExternalData, decode: impl FnOnce(&mut Take) -> Result<ModelProto>) -> Result<(ModelProto, Vec<(String, Array)>)> {
    let mut initializers = Vec::new();
    let proto = decode(&mut |mut tensor, count| {
        data.resolve(&mut tensor).map_err(|error| error.at(format!("initializer {}", printable(&tensor.name))))?;
        // All at once: a list that grows takes up to three times what is in it.
        initializers.reserve_exact(count - initializers.len());
        take_initializer(tensor, &mut initializers)
    })?;
    if proto.graph.is_none() {
        return Err(Error::new(ErrorCode::NotAModel, "not an ONNX model: no graph"));
    }
    Ok((proto, initializers))
}

/// A model file whose nodes are decoded one at a time, when they are needed: all at once they take many times the file.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The model without its nodes and the declarations of values.
    outline: Model,
    bytes: Bytes,
    folder: Option<PathBuf>,
}

impl ModelFile {
    /// Opens a model file, as [`Model::open`].
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<ModelFile> {
        let path = path.as_ref();
        let open = |bytes: Bytes| {
            decode_budget::scan(&bytes)?;
            let (proto, initializers) = decoded(&mut ExternalData::of(path.parent()), |take| decode::outline(&bytes, take))?;
            Ok(ModelFile { outline: Model { proto, initializers }, bytes, folder: path.parent().map(Path::to_path_buf) })
        };
        map_file(path).and_then(open).at(path.display())
    }

    /// The model without its nodes and the declarations of values.
    pub fn outline(&self) -> &Model {
        &self.outline
    }

    /// The [hash of the graph](Model::graph_hash).
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged) for a node that is no message; what [`Model::open`] fails with for external data of a node.
    pub fn graph_hash(&self) -> Result<String> {
        self.outline.hash_with_nodes(&|visit| {
            let (mut data, mut i) = (ExternalData::of(self.folder.as_deref()), 0);
            decode::each_node(&self.bytes, &mut |mut node| {
                each_in_node(&mut node, i, &mut |tensor| data.resolve(tensor))?;
                i += 1;
                visit(node)
            })
        })
    }
}

fn save_whole(path: &Path, layout: &Layout) -> Result<Saved> {
    let mut file = AtomicFile::beside(path)?;
    layout.write(None, &mut file).and_then(|()| file.sync()).map_err(|error| file.failed(&error, layout.len()))?;
    let saved = Saved { bytes: file.written(), blake3: file.blake3(), data: None };
    file.commit(path).map_err(|error| failed(&error, layout.len(), None))?;
    Ok(saved)
}

fn save_split(path: &Path, model: &Model) -> Result<Saved> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Error::write("the model's file name must be UTF-8, because the model refers to its data file by name"))?;
    // The name of the data is known once it is written; the lengths do not depend on it.
    let layout = Layout::split(model, "")?;
    let needed = layout.data_len() + layout.len();

    let mut data = AtomicFile::beside(path)?;
    let written = layout.write_data(&mut data).and_then(|hash| data.sync().map(|()| hash));
    let hash = written.map_err(|error| data.failed(&error, needed))?;
    let data_name = format!("{name}.data-{}", &data.blake3()[..16]);
    let data_path = path.with_file_name(&data_name);

    let layout = Layout::split(model, &data_name)?;
    if layout.len() > MAX_MESSAGE {
        return Err(Error::write(format!("the model takes {} bytes without its weights, over protobuf's limit of 2 GiB", layout.len())));
    }
    let mut file = AtomicFile::beside(path)?;
    layout.write(hash, &mut file).and_then(|()| file.sync()).map_err(|error| file.failed(&error, needed))?;
    let failed = |error: io::Error| failed(&error, needed, None);
    let beside = Some((data_path.clone(), data.written())).filter(|data| data.1 > 0);
    let saved = Saved { bytes: file.written(), blake3: file.blake3(), data: beside };
    if data.written() > 0 {
        data.commit(&data_path).map_err(failed)?;
    }
    file.commit(path).map_err(failed)?;
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::WEIGHTS_HASH_KEY;
    use crate::onnx::proto::{AttributeProto, NodeProto, StringStringEntryProto, TensorProto};
    use crate::onnx::sample;
    use std::fs;

    /// The model with a weight large enough to lie elsewhere, as a transposed view, and a small one.
    fn heavy(seed: i64) -> Model {
        let mut model = sample::branches();
        let large = Array::new(&[600, 2], (seed..seed + 1200).collect()).unwrap().permute(&[1, 0]).unwrap();
        model.initializers.extend([("large".into(), large.clone()), ("second".into(), large)]);
        model
    }

    #[test]
    fn what_is_written_is_read_back() {
        let model = heavy(0);
        let bytes = model.to_bytes().unwrap();
        let mut streamed = Vec::new();
        model.write_to(&mut streamed).unwrap();
        assert_eq!(streamed, bytes);
        assert_eq!(Model::load(bytes.into(), None).unwrap(), model);
    }

    #[test]
    fn the_hash_of_the_weights_is_put_in_as_they_are_written() {
        let mut model = heavy(3);
        let four_bits = Array::new(&[3001], vec![1i64; 3001]).unwrap().cast(crate::DType::I4).unwrap();
        model.initializers.extend([("packed".into(), four_bits), ("nothing".into(), Array::new::<f32>(&[0, 2], vec![]).unwrap())]);
        let entry = |value: &str| StringStringEntryProto { key: WEIGHTS_HASH_KEY.into(), value: value.into() };
        model.proto.metadata_props = vec![entry("")];
        let hash = model.weights_hash();
        let folder = tempfile::tempdir().unwrap();
        for longest in [u64::MAX, 0] {
            let path = folder.path().join(format!("{longest}.onnx"));
            model.save_split(&path, longest).unwrap();
            let read = Model::open(&path).unwrap();
            assert_eq!((&read.proto.metadata_props[..], read.weights_hash()), (&[entry(&hash)][..], hash.clone()));
        }
        // What is known stays what it is.
        model.proto.metadata_props = vec![entry("another")];
        assert_eq!(Model::load(model.to_bytes().unwrap().into(), None).unwrap().proto.metadata_props, [entry("another")]);
    }

    #[test]
    fn weights_stay_slices_of_the_bytes() {
        let bytes = Bytes::from(heavy(0).to_bytes().unwrap());
        let model = Model::load(bytes.clone(), None).unwrap();
        let inside = bytes.as_ptr_range();
        assert!(inside.contains(&(model.initializer("large").unwrap().address() as *const u8)));
    }

    #[test]
    fn a_saved_model_stands_alone_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("größe 1.onnx");
        let saved = heavy(0).save(&path).unwrap();
        assert_eq!((saved.bytes, saved.data), (fs::metadata(&path).unwrap().len(), None));
        assert_eq!(Model::open(&path).unwrap(), heavy(0));
        // The open model is still whole when its own path is written to.
        let open = Model::open(&path).unwrap();
        heavy(7).save(&path).unwrap();
        assert_eq!((open, Model::open(&path).unwrap()), (heavy(0), heavy(7)));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_has_the_hash_of_its_model_also_where_an_attribute_is_in_a_data_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        for mut model in [heavy(0), sample::branches()] {
            let mut value = tensor::proto("k", &Array::vector(vec![1.0f32, 2.0])).unwrap();
            fs::write(folder.path().join("k.bin"), &value.raw_data).unwrap();
            value.raw_data.clear();
            let location = crate::onnx::external::Location { path: "k.bin".into(), offset: 0, length: None };
            (value.external_data, value.data_location) = (location.write(), 1);
            let attribute = AttributeProto { name: "value".into(), r#type: 4, t: Some(Box::new(value)), ..AttributeProto::default() };
            let constant = NodeProto { attribute: vec![attribute], ..sample::node("Constant", &[], &["k"]) };
            model.proto.graph.as_mut().unwrap().node.push(constant);
            model.save(&path).unwrap();
            let (file, model) = (ModelFile::open(&path).unwrap(), Model::open(&path).unwrap());
            assert_eq!(file.graph_hash().unwrap(), model.graph_hash());
            assert_eq!(file.outline().weights_hash(), model.weights_hash());
            assert!(file.outline().proto.graph.as_ref().unwrap().node.is_empty());
        }
    }

    #[test]
    fn large_weights_lie_beside_the_model_from_page_to_page() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let saved = heavy(0).save_split(&path, 0).unwrap();
        let (data, length) = saved.data.unwrap();
        // 9600 bytes from the first page, then the third page's start and 9600 more.
        assert_eq!((length, fs::metadata(&data).unwrap().len()), (12_288 + 9600, 12_288 + 9600));
        assert!(data.to_str().unwrap().contains("m.onnx.data-"));
        assert!(saved.bytes < 1500 && fs::read(&data).unwrap()[9600..12_288].iter().all(|&byte| byte == 0));
        let model = Model::open(&path).unwrap();
        assert_eq!(model, heavy(0));
        assert!(model.initializer("second").unwrap().address().is_multiple_of(4096));
        assert_eq!(Model::load(map_file(&path).unwrap(), None).unwrap_err().code(), ErrorCode::Read);
        // Other weights have another file, so the old pair stays a pair until the model is replaced.
        let other = heavy(1).save_split(&path, 0).unwrap();
        assert_ne!(other.data.unwrap().0, data);
        assert_eq!((model, Model::open(&path).unwrap()), (heavy(0), heavy(1)));
        assert_eq!(heavy(0).save_split(folder.path().join("n.onnx"), 100_000).unwrap().data, None);
    }

    #[test]
    fn the_same_model_has_the_same_bytes() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [a, b] = [a, b].map(|folder| heavy(0).save_split(folder.path().join("m.onnx"), 0).unwrap());
        let name = |saved: &Saved| saved.data.as_ref().unwrap().0.file_name().unwrap().to_os_string();
        assert_eq!((&a.blake3, name(&a)), (&b.blake3, name(&b)));
    }

    #[test]
    fn a_failed_save_says_where_and_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        heavy(0).save(&path).unwrap();
        let long = folder.path().join("x".repeat(300));
        for target in [folder.path().to_path_buf(), "/dev/full".into(), path.join("m.onnx"), folder.path().join("no/m.onnx"), long] {
            let error = heavy(1).save(&target).unwrap_err();
            assert_eq!((error.code(), error.locations().next()), (ErrorCode::Write, Some(&*target.display().to_string())), "{error}");
        }
        assert_eq!((Model::open(&path).unwrap(), fs::read_dir(&folder).unwrap().count()), (heavy(0), 1));
        let mut full = fs::File::create("/dev/full").unwrap();
        let error = heavy(0).write_to(&mut full).unwrap_err();
        assert_eq!(error.to_string(), format!("no space left: {} bytes are needed", heavy(0).to_bytes().unwrap().len()));
    }

    #[test]
    fn tensors_of_attributes_and_branches_may_lie_elsewhere_too() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("d"), 2f32.to_le_bytes()).unwrap();
        let mut model = sample::branches();
        let elsewhere = |tensor: &mut TensorProto| {
            tensor.raw_data.clear();
            tensor.data_location = 1;
            tensor.external_data = crate::onnx::external::Location { path: "d".into(), offset: 0, length: Some(4) }.write();
        };
        let attribute: &mut AttributeProto = &mut model.proto.graph.as_mut().unwrap().node[1].attribute[1];
        elsewhere(&mut attribute.g.as_mut().unwrap().initializer[0]);
        assert_eq!(Model::load(model.to_bytes().unwrap().into(), Some(folder.path())).unwrap(), sample::branches());
        let error = Model::load(model.to_bytes().unwrap().into(), None).unwrap_err();
        assert_eq!(error.to_string(), "node choose (If): initializer two: the tensor's data is in an external file that was not loaded");
    }

    #[test]
    fn bytes_that_hold_no_graph_are_no_model() {
        for bytes in [&b""[..], b"\x08\x08", b"PK\x03\x04", b"some text"] {
            assert_eq!(Model::load(Bytes::from_static(bytes), None).unwrap_err().code(), ErrorCode::NotAModel, "{bytes:?}");
        }
    }
}
