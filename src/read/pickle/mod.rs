//! Pickled data without Python: values that refer to each other by index. Names stay names, and nothing is ever called.

mod machine;

use super::budget::Budget;
use super::zip::Archive;
use crate::error::{Error, Result, ResultExt};
use std::fmt;

/// How deeply values may nest.
const DEEPEST: u32 = 1000;
/// How many values a tree may have when what is shared is counted each time, beside a part of the file's size: readers walk it.
const UNFOLDED: u64 = 1 << 19;

/// The index of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u32);

impl Id {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a pickle holds. A value that is shared has one index, there are no cycles, and the tree may be walked by recursion:
/// it is at most a thousand deep, and no larger than its file justifies.
#[derive(Debug)]
pub(crate) struct Pickle {
    nodes: Vec<PickleNode>,
    root: Id,
}

/// A value.
#[derive(Clone, PartialEq)]
pub(crate) enum PickleNode {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: little-endian, two's complement.
    Long(Box<[u8]>),
    Float(f64),
    Str(String),
    Bytes(Box<[u8]>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Set(Vec<Id>),
    /// Keys and values in the order in which they were set; of a key that was set twice the later value counts.
    /// An `OrderedDict`, and a dictionary or list of any class of one's own, is a plain one here.
    Dict(Vec<(Id, Id)>),
    /// The module and the name of a class or function: data, which is never looked up.
    Global(Box<str>, Box<str>),
    /// What a callable would make of a tuple of arguments.
    Call(Id, Id),
    /// An object of a class, with its state.
    Object(Id, Option<Id>),
    /// A name for something outside the pickle: a storage.
    Persistent(Id),
}

impl Pickle {
    /// Runs the pickle that is an entry of an archive.
    ///
    /// # Errors
    /// As [`Pickle::parse`], and as [`Archive::read`].
    pub(crate) fn of(archive: &Archive, name: &str) -> Result<Pickle> {
        let bytes = archive.read(name)?;
        machine::run(&bytes, Budget::of(archive.size())).map(|(pickle, _)| pickle).at(name)
    }

    /// Runs a pickle of protocol 0 to 5 (of 0, without its text strings).
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where it is no pickle or a value contains itself, [`TooBig`](crate::ErrorCode::TooBig) and
    /// [`TooDeep`](crate::ErrorCode::TooDeep) where it is out of proportion, [`Unsupported`](crate::ErrorCode::Unsupported) for
    /// operations that no torch file has.
    #[cfg(test)]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Pickle> {
        Pickle::parse_prefix(bytes).map(|(pickle, _)| pickle)
    }

    /// Runs the pickle that the bytes begin with; also says where it ends.
    ///
    /// # Errors
    /// As [`Pickle::parse`].
    pub(crate) fn parse_prefix(bytes: &[u8]) -> Result<(Pickle, usize)> {
        machine::run(bytes, Budget::of(bytes.len()))
    }

    /// The value that was pickled.
    pub(crate) fn root(&self) -> Id {
        self.root
    }

    /// The value at an index.
    pub(crate) fn node(&self, id: Id) -> &PickleNode {
        self.nodes.get(id.index()).unwrap_or(&PickleNode::None)
    }

    /// Every value, in the order in which they were made.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &PickleNode> {
        self.nodes.iter()
    }

    /// The string at an index.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where something else stands there.
    pub(crate) fn str(&self, id: Id) -> Result<&str> {
        match self.node(id) {
            PickleNode::Str(text) => Ok(text),
            other => Err(Error::damaged(format!("expected a string, got {other:?}"))),
        }
    }

    /// The integer at an index.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where something else stands there.
    pub(crate) fn int(&self, id: Id) -> Result<i64> {
        match self.node(id) {
            PickleNode::Int(n) => Ok(*n),
            PickleNode::Bool(b) => Ok(i64::from(*b)),
            other => Err(Error::damaged(format!("expected an integer, got {other:?}"))),
        }
    }

