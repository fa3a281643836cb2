//! How much this process has done so far, for the display of progress, and what it is doing, for who explains its end. No result depends on it.

use crate::error::{Error, Result};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A kind of work that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// Operators that were recorded in traces.
    Operators,
    /// Calls of models that were compared.
    Calls,
    /// Bytes of files that were written.
    BytesWritten,
}

static DONE: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];

impl Work {
    /// How much of it all threads of the process have done; it only grows.
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn, work::Work};
    /// let before = Work::Operators.done();
    /// trace_fn(|x: Tensor| x.exp()?.add(1.0), &Tensor::from(&[1.0f32]))?;
    /// assert!(Work::Operators.done() >= before + 2);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    pub fn done(self) -> u64 {
        DONE[self as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn add(self, amount: u64) {
        DONE[self as usize].fetch_add(amount, Ordering::Relaxed);
    }
}

thread_local! {
    /// The nodes that loops may still run on this thread, where a budget is set.
    static LOOPS: Cell<Option<u64>> = const { Cell::new(None) };

    /// The bytes that the values of a loop of such a program may take beyond what it is given.
    static LOOP_BYTES: Cell<u64> = const { Cell::new(u64::MAX) };

    /// The bytes that they may take in the loops that run on this thread, where one runs.
    static RUNNING: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A budget of what loops run on this thread as long as it lives, in nodes: for a call of a program that comes from a file, of which nobody knows whether it ends. Inside
/// another one it changes nothing.
///
/// ```
/// use ontrace::{ErrorCode, Tensor, while_loop, work::LoopBudget};
/// let endless = || while_loop(&Tensor::from(&[true]).reshape(())?, vec![Tensor::from(&[1.0f32])], |state| {
///     Ok((Tensor::from(&[true]).reshape(())?, state.to_vec()))
/// });
/// let _budget = LoopBudget::of_file(1000);
/// assert_eq!(endless().unwrap_err().code(), ErrorCode::TooBig);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[must_use = "the budget holds as long as it lives"]
pub struct LoopBudget {
    is_outermost: bool,
    /// It belongs to a thread.
    _thread: PhantomData<*const ()>,
}

/// What came of taking nodes from the budget.
pub(crate) enum Spent {
    /// They were left.
    Yes,
    /// They were not.
    No,
    /// No budget is set.
    Unlimited,
}

impl LoopBudget {
    /// What every file may run: the work of a second or two.
    const FREE: u64 = 1 << 19;

    /// The bytes of a file that justify a node more.
    const BYTES: u64 = 64;

    /// What the values of a loop may take: this much, and for each byte of the file and of what the loop is given so many more.
    const MEMORY: (u64, u64, u64) = (1 << 27, 4, 64);

    /// How many calls a comparison of two programs makes at most, and how many times the memory of a run each of them takes.
    const COMPARISON: (u64, u64) = (128, 4);

    /// The budget of a call of a program from a file of this many bytes.
    pub fn of_file(size: usize) -> LoopBudget {
        LoopBudget::new(size, (1, 1))
    }

    /// The budget of a comparison of two programs, the longer of which is a file of this many bytes.
    pub fn of_comparison(size: usize) -> LoopBudget {
        LoopBudget::new(size, LoopBudget::COMPARISON)
    }

    fn new(size: usize, (calls, copies): (u64, u64)) -> LoopBudget {
        let is_outermost = LOOPS.get().is_none();
        if is_outermost {
            let (free, each, _) = LoopBudget::MEMORY;
            LOOP_BYTES.set(free.saturating_add(each.saturating_mul(size as u64)) / copies);
            LOOPS.set(Some(LoopBudget::FREE.saturating_add(size as u64 / LoopBudget::BYTES).saturating_mul(calls)));
        }
        LoopBudget { is_outermost, _thread: PhantomData }
    }

    /// The memory of a loop that is given so many bytes, as long as what comes of this lives; it has that of the loop around it, where there is one.
    pub(crate) fn loop_begins(given: u64) -> LoopMemory {
        let is_outermost = RUNNING.get().is_none();
        if is_outermost && LOOPS.get().is_some() {
            RUNNING.set(Some(LOOP_BYTES.get().saturating_add(LoopBudget::MEMORY.2.saturating_mul(given))));
        }
        LoopMemory { is_outermost }
    }

    /// Whether values in the loops that run may take so many bytes.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where they may not.
    pub(crate) fn allow(bytes: impl FnOnce() -> u64) -> Result<()> {
        const MB: f64 = 1e6;
        let Some(limit) = RUNNING.get() else { return Ok(()) };
        let bytes = bytes();
        if bytes <= limit {
            return Ok(());
        }
        let (taken, limit) = (bytes as f64 / MB, limit as f64 / MB);
        Err(Error::too_big(format!("the values of a loop take {taken:.0} MB, the limit is {limit:.0} MB"))
            .help("the limit grows with the file and with what the loop is given, and --limit raises it"))
    }

    pub(crate) fn left() -> Option<u64> {
        LOOPS.get()
    }

    pub(crate) fn spend(nodes: u64) -> Spent {
        match LOOPS.get() {
            None => Spent::Unlimited,
            Some(left) => {
                LOOPS.set(Some(left.saturating_sub(nodes)));
                if left >= nodes { Spent::Yes } else { Spent::No }
            }
        }
    }
}

impl Drop for LoopBudget {
    fn drop(&mut self) {
        if self.is_outermost {
            LOOPS.set(None);
            LOOP_BYTES.set(u64::MAX);
        }
    }
}

/// The memory of the loops that run on a thread.
pub(crate) struct LoopMemory {
    is_outermost: bool,
}

impl Drop for LoopMemory {
    fn drop(&mut self) {
        if self.is_outermost {
            RUNNING.set(None);
        }
    }
}

/// The memory that a child shares with its parent, where it has one that asked for it.
static STEP: OnceLock<Mutex<memmap2::MmapMut>> = OnceLock::new();

/// The bytes of a step's length, in front of its text.
const LENGTH: usize = 2;

/// What is written into the memory of a step: text beyond its end is cut.
struct StepText<'a> {
    memory: &'a mut [u8],
    length: usize,
}

