//! The objects of an archive: modules with their attributes, by index, shared ones once.

use crate::array::Array;
use crate::dim::Dim;
use crate::error::{Error, Result, ResultExt};
use crate::read::aten::complex;
use crate::read::aten::value::{Value, View};
use crate::read::pickle::{Id, Pickle, PickleNode};
use crate::read::storage::{Storages, StoredTensor};
use crate::tensor::Tensor;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// An attribute: a value of its own for every call, so that what one call writes the next does not see.
enum StoredAttribute {
    Object(usize),
    Tensor(Tensor),
    /// A complex tensor, its parts in a last axis.
    Pairs(Tensor),
    Data(Data),
}

/// A plain value, as the pickle has it.
#[derive(Clone, Debug)]
enum Data {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Tensor(Tensor),
    /// A complex tensor, its parts in a last axis.
    Pairs(Tensor),
    List(Vec<Data>),
    Tuple(Vec<Data>),
    Dict(Vec<(Data, Data)>),
}

struct Object {
    class: String,
    /// The path at which it is first reached.
    path: String,
    attributes: BTreeMap<String, StoredAttribute>,
    order: Vec<String>,
}

/// Every object of an archive.
pub(super) struct Objects {
    objects: Vec<Object>,
}

struct ObjectReader<'a> {
    pickle: &'a Pickle,
    storages: &'a Storages<'a>,
    objects: Vec<Object>,
    known: HashMap<Id, usize>,
}

impl Objects {
    /// Reads the objects of `data.pkl`; also gives the root.
    pub(super) fn read(pickle: &Pickle, storages: &Storages) -> Result<(Objects, usize)> {
        let mut reader = ObjectReader { pickle, storages, objects: Vec::new(), known: HashMap::new() };
        let root = reader.object(pickle.root(), "")?.ok_or_else(|| Error::damaged("the archive contains no module"))?;
        Ok((Objects { objects: reader.objects }, root))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// The path of an object: the scope of what it does.
    pub(super) fn path(&self, id: usize) -> &str {
        self.objects.get(id).map_or("", |object| &object.path)
    }

    /// The class of an object, by its full name.
    pub(super) fn class(&self, id: usize) -> &str {
        self.objects.get(id).map_or("", |object| &object.class)
    }

    /// An attribute of an object.
    pub(super) fn attribute(&self, id: usize, name: &str) -> Result<Value> {
        let object = self.objects.get(id).ok_or_else(|| Error::internal("no such object"))?;
        match object.attributes.get(name).ok_or_else(|| super::unknown(&format!("{}.{name}", object.class)))? {
            StoredAttribute::Object(id) => Ok(Value::Object(*id)),
            StoredAttribute::Tensor(tensor) => Ok(Value::Tensor(View::stored(tensor.clone()))),
            StoredAttribute::Pairs(tensor) => complex::stored(tensor),
            StoredAttribute::Data(data) => data.value(),
        }
    }

    /// The tensors below an object by path, in the order of the archive, each object once.
    pub(super) fn tensors(&self, root: usize) -> Vec<(String, Array)> {
        let (mut found, mut seen) = (Vec::new(), vec![false; self.objects.len()]);
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            let object = &self.objects[id];
            let mut below = Vec::new();
            for name in &object.order {
                match &object.attributes[name] {
                    StoredAttribute::Tensor(tensor) | StoredAttribute::Pairs(tensor) => {
                        found.extend(tensor.value().map(|array| (join(&object.path, name), array.clone())))
                    }
                    StoredAttribute::Object(id) => below.push(*id),
                    StoredAttribute::Data(_) => {}
                }
            }
            stack.extend(below.into_iter().rev());
        }
        found
    }
}

/// The path of an attribute.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

