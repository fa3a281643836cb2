//! How many threads a kernel may use: those of the pool that it runs in, or its caller's alone.

use crate::error::Result;
use rayon::prelude::*;
use std::cell::Cell;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs kernels on this thread, without a pool and what it costs to wake it.
pub fn alone<R>(run: impl FnOnce() -> R) -> R {
    /// Also where the kernel panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    run()
}

/// How many threads may work on a result.
pub fn threads() -> usize {
    if ALONE.get() { 1 } else { rayon::current_num_threads() }
}

/// Runs in the pool, where threads that wait for each other need not be woken; or on this thread, where it is alone.
pub fn together<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    if ALONE.get() { run() } else { rayon::scope(|_| run()) }
}

/// Works on items in parallel, each thread with room of its own.
///
/// # Errors
/// Those of the work.
pub fn try_each<I: Send, R>(
    items: Vec<I>,
    room: impl Fn() -> R + Sync + Send,
    work: impl Fn(&mut R, I) -> Result<()> + Sync + Send,
) -> Result<()> {
    if threads() == 1 {
        let mut own = room();
        return items.into_iter().try_for_each(|item| work(&mut own, item));
    }
    items.into_par_iter().try_for_each_init(room, work)
}
