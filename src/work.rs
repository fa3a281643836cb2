//! How much this process has done so far, for the display of progress. No result depends on it.

use std::sync::atomic::{AtomicU64, Ordering};

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
