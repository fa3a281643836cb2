//! A plan of tract's that is run again and again: what it makes for a run is kept for the next one.

use crate::kernels::threads::{self, Pool};
use crate::work;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tract_onnx::prelude::{TValue, TVec, TractResult, TypedRunnableModel};
use tract_onnx::tract_core::model::TypedSimpleState;
use tract_onnx::tract_core::ops::matmul::optimized::OptMatMul;
use tract_onnx::tract_core::plan::eval;

/// How many states are kept: one for each thread that ran the plan at the same time as others.
const IDLE: usize = 8;

/// Where the calls of a plan run: in a pool, or on the caller's thread where they are so short that waking others takes longer. Found by timing the
/// first of them; what they answer is the same.
pub(super) struct ThreadChoice {
    calls: AtomicUsize,
    /// The shortest call in the pool, in nanoseconds.
    pooled: AtomicU64,
    /// The shortest call on the caller's thread.
    alone: AtomicU64,
}

impl ThreadChoice {
    /// Calls that are timed in each way, after one that finds the caches empty.
    const TRIALS: usize = 3;
    /// Calls in the pool that take longer than this many nanoseconds are worth it, whatever they take elsewhere.
    const LONG: u64 = 500_000;

    fn new() -> ThreadChoice {
        ThreadChoice { calls: AtomicUsize::new(0), pooled: AtomicU64::new(u64::MAX), alone: AtomicU64::new(u64::MAX) }
    }

    /// Runs a call in the pool or by itself.
    pub(super) fn run<R: Send>(&self, pool: &Pool, run: impl FnOnce() -> R + Send) -> R {
        let call = self.calls.load(Ordering::Relaxed);
        let pooled = self.pooled.load(Ordering::Relaxed);
        let decided = call > 2 * ThreadChoice::TRIALS;
        let is_alone =
            pooled < ThreadChoice::LONG && if decided { self.alone.load(Ordering::Relaxed) <= pooled } else { call > ThreadChoice::TRIALS };
        let run = || if is_alone { threads::alone(run) } else { pool.run(run) };
        if decided {
            return run();
        }
        let started = Instant::now();
        let result = run();
        let time = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if call > 0 {
            let shortest = if is_alone { &self.alone } else { &self.pooled };
            shortest.fetch_min(time, Ordering::Relaxed);
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        result
    }
}

/// A plan, and states between two runs: slots for all its values, in which those that are constant stand already.
pub(super) struct Runnable {
    plan: Arc<TypedRunnableModel>,
    idle: Mutex<Vec<TypedSimpleState>>,
    /// Whether no operator keeps anything between runs: in a state, which would go on where the last run stopped, or on the thread
    /// that it ran on, for which alone it is given up.
    stateless: bool,
    pub(super) threads: ThreadChoice,
}

impl Runnable {
    pub(super) fn new(plan: Arc<TypedRunnableModel>) -> TractResult<Runnable> {
        let state = plan.spawn()?;
        let keeps_for_thread = plan.model().nodes().iter().any(|node| node.op_is::<OptMatMul>());
        let stateless = !keeps_for_thread && state.op_states.iter().all(Option::is_none);
        Ok(Runnable { plan, idle: Mutex::default(), stateless, threads: ThreadChoice::new() })
    }

    /// The outputs for these inputs.
    pub(super) fn run(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut state = idle.map_or_else(|| self.plan.spawn(), Ok)?;
        let outputs = state.run_plan_with_eval(inputs, |context, state, node, inputs| {
            let _step = work::step(|f| write!(f, "node {} ({})", node.name, node.op().name()));
            eval(context, state, node, inputs)
        })?;
        if self.stateless
            && let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE
        {
            // An input that nothing uses would stay.
            self.plan.model().input_outlets()?.iter().for_each(|input| state.turn_state.values[input.node] = None);
            idle.push(state);
        }
        Ok(outputs)
    }

    /// The outputs for these inputs; the name of each node, its operator and the time of its evaluation are shown to `observe`.
    pub(super) fn run_timed(&self, inputs: TVec<TValue>, mut observe: impl FnMut(&str, &str, Duration)) -> TractResult<TVec<TValue>> {
        self.plan.spawn()?.run_plan_with_eval(inputs, |context, state, node, inputs| {
            let started = Instant::now();
            let step = work::step(|f| write!(f, "node {} ({})", node.name, node.op().name()));
            let outputs = eval(context, state, node, inputs);
            drop(step);
            observe(&node.name, &node.op().name(), started.elapsed());
            outputs
        })
    }

    /// The operators, in no order.
    #[cfg(test)]
    pub(super) fn operators(&self) -> Vec<String> {
        self.plan.model().nodes().iter().map(|node| node.op().name().into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Pool, ThreadChoice};
    use crate::ops::{Cell, Recurrent, RecurrentWeights};
    use crate::runtime::noise;
    use crate::{Array, Result, Tensor, trace_fn};

    #[test]
    fn short_calls_stay_on_the_thread_of_the_caller() {
        let Some(pool) = Pool::new(2).unwrap() else { return };
        let in_pool = || rayon::current_thread_index().is_some();
        let short = ThreadChoice::new();
        // Whichever way is quicker, both were tried.
        let ways: Vec<bool> = (0..10).map(|_| short.run(&pool, in_pool)).collect();
        assert_eq!(ways[..7], [true, true, true, true, false, false, false]);
        assert!(ways[7..].iter().all(|way| *way == ways[7]));
        let long = ThreadChoice::new();
        let slow = || {
            std::thread::sleep(Duration::from_millis(1));
            in_pool()
        };
        assert!((0..10).all(|_| long.run(&pool, slow)));
    }

    /// A network that tract runs as a scan, which has a state.
    fn lstm(x: Tensor) -> Result<Tensor> {
        let weights = [RecurrentWeights { input: noise(&[12, 4], 1), state: noise(&[12, 3], 2), biases: None }];
        let states = [noise(&[1, 2, 3], 3), noise(&[1, 2, 3], 4)];
        Ok(x.recurrent(Recurrent::new(Cell::Lstm { coupled: false }, vec![false])?, &weights, None, &states)?.swap_remove(0))
    }

    #[test]
    fn every_run_begins_anew() {
        let x = noise(&[5, 2, 4], 0);
        for f in [lstm, |x: Tensor| x.add(1.0)?.softmax(-1)] {
            let session = trace_fn(f, &x).unwrap().session().unwrap();
            let other: Array = noise(&[5, 2, 4], 9).to_array().unwrap();
            let x = x.to_array().unwrap();
            let first = session.run(std::slice::from_ref(&x)).unwrap();
            session.run(&[other]).unwrap();
            assert!(!session.runs_without_tract());
            assert_eq!(session.run(&[x]).unwrap(), first);
        }
    }
}
