//! What a thread's operations make, seen from outside: how a check learns what a module computes when nobody records.

use super::location;
use crate::array::Array;
use crate::graph::{Operator, Place};
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// An operation that was done.
pub(crate) struct Done {
    pub(crate) op: Arc<dyn Operator>,
    pub(crate) place: Place,
    /// A number for each output that says what is in it.
    pub(crate) digests: Vec<u64>,
}

struct Watch {
    done: Vec<Done>,
    /// The operation of which the outputs themselves are wanted.
    wanted: Option<usize>,
    outputs: Vec<Array>,
}

/// A number that says what is in an array: its dtype, shape and numbers.
pub(crate) fn digest(array: &Array) -> u64 {
    let mut hasher = DefaultHasher::new();
    (array.dtype(), array.shape(), &*array.to_bytes()).hash(&mut hasher);
    hasher.finish()
}

/// Runs a function and lists its operations in order, with the outputs of one of them.
pub(crate) fn watched<R>(wanted: Option<usize>, run: impl FnOnce() -> R) -> (R, Vec<Done>, Vec<Array>) {
    /// Also where the function panics.
    struct Before(Option<Watch>);
    impl Drop for Before {
        fn drop(&mut self) {
            WATCH.set(self.0.take());
        }
    }
    let before = Before(WATCH.replace(Some(Watch { done: Vec::new(), wanted, outputs: Vec::new() })));
    let result = run();
    let watch = WATCH.take();
    drop(before);
    let (done, outputs) = watch.map_or_else(Default::default, |watch| (watch.done, watch.outputs));
    (result, done, outputs)
}

/// Notes an operation, where somebody watches.
pub(super) fn saw(op: &Arc<dyn Operator>, values: &[Option<Array>], parameter: Option<&str>, caller: &Location) {
    WATCH.with_borrow_mut(|watch| {
        let Some(watch) = watch else { return };
        if watch.wanted == Some(watch.done.len()) {
            watch.outputs = values.iter().flatten().cloned().collect();
        }
        let digests = values.iter().flatten().map(digest).collect();
        watch.done.push(Done { op: op.clone(), place: location::here(parameter, caller), digests });
    });
}
