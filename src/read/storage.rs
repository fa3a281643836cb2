//! Tensors of torch's files: views of the storages beside the pickle.

use super::pickle::{Id, Pickle, PickleNode};
use super::zip::Archive;
use crate::array::{Array, DType, count};
use crate::dim::{Shape, Type};
use crate::error::{Error, Result, ResultExt};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// The folder of a TorchScript archive whose storages are left empty: the inputs that it was traced with.
pub(crate) const TRACED_INPUTS: &str = "traced_inputs";
/// The limit on the size of a tensor that repeats elements of its storage: nothing is copied, but its elements will be visited.
const REPEATED: usize = 16 << 20;

/// torch's storage classes of one dtype each.
const CLASSES: &[(&str, DType)] = &[
    ("FloatStorage", DType::F32),
    ("DoubleStorage", DType::F64),
    ("HalfStorage", DType::F16),
    ("BFloat16Storage", DType::BF16),
    ("LongStorage", DType::I64),
    ("IntStorage", DType::I32),
    ("ShortStorage", DType::I16),
    ("CharStorage", DType::I8),
    ("ByteStorage", DType::U8),
    ("BoolStorage", DType::Bool),
    ("UInt16Storage", DType::U16),
    ("UInt32Storage", DType::U32),
    ("UInt64Storage", DType::U64),
];

fn beyond() -> Error {
    Error::damaged("an offset or a stride beyond any storage")
}

/// A view of complex elements as a view of their parts, which are the last axis; gives its offset.
pub(super) fn in_parts(shape: &mut Vec<usize>, strides: &mut Vec<isize>, offset: usize) -> Result<usize> {
    for stride in &mut *strides {
        *stride = stride.checked_mul(2).ok_or_else(beyond)?;
    }
    shape.push(2);
    strides.push(1);
    offset.checked_mul(2).ok_or_else(beyond)
}

/// Storage classes of complex tensors, with the dtype of their parts, which stand side by side.
const PAIRS: &[(&str, DType)] = &[("ComplexFloatStorage", DType::F32), ("ComplexDoubleStorage", DType::F64)];

/// A tensor as it was pickled: with its elements, or (an example input) without.
#[derive(Clone, Debug)]
pub(crate) enum StoredTensor {
    Real(Array),
    /// Complex elements: the parts stand side by side in a last axis.
    Pairs(Array),
    /// The storage was left out: only the type is known.
    TypeOnly(Type),
}

/// The storages of a file, each of them taken from it once, so that tensors which share one share its bytes.
pub(crate) struct Storages<'a> {
    source: StorageSource<'a>,
    big_endian: bool,
    known: RefCell<HashMap<(String, usize), Bytes>>,
}

enum StorageSource<'a> {
    /// Entries below a folder of an archive.
    Folder(&'a Archive, &'a str),
    /// Bytes by key.
    Loose(BTreeMap<String, Bytes>),
}

/// Whether a value is a call that makes a tensor, of any kind.
pub(super) fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    pickle.call(id).is_some_and(|(module, name, _)| matches!(module, "torch._utils" | "torch._tensor") && name.starts_with("_rebuild"))
}

/// A storage as the pickle names it.
pub(super) struct StorageKey<'a> {
    pub key: &'a str,
    /// `None` for bytes of no type.
    pub dtype: Option<DType>,
    /// Whether each element is two elements of the dtype.
    pub pairs: bool,
    /// In elements, or bytes where there is no dtype.
    pub length: usize,
    /// Where a tensor's offset is counted from, in elements; 0 but in the oldest files.
    start: usize,
}

