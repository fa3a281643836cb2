//! How many threads a kernel may use: those of the pool that it runs in, or its caller's alone.

use crate::error::Error;
use crate::error::Result;
use rayon::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// Threads that share the work of one call at a time or of some.
pub struct Pool {
    threads: rayon::ThreadPool,
    /// The calls that run.
    running: AtomicUsize,
    /// How often a call began or ended.
    changes: Arc<AtomicUsize>,
}

impl Pool {
    /// So many threads, at most one a core, for kernels that run in them; `None` where one is enough, which is the caller's.
    ///
    /// # Errors
    /// [`Runtime`](crate::ErrorCode::Runtime) where the system has no threads left.
    pub fn new(threads: usize) -> Result<Option<Pool>> {
        let threads = threads.min(std::thread::available_parallelism().map_or(1, usize::from));
        if threads <= 1 {
            return Ok(None);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("ontrace-{i}")).build();
        let threads = pool.map_err(|error| Error::runtime(format!("cannot start {threads} threads: {error}")))?;
        Ok(Some(Pool { threads, running: AtomicUsize::new(0), changes: Arc::default() }))
    }

    /// Runs a call. Where it is the only one, the other threads stay awake for parts of its work: waking one takes as long as a small convolution.
    pub fn run<R: Send>(&self, call: impl FnOnce() -> R + Send) -> R {
        /// Also where the call panics.
        struct Running<'a>(&'a Pool);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.changes.fetch_add(1, Ordering::Relaxed);
                self.0.running.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let change = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        let is_only = self.running.fetch_add(1, Ordering::Relaxed) == 0;
        let _running = Running(self);
        self.threads.install(|| {
            if is_only {
                stay_awake(self.changes.clone(), change);
            }
            call()
        })
    }
}

/// Has the other threads of this pool look for work until the next change. A thread that finds none for [`PATIENCE`] goes back to sleep.
fn stay_awake(changes: Arc<AtomicUsize>, change: usize) {
    let caller = rayon::current_thread_index();
    // Nothing waits for these: while one runs what another call left to it, this call may end.
    rayon::spawn_broadcast(move |context| {
        if caller == Some(context.index()) {
            return;
        }
        let mut idle_since = Instant::now();
        while changes.load(Ordering::Relaxed) == change {
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                idle_since = Instant::now();
            } else if idle_since.elapsed() > PATIENCE {
                return;
            } else {
                // Another thread may need this core.
                std::thread::yield_now();
            }
        }
    });
}

/// How long a thread looks for work before it sleeps.
const PATIENCE: Duration = Duration::from_millis(1);

/// Gives rayon's global pool at most a thread a core, where the environment asks for more (`RAYON_NUM_THREADS`). For programs, before anything runs.
pub fn bound_threads() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = |name| std::env::var(name).ok().and_then(|count| count.trim().parse::<usize>().ok());
    if ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS"].into_iter().filter_map(asked).any(|count| count > cores) {
        // It fails where the pool is there already, and then it was made with other limits on purpose.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(cores).build_global();
    }
}

/// How many threads may work on a result.
pub fn threads() -> usize {
    if ALONE.get() { 1 } else { rayon::current_num_threads() }
}

/// Runs in the pool, where threads that wait for each other need not be woken; or on this thread, where it is alone.
pub fn together<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    if ALONE.get() { run() } else { rayon::scope(|_| run()) }
}

/// Runs numbered tasks, in parallel where asked. The only point where a loop enters the thread pool: it is compiled once.
///
/// Each thread begins with the same part of them every time, and then takes what others have not begun: what it reads is mostly what it wrote in the
/// loop before, which is in its cache.
pub fn run_tasks(count: usize, parallel: bool, task: &(dyn Fn(usize) + Sync)) {
    let threads = if parallel { threads().min(count) } else { 1 };
    if threads <= 1 {
        return (0..count).for_each(task);
    }
    let start = |part: usize| part * count / threads;
    let next: Vec<AtomicUsize> = (0..threads).map(|part| AtomicUsize::new(start(part))).collect();
    (0..threads).into_par_iter().with_max_len(1).for_each(|i| {
        let own = rayon::current_thread_index().unwrap_or(i);
        for part in (0..threads).map(|distance| (own + distance) % threads) {
            std::iter::repeat_with(|| next[part].fetch_add(1, Ordering::Relaxed)).take_while(|&i| i < start(part + 1)).for_each(task);
        }
    });
}

/// Works on items in parallel, divided as [`run_tasks`] divides them.
pub fn run_items<I: Send>(items: Vec<I>, work: impl Fn(I) + Sync) {
    if items.len() <= 1 || threads() == 1 {
        return items.into_iter().for_each(work);
    }
    let items: Vec<_> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    run_tasks(items.len(), true, &|i| {
        let item = lock(&items[i]).take();
        item.into_iter().for_each(&work);
    });
}

/// Works on items in parallel, each with a buffer that no other thread uses at the same time.
///
/// # Errors
/// Those of the work.
pub fn try_each<I: Send, R: Send>(
    items: Vec<I>,
    buffer: impl Fn() -> R + Sync,
    work: impl Fn(&mut R, I) -> Result<()> + Sync,
) -> Result<()> {
    if threads() == 1 {
        let mut own = buffer();
        return items.into_iter().try_for_each(|item| work(&mut own, item));
    }
    let (buffers, failure) = (Mutex::new(Vec::new()), Mutex::new(None));
    run_items(items, |item| {
        let own = lock(&buffers).pop();
        let mut own = own.unwrap_or_else(&buffer);
        if let Err(error) = work(&mut own, item) {
            lock(&failure).get_or_insert(error);
        }
        lock(&buffers).push(own);
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// The value of a mutex; a panic elsewhere left it whole, because nothing is computed under a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of some tasks runs.
    fn runs(count: usize) -> Vec<usize> {
        let runs: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        run_tasks(count, true, &|i| {
            runs[i].fetch_add(1, Ordering::Relaxed);
        });
        runs.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!([0, 1, 2, 5, 6, 7, 100].into_iter().all(|count| pool.install(|| runs(count)) == vec![1; count]), "{threads} threads");
        }
        assert_eq!(runs(9), [1; 9]);
    }

    #[test]
    fn calls_side_by_side_and_calls_that_panic_leave_the_pool_usable() {
        let Some(pool) = Pool::new(2).unwrap() else { return };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|count| assert_eq!(pool.run(|| runs(count % 9)), vec![1; count % 9])));
            }
        });
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.run(|| panic!("on purpose"))));
        assert!(panicked.is_err());
        assert_eq!((pool.running.load(Ordering::Relaxed), pool.run(|| runs(5))), (0, vec![1; 5]));
    }
}
