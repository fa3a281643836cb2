//! Files that appear whole or not at all: written without a name or under a passing one, synced, then put in place.

use super::unnamed_file;
use crate::error::{Error, Result, ResultExt};
use crate::work::Work;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;

/// What the names of temporary files begin and end with.
const MARKS: (&str, &str) = (".ontrace-", ".part");

/// What is written at once, in bytes: it is in the cache for each of those that read it, and long enough for a thread to hash it while another writes it.
pub(super) const BLOCK: usize = 1 << 20;

/// The most folders that are remembered as cleaned of what ended processes left.
const CLEANED: usize = 1 << 10;

/// The temporary files of this process that have names.
static NAMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The folders from which this process has removed what ended processes left.
static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that is written without a name (Linux) or to a temporary file, and put in place whole. Dropped before [`AtomicFile::commit`], it is gone, and
/// the old file is untouched; so it is where the process ends meanwhile. A temporary file is locked while its writer lives: what is not locked was
/// left by a process that ended, and is removed by the next one that writes to the folder.
pub struct AtomicFile {
    file: BufWriter<Temporary>,
    hash: blake3::Hasher,
    written: u64,
    /// Whether the last block was left out because it was zeros: the file is then shorter than what was written.
    ends_in_hole: bool,
}

enum Temporary {
    Unnamed(File),
    Named(NamedTempFile),
}

impl Temporary {
    fn file(&self) -> &File {
        match self {
            Temporary::Unnamed(file) => file,
            Temporary::Named(file) => file.as_file(),
        }
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Temporary::Named(file) = self {
            locked(&NAMED).remove(file.path());
        }
    }
}

impl AtomicFile {
    /// A temporary in the folder of its target, so that it can be put in place at once.
    ///
    /// # Errors
    /// [`Write`](crate::ErrorCode::Write) where the target is a folder, a link, a pipe or a device, or its folder is missing or may not be
    /// written.
    pub fn beside(target: &Path) -> Result<AtomicFile> {
        check(target)?;
        let folder = folder(target);
        remove_stale(folder);
        let temporary = match unnamed_file::create(folder, 0o666) {
            // The lock is that of the open file: it is there before the file has a name.
            Some(file) => {
                let _ = file.try_lock();
                Temporary::Unnamed(file)
            }
            None => {
                let file = named(folder).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Error::write(format!("there is no folder {}", folder.display())),
                    _ => failed(&error, 0, None),
                });
                let file = file.at(target.display())?;
                locked(&NAMED).insert(file.path().to_path_buf());
                Temporary::Named(file)
            }
        };
        // What stands there keeps its permissions; a new file gets the usual ones, less the umask.
        if let Ok(metadata) = fs::metadata(target) {
            let _ = temporary.file().set_permissions(metadata.permissions());
        }
        Ok(AtomicFile { file: BufWriter::with_capacity(1 << 18, temporary), hash: blake3::Hasher::new(), written: 0, ends_in_hole: false })
    }

    /// Writes a whole file: [`AtomicFile::beside`], the bytes, [`AtomicFile::sync`] and [`AtomicFile::commit`].
    ///
    /// # Errors
    /// [`Write`](crate::ErrorCode::Write), with the path.
    pub fn save(target: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = AtomicFile::beside(target)?;
        let needed = bytes.len() as u64;
        let outcome = file.write_all(bytes).and_then(|()| file.sync());
        outcome.map_err(|error| file.failed(&error, needed)).at(target.display())?;
        file.commit(target).map_err(|error| failed(&error, needed, None)).at(target.display())
    }

    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The BLAKE3 hash of the bytes written so far, in hexadecimal.
    pub fn blake3(&self) -> String {
        self.hash.finalize().to_string()
    }

    /// Has the bytes on the disk, not yet under the name of the target.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.get_ref().file().sync_all()
    }

    /// Puts the file under the name of its target and syncs the folder. The contents are synced before: see [`AtomicFile::sync`].
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn commit(mut self, target: &Path) -> io::Result<()> {
        self.flush()?;
        let folder = folder(target);
        match self.file.get_mut() {
            Temporary::Named(_) => self.rename(target)?,
            Temporary::Unnamed(file) => match unnamed_file::link(file, target) {
                // No call replaces a file by one without a name: it has one between these two.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let linked = builder().make_in(folder, |path| unnamed_file::link(file, path))?;
                    linked.persist(target).map_err(|error| error.error)?;
                }
                linked => linked?,
            },
        }
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn rename(&mut self, target: &Path) -> io::Result<()> {
        if let Temporary::Named(file) = self.file.get_ref() {
            fs::rename(file.path(), target)?;
        }
        Ok(())
    }

    /// An error of the operating system as one of ours: where there is no room, with what the whole file takes and what there was.
    pub(super) fn failed(&self, error: &io::Error, needed: u64) -> Error {
        let had = self.file.get_ref().file().metadata().map(|metadata| metadata.len());
        failed(error, needed, had.ok().filter(|&had| had < needed))
    }
}

/// Removes the temporary files of this process: for a program that a signal ends. No file of theirs is put in place afterwards.
pub fn remove_temporary_files() {
    locked(&NAMED).iter().for_each(|path| drop(fs::remove_file(path)));
}

/// A set that no thread leaves in a state of its own.
fn locked(set: &Mutex<BTreeSet<PathBuf>>) -> MutexGuard<'_, BTreeSet<PathBuf>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(MARKS.0).suffix(MARKS.1);
    builder
}

/// A temporary file that is locked; another process that takes it for a left one between its creation and its lock removes it, and it is made again.
fn named(folder: &Path) -> io::Result<NamedTempFile> {
    builder().make_in(folder, |path| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o666);
        let file = options.open(path)?;
        let _ = file.try_lock();
        match path.exists() {
            true => Ok(file),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        }
    })
}