impl<'a> StorageKey<'a> {
    /// Reads `('storage', class, key, device, length)`, in files before torch 1.6 with `(key, start, length)` of a part behind it.
    pub(super) fn read(pickle: &'a Pickle, persistent: Id) -> Result<StorageKey<'a>> {
        let parts = pickle.items(persistent).ok().filter(|parts| parts.first().is_some_and(|&kind| pickle.str(kind) == Ok("storage")));
        let (class, key, length, part) = match parts {
            Some(&[_, class, key, _, length]) => (class, key, length, None),
            Some(&[_, class, key, _, length, part]) => (class, key, length, Some(part)),
            _ => return Err(Error::damaged("a storage whose name is not ('storage', class, key, device, length)")),
        };
        let PickleNode::Global(module, class) = pickle.node(class) else { return Err(Error::damaged("a storage without a class")) };
        let pairs = PAIRS.iter().any(|row| row.0 == &**class);
        let dtype = match &**class {
            "UntypedStorage" | "_UntypedStorage" => None,
            _ => Some(CLASSES.iter().chain(PAIRS).find(|row| row.0 == &**class && &**module == "torch").map(|row| row.1).ok_or_else(
                || Error::unsupported(format!("unsupported storage class {:?}", pickle.node(parts.map_or(persistent, |parts| parts[1])))),
            )?),
        };
        let start = match part.map(|part| pickle.node(part)) {
            None | Some(PickleNode::None) => 0,
            Some(PickleNode::Tuple(items)) => {
                length_at(pickle, *items.get(1).ok_or_else(|| Error::damaged("a storage view without an offset"))?)?
            }
            Some(other) => return Err(Error::damaged(format!("a storage view of {other:?}"))),
        };
        Ok(StorageKey { key: pickle.str(key)?, dtype, pairs, length: length_at(pickle, length)?, start })
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> Result<usize> {
        self.length
            .checked_mul(self.dtype.map_or(1, DType::size) << usize::from(self.pairs))
            .ok_or_else(|| Error::damaged(format!("a storage of {} elements", self.length)))
    }
}

fn length_at(pickle: &Pickle, id: Id) -> Result<usize> {
    let n = pickle.int(id)?;
    usize::try_from(n).map_err(|_| Error::damaged(format!("invalid size or offset {n}")))
}

impl<'a> Storages<'a> {
    /// The storages in a folder of an archive: `data`, `constants`, or [`TRACED_INPUTS`], which are empty.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where the byte order is neither of the two.
    pub(crate) fn new(archive: &'a Archive, folder: &'a str) -> Result<Storages<'a>> {
        let order = archive.has("byteorder").then(|| archive.text("byteorder")).transpose()?;
        let big_endian = match order.as_deref().map(str::trim_end) {
            None | Some("little") => false,
            Some("big") => true,
            Some(other) => return Err(Error::damaged(format!("expected little or big, got {} bytes", other.len())).at("byteorder")),
        };
        Ok(Storages { source: StorageSource::Folder(archive, folder), big_endian, known: RefCell::default() })
    }

    /// Storages that were found elsewhere, all of them little-endian.
    pub(super) fn loose(storages: BTreeMap<String, Bytes>) -> Storages<'static> {
        Storages { source: StorageSource::Loose(storages), big_endian: false, known: RefCell::default() }
    }

    /// The tensor that a call in a pickle rebuilds; `None` where the value is something else.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where the call does not fit the storage, [`Unsupported`](crate::ErrorCode::Unsupported) for
    /// tensors that are sparse or quantised.
    pub(crate) fn tensor(&self, pickle: &Pickle, id: Id) -> Result<Option<StoredTensor>> {
        let mut id = id;
        let mut arguments;
        let mut function;
        // A parameter is a call with a tensor inside; a tensor of a class of its own is a call that names the next one.
        loop {
            let Some((module, name, items)) = pickle.call(id) else { return Ok(None) };
            (function, arguments) = (name, items);
            match (module, name, items) {
                ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state", &[tensor, ..]) => id = tensor,
                ("torch._tensor", "_rebuild_from_type_v2", &[inner, _, inner_arguments, ..]) => {
                    let PickleNode::Global(_, name) = pickle.node(inner) else {
                        return Err(Error::damaged("a tensor without a constructor"));
                    };
                    (function, arguments) = (name, pickle.items(inner_arguments)?);
                    break;
                }
                ("torch._utils" | "torch._tensor", ..) => break,
                _ => return Ok(None),
            }
        }
        match (function, arguments) {
            ("_rebuild_tensor_v2" | "_rebuild_tensor", &[storage, offset, shape, strides, ..]) => {
                self.rebuild(pickle, storage, [offset, shape, strides], None).map(Some)
            }
            ("_rebuild_tensor_v3", &[storage, offset, shape, strides, _, _, dtype, ..]) => {
                self.rebuild(pickle, storage, [offset, shape, strides], Some(dtype)).map(Some)
            }
            ("_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3", _) => Err(Error::damaged("a tensor with too few arguments")),
            (other, _) if other.starts_with("_rebuild") => {
                Err(Error::unsupported(format!("a tensor made by {:?}", PickleNode::Str(other.into()))))
            }
            _ => Ok(None),
        }
    }