impl fmt::Write for StepText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = &mut self.memory[LENGTH + self.length..];
        let taken = text.len().min(free.len());
        free[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

/// A step of the work: an operator that is evaluated, a model that is prepared. Dropped, it is done.
#[must_use = "the step is done when it is dropped"]
pub(crate) struct RunningStep(());

/// Notes a step, which stays in the shared memory when a signal ends the process in it. `locations` writes where it is, innermost first, with a NUL between two. Where
/// nobody asked, nothing is formatted.
pub(crate) fn step(locations: impl Fn(&mut fmt::Formatter) -> fmt::Result) -> RunningStep {
    if let Some(memory) = STEP.get() {
        note(&mut memory.lock().unwrap_or_else(PoisonError::into_inner), locations);
    }
    RunningStep(())
}

fn note(memory: &mut [u8], locations: impl Fn(&mut fmt::Formatter) -> fmt::Result) {
    let mut text = StepText { memory, length: 0 };
    // A text that cannot be formatted is none.
    let length = write!(text, "{}", fmt::from_fn(locations)).map_or(0, |()| text.length);
    memory[..LENGTH].copy_from_slice(&(length as u16).to_le_bytes());
}

impl Drop for RunningStep {
    fn drop(&mut self) {
        if let Some(memory) = STEP.get() {
            let memory = &mut memory.lock().unwrap_or_else(PoisonError::into_inner)[..];
            // The innermost is the first that a panic drops.
            if std::thread::panicking() {
                PANICKED.with_borrow_mut(|step| *step = step.take().or_else(|| Some(noted(memory))));
            }
            memory[..LENGTH].fill(0);
        }
    }
}

thread_local! {
    /// The step in which this thread panicked.
    static PANICKED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The locations of the step in which the panic began that was caught on this thread, innermost first: none where nobody asked to have steps noted.
#[cfg(feature = "tract")]
pub(crate) fn step_of_panic() -> Vec<String> {
    PANICKED.take().unwrap_or_default()
}

/// The locations of the step that is under way, innermost first, for a process that ends in it: none where nobody asked to have steps noted.
#[cfg(feature = "tract")]
pub(crate) fn current_step() -> Vec<String> {
    // Held where a location could not be formatted.
    STEP.get().and_then(|memory| memory.try_lock().ok()).map_or_else(Vec::new, |memory| noted(&memory))
}

/// Has steps noted in this memory, of at most 64 KiB, from now on.
#[cfg(feature = "tract")]
pub(crate) fn note_steps_in(memory: memmap2::MmapMut) {
    // Once in a process: it has one parent.
    let _ = STEP.set(Mutex::new(memory));
}

/// The locations of the step in such memory, innermost first.
pub(crate) fn noted(memory: &[u8]) -> Vec<String> {
    let Some((length, text)) = memory.split_first_chunk::<LENGTH>() else { return Vec::new() };
    let text = &text[..text.len().min(usize::from(u16::from_le_bytes(*length)))];
    text.split(|&byte| byte == 0).filter(|part| !part.is_empty()).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_noted_and_cut_where_memory_ends() {
        let mut memory = [0; 16];
        assert_eq!(noted(&memory), [""; 0]);
        note(&mut memory, |f| f.write_str("Add\0a.b"));
        assert_eq!(noted(&memory), ["Add", "a.b"]);
        note(&mut memory, |f| f.write_str("Conv\x000123456789abcdef"));
        assert_eq!(noted(&memory), ["Conv", "012345678"]);
    }
}
