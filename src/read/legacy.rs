//! Checkpoints of torch before 1.6: pickles one after the other, and the storages behind them.

use super::pickle::{Pickle, PickleNode};
use super::storage::{StorageKey, Storages};
use crate::error::{Error, Result, ResultExt};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What such a file begins with: a pickle of torch's magic number.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The version of the format; there was no other.
const VERSION: i64 = 1001;

/// Reads the value that was saved, and the storages that its tensors stand in.
///
/// Behind the magic number come pickles of the version, of facts about the machine, of the value and of the storages' keys;
/// then the storages in the order of the keys, each with its length before it
/// (`_legacy_save` in [torch/serialization.py](https://github.com/pytorch/pytorch/blob/main/torch/serialization.py)). All integers
/// are little-endian, whatever machine wrote them.
pub(super) fn read(bytes: &Bytes) -> Result<(Pickle, Storages<'static>)> {
    let mut at = MAGIC.len();
    let mut next = |what: &str| {
        let (pickle, length) = Pickle::parse_prefix(&bytes[at..]).at(what)?;
        at += length;
        Ok::<_, Error>(pickle)
    };
    let version = next("version")?;
    if *version.node(version.root()) != PickleNode::Int(VERSION) {
        return Err(Error::unsupported(format!("checkpoint version {:?}, expected {VERSION}", version.node(version.root()))));
    }
    next("machine")?;
    let (value, keys) = (next("value")?, next("keys")?);
    // Only the tensors say how wide the elements of a storage are.
    let mut sizes = BTreeMap::new();
    for node in value.nodes() {
        let PickleNode::Persistent(id) = *node else { continue };
        // A class with its source: modules saved whole name theirs.
        if value.items(id).is_ok_and(|parts| parts.first().is_some_and(|&kind| value.str(kind) == Ok("module"))) {
            continue;
        }
        let named = StorageKey::read(&value, id)?;
        sizes.insert(named.key, (named.length, named.size()?));
    }
    let mut storages = BTreeMap::new();
    for &key in keys.items(keys.root()).at("keys")? {
        let key = keys.str(key).at("keys")?;
        let location = || format!("storage {:?}", PickleNode::Str(key.into()));
        let &(length, size) = sizes.get(key).ok_or_else(|| Error::damaged("no tensor uses it").at(location()))?;
        let head = bytes[at..].first_chunk::<8>().ok_or_else(|| Error::damaged("the file ends before it").at(location()))?;
        let found = u64::from_le_bytes(*head);
        if found != length as u64 {
            return Err(Error::damaged(format!("the file has {found} elements, the pickle says {length}")).at(location()));
        }
        let start = at + 8;
        at = start
            .checked_add(size)
            .filter(|&end| end <= bytes.len())
            .ok_or_else(|| Error::damaged("the file ends within it").at(location()))?;
        if storages.insert(key.to_string(), bytes.slice(start..at)).is_some() {
            return Err(Error::damaged("it occurs twice in the file").at(location()));
        }
    }
    Ok((value, Storages::loose(storages)))
}
