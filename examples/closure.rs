//! A closure becomes an ONNX file.
//!
//! Run it with `cargo run --example closure`.

use ontrace::{DynModule, Result, Tensor, Traced, trace_fn};

pub(crate) fn main() -> Result<()> {
    // Any function of tensors can be traced. Tensors of its environment become constants of the graph.
    let scale = Tensor::from(&[0.5f32, 2.0]);
    let function = |x: Tensor| x.mul(&scale)?.softmax(-1);

    // The function runs once on an example, and each operation is recorded. The graph is then checked against the function.
    let x = Tensor::new([1, 2], vec![1.0f32, -1.0])?;
    let traced = trace_fn(function, &x)?;
    println!("{traced}");

    // The file is an ordinary ONNX model.
    let file = std::env::temp_dir().join("ontrace_closure.onnx");
    traced.save(&file)?;

    // It computes what the function computes.
    let y = Traced::load(&file)?.call(&x)?;
    assert_eq!(y.to_vec::<f32>()?, function(x)?.to_vec::<f32>()?);
    println!("wrote {}", file.display());
    Ok(())
}
