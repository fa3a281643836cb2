//! Observer of a thread's operations: how a check learns what a module computes when no trace is active.

use super::location;
use crate::array::Array;
use crate::graph::{Operator, SourceLocation};
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::panic::Location;
use std::sync::Arc;

thread_local! {
    static OBSERVER: RefCell<Option<Observer>> = const { RefCell::new(None) };
}

/// An operation that was done.
pub(crate) struct ObservedOp {
    pub(crate) op: Arc<dyn Operator>,
    pub(crate) location: SourceLocation,
    /// A number for each output that says what is in it.
    pub(crate) digests: Vec<u64>,
}

struct Observer {
    done: Vec<ObservedOp>,
    /// The operation of which the outputs themselves are wanted.
    wanted: Option<usize>,
    outputs: Vec<Array>,
}

/// A digest of an array: its dtype, shape and elements.
pub(crate) fn digest(array: &Array) -> u64 {
    let mut hasher = DefaultHasher::new();
    array.hash_bytes(&mut hasher);
    hasher.finish()
}

/// Runs a function and lists its operations in order, with the outputs of one of them.
pub(crate) fn observe<R>(wanted: Option<usize>, run: impl FnOnce() -> R) -> (R, Vec<ObservedOp>, Vec<Array>) {
    /// Also where the function panics.
    struct Before(Option<Observer>);
    impl Drop for Before {
        fn drop(&mut self) {
            OBSERVER.set(self.0.take());
        }
    }
    let before = Before(OBSERVER.replace(Some(Observer { done: Vec::new(), wanted, outputs: Vec::new() })));
    let result = run();
    let observer = OBSERVER.take();
    drop(before);
    let (done, outputs) = observer.map_or_else(Default::default, |observer| (observer.done, observer.outputs));
    (result, done, outputs)
}

/// Notes an operation, where somebody watches.
pub(super) fn notify(op: &Arc<dyn Operator>, values: &[Option<Array>], parameter: Option<&str>, caller: &Location) {
    OBSERVER.with_borrow_mut(|observer| {
        let Some(observer) = observer else { return };
        if observer.wanted == Some(observer.done.len()) {
            observer.outputs = values.iter().flatten().cloned().collect();
        }
        let digests = values.iter().flatten().map(digest).collect();
        observer.done.push(ObservedOp { op: op.clone(), location: location::here(parameter, caller), digests });
    });
}
