//! Files as bytes that are read when they are touched: the only unsafe code besides kernels.

use crate::error::{Error, Result};
use bytes::Bytes;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The contents of a regular file, mapped: nothing is read before it is used, and nothing is copied.
///
/// # Errors
/// [`Read`](crate::ErrorCode::Read) where there is no such file, it is a folder, a pipe or a device, or it may not be read.
pub fn map_file(path: &Path) -> Result<Bytes> {
    let failed = |error: io::Error| Error::read(reason(&error)).with_source(error).at(path.display());
    // Asked before opening, because opening a pipe waits for its writer.
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
        return Err(Error::read(format!("{what}, expected a file")).at(path.display()));
    }
    File::open(path).and_then(|file| map(&file)).map_err(failed)
}

/// The contents of an open regular file, mapped.
///
/// # Errors
/// As the operating system refuses.
pub fn map(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is private to this process's reads and lives as long as the `Bytes` that owns it. Should somebody
    // else overwrite the file meanwhile, content changes under us: every reader checks bounds against the length
    // of the mapping, not against what it read, so nothing leaves the mapping. A file that is truncated while it
    // is mapped ends the process (SIGBUS); our own writer never truncates, it replaces.
    let mapping = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(mapping))
}

/// An open regular file as memory that is shared with all who map or read it.
///
/// # Errors
/// As the operating system refuses.
pub fn map_shared(file: &File) -> io::Result<memmap2::MmapMut> {
    // SAFETY: the mapping is not handed out as anything but bytes, of which every value is valid. Nobody truncates the file: it has no name.
    unsafe { memmap2::MmapMut::map_mut(file) }
}

/// What the operating system said, without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_has_the_bytes_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values");
        fs::write(&path, b"123").unwrap();
        assert_eq!(map_file(&path).unwrap(), b"123"[..]);
        fs::write(&path, b"").unwrap();
        assert!(map_file(&path).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(map_file(folder.path()).unwrap_err().to_string().ends_with("a folder, expected a file"));
        assert!(map_file(&folder.path().join("x")).unwrap_err().to_string().ends_with("x: no such file"));
        assert!(map_file(Path::new("/dev/zero")).is_err());
    }
}
