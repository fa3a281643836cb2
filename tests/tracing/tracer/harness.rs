//! A program beside its trace: replayed, saved, loaded, replayed again and run by tract, on the example and on other inputs.

use ontrace::array::{Random, Tolerance, compare};
use ontrace::module::{self, AsDynModule};
use ontrace::ops::seeded;
use ontrace::{DType, DynModule, Example, Result, Tensor, Traced, Tracer, Tree};

/// A vector.
pub fn f32s(values: &[f32]) -> Tensor {
    Tensor::from(values)
}

/// 0, 1, 2 … in a shape.
pub fn ramp(shape: &[usize]) -> Tensor {
    Tensor::new(shape, (0..shape.iter().product::<usize>()).map(|n| n as f32).collect()).expect("as many numbers as places")
}

/// Normally distributed values that follow from a seed.
pub fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::from(Random::new(seed).array(DType::F32, shape, Random::normal).unwrap())
}

/// A closure, traced and compared with itself; the sizes are those of the example.
pub fn check_trace<I: Tree, O: Tree>(f: impl Fn(I) -> Result<O>, example: &I, others: &[I]) -> Result<Traced> {
    check_module(&module::from_fn(f), Example::of(example), others)
}

/// As [`check_trace`], with every size symbolic that can be: the others may be of other sizes.
pub fn check_sizes<I: Tree, O: Tree>(f: impl Fn(I) -> Result<O>, example: &I, others: &[I]) -> Result<Traced> {
    check_module(&module::from_fn(f), Example::of(example).symbolic_wherever_possible()?, others)
}

/// As [`check_sizes`], for a program that refuses some sizes itself: only those that are given are tried.
pub fn check_given_sizes<I: Tree, O: Tree>(f: impl Fn(I) -> Result<O>, example: &I, others: &[I]) -> Result<Traced> {
    let sizes = Example::of(example).symbolic_wherever_possible()?;
    check_with(&Tracer::new().unchecked(), &module::from_fn(f), sizes, others)
}

/// A module, traced with the default check, and compared with itself.
pub fn check_module<K: ?Sized, I: Tree>(module: &impl AsDynModule<K>, example: Example, others: &[I]) -> Result<Traced> {
    check_with(&Tracer::new(), module, example, others)
}

/// What torch's `checkTrace` does, and more: the file says what the traced graph says, what was loaded gives the same bits, and tract agrees.
pub fn check_with<K: ?Sized, I: Tree>(tracer: &Tracer, module: &impl AsDynModule<K>, example: Example, others: &[I]) -> Result<Traced> {
    let module = &*module.as_dyn(example.structure());
    let traced = tracer.trace(module, example.clone())?;
    // Those of an example that has names stand in the order of the module's.
    let named = |name: &String| example.inputs().iter().find(|input| input.0 == *name).map(|input| input.1.clone());
    let first = traced.input_names().iter().map(named).collect::<Option<Vec<_>>>().unwrap_or(example.tensors());
    let calls = std::iter::once(first).chain(others.iter().map(Tree::leaves));
    let file = tempfile::Builder::new().suffix(".onnx").tempfile().expect("a temporary file");
    traced.save(file.path())?;
    let loaded = Traced::load(file.path())?;
    assert_eq!(loaded.declaration().to_string(), traced.declaration().to_string());
    assert_eq!(loaded.signature(), traced.signature());
    assert_eq!(loaded.guards().len(), traced.guards().len());
    #[cfg(feature = "tract")]
    let session = traced.session()?;
    for (i, inputs) in calls.enumerate() {
        let inputs: Vec<Tensor> = inputs.iter().map(|tensor| tensor.to_array().map(Tensor::from)).collect::<Result<_>>()?;
        let expected = seeded(0, || module.forward(&inputs))?;
        let replayed = traced.forward(&inputs)?;
        agree(&replayed, &expected, None, &format!("the traced graph, call {i}"))?;
        agree(&loaded.forward(&inputs)?, &replayed, Some(Tolerance::EXACT), &format!("what was loaded, call {i}"))?;
        #[cfg(feature = "tract")]
        agree(&session.forward(&inputs)?, &expected, None, &format!("tract, call {i}"))?;
    }
    Ok(traced)
}

/// All outputs in dtype, shape and values.
fn agree(got: &[Tensor], expected: &[Tensor], tolerance: Option<Tolerance>, who: &str) -> Result<()> {
    assert_eq!(got.len(), expected.len(), "{who}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let (got, expected) = (got.to_array()?, expected.to_array()?);
        let found = compare(&got, &expected, tolerance.unwrap_or(Tolerance::of(expected.dtype())));
        assert!(found.is_ok_and(|found| found.agrees), "{who}, output {i}: expected {expected}, got {got}");
    }
    Ok(())
}

/// The operators of a traced graph in order.
pub fn ops(traced: &Traced) -> Vec<&'static str> {
    traced.graph().nodes().iter().map(|node| node.op.name()).collect()
}

/// The operators of the file in order.
pub fn written(traced: &Traced) -> Result<Vec<String>> {
    Ok(traced.to_model()?.proto.graph.unwrap_or_default().node.into_iter().map(|node| node.op_type).collect())
}

/// The values of the only output for one input.
pub fn output_values<K: ?Sized>(module: &(impl AsDynModule<K> + ?Sized), input: &Tensor) -> Result<Vec<f32>> {
    module.as_dyn(None).call(input)?.to_vec()
}