    fn rebuild(&self, pickle: &Pickle, storage: Id, [offset, shape, strides]: [Id; 3], dtype: Option<Id>) -> Result<StoredTensor> {
        let PickleNode::Persistent(persistent) = *pickle.node(storage) else { return Err(Error::damaged("a tensor without a storage")) };
        let storage = StorageKey::read(pickle, persistent)?;
        let dtype = match dtype.map(|id| pickle.node(id)) {
            None => storage.dtype.ok_or_else(|| Error::damaged("a tensor without a dtype"))?,
            Some(PickleNode::Global(module, name)) if &**module == "torch" => {
                DType::parse(name).ok_or_else(|| Error::unsupported(format!("tensors of {:?}", PickleNode::Str(name.to_string()))))?
            }
            Some(other) => return Err(Error::damaged(format!("a tensor whose dtype is {other:?}"))),
        };
        let mut shape = pickle.items(shape)?.iter().map(|&n| length_at(pickle, n)).collect::<Result<Vec<_>>>()?;
        let mut strides = pickle.items(strides)?.iter().map(|&n| length_at(pickle, n).map(|n| n as isize)).collect::<Result<Vec<_>>>()?;
        let mut offset = length_at(pickle, offset)?.checked_add(storage.start).ok_or_else(beyond)?;
        if storage.pairs {
            offset = in_parts(&mut shape, &mut strides, offset)?;
        }
        let elements = count(&shape)?;
        if let StorageSource::Folder(_, TRACED_INPUTS) = self.source {
            if storage.pairs {
                return Err(super::aten::complex::refused_input());
            }
            return Ok(StoredTensor::TypeOnly(Type::new(dtype, Shape::fixed(&shape))));
        }
        let location = || format!("storage {:?}", PickleNode::Str(storage.key.into()));
        let bytes = self.bytes(&storage, dtype).at(location())?;
        let view = || {
            if elements == 0 {
                return Array::from_bytes(dtype, Bytes::new(), &shape, None, 0);
            }
            if elements.saturating_mul(dtype.size()) > bytes.len().saturating_add(REPEATED) {
                return Err(Error::too_big(format!("{} bytes repeated to an array of shape {shape:?}", bytes.len())));
            }
            Array::from_bytes(dtype, bytes, &shape, Some(&strides), offset)
        };
        view().at(location()).map(if storage.pairs { StoredTensor::Pairs } else { StoredTensor::Real })
    }

    /// The bytes of a storage, swapped to this machine's order where that differs.
    fn bytes(&self, storage: &StorageKey, dtype: DType) -> Result<Bytes> {
        // Bytes of no type are swapped by the width of the dtype that they are read as.
        let width = if self.big_endian { dtype.size() } else { 1 };
        let known = (storage.key.to_string(), width);
        if let Some(bytes) = self.known.borrow().get(&known) {
            return storage.fits(bytes.clone());
        }
        let missing = || Error::damaged("it is not in the file");
        let mut bytes = match &self.source {
            StorageSource::Folder(archive, folder) => archive.slice(&format!("{folder}/{}", storage.key))?,
            StorageSource::Loose(storages) => storages.get(storage.key).cloned().ok_or_else(missing)?,
        };
        if width > 1 {
            let swapped: Vec<u8> = bytes.chunks_exact(width).flat_map(|number| number.iter().rev().copied()).collect();
            bytes = swapped.into();
        }
        self.known.borrow_mut().insert(known, bytes.clone());
        storage.fits(bytes)
    }
}