    /// The elements of a tuple or list.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where something else stands there.
    pub(crate) fn items(&self, id: Id) -> Result<&[Id]> {
        match self.node(id) {
            PickleNode::Tuple(items) | PickleNode::List(items) => Ok(items),
            other => Err(Error::damaged(format!("expected a tuple, got {other:?}"))),
        }
    }

    /// The value of a key, where this is a dictionary that has it.
    pub(crate) fn lookup(&self, dict: Id, name: &str) -> Option<Id> {
        let PickleNode::Dict(entries) = self.node(dict) else { return None };
        entries.iter().rev().find(|entry| matches!(self.node(entry.0), PickleNode::Str(key) if key == name)).map(|entry| entry.1)
    }

    /// The module, the name and the arguments of a call.
    pub(crate) fn call(&self, id: Id) -> Option<(&str, &str, &[Id])> {
        let PickleNode::Call(callee, arguments) = self.node(id) else { return None };
        let PickleNode::Global(module, name) = self.node(*callee) else { return None };
        Some((module, name, self.items(*arguments).ok()?))
    }

    /// The `k`-th value that a value refers to.
    fn child(&self, id: Id, k: usize) -> Option<Id> {
        match self.node(id) {
            PickleNode::Tuple(items) | PickleNode::List(items) | PickleNode::Set(items) => items.get(k).copied(),
            PickleNode::Dict(entries) => entries.get(k / 2).map(|&(key, value)| if k.is_multiple_of(2) { key } else { value }),
            PickleNode::Call(callee, arguments) => [*callee, *arguments].get(k).copied(),
            PickleNode::Object(class, state) => [Some(*class), *state].get(k).copied().flatten(),
            PickleNode::Persistent(id) => (k == 0).then_some(*id),
            _ => None,
        }
    }

    /// Refuses what a reader could not walk: cycles, deep nesting, and trees that sharing makes larger than any file.
    fn check_tree(&self, unfolded: u64) -> Result<()> {
        const OPEN: u32 = u32::MAX;
        // Of each value: 0 where it is not known yet, OPEN while it is being walked, then its depth; and the size of its tree.
        let mut depths = vec![0; self.nodes.len()];
        let mut sizes = vec![0u64; self.nodes.len()];
        let mut path = vec![(self.root, 0)];
        depths[self.root.index()] = OPEN;
        while let Some((id, next)) = path.last_mut() {
            let id = *id;
            if let Some(child) = self.child(id, *next) {
                *next += 1;
                match depths[child.index()] {
                    OPEN => return Err(Error::damaged("a value contains itself")),
                    0 if path.len() as u32 >= DEEPEST => return Err(too_deep()),
                    0 => {
                        depths[child.index()] = OPEN;
                        path.push((child, 0));
                    }
                    _ => {}
                }
                continue;
            }
            let (mut depth, mut size) = (0, 1u64);
            for child in (0..).map_while(|k| self.child(id, k)) {
                depth = depth.max(depths[child.index()]);
                size = size.saturating_add(sizes[child.index()]);
            }
            if depth >= DEEPEST {
                return Err(too_deep());
            }
            if size > unfolded {
                return Err(Error::too_big("shared values expand to more than the file's size justifies"));
            }
            (depths[id.index()], sizes[id.index()]) = (depth + 1, size);
            path.pop();
        }
        Ok(())
    }
}

fn too_deep() -> Error {
    Error::too_deep(format!("values nested more than {DEEPEST} deep"))
}

