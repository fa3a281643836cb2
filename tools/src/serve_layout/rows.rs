//! Do the rows of a batch depend on each other? A server joins requests only where they do not.

use ontrace::array::{Tolerance, compare};
use ontrace::check::fill_inputs;
use ontrace::onnx::Model;
use ontrace::{Array, DynModule, Result, Tensor, Traced};
use std::path::Path;

/// How many rows are run together.
const ROWS: usize = 3;

/// Runs a batch at once and row by row; the reason why requests cannot be joined, where the results differ.
pub fn are_independent(file: &Path, axis: &str) -> std::result::Result<(), String> {
    match differs(file, axis) {
        Ok(None) => Ok(()),
        Ok(Some(output)) => Err(format!("output `{output}` of one row depends on the other rows of the batch")),
        Err(error) => Err(format!("rows could not be run by themselves: {error}")),
    }
}

/// The first output whose rows depend on each other.
fn differs(file: &Path, axis: &str) -> Result<Option<String>> {
    let traced = Traced::from_model(Model::open(file)?)?;
    let example = ontrace::read::open(file)?.example().cloned().unwrap_or_default();
    let example = example.with_sizes(&|symbol| (symbol == axis).then_some(ROWS as i64));
    let (example, _) = fill_inputs(&example, Some(&traced), 1)?;
    let inputs = example.tensors().iter().map(Tensor::to_array).collect::<Result<Vec<Array>>>()?;
    let run = |inputs: Vec<Array>| -> Result<Vec<(String, Array)>> {
        let outputs = traced.forward(&inputs.into_iter().map(Tensor::from).collect::<Vec<_>>())?;
        outputs.names().iter().cloned().zip(&outputs).map(|(name, tensor)| Ok((name, tensor.to_array()?))).collect()
    };
    let together = run(inputs.clone())?;
    for row in 0..ROWS {
        let alone = run(inputs.iter().map(|array| array.slice(0, row, 1, 1)).collect::<Result<_>>()?)?;
        for ((name, all), (_, one)) in together.iter().zip(&alone) {
            let Tolerance { abs, rel } = Tolerance::of(one.dtype());
            let comparison = compare(one, &all.slice(0, row, 1, 1)?, Tolerance { abs: 10.0 * abs, rel: 10.0 * rel })?;
            if !comparison.agrees {
                return Ok(Some(name.clone()));
            }
        }
    }
    Ok(None)
}