impl StorageKey<'_> {
    fn fits(&self, bytes: Bytes) -> Result<Bytes> {
        match self.size()? == bytes.len() {
            true => Ok(bytes),
            false => Err(Error::damaged(format!("{} bytes in the file, {} by the pickle", bytes.len(), self.size()?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, Packed, call, pack, pickled, text, tuple};
    use super::*;
    use crate::ErrorCode;

    const FLOATS: &str = "torch.FloatStorage";

    /// An archive with these storages below `data`.
    fn archive(storages: &[(&str, &[u8])], order: &str) -> Archive {
        let mut entries: Vec<_> = storages.iter().map(|(key, data)| Packed::stored(&format!("m/data/{key}"), data)).collect();
        entries.push(Packed::stored("m/byteorder", order.as_bytes()));
        Archive::open(pack(&entries).into()).unwrap()
    }

    fn read(archive: &Archive, value: &[u8]) -> Result<Array> {
        let pickle = Pickle::parse(&pickled(value)).unwrap();
        match Storages::new(archive, "data")?.tensor(&pickle, pickle.root())? {
            Some(StoredTensor::Real(array)) => Ok(array),
            other => panic!("{other:?}"),
        }
    }

    fn bytes<T: crate::array::Element>(elements: &[T]) -> Vec<u8> {
        T::bytes(elements).to_vec()
    }

    fn floats() -> Archive {
        archive(&[("0", &bytes(&[0f32, 1., 2., 3., 4., 5.]))], "little")
    }

    fn storage() -> Vec<u8> {
        sample::storage(FLOATS, "0", 6)
    }

    #[test]
    fn offsets_and_strides_are_in_elements() {
        let file = floats();
        let view = |offset, shape: &[i64], strides: &[i64]| {
            read(&file, &sample::tensor(storage(), offset, shape, strides)).unwrap().to_f64s().unwrap()
        };
        assert_eq!(view(1, &[2, 2], &[3, 1]), [1., 2., 4., 5.]);
        assert_eq!(view(0, &[3, 2], &[1, 3]), [0., 3., 1., 4., 2., 5.]);
        assert_eq!(view(5, &[], &[]), [5.]);
        assert_eq!(view(2, &[3], &[0]), [2., 2., 2.]);
        assert_eq!(view(9, &[0, 7], &[7, 1]), [] as [f64; 0]);
    }

    #[test]
    fn tensors_share_the_bytes_of_the_file() {
        let (file, tensor) = (floats(), |offset| sample::tensor(storage(), offset, &[2], &[1]));
        let pickle = Pickle::parse(&pickled(&tuple(&[tensor(0), tensor(1)]))).unwrap();
        let storages = Storages::new(&file, "data").unwrap();
        let address = |id| match storages.tensor(&pickle, id) {
            Ok(Some(StoredTensor::Real(array))) => array.address(),
            other => panic!("{other:?}"),
        };
        let items = pickle.items(pickle.root()).unwrap();
        assert_eq!(address(items[1]) - address(items[0]), 4);
        assert_eq!(address(items[0]), file.slice("data/0").unwrap().as_ptr() as usize);
    }

    #[test]
    fn a_parameter_is_its_tensor_however_it_is_wrapped() {
        let tensor = sample::tensor(storage(), 4, &[2], &[1]);
        let empty = call("collections.OrderedDict", &[]);
        let parameter = call("torch._utils._rebuild_parameter", &[tensor.clone(), vec![0x88], empty.clone()]);
        assert_eq!(read(&floats(), &parameter).unwrap().to_f64s().unwrap(), [4., 5.]);
        let arguments = tuple(&[storage(), sample::int(4), tuple(&[sample::int(2)]), tuple(&[sample::int(1)]), vec![0x89], empty]);
        let (function, class) = (b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), b"ctorch.nn.parameter\nParameter\n".to_vec());
        let wrapped = call("torch._tensor._rebuild_from_type_v2", &[function, class, arguments, b"}".to_vec()]);
        assert_eq!(read(&floats(), &wrapped).unwrap().to_f64s().unwrap(), [4., 5.]);
    }

    #[test]
    fn every_storage_class_has_its_dtype() {
        let halves = [half::f16::from_f32(0.5), half::f16::from_f32(-2.)];
        for (class, data, dtype, values) in [
            ("HalfStorage", bytes(&halves), DType::F16, [0.5, -2.]),
            ("BFloat16Storage", vec![0x80, 0x3f, 0, 0xc0], DType::BF16, [1., -2.]),
            ("DoubleStorage", bytes(&[0.5f64, -2.]), DType::F64, [0.5, -2.]),
            ("LongStorage", bytes(&[1i64 << 40, -2]), DType::I64, [(1i64 << 40) as f64, -2.]),
            ("CharStorage", vec![1, 0xff], DType::I8, [1., -1.]),
            ("BoolStorage", vec![0, 1], DType::Bool, [0., 1.]),
            ("UInt16Storage", vec![0xff, 0xff, 1, 0], DType::U16, [65535., 1.]),
        ] {
            let value = sample::tensor(sample::storage(&format!("torch.{class}"), "0", 2), 0, &[2], &[1]);
            let array = read(&archive(&[("0", &data)], "little"), &value).unwrap();
            assert_eq!((array.dtype(), array.to_f64s().unwrap()), (dtype, values.to_vec()), "{class}");
        }
    }

    #[test]
    fn complex_values_are_pairs_in_a_last_axis() {
        let complex = sample::tensor(sample::storage("torch.ComplexFloatStorage", "0", 3), 1, &[2], &[1]);
        let (file, pickle) = (floats(), Pickle::parse(&pickled(&complex)).unwrap());
        match Storages::new(&file, "data").unwrap().tensor(&pickle, pickle.root()) {
            Ok(Some(StoredTensor::Pairs(array))) => {
                assert_eq!((array.shape(), array.to_f64s().unwrap()), (&[2usize, 2][..], vec![2., 3., 4., 5.]))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_of_no_type_are_read_as_the_tensor_says() {
        let file = archive(&[("0", &[1, 0, 255, 255])], "little");
        let value = |dtype: &str| {
            let ints = |n: i64| tuple(&[sample::int(n)]);
            let dtype = format!("ctorch\n{dtype}\n").into_bytes();
            let storage = sample::storage("torch.storage.UntypedStorage", "0", 4);
            call("torch._utils._rebuild_tensor_v3", &[storage, sample::int(0), ints(2), ints(1), vec![0x89], b"}".to_vec(), dtype])
        };
        assert_eq!(read(&file, &value("uint16")).unwrap(), Array::vector(vec![1u16, 65535]));
        assert_eq!(read(&file, &value("float8_e4m3fn")).unwrap().to_f64s().unwrap(), [2f64.powi(-9), 0.0]);
        assert_eq!(read(&file, &value("quint4x2")).unwrap_err().code(), ErrorCode::Unsupported);
    }

    #[test]
    fn big_endian_values_are_swapped() {
        let value = sample::tensor(storage(), 0, &[2], &[1]);
        let data: Vec<u8> = [1f32, -2.5, 0., 0., 0., 0.].iter().flat_map(|x| x.to_be_bytes()).collect();
        assert_eq!(read(&archive(&[("0", &data)], "big"), &value).unwrap().to_f64s().unwrap(), [1., -2.5]);
        assert_eq!(read(&archive(&[("0", &data)], "middle"), &value).unwrap_err().code(), ErrorCode::Damaged);
    }

    #[test]
    fn example_inputs_have_a_type_and_no_values() {
        let file = Archive::open(pack(&[Packed::stored("m/traced_inputs/0", b"")]).into()).unwrap();
        let pickle = Pickle::parse(&pickled(&sample::tensor(storage(), 0, &[2, 3], &[3, 1]))).unwrap();
        let stored = Storages::new(&file, TRACED_INPUTS).unwrap().tensor(&pickle, pickle.root());
        assert!(matches!(stored, Ok(Some(StoredTensor::TypeOnly(ty))) if ty == Type::new(DType::F32, Shape::fixed(&[2, 3]))));
    }

    #[test]
    fn what_does_not_fit_its_storage_is_refused() {
        let refused = |value: &[u8]| read(&floats(), value).unwrap_err().code();
        let with = |class, key, length| sample::tensor(sample::storage(class, key, length), 0, &[1], &[1]);
        for value in [
            sample::tensor(storage(), 5, &[2], &[1]),
            sample::tensor(storage(), 0, &[2], &[i64::MAX]),
            sample::tensor(storage(), i64::MAX, &[2], &[1]),
            sample::tensor(storage(), -1, &[1], &[1]),
            sample::tensor(storage(), 3, &[2], &[-1]),
            sample::tensor(storage(), 0, &[-2], &[1]),
            sample::tensor(storage(), 0, &[2], &[1, 1]),
            with(FLOATS, "0", 7),
            with(FLOATS, "0", i64::MAX),
            with(FLOATS, "1", 6),
            with(FLOATS, "../data/0", 6),
            sample::tensor(text("storage"), 0, &[1], &[1]),
            call("torch._utils._rebuild_tensor_v2", &[storage()]),
        ] {
            assert_eq!(refused(&value), ErrorCode::Damaged);
        }
        assert_eq!(refused(&sample::tensor(storage(), 0, &[1 << 40, 1 << 40], &[0, 0])), ErrorCode::TooBig);
        assert_eq!(refused(&sample::tensor(storage(), 0, &[1 << 40], &[0])), ErrorCode::TooBig);
        assert_eq!(refused(&sample::tensor(storage(), 0, &[0, 1 << 40, 1 << 40], &[0, 0, 0])), ErrorCode::TooBig);
        assert_eq!(refused(&with("torch.QInt8Storage", "0", 6)), ErrorCode::Unsupported);
        // Six complex elements would be twelve floats.
        assert_eq!(refused(&with("torch.ComplexFloatStorage", "0", 6)), ErrorCode::Damaged);
        assert_eq!(refused(&call("torch._utils._rebuild_sparse_tensor", &[storage()])), ErrorCode::Unsupported);
    }
}
