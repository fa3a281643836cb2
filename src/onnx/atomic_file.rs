//! Files that appear whole or not at all: written under a passing name, synced, then renamed.

use crate::error::{Error, Result, ResultExt};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// A file that is written to a temporary and renamed. Dropped before [`AtomicFile::commit`], it is removed, and the old file is untouched.
pub struct AtomicFile {
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    written: u64,
}

impl AtomicFile {
    /// A temporary in the folder of its target, so that renaming it is atomic.
    ///
    /// # Errors
    /// [`Write`](crate::ErrorCode::Write) where the target is a folder, a link, a pipe or a device, or its folder is missing or may not be
    /// written.
    pub fn beside(target: &Path) -> Result<AtomicFile> {
        check(target)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ontrace-").suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What stands there keeps its mode; a new file gets the usual one, less the umask.
            let mode = fs::metadata(target).map_or(0o666, |metadata| metadata.permissions().mode() & 0o777);
            builder.permissions(fs::Permissions::from_mode(mode));
        }
        let folder = folder(target);
        let file = builder.tempfile_in(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::write(format!("there is no folder {}", folder.display())),
            _ => failed(&error, 0),
        });
        Ok(AtomicFile { file: BufWriter::with_capacity(1 << 18, file.at(target.display())?), hash: Sha256::new(), written: 0 })
    }

    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The SHA-256 of the bytes written so far, in hexadecimal.
    pub fn sha256(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Has the bytes on the disk, still under the passing name.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().as_file().sync_all()
    }

    /// Renames the temporary to its target and syncs the folder. The contents are synced before: see [`AtomicFile::sync`].
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn commit(self, target: &Path) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(target).map_err(|error| error.error)?;
        #[cfg(unix)]
        File::open(folder(target))?.sync_all()?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether a file may stand at this path: nothing or a regular file does now. A link is refused, because replacing it would
/// break what others reach through it (`/dev/stdout` is one), and following it would part a model from the data beside it.
fn check(target: &Path) -> Result<()> {
    let refused = |what: &str| Error::write(format!("{what}, expected the name of a file")).at(target.display());
    if target.file_name().is_none() {
        return Err(refused("no file name"));
    }
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_symlink() => Err(match fs::read_link(target) {
            Ok(real) => refused("a link").help(format!("give the link's target instead: {}", real.display())),
            Err(_) => refused("a link"),
        }),
        Ok(metadata) if metadata.is_dir() => Err(refused("a folder")),
        Ok(metadata) if !metadata.is_file() => Err(refused("a pipe or a device")),
        _ => Ok(()),
    }
}

fn folder(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An error of the operating system as one of ours; `needed` is what the whole file takes, 0 where that is not the point.
pub(super) fn failed(error: &io::Error, needed: u64) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::write(format!("no space left: {needed} bytes are needed")),
        io::ErrorKind::FileTooLarge => Error::write(format!("{needed} bytes are more than a file may have here")),
        io::ErrorKind::PermissionDenied => Error::write("permission denied"),
        io::ErrorKind::ReadOnlyFilesystem => Error::write("the file system is read-only"),
        io::ErrorKind::InvalidFilename => Error::write("the name is too long or not allowed"),
        _ => Error::write(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::beside(&target).unwrap();
        file.write_all(b"new").unwrap();
        file.sync().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        drop(file);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_is_committed_stands_there_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let mut file = AtomicFile::beside(&target).unwrap();
        file.write_all(b"abc").unwrap();
        // FIPS 180-2, example B.1.
        assert_eq!(file.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        file.sync().unwrap();
        file.commit(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for (target, message) in [
            (folder.path().to_path_buf(), "a folder, expected the name of a file"),
            ("/dev/null".into(), "a pipe or a device, expected the name of a file"),
            (folder.path().join("no/x"), "there is no folder"),
            ("/".into(), "no file name"),
        ] {
            let error = AtomicFile::beside(&target).err().unwrap();
            assert!(error.message().starts_with(message) && error.code() == ErrorCode::Write, "{error:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_neither_replaced_nor_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let error = AtomicFile::beside(&link).err().unwrap();
        assert!(error.help_line().unwrap().ends_with("real"));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"old");
    }

    #[test]
    fn a_full_disk_is_named_with_what_is_needed() {
        let full = File::create("/dev/full").and_then(|mut full| full.write_all(b"x")).unwrap_err();
        assert_eq!(failed(&full, 77).to_string(), "no space left: 77 bytes are needed");
    }
}
