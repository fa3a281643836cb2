//! Traced graphs called inside other traces, and operators that a user brings along.

use super::harness::{check_module, check_sizes, check_trace, f32s, normal, ops, output_values, ramp};
use super::modules::scopes;
use ontrace::array::{Array, DType};
use ontrace::dim::{Sizes, Type};
use ontrace::graph::{Attributes, Inputs, Operator};
use ontrace::nn::{Activation, Linear, Sequential, Weights};
use ontrace::onnx::{GraphBuilder, Name};
use ontrace::tensor::{apply, apply_one, location};
use ontrace::{DynModule, Example, Module, Result, Tensor, Traced, module, trace, trace_fn};

/// Twice the values, by a kernel that works where they stand.
#[derive(Debug)]
struct Doubled;

impl Operator for Doubled {
    fn name(&self) -> &'static str {
        "Doubled"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![inputs.at(0)?.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let mut values = x.to_vec::<f32>()?;
        values.iter_mut().for_each(|x| *x *= 2.0);
        Ok(vec![Array::new(x.shape(), values)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("Add", &[inputs[0].clone(), inputs[0].clone()]).write(outputs))
    }
}

/// The transpose of a matrix, and the matrix less one: two outputs of different shapes.
#[derive(Debug)]
struct Transposed;

impl Operator for Transposed {
    fn name(&self) -> &'static str {
        "Transposed"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let transposed: Vec<_> = x.shape.iter().rev().cloned().collect();
        Ok(vec![Type::new(x.dtype, transposed), x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let (rows, columns) = (x.shape()[0], x.shape()[1]);
        let values = x.to_vec::<f32>()?;
        let transposed = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect();
        Ok(vec![Array::new(&[columns, rows], transposed)?, Array::new(x.shape(), values.iter().map(|x| x - 1.0).collect())?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let one = builder.number(DType::F32, 1.0);
        let transposed = builder.node("Transpose", &inputs[..1]).ints("perm", &[1, 0]).write_one(outputs[0].clone())?;
        let less = builder.node("Sub", &[inputs[0].clone(), one]).write_one(outputs[1].clone())?;
        Ok(vec![transposed, less])
    }
}

fn transposed(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let both = apply(Transposed, &[Some(x)])?;
    Ok((both[0].clone(), both[1].clone()))
}

#[test]
fn t020_an_operator_of_one_s_own_cannot_write_to_its_input() -> Result<()> {
    let x = f32s(&[1.0, 2.0]);
    let f = |x: Tensor| x.add(apply_one(Doubled, &[&x])?);
    let traced = check_trace(f, &x, &[f32s(&[5.0, 6.0])])?;
    // x + 2x and not 2x + 2x; the caller's values are what they were.
    assert_eq!((output_values(&traced, &x)?, x.to_vec::<f32>()?), (vec![3.0, 6.0], vec![1.0, 2.0]));
    Ok(())
}

#[test]
fn t062_an_operator_of_one_s_own_with_two_outputs_is_recorded_and_written() -> Result<()> {
    let f = |x: Tensor| transposed(&x.mul(2)?);
    let traced = check_trace(f, &ramp(&[2, 3]), &[normal(1, &[2, 3])])?;
    assert_eq!(ops(&traced), ["Mul", "Transposed"]);
    let (t, less): (Tensor, Tensor) = traced.call_tree(&ramp(&[2, 3]))?;
    assert_eq!((t.to_vec::<f32>()?, less.to_vec::<f32>()?), (vec![0.0, 6.0, 2.0, 8.0, 4.0, 10.0], vec![-1.0, 1.0, 3.0, 5.0, 7.0, 9.0]));
    Ok(())
}

#[test]
fn t071_a_function_that_the_tracer_does_not_know_is_one_node() -> Result<()> {
    let traced = check_trace(|x: Tensor| apply_one(Doubled, &[&x.add(1)?])?.add(1), &f32s(&[0.0]), &[f32s(&[4.0])])?;
    assert_eq!((ops(&traced), output_values(&traced, &f32s(&[10.0]))?), (vec!["Add", "Doubled", "Add"], vec![23.0]));
    Ok(())
}

#[test]
fn t072_a_function_of_two_results_is_one_node_of_which_either_may_be_used() -> Result<()> {
    let traced = check_trace(|x: Tensor| transposed(&x)?.0.matmul(&transposed(&x)?.1), &ramp(&[2, 2]), &[normal(1, &[2, 2])])?;
    assert_eq!(ops(&traced), ["Transposed", "Transposed", "MatMul"]);
    // [[0, 2], [1, 3]] · [[-1, 0], [1, 2]]
    assert_eq!(output_values(&traced, &ramp(&[2, 2]))?, [2.0, 4.0, 2.0, 6.0]);
    Ok(())
}

#[test]
fn t093_an_operator_of_one_s_own_inside_a_network_stands_in_its_scope() -> Result<()> {
    let linear = Linear::new(&Weights::seeded(1).at("inner.fc"), 3, 3)?;
    let f = |x: Tensor| {
        let _scope = location::scope("inner");
        apply_one(Doubled, &[&linear.forward(&x)?])
    };
    let traced = check_trace(f, &ramp(&[1, 3]), &[normal(1, &[1, 3])])?;
    assert_eq!(scopes(&traced), ["inner.fc", "inner"]);
    Ok(())
}

#[test]
fn t094_each_output_of_an_operator_has_its_own_shape() -> Result<()> {
    let traced = check_sizes(|x: Tensor| transposed(&x), &ramp(&[2, 3]), &[ramp(&[4, 1])])?;
    assert_eq!(traced.declaration().to_string(), "main(x: f32[x_0,x_1]) -> (y_0: f32[x_1,x_0], y_1: f32[x_0,x_1])");
    Ok(())
}

/// A traced graph of x + 1, times two.
fn known(example: &Tensor) -> Result<Traced> {
    trace_fn(|x: Tensor| x.add(1)?.mul(2), example)
}

#[test]
fn t098_a_traced_function_is_called_by_a_traced_module() -> Result<()> {
    let callee = known(&ramp(&[2, 2]))?;
    let weight = Tensor::new([2, 2], vec![1f32, 0.0, 0.0, 10.0])?.named("weight");
    let traced = check_trace(|x: Tensor| callee.call(&x.matmul(&weight)?), &ramp(&[2, 2]), &[normal(1, &[2, 2])])?;
    assert_eq!(output_values(&traced, &Tensor::ones([2, 2], ontrace::DType::F32)?)?, [4.0, 22.0, 4.0, 22.0]);
    Ok(())
}

#[test]
fn t099_a_traced_module_is_called_by_a_traced_module() -> Result<()> {
    let inner = Sequential::new().push(Linear::new(&Weights::seeded(2).at("inner"), 3, 3)?).push(Activation::Relu);
    let callee = trace(&inner, &ramp(&[2, 3]))?;
    let outer = Linear::new(&Weights::seeded(2).at("outer"), 3, 2)?;
    let traced = check_trace(|x: Tensor| outer.forward(&callee.call(&x)?), &ramp(&[2, 3]), &[normal(1, &[2, 3])])?;
    let x = normal(3, &[2, 3]);
    assert_eq!(output_values(&traced, &x)?, outer.forward(&inner.forward(&x)?)?.to_vec::<f32>()?);
    assert_eq!(traced.state().keys().collect::<Vec<_>>(), ["inner.bias", "inner.weight", "outer.bias", "outer.weight"]);
    Ok(())
}

#[test]
fn t131_a_part_takes_each_value_once_however_often_it_uses_it() -> Result<()> {
    let layer = |name: &str| Linear::new(&Weights::seeded(3).at(name), 3, 3);
    let (first, second) = (layer("first")?, layer("second")?);
    let f = |x: Tensor| {
        let hidden = first.forward(&x)?;
        let _scope = location::scope("gate");
        let gate = hidden.sigmoid()?;
        let gated = hidden.mul(&gate)?.add(&hidden)?;
        drop(_scope);
        Ok((second.forward(&gated)?, gated))
    };
    let traced = check_trace(f, &ramp(&[2, 3]), &[normal(1, &[2, 3])])?;
    let gate = traced.sub("gate")?;
    assert_eq!((gate.inputs().len(), gate.outputs().len()), (1, 1));
    // x·σ(x) + x at 0
    assert_eq!(output_values(&gate, &Tensor::zeros([2, 3], ontrace::DType::F32)?)?, [0.0; 6]);
    assert_eq!((traced.sub("first")?.inputs().len(), traced.sub("second")?.inputs().len()), (1, 1));
    Ok(())
}

#[test]
fn t138_the_paths_of_the_modules_survive_the_file() -> Result<()> {
    let weights = Weights::seeded(4);
    let block = |i: usize| -> Result<Sequential> {
        let at = weights.at("blocks").at(i);
        Ok(Sequential::new().push(Linear::new(&at.at("up"), 4, 8)?).push(Activation::Relu).push(Linear::new(&at.at("down"), 8, 4)?))
    };
    let net = Sequential::new().push(block(0)?).push(block(1)?);
    let traced = check_module(&net, Example::of(&ramp(&[2, 4])), &[normal(1, &[2, 4])])?;
    let loaded = Traced::from_model(traced.to_model()?)?;
    let paths = ["blocks.0.up", "blocks.0.down", "blocks.1.up", "blocks.1.down"];
    assert!(paths.iter().all(|path| scopes(&traced).contains(&path.to_string())), "{:?}", scopes(&traced));
    assert_eq!(scopes(&loaded), scopes(&traced));
    let x = normal(2, &[2, 4]);
    assert_eq!(loaded.sub("blocks.0.up")?.call(&x)?.to_vec::<f32>()?, traced.sub("blocks.0.up")?.call(&x)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn t140_a_function_with_a_branch_is_called_by_a_traced_module() -> Result<()> {
    let example = f32s(&[1.0, 2.0]);
    let branching = |x: Tensor| {
        let large = x.sum(.., false)?.gt(10)?;
        Ok(ontrace::cond(&large, || Ok(vec![x.mul(10)?]), || Ok(vec![x.neg()?]))?.remove(0))
    };
    let callee = trace_fn(branching, &example)?;
    let traced = check_trace(|x: Tensor| callee.call(&x)?.add(1), &example, &[f32s(&[8.0, 9.0])])?;
    assert_eq!(
        (output_values(&traced, &f32s(&[1.0, 2.0]))?, output_values(&traced, &f32s(&[10.0, 2.0]))?),
        (vec![0.0, -1.0], vec![101.0, 21.0])
    );
    Ok(())
}

#[test]
fn t141_a_module_loaded_from_a_file_is_called_by_a_traced_module() -> Result<()> {
    let inner = Linear::new(&Weights::seeded(5).at("inner"), 3, 3)?;
    let callee = Traced::from_model(trace(&inner, Example::of(&ramp(&[2, 3])).symbolic("x", 0, "batch")?)?.to_model()?)?;
    let traced = check_sizes(|x: Tensor| callee.call(&callee.call(&x)?), &ramp(&[2, 3]), &[normal(1, &[5, 3])])?;
    let x = normal(2, &[4, 3]);
    assert_eq!(output_values(&traced, &x)?, inner.forward(&inner.forward(&x)?)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn t143_a_traced_graph_brings_its_parameters_to_whoever_calls_it() -> Result<()> {
    let callee = trace(&Linear::new(&Weights::seeded(6).at("fc"), 2, 2)?, &ramp(&[1, 2]))?;
    // No module has it for a part: it is called by a plain function.
    let traced = check_trace(|x: Tensor| callee.call(&x)?.relu(), &ramp(&[1, 2]), &[normal(1, &[1, 2])])?;
    assert_eq!(traced.state(), callee.state());
    Ok(())
}

#[test]
fn t146_one_value_is_given_for_two_arguments_of_a_traced_graph() -> Result<()> {
    let pair = (f32s(&[1.0]), f32s(&[2.0]));
    let callee = trace_fn(|(a, b): (Tensor, Tensor)| a.mul(10)?.add(b), &pair)?;
    let f = |x: Tensor| callee.forward(&[x.clone(), x])?.into_single();
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[3.0])])?;
    assert_eq!(output_values(&traced, &f32s(&[4.0]))?, [44.0]);
    Ok(())
}

#[test]
fn t153_the_shape_of_what_a_call_returns_is_written() -> Result<()> {
    let x = ramp(&[2, 3]);
    let callee = module::from_fn(|x: Tensor| x.add(1)?.transpose(0, 1));
    let callee = trace(&callee, Example::of(&x).symbolic("x", 0, "n")?)?;
    let caller = module::from_fn(|x: Tensor| callee.call(&x)?.mul(2));
    let traced = check_module(&caller, Example::of(&x).symbolic("x", 0, "batch")?, &[ramp(&[5, 3])])?;
    assert_eq!(traced.declaration().to_string(), "main(x: f32[batch,3]) -> (y: f32[3,batch])");
    let graph = traced.to_model()?.proto.graph.unwrap_or_default();
    let known = |name: &String| graph.value_info.iter().chain(&graph.output).any(|info| info.name == *name && info.r#type.is_some());
    assert!(graph.node.iter().flat_map(|node| &node.output).all(known), "every value between nodes has its type");
    Ok(())
}
