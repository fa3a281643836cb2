//! The stack machine that pickles are programs of: one arm an operation, in the order of Python's `pickletools`.

use super::{Id, Pickle, PickleNode, UNFOLDED};
use crate::error::{Error, Result, ResultExt};
use crate::read::budget::Budget;
use std::collections::HashMap;

/// The newest protocol.
const PROTOCOL: u64 = 5;
/// How many operations a pickle may have.
const MAX_OPERATIONS: usize = 10_000_000;

/// Runs the pickle that the bytes begin with; also says where it ends.
pub(super) fn run(bytes: &[u8], budget: Budget) -> Result<(Pickle, usize)> {
    let mut machine = Machine { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), budget };
    let root = machine.run();
    let root = root.at(format_args!("byte {}", machine.at))?;
    let Machine { at, nodes, mut budget, .. } = machine;
    budget.spend(nodes.len() * 12)?;
    let pickle = Pickle { nodes, root };
    pickle.check_tree(UNFOLDED + bytes.len() as u64 / 4)?;
    Ok((pickle, at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<PickleNode>,
    stack: Vec<Id>,
    /// Heights of the stack, ever higher.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    budget: Budget,
}

fn short() -> Error {
    Error::damaged("the pickle ends early")
}

fn empty() -> Error {
    Error::damaged("pickle stack underflow")
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count)).ok_or_else(short)?;
        let slice = self.bytes.get(self.at..end).ok_or_else(short)?;
        self.at = end;
        Ok(slice)
    }

    fn unsigned(&mut self, width: u64) -> Result<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    /// Bytes behind their length, which is a number of this width.
    fn counted(&mut self, width: u64) -> Result<&'a [u8]> {
        let count = self.unsigned(width)?;
        self.take(count)
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = self.bytes.get(self.at..).ok_or_else(short)?;
        let end = rest.iter().position(|&b| b == b'\n').ok_or_else(short)?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| Error::damaged("a line that is not UTF-8"))
    }

    /// A line that is a number.
    fn parsed<T: std::str::FromStr>(&mut self) -> Result<T> {
        let line = self.line()?;
        let digits = line.trim_end_matches('L');
        digits.parse().map_err(|_| Error::damaged(format!("expected a number, got {:?}", PickleNode::Str(digits.into()))))
    }

    fn push_id(&mut self, id: Id) -> Result<()> {
        self.budget.room(&mut self.stack)?;
        self.stack.push(id);
        Ok(())
    }

    fn push(&mut self, node: PickleNode) -> Result<()> {
        let heap = match &node {
            PickleNode::Long(bytes) | PickleNode::Bytes(bytes) => 16 + bytes.len(),
            PickleNode::Str(text) => 16 + text.len(),
            PickleNode::Global(module, name) => 32 + module.len() + name.len(),
            PickleNode::Tuple(items) | PickleNode::List(items) | PickleNode::Set(items) => 16 + items.len() * size_of::<Id>(),
            _ => 0,
        };
        self.budget.spend(heap)?;
        self.budget.room(&mut self.nodes)?;
        let id = u32::try_from(self.nodes.len()).map_err(|_| Error::too_big("more than 2³² values"))?;
        self.nodes.push(node);
        self.push_id(Id(id))
    }

    fn pop(&mut self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(empty());
        }
        self.stack.pop().ok_or_else(empty)
    }

    /// The value on top, which no mark may stand on.
    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[Id]>::last).copied().ok_or_else(empty)
    }

    fn take_marked(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(|| Error::damaged("pickle mark missing"))?;
        self.budget.spend((self.stack.len() - mark) * size_of::<Id>())?;
        Ok(self.stack.split_off(mark))
    }

    fn text(&mut self, bytes: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::damaged("a string that is not UTF-8"))?;
        self.push(PickleNode::Str(text.into()))
    }

    /// A string of Python 2: text where it is some.
    fn either(&mut self, bytes: &[u8]) -> Result<()> {
        self.push(std::str::from_utf8(bytes).map_or_else(|_| PickleNode::Bytes(bytes.into()), |text| PickleNode::Str(text.into())))
    }

    fn integer(&mut self, bytes: &[u8]) -> Result<()> {
        let negative = bytes.last().is_some_and(|&high| high > 0x7f);
        let fill = if negative { 0xff } else { 0 };
        let mut wide = [fill; 8];
        let (low, high) = bytes.split_at(bytes.len().min(8));
        wide[..low.len()].copy_from_slice(low);
        let n = i64::from_le_bytes(wide);
        let fits = high.iter().all(|&byte| byte == fill) && (n < 0) == negative;
        self.push(if fits { PickleNode::Int(n) } else { PickleNode::Long(bytes.into()) })
    }

    fn put(&mut self, key: u64) -> Result<()> {
        let top = self.top()?;
        if self.memo.insert(key, top).is_none() {
            // An entry, its share of the table's free slots, and of the table before it last grew.
            self.budget.spend(40)?;
        }
        Ok(())
    }

    fn get(&mut self, key: u64) -> Result<()> {
        let id = self.memo.get(&key).copied();
        self.push_id(id.ok_or_else(|| Error::damaged(format!("no memo entry {key}")))?)
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        items.reverse();
        self.push(PickleNode::Tuple(items))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        self.budget.spend(2 * items.len() * size_of::<Id>())?;
        let list = self.top()?;
        let node = &mut self.nodes[list.index()];
        // A list or queue of a class of its own is made first and filled then.
        if matches!(node, PickleNode::Call(..) | PickleNode::Object(..)) {
            *node = PickleNode::List(Vec::new());
        }
        match node {
            PickleNode::List(elements) | PickleNode::Set(elements) => elements.extend(items),
            other => return Err(Error::damaged(format!("APPEND to {other:?}"))),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Id>) -> Result<()> {
        self.budget.spend(2 * items.len() * size_of::<Id>())?;
        let dict = self.top()?;
        let node = &mut self.nodes[dict.index()];
        if matches!(node, PickleNode::Call(..) | PickleNode::Object(..)) {
            *node = PickleNode::Dict(Vec::new());
        }
        match node {
            _ if !items.len().is_multiple_of(2) => return Err(Error::damaged("dictionary key without a value")),
            PickleNode::Dict(entries) => entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            other => return Err(Error::damaged(format!("SETITEM on {other:?}"))),
        }
        Ok(())
    }

    /// What a callable makes of its arguments: known only where it makes a container or an object of plain data.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let PickleNode::Tuple(items) = &self.nodes[arguments.index()] else {
            // An enumeration of the program is called with the value of its member alone.
            return match &self.nodes[callee.index()] {
                PickleNode::Global(module, _) if module.starts_with("__torch__") => self.push(PickleNode::Call(callee, arguments)),
                _ => Err(Error::damaged("a call without a tuple of arguments")),
            };
        };
        let PickleNode::Global(module, name) = &self.nodes[callee.index()] else { return self.push(PickleNode::Call(callee, arguments)) };
        match (&**module, &**name, items.as_slice()) {
            ("collections", "OrderedDict", []) => self.push(PickleNode::Dict(vec![])),
            ("collections", "OrderedDict", &[pairs]) => {
                let pairs = self.pairs(pairs)?;
                self.push(PickleNode::Dict(pairs))
            }
            ("copyreg" | "copy_reg", "_reconstructor", &[class, ..]) => self.push(PickleNode::Object(class, None)),
            _ => self.push(PickleNode::Call(callee, arguments)),
        }
    }

    /// A list of keys with values, as Python 2 pickled an `OrderedDict`.
    fn pairs(&mut self, id: Id) -> Result<Vec<(Id, Id)>> {
        let items = |id: Id| match &self.nodes[id.index()] {
            PickleNode::List(items) | PickleNode::Tuple(items) => Ok(items.as_slice()),
            other => Err(Error::damaged(format!("a dictionary built from {other:?}"))),
        };
        let pair = |&id: &Id| match items(id)? {
            &[key, value] => Ok((key, value)),
            other => Err(Error::damaged(format!("a dictionary's entry of {} parts", other.len()))),
        };
        let pairs = items(id)?.iter().map(pair).collect::<Result<Vec<_>>>()?;
        self.budget.spend(2 * pairs.len() * size_of::<(Id, Id)>())?;
        Ok(pairs)
    }

    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let object = self.top()?;
        match &mut self.nodes[object.index()] {
            PickleNode::Object(_, slot) => *slot = Some(state),
            // The attributes of a container (a state dict's `_metadata`), or of what a call would make.
            PickleNode::Call(..) | PickleNode::Dict(_) | PickleNode::List(_) | PickleNode::Set(_) => {}
            other => return Err(Error::damaged(format!("BUILD on {other:?}"))),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        self.push(PickleNode::Global(module.into(), name.into()))
    }

    fn run(&mut self) -> Result<Id> {
        for _ in 0..MAX_OPERATIONS {
            let operation = self.unsigned(1)? as u8;
            if operation == b'.' {
                let root = self.pop()?;
                return if self.stack.is_empty() { Ok(root) } else { Err(Error::damaged("values are left on the pickle stack")) };
            }
            self.step(operation)?;
        }
        Err(Error::too_big(format!("a pickle of more than {MAX_OPERATIONS} operations")))
    }

    fn step(&mut self, operation: u8) -> Result<()> {
        match operation {
            // Integers.
            b'I' => match self.line()? {
                "00" => self.push(PickleNode::Bool(false)),
                "01" => self.push(PickleNode::Bool(true)),
                line => {
                    self.at -= line.len() + 1;
                    let n = self.parsed()?;
                    self.push(PickleNode::Int(n))
                }
            },
            b'J' => {
                let n = self.unsigned(4)? as i32;
                self.push(PickleNode::Int(n.into()))
            }
            b'K' | b'M' => {
                let n = self.unsigned(if operation == b'K' { 1 } else { 2 })?;
                self.push(PickleNode::Int(n as i64))
            }
            b'L' => {
                let n = self.parsed()?;
                self.push(PickleNode::Int(n))
            }
            0x8a | 0x8b => {
                let bytes = self.counted(if operation == 0x8a { 1 } else { 4 })?;
                self.integer(bytes)
            }
            // Strings and bytes.
            b'T' | b'U' => {
                let bytes = self.counted(if operation == b'U' { 1 } else { 4 })?;
                self.either(bytes)
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let bytes = self.counted(match operation {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.push(PickleNode::Bytes(bytes.into()))
            }
            b'X' | 0x8c | 0x8d => {
                let bytes = self.counted(match operation {
                    0x8c => 1,
                    b'X' => 4,
                    _ => 8,
                })?;
                self.text(bytes)
            }
            // Constants and floats.
            b'N' => self.push(PickleNode::None),
            0x88 => self.push(PickleNode::Bool(true)),
            0x89 => self.push(PickleNode::Bool(false)),
            b'F' => {
                let x = self.parsed()?;
                self.push(PickleNode::Float(x))
            }
            b'G' => {
                let x = self.take(8)?.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
                self.push(PickleNode::Float(f64::from_bits(x)))
            }
            // Lists, tuples, dictionaries, sets.
            b']' => self.push(PickleNode::List(vec![])),
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])
            }
            b'e' | 0x90 => {
                let items = self.take_marked()?;
                self.append(items)
            }
            b'l' => {
                let items = self.take_marked()?;
                self.push(PickleNode::List(items))
            }
            b')' => self.push(PickleNode::Tuple(vec![])),
            b't' => {
                let items = self.take_marked()?;
                self.push(PickleNode::Tuple(items))
            }
            0x85..=0x87 => self.tuple(usize::from(operation) - 0x84),
            b'}' => self.push(PickleNode::Dict(vec![])),
            b'd' => {
                let items = self.take_marked()?;
                self.push(PickleNode::Dict(vec![]))?;
                self.set(items)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, value])
            }
            b'u' => {
                let items = self.take_marked()?;
                self.set(items)
            }
            0x8f => self.push(PickleNode::Set(vec![])),
            0x91 => {
                let items = self.take_marked()?;
                self.push(PickleNode::Set(items))
            }
            // The stack and the memo.
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'2' => self.top().and_then(|top| self.push_id(top)),
            b'(' => {
                self.budget.room(&mut self.marks)?;
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'1' => self.take_marked().map(drop),
            b'g' | b'p' => {
                let key = self.parsed()?;
                if operation == b'g' { self.get(key) } else { self.put(key) }
            }
            b'h' | b'j' => {
                let key = self.unsigned(if operation == b'h' { 1 } else { 4 })?;
                self.get(key)
            }
            b'q' | b'r' => {
                let key = self.unsigned(if operation == b'q' { 1 } else { 4 })?;
                self.put(key)
            }
            0x94 => self.put(self.memo.len() as u64),
            // Classes, functions, and what they would make.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let global = match (&self.nodes[module.index()], &self.nodes[name.index()]) {
                    (PickleNode::Str(module), PickleNode::Str(name)) => PickleNode::Global(module.as_str().into(), name.as_str().into()),
                    (module, name) => return Err(Error::damaged(format!("a class called {name:?} in {module:?}"))),
                };
                self.push(global)
            }
            b'R' => self.reduce(),
            b'b' => self.build(),
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.take_marked()?;
                self.global(module, name)?;
                let class = self.pop()?;
                self.push(PickleNode::Object(class, None))
            }
            b'o' => {
                let class = self.take_marked()?.first().copied().ok_or_else(empty)?;
                self.push(PickleNode::Object(class, None))
            }
            0x81 | 0x92 => {
                let arguments = if operation == 0x81 { 1 } else { 2 };
                (0..arguments).try_for_each(|_| self.pop().map(drop))?;
                let class = self.pop()?;
                self.push(PickleNode::Object(class, None))
            }
            // The machine's own, and what stands outside.
            0x80 => match self.unsigned(1)? {
                0..=PROTOCOL => Ok(()),
                version => Err(Error::new(crate::ErrorCode::TooNew, format!("pickle protocol {version}; {PROTOCOL} is the newest known"))),
            },
            0x95 => self.take(8).map(drop),
            b'Q' => {
                let id = self.pop()?;
                self.push(PickleNode::Persistent(id))
            }
            b'S' | b'V' | b'P' => {
                Err(Error::unsupported("strings of pickle protocol 0 are not supported").help("save it again with a later protocol"))
            }
            0x82..=0x84 | 0x97 | 0x98 => Err(Error::unsupported(format!("pickle opcode 0x{operation:02x} does not occur in torch files"))),
            other => Err(Error::damaged(format!("unknown pickle opcode 0x{other:02x}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn value(bytes: &[u8]) -> PickleNode {
        let pickle = Pickle::parse(bytes).unwrap();
        pickle.node(pickle.root()).clone()
    }

    fn refused(bytes: &[u8]) -> ErrorCode {
        Pickle::parse(bytes).unwrap_err().code()
    }

    #[test]
    fn a_call_is_data_and_is_never_made() {
        let pickle = Pickle::parse(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.").unwrap();
        let (module, name, arguments) = pickle.call(pickle.root()).unwrap();
        assert_eq!((module, name, pickle.str(arguments[0]).unwrap()), ("os", "system", "ls"));
    }

    #[test]
    fn values_have_pythons_values() {
        // As pickle.dumps(x, protocol) of Python 3 writes them.
        for (bytes, n) in [
            (&b"J\xff\xff\xff\xff."[..], -1),
            (b"K\xff.", 255),
            (b"M\xff\xff.", 65535),
            (b"\x8a\x05\x00\x00\x00\x00\x01.", 1 << 32),
            (b"\x8a\x01\xff.", -1),
            (b"\x8a\x00.", 0),
            (b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", i64::MIN),
            (b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\x00.", i64::MAX),
            (b"L12345678901L\n.", 12345678901),
            (b"I-7\n.", -7),
        ] {
            assert_eq!(value(bytes), PickleNode::Int(n), "{bytes:?}");
        }
        assert_eq!(value(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."), PickleNode::Long([0, 0, 0, 0, 0, 0, 0, 0x80, 0].into()));
        assert_eq!(value(b"I01\n."), PickleNode::Bool(true));
        assert_eq!(value(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00."), PickleNode::Float(1.5));
        assert_eq!(value(b"F-1.5\n."), PickleNode::Float(-1.5));
    }

    #[test]
    fn protocol_four_says_the_same_in_other_words() {
        // pickle.dumps(({"a": [1, b"x"]}, {1}, collections.OrderedDict), 4)
        let bytes = b"\x80\x04\x95\x37\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94]\x94(K\x01C\x01x\x94\
            es\x8f\x94(K\x01\x90\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94\x87\x94.";
        let pickle = Pickle::parse(bytes).unwrap();
        let items = pickle.items(pickle.root()).unwrap();
        let list = pickle.items(pickle.lookup(items[0], "a").unwrap()).unwrap();
        assert_eq!(pickle.int(list[0]).unwrap(), 1);
        assert_eq!(*pickle.node(list[1]), PickleNode::Bytes(b"x"[..].into()));
        assert!(matches!(pickle.node(items[1]), PickleNode::Set(items) if items.len() == 1));
        assert_eq!(*pickle.node(items[2]), PickleNode::Global("collections".into(), "OrderedDict".into()));
    }

    #[test]
    fn a_dictionary_of_any_class_is_a_dictionary() {
        let filled = b"X\x01\0\0\0aK\x07s.";
        for made in [&b"}"[..], b"ccollections\nOrderedDict\n)R", b"ccollections\ndefaultdict\n)R", b"cmine\nConfig\n)\x81"] {
            let pickle = Pickle::parse(&[made, filled].concat()).unwrap();
            assert_eq!(pickle.lookup(pickle.root(), "a").map(|id| pickle.int(id).unwrap()), Some(7), "{made:?}");
        }
        // Python 2: OrderedDict([["a", 7]]).
        let pickle = Pickle::parse(b"ccollections\nOrderedDict\n(]]U\x01aaK\x07aatR.").map(|p| p.lookup(p.root(), "a").map(|id| p.int(id)));
        assert!(matches!(pickle, Ok(Some(Ok(7)))), "{pickle:?}");
    }

    #[test]
    fn an_object_has_a_class_and_a_state() {
        for made in [&b"cm\nC\n)\x81"[..], b"(im\nC\n", b"(cm\nC\no", b"cm\nC\n)}\x92", b"ccopy_reg\n_reconstructor\n(cm\nC\nNNtR"] {
            let pickle = Pickle::parse(&[made, b"}X\x01\0\0\0aK\x07sb."].concat()).unwrap();
            let PickleNode::Object(class, Some(state)) = *pickle.node(pickle.root()) else { panic!("{made:?}") };
            assert_eq!(*pickle.node(class), PickleNode::Global("m".into(), "C".into()));
            assert!(pickle.lookup(state, "a").is_some());
        }
    }

    #[test]
    fn what_is_missing_is_damage() {
        for bytes in [
            &b""[..],
            b".",
            b"K",
            b"K\x01",
            b"K\x01K\x02.",
            b"t.",
            b"(.",
            b"a.",
            b"K\x01(K\x02a.",
            b"h\0.",
            b"r\xff\xff\xff\xff.",
            b"j\xff\xff\xff\xff.",
            b"]K\x01s.",
            b"}(K\x01u.",
            b"ca\nb\nK\x01R.",
            b"K\x01}b.",
            b"cno newline",
            b"X\xff\xff\xff\xffab.",
            b"X\x01\0\0\0\xff.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fab.",
            b"\x8b\xff\xff\xff\x7fab.",
            b"I1x\n.",
            b"\xfe.",
        ] {
            assert_eq!(refused(bytes), ErrorCode::Damaged, "{bytes:?}");
        }
    }

    #[test]
    fn a_memo_index_takes_no_more_than_a_memo_entry() {
        assert_eq!(value(b"K\x07r\xff\xff\xff\xff0j\xff\xff\xff\xff."), PickleNode::Int(7));
    }

    #[test]
    fn what_no_torch_file_has_is_named() {
        assert_eq!(refused(b"\x82\x01."), ErrorCode::Unsupported);
        assert_eq!(refused(b"V\\u0041\n."), ErrorCode::Unsupported);
        assert_eq!(refused(b"\x80\x06N."), ErrorCode::TooNew);
    }

    #[test]
    fn memory_is_bounded_by_the_size_of_the_pickle() {
        for fill in [&b"]"[..], b"N", b"(", b"}", b"U\0", b"]\x94", b"ca\nb\n", b"2"] {
            let many = [b"N", &fill.repeat((4 << 20) / fill.len())[..]].concat();
            assert!(matches!(refused(&many), ErrorCode::TooBig | ErrorCode::Damaged), "{fill:?}");
        }
    }
}
