//! External data: weights in a file beside the model, found by a path that cannot leave the folder, and mapped once.

use super::names::printable;
use super::proto::{StringStringEntryProto, TensorProto};
use super::tensor;
use crate::array::map;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

/// The location of the external data of a tensor (<https://onnx.ai/onnx/repo-docs/ExternalData.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A path below the model's folder, its parts divided by `/`.
    pub path: String,
    /// In bytes.
    pub offset: u64,
    /// In bytes; to the end of the file where it is not given.
    pub length: Option<u64>,
}

impl Location {
    /// Reads the entries `location`, `offset` and `length`; `checksum` and `basepath` are known and not used.
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged) for an entry that is missing, unknown, there twice or no number.
    pub fn read(entries: &[StringStringEntryProto]) -> Result<Location> {
        let mut known = BTreeMap::new();
        for entry in entries {
            if !["location", "offset", "length", "checksum", "basepath"].contains(&&entry.key[..]) {
                return Err(Error::damaged(format!("unknown external_data entry {}", printable(&entry.key))));
            }
            if known.insert(&entry.key[..], &entry.value[..]).is_some() {
                return Err(Error::damaged(format!("duplicate external_data entry {:?}", entry.key)));
            }
        }
        let number = |key: &str| match known.get(key) {
            None => Ok(None),
            Some(value) => {
                value.parse().map(Some).map_err(|_| Error::damaged(format!("invalid external_data entry {key} = {}", printable(value))))
            }
        };
        let path = known.get("location").ok_or_else(|| Error::damaged("external_data has no location"))?;
        Ok(Location { path: path.to_string(), offset: number("offset")?.unwrap_or(0), length: number("length")? })
    }

    /// The `external_data` entries for this location.
    pub fn write(&self) -> Vec<StringStringEntryProto> {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
        let mut entries = vec![entry("location", self.path.clone()), entry("offset", self.offset.to_string())];
        entries.extend(self.length.map(|length| entry("length", length.to_string())));
        entries
    }
}

/// What tells files apart however their paths are spelled: device and inode, or else the path without links.
type FileId = (u64, u64, PathBuf);

/// A model's folder, with the files in it that were mapped so far.
pub struct Folder {
    /// Without links, so that a prefix of a path is a folder above it.
    root: PathBuf,
    /// By the path as the model spells it: the file, mapped once, and which it is.
    files: BTreeMap<String, (Bytes, FileId)>,
    /// The ranges of each file that tensors claimed: start → end.
    claimed: BTreeMap<FileId, BTreeMap<u64, u64>>,
}

impl Folder {
    /// A folder that external data may lie in.
    ///
    /// # Errors
    /// [`Read`](ErrorCode::Read) where there is no such folder.
    pub fn new(path: &Path) -> Result<Folder> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let root = fs::canonicalize(path).map_err(|error| Error::read(error.to_string()).with_source(error).at(path.display()))?;
        Ok(Folder { root, files: BTreeMap::new(), claimed: BTreeMap::new() })
    }

    /// Loads the external data of a tensor into its `raw_data`, as a slice of the mapped file.
    ///
    /// # Errors
    /// [`Escapes`](ErrorCode::Escapes) for a path that leaves the folder, by its parts or by a link; [`Read`](ErrorCode::Read) where there is no
    /// regular file; [`Damaged`](ErrorCode::Damaged) where the file is too short or the range cuts into another tensor's.
    pub fn resolve(&mut self, tensor: &mut TensorProto) -> Result<()> {
        if !tensor::is_external(tensor) {
            return Ok(());
        }
        if !tensor.raw_data.is_empty() {
            return Err(Error::damaged("a tensor has data both in the model and in an external file"));
        }
        let location = Location::read(&tensor.external_data)?;
        tensor.raw_data = self.bytes(&location).at(printable(&location.path))?;
        tensor.external_data.clear();
        tensor.data_location = 0;
        Ok(())
    }

    fn bytes(&mut self, location: &Location) -> Result<Bytes> {
        let (file, id) = match self.files.get(&location.path) {
            Some(file) => file.clone(),
            None => {
                let file = self.map(&location.path)?;
                // A file that has another spelling already is mapped once.
                let known = self.files.values().find(|known| known.1 == file.1).cloned().unwrap_or(file);
                self.files.insert(location.path.clone(), known.clone());
                known
            }
        };
        let size = file.len() as u64;
        let end = match location.length {
            Some(length) => location.offset.checked_add(length),
            None => Some(size),
        };
        let end = end.filter(|&end| location.offset <= end && end <= size).ok_or_else(|| {
            let length = location.length.map_or("the rest".into(), |length| format!("{length} bytes"));
            Error::damaged(format!("external data: {length} bytes at offset {} exceed the file of {size} bytes", location.offset))
        })?;
        if !claim(self.claimed.entry(id).or_default(), location.offset, end) {
            return Err(Error::damaged(format!("external data: bytes {}..{end} overlap another tensor's", location.offset)));
        }
        // Both fit in usize: they are at most the length of a slice.
        Ok(file.slice(location.offset as usize..end as usize))
    }

    fn map(&self, path: &str) -> Result<(Bytes, FileId)> {
        let outside = |what: &str| {
            Error::new(ErrorCode::Escapes, format!("external data at {what}: such a path could lead outside the model's folder"))
        };
        if path.is_empty() || path.contains(['\\', '\0']) {
            return Err(outside("a path that is empty or holds a backslash or NUL"));
        }
        let relative = Path::new(path);
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(outside("a path that is absolute or goes up"));
        }
        let failed = |error: std::io::Error| Error::read(format!("external data: {error}"));
        let real = fs::canonicalize(self.root.join(relative)).map_err(failed)?;
        let link = || outside("a link").help("copy the file that it names into the model's folder");
        if !real.starts_with(&self.root) {
            return Err(link());
        }
        // Asked before opening, because opening a pipe waits for its writer.
        let regular = |metadata: fs::Metadata| match metadata.is_file() {
            true => Ok(()),
            false => Err(Error::read("external data must be in a regular file")),
        };
        regular(fs::metadata(&real).map_err(failed)?)?;
        let file = File::open(&real).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let id = file_id(&metadata, &real);
        regular(metadata)?;
        // The handle, not the name, decides: the path may have been swapped since it was checked.
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
            if opened.is_ok_and(|opened| !opened.starts_with(&self.root)) {
                return Err(link());
            }
        }
        Ok((map(&file).map_err(failed)?, id))
    }
}