impl fmt::Debug for PickleNode {
    /// A few words, for messages: never the contents, which may be of any size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PickleNode::None => f.write_str("None"),
            PickleNode::Bool(x) => write!(f, "{x}"),
            PickleNode::Int(x) => write!(f, "{x}"),
            PickleNode::Long(bytes) => write!(f, "an integer of {} bytes", bytes.len()),
            PickleNode::Float(x) => write!(f, "{x:?}"),
            PickleNode::Str(text) if text.len() <= 60 => write!(f, "{text:?}"),
            PickleNode::Str(text) => write!(f, "a string of {} bytes", text.len()),
            PickleNode::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            PickleNode::Tuple(items) => write!(f, "a tuple of {}", items.len()),
            PickleNode::List(items) => write!(f, "a list of {}", items.len()),
            PickleNode::Set(items) => write!(f, "a set of {}", items.len()),
            PickleNode::Dict(entries) => write!(f, "a dictionary of {}", entries.len()),
            PickleNode::Global(module, name) if module.len() + name.len() <= 200 => {
                write!(f, "{}.{}", module.escape_debug(), name.escape_debug())
            }
            PickleNode::Global(module, name) => write!(f, "a name of {} bytes", module.len() + name.len()),
            PickleNode::Call(..) => f.write_str("a call"),
            PickleNode::Object(..) => f.write_str("an object"),
            PickleNode::Persistent(_) => f.write_str("a storage"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{int, text, tuple};
    use super::*;
    use crate::ErrorCode;

    fn refused(bytes: &[u8]) -> ErrorCode {
        Pickle::parse(bytes).unwrap_err().code()
    }

    #[test]
    fn a_shared_value_is_one_position() {
        // x = []; (x, x)
        let pickle = Pickle::parse(b"\x80\x02]q\x00h\x00\x86.").unwrap();
        let items = pickle.items(pickle.root()).unwrap();
        assert_eq!(items[0], items[1]);
    }

    #[test]
    fn a_tree_of_a_thousand_is_walked_and_one_deeper_is_not() {
        let nested = |depth: usize| [b")".as_slice(), &vec![0x85; depth - 1], b"."].concat();
        assert!(Pickle::parse(&nested(1000)).is_ok());
        assert_eq!(refused(&nested(1001)), ErrorCode::TooDeep);
        assert_eq!(refused(&nested(200_000)), ErrorCode::TooDeep);
        // 600 deep, made first, inside 600 more.
        let half = [b")".as_slice(), &[0x85; 599], b"q\0"].concat();
        assert_eq!(refused(&[half, vec![0x85; 600], b"h\0\x86.".to_vec()].concat()), ErrorCode::TooDeep);
    }

    #[test]
    fn laughs_are_counted_and_not_walked() {
        let laughs = |times: usize| [b")".as_slice(), &b"2\x86".repeat(times), b"."].concat();
        assert!(Pickle::parse(&laughs(10)).is_ok());
        assert_eq!(refused(&laughs(60)), ErrorCode::TooBig);
        assert_eq!(refused(&laughs(900)), ErrorCode::TooBig);
    }

    #[test]
    fn a_value_that_contains_itself_is_refused() {
        assert_eq!(refused(b"]q\0h\0a."), ErrorCode::Damaged);
        assert_eq!(refused(b"}q\0X\x01\0\0\0ah\0s."), ErrorCode::Damaged);
        // An object whose state is a tuple of the object.
        assert_eq!(refused(b"ca\nB\n)\x81q\0h\0\x85b."), ErrorCode::Damaged);
    }

    #[test]
    fn of_a_key_that_is_set_twice_the_later_value_counts() {
        let pickle = Pickle::parse(&[b"}(".as_slice(), &text("a"), &int(1), &text("a"), &int(2), b"u."].concat()).unwrap();
        let value = |name| pickle.lookup(pickle.root(), name).map(|id| pickle.int(id).unwrap());
        assert_eq!((value("a"), value("b")), (Some(2), None));
    }

    #[test]
    fn a_message_is_short_whatever_the_value() {
        let long = Pickle::parse(&[tuple(&vec![int(1); 5000]), b".".to_vec()].concat()).unwrap();
        assert_eq!(long.str(long.root()).unwrap_err().message(), "expected a string, got a tuple of 5000");
        let name = Pickle::parse(&[text(&"x".repeat(5000)), b".".to_vec()].concat()).unwrap();
        assert!(name.int(name.root()).unwrap_err().message().len() < 100);
    }
}
