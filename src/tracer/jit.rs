//! `jit`: a function that is traced when it is first called, and again only for a call that no earlier trace fits.

use super::Tracer;
use crate::dim::Type;
use crate::error::{ErrorCode, Result};
use crate::module::{DynModule, Example, Module, from_fn};
use crate::tensor::Tensor;
use crate::trace::Traced;
use crate::tree::{Tree, TreeDef};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

/// The most traces that are kept; the least recently used one is dropped.
const KEPT: usize = 32;

/// A function with its traces so far: [`jit`].
pub struct Jit<F, I, O> {
    f: F,
    tracer: Tracer,
    cache: Mutex<TraceCache>,
    types: PhantomData<fn(I) -> O>,
}

#[derive(Default)]
struct TraceCache {
    /// The latest used last.
    kept: Vec<(TreeDef, std::sync::Arc<Traced>)>,
    counts: Counts,
}

/// How often a function was called and traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that an earlier trace answered.
    pub hits: usize,
    /// Calls for which the function was traced.
    pub traces: usize,
}

/// A function that is traced on its first call, with every size symbolic that can be, and again only where no trace fits: for another
/// structure, dtype, rank or static value, and where a guard does not hold.
///
/// ```
/// use ontrace::{DType, Tensor, jit};
/// let double = jit(|x: Tensor| x.mul(2.0));
/// for n in [3, 5, 7] {
///     assert_eq!(double.call(&Tensor::ones([n], DType::F32)?)?.to_vec::<f32>()?, vec![2.0; n]);
/// }
/// assert_eq!((double.counts().traces, double.counts().hits), (1, 2));
/// double.call(&Tensor::ones([3], DType::I64)?)?;
/// assert_eq!(double.counts().traces, 2);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn jit<F, I, O>(f: F) -> Jit<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    Jit { f, tracer: Tracer::new().unchecked(), cache: Mutex::default(), types: PhantomData }
}

impl<F, I, O> Jit<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    /// Traces with these options; the default does not check, because every call may be a trace.
    #[must_use]
    pub fn with(mut self, tracer: Tracer) -> Jit<F, I, O> {
        self.tracer = tracer;
        self
    }

    /// The result for these inputs, by a trace that is right for them.
    ///
    /// # Errors
    /// Those of the function, of its trace and of the trace.
    pub fn call(&self, inputs: &I) -> Result<O> {
        let mut leaves = Vec::new();
        let structure = inputs.tree_flatten(&mut leaves);
        let kept: Vec<_> = self.cache().kept.iter().rev().filter(|entry| entry.0 == structure).map(|entry| entry.1.clone()).collect();
        for traced in kept.into_iter().filter(|traced| fits(traced, &leaves)) {
            match traced.forward(&leaves) {
                Ok(outputs) => {
                    let mut cache = self.cache();
                    cache.counts.hits += 1;
                    if let Some(i) = cache.kept.iter().position(|entry| std::sync::Arc::ptr_eq(&entry.1, &traced)) {
                        cache.kept[i..].rotate_left(1);
                    }
                    return outputs.into_tree();
                }
                // This trace does not fit the call.
                Err(error) if matches!(error.code(), ErrorCode::Guard | ErrorCode::Input | ErrorCode::Size) => {}
                Err(error) => return Err(error),
            }
        }
        let module = from_fn(&self.f);
        let traced = std::sync::Arc::new(self.tracer.trace(&module, Example::of(inputs).symbolic_wherever_possible()?)?);
        {
            let mut cache = self.cache();
            cache.counts.traces += 1;
            if cache.kept.len() >= KEPT {
                cache.kept.remove(0);
            }
            cache.kept.push((structure, traced.clone()));
        }
        traced.forward(&leaves)?.into_tree()
    }

    /// How often it was called and traced.
    pub fn counts(&self) -> Counts {
        self.cache().counts
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, TraceCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F, I, O> Module<I, O> for Jit<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    fn forward(&self, input: &I) -> Result<O> {
        self.call(input)
    }
}

/// Whether dtypes and ranks are those of the trace.
fn fits(traced: &Traced, leaves: &[Tensor]) -> bool {
    let same = |(expected, got): (&Type, &Tensor)| expected.dtype == got.dtype() && expected.rank() == got.rank();
    let expected: Vec<Type> = traced.inputs().into_iter().map(|input| input.1).collect();
    expected.len() == leaves.len() && expected.iter().zip(leaves).all(same)
}