#[cfg(unix)]
fn file_id(metadata: &fs::Metadata, _real: &Path) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), PathBuf::new())
}

#[cfg(not(unix))]
fn file_id(_metadata: &fs::Metadata, real: &Path) -> FileId {
    (0, 0, real.to_path_buf())
}

/// Notes a range as taken; false where it overlaps one that is not the same (the same twice is a tied weight).
fn claim(claimed: &mut BTreeMap<u64, u64>, start: u64, end: u64) -> bool {
    if start == end {
        return true;
    }
    let before = claimed.range(..=start).next_back();
    if before.is_some_and(|(&s, &e)| s == start && e == end) {
        return true;
    }
    if before.is_some_and(|(_, &e)| e > start) || claimed.range(start..).next().is_some_and(|(&s, _)| s < end) {
        return false;
    }
    claimed.insert(start, end);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external(entries: &[(&str, &str)]) -> TensorProto {
        let external_data = entries.iter().map(|&(key, value)| StringStringEntryProto { key: key.into(), value: value.into() }).collect();
        TensorProto { dims: vec![2], data_type: 2, data_location: 1, external_data, ..Default::default() }
    }

    /// A folder `model` with eight bytes in `data`, and a canary outside it.
    fn scene() -> (tempfile::TempDir, Folder) {
        let scene = tempfile::tempdir().unwrap();
        let root = scene.path().join("model");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(scene.path().join("canary"), [9; 8]).unwrap();
        fs::write(root.join("data"), [0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
        fs::write(root.join("sub/data"), [8; 8]).unwrap();
        let folder = Folder::new(&root).unwrap();
        (scene, folder)
    }

    #[test]
    fn values_beside_the_model_are_a_slice_of_their_file() {
        let (_scene, mut folder) = scene();
        let mut read = |entries: &[(&str, &str)]| {
            let mut tensor = external(entries);
            folder.resolve(&mut tensor).map(|()| tensor::array(&tensor).unwrap().to_i64s().unwrap())
        };
        assert_eq!(read(&[("location", "data"), ("offset", "2"), ("length", "2")]), Ok(vec![2, 3]));
        assert_eq!(read(&[("location", "data"), ("offset", "2"), ("length", "2"), ("checksum", "x")]), Ok(vec![2, 3]));
        assert_eq!(read(&[("location", "data"), ("offset", "6")]), Ok(vec![6, 7]));
        assert_eq!(read(&[("location", "./sub/data"), ("length", "2")]), Ok(vec![8, 8]));
    }

    #[test]
    fn ranges_that_the_file_has_not_are_refused() {
        let (_scene, mut folder) = scene();
        for (offset, length) in [("7", "2"), ("9", "0"), ("18446744073709551615", "2"), ("-1", "2"), ("0", "1e3"), ("", "2")] {
            let mut tensor = external(&[("location", "data"), ("offset", offset), ("length", length)]);
            assert_eq!(folder.resolve(&mut tensor).unwrap_err().code(), ErrorCode::Damaged, "{offset} {length}");
        }
        assert!(folder.resolve(&mut external(&[("location", "data"), ("length", "4")])).is_ok());
        assert!(folder.resolve(&mut external(&[("location", "data"), ("length", "4")])).is_ok(), "a tied weight");
        assert!(folder.resolve(&mut external(&[("location", "data"), ("offset", "3"), ("length", "2")])).is_err(), "an overlap");
        for spelling in ["./data", ".//data"] {
            let mut tensor = external(&[("location", spelling), ("offset", "3"), ("length", "2")]);
            assert!(folder.resolve(&mut tensor).is_err(), "an overlap under another spelling");
        }
        for entries in [&[("offset", "0")][..], &[("location", "data"), ("__class__", "x")], &[("location", "data"), ("location", "data")]]
        {
            assert_eq!(folder.resolve(&mut external(entries)).unwrap_err().code(), ErrorCode::Damaged);
        }
    }

    #[test]
    #[cfg(unix)]
    fn nothing_outside_the_folder_is_read() {
        use std::os::unix::fs::symlink;
        let (scene, mut folder) = scene();
        let root = scene.path().join("model");
        symlink("../canary", root.join("link")).unwrap();
        symlink("..", root.join("parent")).unwrap();
        symlink("sub", root.join("inside")).unwrap();
        let absolute = scene.path().join("canary");
        for path in [
            "../canary",
            "sub/../../canary",
            absolute.to_str().unwrap(),
            "link",
            "parent/canary",
            "C:\\canary",
            "..\\canary",
            "",
            "canary\0",
            "/",
            "..",
            "./../canary",
        ] {
            let error = folder.resolve(&mut external(&[("location", path), ("length", "2")])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Escapes, "{path}: {error}");
        }
        for path in ["sub", "missing", ".", "data/x"] {
            let error = folder.resolve(&mut external(&[("location", path), ("length", "2")])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Read, "{path}: {error}");
        }
        assert!(folder.resolve(&mut external(&[("location", "inside/data"), ("length", "2")])).is_ok());
    }
}