impl ObjectReader<'_> {
    fn object(&mut self, id: Id, path: &str) -> Result<Option<usize>> {
        if let Some(&known) = self.known.get(&id) {
            return Ok(Some(known));
        }
        let PickleNode::Object(class, state) = self.pickle.node(id) else { return Ok(None) };
        let PickleNode::Global(module, name) = self.pickle.node(*class) else { return Ok(None) };
        let index = self.objects.len();
        self.known.insert(id, index);
        self.objects.push(Object {
            class: format!("{module}.{name}"),
            path: path.to_string(),
            attributes: BTreeMap::new(),
            order: Vec::new(),
        });
        let entries = match state.map(|state| self.pickle.node(state)) {
            Some(PickleNode::Dict(entries)) => entries.clone(),
            None | Some(PickleNode::None | PickleNode::Tuple(_)) => Vec::new(),
            Some(other) => return Err(Error::damaged(format!("an object whose state is {other:?}"))),
        };
        for (key, value) in entries {
            let name = self.pickle.str(key)?.to_string();
            let path = join(path, &name);
            let attribute = match self.object(value, &path)? {
                Some(object) => StoredAttribute::Object(object),
                None => match self.storages.tensor(self.pickle, value).at(&path)? {
                    Some(StoredTensor::Pairs(array)) => StoredAttribute::Pairs(Tensor::from(array).named(&path)),
                    Some(StoredTensor::Real(array)) => StoredAttribute::Tensor(Tensor::from(array).named(&path)),
                    Some(StoredTensor::TypeOnly(ty)) => StoredAttribute::Tensor(Tensor::of_type(ty).named(&path)),
                    None => StoredAttribute::Data(self.data(value).at(&path)?),
                },
            };
            self.objects[index].order.push(name.clone());
            self.objects[index].attributes.insert(name, attribute);
        }
        Ok(Some(index))
    }

    fn data(&self, id: Id) -> Result<Data> {
        let many = |items: &[Id]| items.iter().map(|&item| self.data(item)).collect::<Result<Vec<_>>>();
        Ok(match self.pickle.node(id) {
            PickleNode::None => Data::None,
            PickleNode::Bool(x) => Data::Bool(*x),
            PickleNode::Int(x) => Data::Int(*x),
            PickleNode::Float(x) => Data::Float(*x),
            PickleNode::Str(x) => Data::Str(x.clone()),
            PickleNode::Tuple(items) => Data::Tuple(many(items)?),
            PickleNode::List(items) => Data::List(many(items)?),
            PickleNode::Dict(entries) => {
                Data::Dict(entries.iter().map(|&(key, value)| Ok((self.data(key)?, self.data(value)?))).collect::<Result<_>>()?)
            }
            PickleNode::Call(callee, arguments) => match (self.storages.tensor(self.pickle, id)?, self.pickle.node(*callee)) {
                (Some(StoredTensor::Real(array)), _) => Data::Tensor(array.into()),
                (Some(StoredTensor::Pairs(array)), _) => Data::Pairs(array.into()),
                (Some(StoredTensor::TypeOnly(ty)), _) => Data::Tensor(Tensor::of_type(ty)),
                // Typed containers: the first argument is what they hold.
                (None, PickleNode::Global(module, _)) if **module == *"torch.jit._pickle" => match self.pickle.items(*arguments)?.first() {
                    Some(&inner) => self.data(inner)?,
                    None => return Err(Error::damaged("a typed container without elements")),
                },
                (None, PickleNode::Global(module, _)) if module.starts_with("__torch__") => self.data(*arguments)?,
                (None, other) => return Err(Error::unsupported(format!("an attribute made by {other:?}"))),
            },
            // An enum, a device, a class: refused where the program reads it, which it seldom does.
            PickleNode::Long(_)
            | PickleNode::Bytes(_)
            | PickleNode::Set(_)
            | PickleNode::Global(..)
            | PickleNode::Object(..)
            | PickleNode::Persistent(_) => Data::None,
        })
    }
}

impl Data {
    fn value(&self) -> Result<Value> {
        let many = |items: &[Data]| items.iter().map(Data::value).collect::<Result<Vec<_>>>();
        Ok(match self {
            Data::None => Value::None,
            Data::Bool(x) => Value::Bool(*x),
            Data::Int(x) => Value::Int(Dim::Fixed(*x)),
            Data::Float(x) => Value::Float(*x),
            Data::Str(x) => Value::Str(x.as_str().into()),
            Data::Tensor(tensor) => Value::from(tensor.clone()),
            Data::Pairs(tensor) => complex::stored(tensor)?,
            Data::List(items) => Value::list(many(items)?),
            Data::Tuple(items) => Value::tuple(many(items)?),
            Data::Dict(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((key.value()?, value.value()?))).collect::<Result<_>>()?;
                Value::Dict(Rc::new(std::cell::RefCell::new(entries)))
            }
        })
    }

    /// The tensors in it, each with its path.
    fn leaves(&self, path: &[String], leaves: &mut Vec<(Vec<String>, Tensor)>) -> bool {
        match self {
            Data::Tensor(tensor) => {
                leaves.push((path.to_vec(), tensor.clone()));
                true
            }
            Data::List(items) | Data::Tuple(items) => {
                items.iter().enumerate().all(|(i, item)| item.leaves(&[path, &[i.to_string()]].concat(), leaves))
            }
            Data::Dict(entries) => entries.iter().all(|(key, item)| match key {
                Data::Str(key) => item.leaves(&[path, std::slice::from_ref(key)].concat(), leaves),
                _ => false,
            }),
            _ => false,
        }
    }
}

/// The example inputs of `forward`, flattened, each with its path; `None` where they are not only tensors.
pub(super) fn example_tensors(pickle: &Pickle, storages: &Storages) -> Result<Option<Vec<(Vec<String>, Tensor)>>> {
    let reader = ObjectReader { pickle, storages, objects: Vec::new(), known: HashMap::new() };
    let Data::Dict(methods) = reader.data(pickle.root())? else { return Ok(None) };
    let forward = methods.iter().find(|(key, _)| matches!(key, Data::Str(name) if name == "forward"));
    let Some((_, inputs)) = forward else { return Ok(None) };
    let mut leaves = Vec::new();
    Ok(inputs.leaves(&[], &mut leaves).then_some(leaves))
}
