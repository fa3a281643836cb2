//! An operator of one's own: a kernel for ontrace and tract, and a decomposition for every other runtime.
//!
//! Run it with `cargo run --example custom_op`.

use ontrace::graph::Inputs;
use ontrace::onnx::{Node, NodeBuilder};
use ontrace::ops::CustomOp;
use ontrace::{Array, DynModule, Result, Tensor, Type, trace_fn};

/// x · |x|
#[derive(Debug)]
struct SignedSquare;

impl CustomOp for SignedSquare {
    const DOMAIN: &'static str = "com.example";
    const NAME: &'static str = "SignedSquare";

    /// The type of the output, for every input type.
    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![inputs.at(0)?.clone()])
    }

    /// The kernel. It also runs inside tract's plan.
    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        Ok(vec![Array::new(x.shape(), x.to_vec::<f32>()?.iter().map(|x| x * x.abs()).collect())?])
    }

    /// The attributes of the ONNX node: none.
    fn write<'a>(&self, node: NodeBuilder<'a>) -> NodeBuilder<'a> {
        node
    }

    fn read(_: &Node) -> Result<SignedSquare> {
        Ok(SignedSquare)
    }

    /// The same in standard operators. It is saved as an ONNX function, and the check of the trace compares it with the kernel.
    fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
        let x = inputs.at(0)?;
        Ok(Some(vec![x.mul(x.abs()?)?]))
    }
}

pub(crate) fn main() -> Result<()> {
    let x = Tensor::from(&[3.0f32, -2.0]);
    let traced = trace_fn(|x: Tensor| SignedSquare.apply_one(&[&x])?.add(1.0), &x)?;
    assert_eq!(traced.session()?.call(&x)?.to_vec::<f32>()?, [10.0, -3.0]);

    let model = traced.to_model()?;
    assert_eq!(model.proto.functions[0].name, "SignedSquare");
    println!("{traced}");
    Ok(())
}
