//! Child processes that are this program again: how they are started, know that they are children, are limited, and what their end means.

use super::panic::internal;
use super::system::{self, Resource};
use crate::array::map_shared;
use crate::error::{Error, Result};
use crate::work::{note_steps_in, noted};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The variable that marks a child: the id of its parent.
const PARENT: &str = "ONTRACE_PARENT";

/// What glibc is told of a child: it keeps freed memory, since each run of a model asks for the same again. To give the results of a run back and to have
/// them filled with zeros by the system took a tenth of a conversion. Other systems ignore it.
const ALLOCATOR: [(&str, &str); 2] = [("MALLOC_TRIM_THRESHOLD_", "4294967296"), ("MALLOC_MMAP_THRESHOLD_", "33554432")];

/// What the processes of models may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub(super) memory: Option<u64>,
    pub(super) cpu: Option<u64>,
    pub(super) timeout: Option<Duration>,
    pub(super) threads: usize,
}

impl Limits {
    /// No limits but those of the system.
    pub fn new() -> Limits {
        Limits::default()
    }

    /// The most bytes of memory. On Linux files that are mapped for reading, as weights are, do not count. Where the system has no such limit, none.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Limits {
        self.memory = Some(bytes);
        self
    }

    /// The most seconds of computing, of all threads together and all calls.
    #[must_use]
    pub fn cpu_seconds(mut self, seconds: u64) -> Limits {
        self.cpu = Some(seconds);
        self
    }

    /// The longest that loading a model, or one call, may last.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Limits {
        self.timeout = Some(timeout);
        self
    }

    /// How many threads compute a call; one where nothing is said.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Limits {
        self.threads = threads;
        self
    }

    /// Limits the memory and the computing of this process, to less where the system allows less. There is no way back.
    pub fn limit_this_process(&self) {
        if let Some(bytes) = self.memory {
            system::limit(Resource::Data, bytes);
        }
        if let Some(seconds) = self.cpu {
            system::limit(Resource::Cpu, seconds);
        }
    }
}

/// A command that starts a program as a child of this process, so that [`is_child`] is true in it; pipes and arguments are the caller's.
pub fn child_of_this_process(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env(PARENT, std::process::id().to_string());
    command.envs(ALLOCATOR.iter().copied().filter(|(name, _)| std::env::var_os(name).is_none()));
    command
}

/// The variable that says where a child notes what it is doing.
const STEPS: &str = "ONTRACE_STEPS";

/// The most that a child notes, in bytes.
const STEP_SIZE: usize = 4096;

/// What a child is doing, in memory that it shares with its parent: the node that it evaluated when a signal ended it. A file without a name, on Linux; on other
/// systems there is none, and nothing is known.
#[derive(Debug)]
pub struct StepRecord(Option<File>);

impl StepRecord {
    /// Makes one, and has the child of this command use it, if it calls [`note_steps`].
    pub fn of(command: &mut Command) -> StepRecord {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            // Written, and not only as long: memory without room on the disk would end the child.
            let made = tempfile::tempfile().and_then(|mut file| file.write_all(&[0; STEP_SIZE]).map(|()| file));
            if let Ok(file) = made {
                command.env(STEPS, format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
                return StepRecord(Some(file));
            }
        }
        command.env_remove(STEPS);
        StepRecord(None)
    }

    /// The error, at the node that the child was evaluating and where that is, if it was.
    pub fn explain(&self, error: Error) -> Error {
        let mut memory = Vec::new();
        let Some(mut file) = self.0.as_ref() else { return error };
        if file.rewind().and_then(|()| file.read_to_end(&mut memory)).is_err() {
            return error;
        }
        noted(&memory).into_iter().fold(error, Error::at)
    }
}

/// Has this process note what it is doing for its parent, where it is the child of one that made a [`StepRecord`].
pub fn note_steps() {
    let Some(path) = std::env::var_os(STEPS).filter(|_| is_child()) else { return };
    let Ok(file) = File::options().read(true).write(true).open(path) else { return };
    if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == STEP_SIZE as u64)
        && let Ok(memory) = map_shared(&file)
    {
        note_steps_in(memory);
    }
}

/// Whether this process was started by a command of [`child_of_this_process`]. The variable that says so may have been handed on to programs that a child
/// starts: these have another parent.
pub fn is_child() -> bool {
    #[cfg(unix)]
    {
        let parent = std::env::var(PARENT).ok().and_then(|id| id.parse::<u32>().ok());
        parent == Some(std::os::unix::process::parent_id())
    }
    #[cfg(not(unix))]
    std::env::var_os(PARENT).is_some()
}

