//! Other weights for a traced graph, without a new trace.
//!
//! Run it with `cargo run --example swap_weights`.

use ontrace::nn::{Activation, Linear, Sequential, Weights};
use ontrace::{Array, DType, DynModule, Module, Result, Tensor, trace};

fn network(weights: &Weights) -> Result<Sequential> {
    Ok(Sequential::new().push(Linear::new(&weights.at("hidden"), 4, 8)?).push(Activation::Relu).push(Linear::new(
        &weights.at("out"),
        8,
        2,
    )?))
}

pub(crate) fn main() -> Result<()> {
    let x = Tensor::ones([1, 4], DType::F32)?;
    let traced = trace(&network(&Weights::seeded(0))?, &x)?;

    // The parameters have the names of the network.
    let names: Vec<String> = traced.state().into_keys().collect();
    assert_eq!(names, ["hidden.bias", "hidden.weight", "out.bias", "out.weight"]);

    // Those of another network, such as a later checkpoint of a training. Names, dtypes and shapes must be the same.
    let later = trace(&network(&Weights::seeded(1))?, &x)?.state();
    let swapped = traced.with_state(&later)?;
    assert_eq!(swapped.call(&x)?.to_vec::<f32>()?, network(&Weights::seeded(1))?.forward(&x)?.to_vec::<f32>()?);

    // One parameter alone can be replaced too.
    let mut state = later;
    state.insert("out.bias".to_string(), Array::vector(vec![100.0f32, -100.0]));
    let y = traced.with_state(&state)?.call(&x)?.to_vec::<f32>()?;
    assert!(y[0] > 90.0 && y[1] < -90.0);

    traced.with_state(&state)?.save(std::env::temp_dir().join("ontrace_swapped.onnx"))?;
    println!("{y:?}");
    Ok(())
}
