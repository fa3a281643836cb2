//! A plan of tract's that is run again and again: what it makes for a run is kept for the next one.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tract_onnx::prelude::{TValue, TVec, TractResult, TypedRunnableModel};
use tract_onnx::tract_core::model::TypedSimpleState;
use tract_onnx::tract_core::ops::matmul::optimized::OptMatMul;
use tract_onnx::tract_core::plan::eval;

/// How many states are kept: one for each thread that ran the plan at the same time as others.
const IDLE: usize = 8;

/// A plan, and states between two runs: slots for all its values, in which those that are constant stand already.
pub(super) struct Runnable {
    plan: Arc<TypedRunnableModel>,
    idle: Mutex<Vec<TypedSimpleState>>,
    /// Whether no operator keeps anything between runs: in a state, which would go on where the last run stopped, or on the thread
    /// that it ran on, for which alone it is given up.
    stateless: bool,
}

impl Runnable {
    pub(super) fn new(plan: Arc<TypedRunnableModel>) -> TractResult<Runnable> {
        let state = plan.spawn()?;
        let keeps_for_thread = plan.model().nodes().iter().any(|node| node.op_is::<OptMatMul>());
        let stateless = !keeps_for_thread && state.op_states.iter().all(Option::is_none);
        Ok(Runnable { plan, idle: Mutex::default(), stateless })
    }

    /// The outputs for these inputs.
    pub(super) fn run(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut state = idle.map_or_else(|| self.plan.spawn(), Ok)?;
        let outputs = state.run(inputs)?;
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
            let outputs = eval(context, state, node, inputs);
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
    use crate::ops::{Cell, Recurrent, RecurrentWeights};
    use crate::runtime::noise;
    use crate::{Array, Result, Tensor, trace_fn};

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
            assert_eq!(session.explain(), Vec::<String>::new());
            let other: Array = noise(&[5, 2, 4], 9).to_array().unwrap();
            let x = x.to_array().unwrap();
            let first = session.run(std::slice::from_ref(&x)).unwrap();
            session.run(&[other]).unwrap();
            assert_eq!(session.run(&[x]).unwrap(), first);
        }
    }
}
