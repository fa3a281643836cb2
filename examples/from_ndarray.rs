//! A program written with ndarray, exported as ONNX.
//!
//! Run it with `cargo run --example from_ndarray`.

use ndarray::{Array1, Array2, Axis, array};
use ontrace::{Array, DynModule, Example, Result, Tensor, trace_fn};

/// The program as it is: principal component scores, standardised per column.
fn scores(x: &Array2<f32>, mean: &Array1<f32>, components: &Array2<f32>) -> Array2<f32> {
    let projected = (x - mean).dot(components);
    let scale = projected.mapv(|v| v * v).mean_axis(Axis(0)).unwrap_or_default().mapv(f32::sqrt);
    projected / scale
}

/// The same program with tensors. Methods have torch's names; each returns a `Result`, since shapes are checked at run time.
fn traced_scores(x: &Tensor, mean: &Tensor, components: &Tensor) -> Result<Tensor> {
    let projected = x.sub(mean)?.matmul(components)?;
    let scale = projected.square()?.mean(0, false)?.sqrt()?;
    projected.div(&scale)
}

pub(crate) fn main() -> Result<()> {
    let x = array![[1.0f32, 2.0, 0.5], [3.0, 1.0, -1.0], [0.0, 4.0, 2.0]];
    let (mean, components) = (array![1.0f32, 2.0, 0.5], array![[0.6f32, 0.0], [0.8, 0.6], [0.0, 0.8]]);
    let expected = scores(&x, &mean, &components);

    // An ndarray array becomes a tensor without a copy, if it is in row-major order. `named` makes it a parameter in the file.
    let input = Tensor::from(Array::from(x));
    let (mean, components) = (Tensor::from(Array::from(mean)).named("mean"), Tensor::from(Array::from(components)).named("components"));
    let example = Example::new().input("x", &input).symbolic("x", 0, "samples")?;
    let traced = trace_fn(|x: Tensor| traced_scores(&x, &mean, &components), example)?;
    traced.save(std::env::temp_dir().join("ontrace_scores.onnx"))?;

    // `Array::view` gives an ndarray view of a result.
    let got = traced.call(&input)?.to_array()?;
    let difference = &got.view::<f32>()? - &expected.into_dyn();
    assert!(difference.iter().all(|d| d.abs() < 1e-5), "{difference}");
    println!("{}", traced.declaration());
    Ok(())
}
