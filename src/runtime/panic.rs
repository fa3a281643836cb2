//! tract panics on graphs that it does not expect: a panic here is an error like any other.

use crate::error::{Error, Result};
use crate::work::step_of_panic;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use tract_onnx::prelude::TractResult;

thread_local! {
    /// Whether a panic on this thread is ours to report.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The stack of a thread that compiles: tract recurses over graphs.
const STACK: usize = 64 << 20;

/// Calls tract; a panic is caught, and says nothing on the terminal.
///
/// # Errors
/// [`Runtime`](crate::ErrorCode::Runtime).
pub(super) fn guarded<T>(f: impl FnOnce() -> TractResult<T>) -> Result<T> {
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
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::runtime(format!("tract: {}", chain(&error))).with_source(error)),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| text.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_default();
            // tract's words where the system has no memory for a tensor.
            let error = match text.starts_with("failed to allocate") {
                true => Error::too_big(format!("tract: {text}")),
                false => Error::runtime(format!("tract panicked: {text}")),
            };
            Err(step_of_panic().into_iter().fold(error, Error::at))
        }
    }
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
