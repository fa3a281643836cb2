//! Files that have no name until they are whole (Linux, `O_TMPFILE`): nothing is left of one whose process ends, however it ends.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux {
    use std::ffi::{CString, c_char, c_int};
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    use std::path::{Path, PathBuf};

    /// `__O_TMPFILE | O_DIRECTORY` of the kernel's headers.
    #[cfg(target_arch = "x86_64")]
    const O_TMPFILE: i32 = 0o20_200_000;
    #[cfg(target_arch = "aarch64")]
    const O_TMPFILE: i32 = 0o20_040_000;

    const AT_FDCWD: c_int = -100;
    const AT_SYMLINK_FOLLOW: c_int = 0x400;

    unsafe extern "C" {
        /// <https://man7.org/linux/man-pages/man2/link.2.html>
        fn linkat(old_dir: c_int, old_path: *const c_char, new_dir: c_int, new_path: *const c_char, flags: c_int) -> c_int;
    }

    /// The path by which the kernel reaches an open file.
    fn path_of(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }

    pub fn create(folder: &Path, mode: u32) -> Option<File> {
        let file = OpenOptions::new().read(true).write(true).mode(mode).custom_flags(O_TMPFILE).open(folder).ok()?;
        let is_unnamed = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 0);
        (is_unnamed && path_of(&file).exists()).then_some(file)
    }

    pub fn link(file: &File, path: &Path) -> io::Result<()> {
        let old = CString::new(path_of(file).as_os_str().as_bytes())?;
        let new = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: both paths are strings that end in NUL and live until the call returns; it keeps neither.
        match unsafe { linkat(AT_FDCWD, old.as_ptr(), AT_FDCWD, new.as_ptr(), AT_SYMLINK_FOLLOW) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use linux::{create, link};

/// A new file of this mode, less the umask, in a folder; `None` where the system or the file system has no unnamed files.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn create(_folder: &std::path::Path, _mode: u32) -> Option<std::fs::File> {
    None
}

/// Gives an unnamed file its name, which must be free.
///
/// # Errors
/// Those of the operating system.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn link(_file: &std::fs::File, _path: &std::path::Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
