//! Process isolation: a command runs in a child process of the program, with a limit on its memory, so that what ends the process is an error with a code.
//!
//! A checker cannot know everything that a model makes a runtime allocate or recurse into, and a file that somebody truncates while it is mapped
//! ends the process that reads it (SIGBUS). The child inherits the standard streams and the arguments; its exit code is the program's.

use crate::console::Console;
use crate::error::{CommandError, CommandResult};
use std::ffi::OsString;

/// The variable that marks a child: the id of its parent.
const PARENT: &str = "ONTRACE_PARENT";

/// What glibc is told of a child: it keeps freed memory, since each run of a model asks for the same again. To give the results of a run back and to have
/// them filled with zeros by the system took a tenth of a conversion. Other systems ignore it.
const ALLOCATOR: [(&str, &str); 2] = [("MALLOC_TRIM_THRESHOLD_", "4294967296"), ("MALLOC_MMAP_THRESHOLD_", "33554432")];

/// Runs the command in a child, which is this program with its arguments, and gives its exit code; `None` in the child, and where no child can be started.
pub fn supervise(program: &[OsString], console: &Console) -> Option<u8> {
    if is_child() {
        watch_parent();
        return None;
    }
    let (executable, arguments) = program.split_first()?;
    let mut command = std::process::Command::new(executable);
    command.args(arguments).env(PARENT, std::process::id().to_string());
    for (name, value) in ALLOCATOR.iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
        command.env(name, value);
    }
    if console.json {
        // Errors are one object on stderr: what the system and Rust say of an end is inside it.
        command.stderr(std::process::Stdio::piped());
    }
    let child = command.spawn().ok()?;
    let outcome = child.wait_with_output().ok()?;
    if let Some(code) = outcome.status.code() {
        let is_lost = !outcome.stderr.is_empty() && std::io::Write::write_all(&mut std::io::stderr(), &outcome.stderr).is_err();
        return Some(if code == 0 && is_lost { 1 } else { u8::try_from(code).unwrap_or(1) });
    }
    let failed = CommandError::from(end(&outcome.status, &String::from_utf8_lossy(&outcome.stderr)));
    console.error(&failed);
    Some(failed.exit)
}

/// Runs a command; a panic, which is a bug of ontrace, is an error with a code as others are.
pub fn caught(run: impl FnOnce() -> CommandResult) -> CommandResult {
    use std::sync::{Mutex, PoisonError};
    static PANIC: Mutex<String> = Mutex::new(String::new());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string().replace('\n', " ");
    }));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    std::panic::set_hook(before);
    result.unwrap_or_else(|_| {
        let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(ontrace::Error::internal(panic).help("this is a bug of ontrace: please report it with the file (SECURITY.md)").into())
    })
}

/// Whether this process was started by [`supervise`]. The variable may have been handed on to programs that a child starts: these have another parent.
#[cfg(unix)]
fn is_child() -> bool {
    let parent = std::env::var(PARENT).ok().and_then(|id| id.parse::<u32>().ok());
    parent == Some(std::os::unix::process::parent_id())
}

#[cfg(not(unix))]
fn is_child() -> bool {
    std::env::var_os(PARENT).is_some()
}

/// Ends the child when its parent has ended: a signal to the parent is one to both.
#[cfg(unix)]
fn watch_parent() {
    let parent = std::os::unix::process::parent_id();
    let watch = move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        ontrace::onnx::remove_temporary_files();
        signal_hook::low_level::exit(1);
    };
    let _ = std::thread::Builder::new().name("parent".into()).spawn(watch);
}

#[cfg(not(unix))]
fn watch_parent() {}

/// The error of a process that a signal ended.
#[cfg(unix)]
fn end(status: &std::process::ExitStatus, said: &str) -> ontrace::Error {
    use ontrace::Error;
    use signal_hook::consts::{SIGABRT, SIGBUS, SIGKILL};
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().unwrap_or(0);
    let said = said.lines().find(|line| !line.trim().is_empty()).map_or_else(String::new, |line| format!(": {}", line.trim()));
    let what = |what: &str| format!("the process was ended by signal {signal}, {what}{said}");
    match signal {
        SIGABRT => Error::too_big(what("it needed more memory than the model may take, or more stack")),
        SIGBUS => Error::read(what("a file was truncated while it was read, or its disk failed")),
        SIGKILL => Error::runtime(what("by the system when memory ran out, or by a user")),
        _ => Error::runtime(what("a fault of ontrace or of tract")).help("please report it with the model; SECURITY.md says where"),
    }
}

#[cfg(not(unix))]
fn end(status: &std::process::ExitStatus, _said: &str) -> ontrace::Error {
    ontrace::Error::runtime(format!("the process ended: {status}"))
}

/// Allows a child this much more memory than it has now, twice over and with room for stacks: what asks for more than that ends with an error. Without effect
/// outside a child.
#[cfg(target_os = "linux")]
pub fn limit_memory(bytes: u64) {
    const ROOM: u64 = 1 << 30;
    /// The address space that a thread takes for its stack and its part of the heap.
    const THREAD: u64 = 160 << 20;
    // Address space in kilobytes, whatever the unit of the system's memory is.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let (Some(size), true) = (size, is_child()) else { return };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let limit = (size << 10).saturating_add(bytes.saturating_mul(2)).saturating_add(ROOM + threads * THREAD);
    if let Ok((_, hard)) = rlimit::Resource::AS.get() {
        let _ = rlimit::Resource::AS.set(limit.min(hard), hard);
    }
}

/// No limit on this system.
#[cfg(not(target_os = "linux"))]
pub fn limit_memory(_bytes: u64) {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use ontrace::ErrorCode;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_process_that_a_signal_ends_is_an_error_with_a_code() {
        let of = |signal: i32| end(&std::process::ExitStatus::from_raw(signal), "\nmemory allocation of 7 bytes failed\n");
        // Linux's numbers: SIGABRT, SIGBUS, SIGKILL, SIGSEGV.
        let codes = [6, 7, 9, 11].map(|signal| of(signal).code());
        assert_eq!(codes, [ErrorCode::TooBig, ErrorCode::Read, ErrorCode::Runtime, ErrorCode::Runtime]);
        assert!(of(6).message().ends_with("memory allocation of 7 bytes failed"), "{}", of(6));
    }

    #[test]
    fn a_panic_is_an_error_with_a_code() {
        let failed = caught(|| panic!("an index")).unwrap_err();
        assert_eq!((failed.exit, failed.error.code()), (1, ErrorCode::Internal));
        assert!(failed.error.message().contains("an index"), "{}", failed.error);
    }
}
