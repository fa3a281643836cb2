//! tract panics on graphs that it does not expect: a panic here is an error like any other.

use crate::error::{Error, Result};
use crate::work::{current_step, step_of_panic};
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};
use tract_onnx::prelude::TractResult;

thread_local! {
    /// Whether a panic on this thread is ours to report.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The stack of a thread that compiles: tract recurses over graphs.
const STACK: usize = 64 << 20;

/// A panic of tract: what it said, and the locations of the step in which it came, innermost first.
pub(crate) struct TractPanic {
    text: String,
    locations: Vec<String>,
}

/// Whether a hook of the program ends the process at a panic, so that none is caught here.
static IS_LEFT_TO_THE_HOOK: AtomicBool = AtomicBool::new(false);

/// The calls of tract that are under way, on all threads, where the hook has to know.
static CALLS: AtomicUsize = AtomicUsize::new(0);

impl TractPanic {
    /// The variable in which a process is told of the panic that it was started again for: lines, the text first.
    const VARIABLE: &str = "ONTRACE_TRACT_PANIC";

    /// The most bytes of it.
    const MOST: usize = 8 << 10;

    /// Has panics of tract not caught from now on: a hook of the program ends the process.
    pub(crate) fn is_left_to_the_hook() {
        IS_LEFT_TO_THE_HOOK.store(true, Ordering::Relaxed);
    }

    /// The panic that says this, which a hook was called for: `None` where tract was not called, and the panic is none of tract's.
    pub(crate) fn under_way(text: String) -> Option<TractPanic> {
        (CALLS.load(Ordering::Relaxed) > 0).then(|| TractPanic { text, locations: current_step() })
    }

    /// The panic that this process was started again for.
    fn former() -> Option<&'static TractPanic> {
        static FORMER: OnceLock<Option<TractPanic>> = OnceLock::new();
        let told = || {
            let told = std::env::var(TractPanic::VARIABLE).ok()?;
            let mut lines = told.lines().map(str::to_string);
            Some(TractPanic { text: lines.next().unwrap_or_default(), locations: lines.collect() })
        };
        FORMER.get_or_init(told).as_ref()
    }

    /// Tells a process of this panic: it calls no tract.
    pub(crate) fn tell(&self, command: &mut Command) {
        let lines = std::iter::once(&self.text).chain(&self.locations);
        let line = |line: &String| line.replace(['\n', '\0'], " ").chars().take(TractPanic::MOST / 8).collect::<String>();
        let told: Vec<String> = lines.take(8).map(line).collect();
        command.env(TractPanic::VARIABLE, told.join("\n"));
    }

    /// The panic as an error.
    pub(crate) fn error(&self) -> Error {
        let text = &self.text;
        // tract's words where the system has no memory for a tensor.
        let error = match text.starts_with("failed to allocate") {
            true => Error::too_big(format!("tract: {text}")),
            false => Error::runtime(format!("tract panicked: {text}")),
        };
        self.locations.iter().fold(error, Error::at)
    }
}

/// Calls tract; a panic is caught, and says nothing on the terminal. In a program that ends at panics ([`end_on_panic`](crate::isolation::end_on_panic)) it is
/// not; one that was started again because tract panicked answers that panic at once.
///
/// # Errors
/// [`Runtime`](crate::ErrorCode::Runtime).
pub(super) fn guarded<T>(f: impl FnOnce() -> TractResult<T>) -> Result<T> {
    if let Some(former) = TractPanic::former() {
        return Err(former.error());
    }
    let result = match IS_LEFT_TO_THE_HOOK.load(Ordering::Relaxed) {
        true => {
            CALLS.fetch_add(1, Ordering::Relaxed);
            let result = f();
            CALLS.fetch_sub(1, Ordering::Relaxed);
            result
        }
        false => caught(f)?,
    };
    result.map_err(|error| Error::runtime(format!("tract: {}", chain(&error))).with_source(error))
}

/// Calls tract, with a panic as an error.
fn caught<T>(f: impl FnOnce() -> T) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    // A panic that was caught elsewhere is none of this call.
    drop(step_of_panic());
    let was = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    QUIET.set(was);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| text.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
        TractPanic { text: text.unwrap_or_default(), locations: step_of_panic() }.error()
    })
}

/// The messages of an error and its causes on one line.
fn chain(error: &tract_onnx::prelude::TractError) -> String {
    error.chain().map(|cause| cause.to_string().replace('\n', " ")).collect::<Vec<_>>().join(": ")
}

/// As [`guarded`], on a thread with a stack that a deep graph does not overflow.
///
/// # Errors
/// [`Runtime`](crate::ErrorCode::Runtime).
pub(super) fn on_a_deep_stack<T: Send>(f: impl FnOnce() -> TractResult<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || guarded(f));
        let thread = thread.map_err(|error| Error::runtime(format!("cannot start a thread to compile on: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(Error::runtime("tract panicked")))
    })
}

/// One of our errors, passing through tract.
pub(super) fn from_ours(error: Error) -> tract_onnx::prelude::TractError {
    tract_onnx::tract_hir::internal::format_err!("{error}")
}