/// Ends this process, without its temporary files, when its parent has ended: a signal to the parent is one to both.
pub fn end_with_parent() {
    #[cfg(unix)]
    {
        let parent = std::os::unix::process::parent_id();
        let watch = move || {
            while std::os::unix::process::parent_id() == parent {
                std::thread::sleep(Duration::from_millis(50));
            }
            crate::onnx::remove_temporary_files();
            system::exit(1);
        };
        let _ = std::thread::Builder::new().name("parent".into()).spawn(watch);
    }
}

/// Allows a child this much more memory than it has now, twice over and with room for stacks: what asks for more than that ends with an error. Without effect
/// outside a child, and on other systems than Linux.
pub fn limit_memory(bytes: u64) {
    const ROOM: u64 = 1 << 30;
    /// The address space that a thread takes for its stack and its part of the heap.
    const THREAD: u64 = 160 << 20;
    if !cfg!(target_os = "linux") || !is_child() {
        return;
    }
    // Address space in kilobytes, whatever the unit of the system's memory is.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let Some(size) = size else { return };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let limit = (size << 10).saturating_add(bytes.saturating_mul(2)).saturating_add(ROOM + threads * THREAD);
    system::limit(Resource::AddressSpace, limit);
}

/// Runs something; a panic, which is a bug of ontrace, is an error with a code as others are, and says nothing on the terminal.
///
/// # Errors
/// Those of `run`, and [`Internal`](crate::ErrorCode::Internal) for a panic.
pub(super) fn caught<T, E: From<Error>>(run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    static PANIC: Mutex<Option<Error>> = Mutex::new(None);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(internal(info));
    }));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    std::panic::set_hook(before);
    result.unwrap_or_else(|_| {
        let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(panic.unwrap_or_else(|| Error::internal("a panic")).into())
    })
}

/// The error of a child that did not end by itself, with the first line of what it said.
pub fn ended(status: ExitStatus, said: &str) -> Error {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = match lines.next() {
        // A panic has its text on the next line.
        Some(location) if location.ends_with(':') => format!(": {location} {}", lines.next().unwrap_or_default()),
        Some(line) => format!(": {line}"),
        None => String::new(),
    };
    #[cfg(unix)]
    {
        /// As the system's headers have them; BUS is 7 on Linux, and 10 elsewhere.
        const ABRT: i32 = 6;
        const BUS: i32 = if cfg!(target_os = "linux") { 7 } else { 10 };
        const KILL: i32 = 9;
        const XCPU: i32 = 24;
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            let what = |what: &str| format!("the process was ended by signal {signal}, {what}{said}");
            return match signal {
                // Rust's words, in a program that does not unwind.
                ABRT if said.contains(" panicked at ") => Error::runtime(what("it panicked")),
                ABRT => Error::too_big(what("it needed more memory than the model may take, or more stack")),
                BUS => Error::read(what("a file was truncated while it was read, or its disk failed")),
                KILL => Error::runtime(what("by the system when memory ran out, or by a user")),
                XCPU => Error::too_big(what("it computed longer than it may")),
                _ => Error::runtime(what("a fault of ontrace or of tract")).help("please report it with the model; SECURITY.md says where"),
            };
        }
    }
    Error::runtime(format!("the process ended: {status}{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[cfg(unix)]
    #[test]
    fn a_process_that_a_signal_ends_is_an_error_with_a_code() {
        use std::os::unix::process::ExitStatusExt;
        let of = |signal: i32| ended(ExitStatus::from_raw(signal), "\nmemory allocation of 7 bytes failed\n");
        // Linux's numbers: SIGABRT, SIGBUS, SIGKILL, SIGSEGV, SIGXCPU.
        let codes = [6, 7, 9, 11, 24].map(|signal| of(signal).code());
        assert_eq!(codes, [ErrorCode::TooBig, ErrorCode::Read, ErrorCode::Runtime, ErrorCode::Runtime, ErrorCode::TooBig]);
        assert!(of(6).message().ends_with("memory allocation of 7 bytes failed"), "{}", of(6));
        let panicked = ended(ExitStatus::from_raw(6), "\nthread 'main' (7) panicked at src/lib.rs:1:1:\nan index\n");
        assert_eq!(panicked.code(), ErrorCode::Runtime);
        assert!(panicked.message().ends_with("src/lib.rs:1:1: an index"), "{panicked}");
    }

    #[test]
    fn a_panic_is_an_error_with_a_code() {
        let failed = caught::<(), Error>(|| panic!("an index")).unwrap_err();
        assert_eq!(failed.code(), ErrorCode::Internal);
        assert!(failed.message().contains("an index"), "{failed}");
    }
}
