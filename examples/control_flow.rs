//! Branches and loops that depend on data become `If` and `Loop` in the file.
//!
//! Run it with `cargo run --example control_flow`.

use ontrace::{DynModule, Result, Tensor, cond, trace_fn, while_loop};

/// Scales a vector down by halves until its largest element is at most 1. A sum below zero changes the sign first.
fn normalize(x: Tensor) -> Result<Tensor> {
    // A Rust `if` would be decided once, during the trace. `cond` traces both branches.
    let negative = x.sum(.., false)?.lt(0.0)?;
    let x = cond(&negative, || Ok(vec![x.neg()?]), || Ok(vec![x.clone()]))?.remove(0);

    // The state of a loop is a list of tensors. The body returns the next state, and whether there is another iteration.
    let is_large = |x: &Tensor| x.amax(.., false)?.gt(1.0);
    let state = while_loop(&is_large(&x)?, vec![x], |state| {
        let x = state[0].mul(0.5)?;
        Ok((is_large(&x)?, vec![x]))
    })?;
    Ok(state[0].clone())
}

pub(crate) fn main() -> Result<()> {
    // This example takes the second branch, and three iterations.
    let traced = trace_fn(normalize, &Tensor::from(&[2.0f32, 8.0]))?;

    // Other inputs take another course through the same graph.
    let y = traced.call(&Tensor::from(&[-64.0f32, 0.0]))?;
    assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0]);

    let operators: Vec<&str> = traced.graph().nodes().iter().map(|node| node.op.name()).collect();
    assert!(operators.contains(&"If") && operators.contains(&"Loop"), "{operators:?}");
    println!("{operators:?}");
    Ok(())
}