/// Removes the temporary files that ended processes left in a folder: those that no writer has locked. Once a folder and process.
fn remove_stale(folder: &Path) {
    let Ok(real) = fs::canonicalize(folder) else { return };
    {
        let mut folders = locked(&FOLDERS);
        if folders.len() >= CLEANED {
            folders.clear();
        }
        if !folders.insert(real.clone()) {
            return;
        }
    }
    let Ok(entries) = fs::read_dir(&real) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(MARKS.0) && name.ends_with(MARKS.1));
        // The type is that of the entry, not of what a link names: opening a pipe waits for its writer.
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let opened = OpenOptions::new().read(true).write(true).open(entry.path());
            if opened.is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(BLOCK)];
        let (file, hash) = (&mut self.file, &mut self.hash);
        let is_hole = bytes.len() == BLOCK && is_zeros(bytes);
        let mut write = || match is_hole {
            true => skip(file, bytes.len()),
            false => file.write_all(bytes),
        };
        if bytes.len() == BLOCK {
            let (written, _) = rayon::join(write, || hash.update(bytes).count());
            written?;
        } else {
            write()?;
            hash.update(bytes);
        }
        self.ends_in_hole = is_hole || self.ends_in_hole && bytes.is_empty();
        self.written += bytes.len() as u64;
        Work::BytesWritten.add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.ends_in_hole {
            self.file.get_ref().file().set_len(self.written)?;
        }
        Ok(())
    }
}

fn is_zeros(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 256] = [0; 256];
    bytes.chunks(ZEROS.len()).all(|part| *part == ZEROS[..part.len()])
}

/// Leaves a part of the file out, which reads as zeros and takes no room on the disk: as `cp` does with what its source leaves out.
fn skip(file: &mut BufWriter<Temporary>, length: usize) -> io::Result<()> {
    file.flush()?;
    file.get_ref().file().seek(SeekFrom::Current(length as i64)).map(drop)
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

/// An error of the operating system as one of ours; `needed` is what the whole file takes, 0 where that is not the point, and `had` what there was
/// room for.
pub(super) fn failed(error: &io::Error, needed: u64, had: Option<u64>) -> Error {
    let free = had.map_or_else(String::new, |had| format!(", {had} were free"));
    let most = had.map_or_else(String::new, |had| format!(" ({had})"));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::write(format!("no space left: {needed} bytes are needed{free}"))
        }
        io::ErrorKind::FileTooLarge => Error::write(format!("{needed} bytes are more than a file may have here{most}")),
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
        // Of the BLAKE3 specification's implementation: `echo -n abc | b3sum`.
        assert_eq!(file.blake3(), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
        file.sync().unwrap();
        file.commit(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn blocks_of_zeros_read_as_zeros_also_at_the_end_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (ones, zeros) = (vec![1u8; BLOCK + 10], vec![0u8; 3 * BLOCK + 5]);
        for parts in [&[&ones[..], &zeros, &ones][..], &[&zeros, &ones], &[&ones, &zeros[..2 * BLOCK]], &[&zeros[..BLOCK], b"", b"x"]] {
            let target = folder.path().join("x");
            let mut file = AtomicFile::beside(&target).unwrap();
            parts.iter().for_each(|part| file.write_all(part).unwrap());
            file.sync().unwrap();
            let hash = file.blake3();
            file.commit(&target).unwrap();
            let written = fs::read(&target).unwrap();
            assert!(written == parts.concat(), "{} bytes", written.len());
            assert_eq!(hash, super::super::blake3(&written));
        }
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
        assert_eq!(failed(&full, 77, None).to_string(), "no space left: 77 bytes are needed");
        assert_eq!(failed(&full, 77, Some(12)).to_string(), "no space left: 77 bytes are needed, 12 were free");
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        AtomicFile::save(&target, b"old").unwrap();
        let mut permissions = fs::metadata(&target).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&target, permissions).unwrap();
        AtomicFile::save(&target, b"new").unwrap();
        assert!(fs::metadata(&target).unwrap().permissions().readonly());
        assert_eq!((fs::read(&target).unwrap(), fs::read_dir(&folder).unwrap().count()), (b"new".to_vec(), 1));
    }

    #[test]
    fn temporary_files_of_ended_processes_are_removed_and_those_of_living_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (left, used, other) =
            (folder.path().join(".ontrace-aa.part"), folder.path().join(".ontrace-bb.part"), folder.path().join("x.part"));
        [&left, &used, &other].iter().for_each(|path| fs::write(path, "part").unwrap());
        let writer = File::open(&used).unwrap();
        writer.lock().unwrap();
        AtomicFile::save(&folder.path().join("y"), b"new").unwrap();
        assert_eq!([left.exists(), used.exists(), other.exists()], [false, true, true]);
    }

    #[test]
    fn a_temporary_file_with_a_name_is_put_in_place_and_removed_like_one_without() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let of = |bytes: &[u8]| {
            let temporary = named(folder.path()).unwrap();
            locked(&NAMED).insert(temporary.path().to_path_buf());
            let mut file = AtomicFile {
                file: BufWriter::new(Temporary::Named(temporary)),
                hash: blake3::Hasher::new(),
                written: 0,
                ends_in_hole: false,
            };
            file.write_all(bytes).unwrap();
            file
        };
        of(b"first").commit(&target).unwrap();
        of(b"second").commit(&target).unwrap();
        drop(of(b"third"));
        assert_eq!((fs::read(&target).unwrap(), fs::read_dir(&folder).unwrap().count()), (b"second".to_vec(), 1));
        let kept = of(b"fourth");
        remove_temporary_files();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        drop(kept);
    }
}
