//! Networks: their parameters, their names and their parts.

use super::harness::{check_module, check_sizes, check_trace, f32s, normal, output_values, ramp};
use ontrace::nn::{Activation, Linear, Sequential, Weights};
use ontrace::{Array, DType, DynModule, ErrorCode, Example, Methods, Module, Result, Tensor, Tracer, jit, module, record, trace, trace_fn};
use std::collections::BTreeMap;

/// The scopes of the nodes of a traced graph, each once, in order.
pub fn scopes(traced: &ontrace::Traced) -> Vec<String> {
    let mut scopes: Vec<String> = traced.graph().nodes().iter().map(|node| node.location.scope.to_string()).collect();
    scopes.dedup();
    scopes
}

/// The names of the parameters in the file.
fn initializers(traced: &ontrace::Traced) -> Result<Vec<String>> {
    Ok(traced.to_model()?.initializers.into_iter().map(|initializer| initializer.0).collect())
}

#[test]
fn t005_an_example_that_is_a_parameter_is_another_input() -> Result<()> {
    let weight = f32s(&[2.0, 3.0]).named("weight");
    let f = |x: Tensor| x.mul(&weight);
    let traced = check_trace(f, &weight, &[f32s(&[1.0, 1.0])])?;
    assert_eq!((traced.inputs().len(), traced.parameters().len()), (1, 1));
    assert_eq!(output_values(&traced, &f32s(&[10.0, 100.0]))?, [20.0, 300.0]);
    Ok(())
}

#[test]
fn t061_a_parameter_that_two_layers_share_is_written_once() -> Result<()> {
    let table = Tensor::new([2, 2], vec![1f32, 2.0, 3.0, 4.0])?;
    let (into, out) = (table.named("embed.weight"), table.named("head.weight"));
    let f = |x: Tensor| x.linear(&into, None)?.relu()?.linear(&out, None);
    let traced = check_trace(f, &ramp(&[1, 2]), &[normal(1, &[1, 2])])?;
    assert_eq!(initializers(&traced)?, ["embed.weight"]);
    // (1, 1) → (3, 7) → (17, 37)
    assert_eq!(output_values(&traced, &Tensor::ones([1, 2], DType::F32)?)?, [17.0, 37.0]);
    Ok(())
}

#[test]
fn t067_a_function_becomes_a_traced_one_where_it_is_declared() -> Result<()> {
    let doubled = jit(|x: Tensor| x.mul(2)?.add(&x.dim(0)?));
    for n in [2, 3, 5] {
        assert_eq!(doubled.call(&Tensor::ones([n], DType::F32)?)?.to_vec::<f32>()?, vec![2.0 + n as f32; n]);
    }
    assert_eq!((doubled.counts().traces, doubled.counts().hits), (1, 2));
    Ok(())
}

#[test]
fn t068_the_parameters_of_a_traced_graph_are_read_replaced_and_cast_and_its_parts_called() -> Result<()> {
    let weights = Weights::seeded(1);
    let net =
        Sequential::new().push(Linear::new(&weights.at("a"), 2, 3)?).push(Activation::Relu).push(Linear::new(&weights.at("b"), 3, 1)?);
    let x = Tensor::ones([1, 2], DType::F32)?;
    let traced = trace(&net, &x)?;
    let before = output_values(&traced, &x)?;
    let state = traced.state();
    assert_eq!(state.keys().collect::<Vec<_>>(), ["a.bias", "a.weight", "b.bias", "b.weight"]);
    let ones: BTreeMap<String, Array> =
        state.iter().map(|(name, array)| (name.clone(), Array::full(DType::F32, array.shape(), 1.0.into()))).collect();
    let replaced = traced.with_state(&ones)?;
    // Three units of 1 + 1 + 1, and 1.
    assert_eq!(output_values(&replaced, &x)?, [10.0]);
    assert_eq!(output_values(&replaced.with_state(&state)?, &x)?, before);
    let unknown = BTreeMap::from([("c.weight".to_string(), Array::scalar(1f32))]);
    assert_eq!(traced.with_state(&unknown).unwrap_err().code(), ErrorCode::Input);
    let wide = replaced.with_dtype(DType::F64)?;
    assert_eq!(wide.call(&x.cast(DType::F64)?)?.to_vec::<f64>()?, [10.0]);
    assert_eq!(replaced.sub("a")?.call(&x)?.to_vec::<f32>()?, [3.0; 3]);
    Ok(())
}

#[test]
fn t079_maps_that_go_from_module_to_module_leave_no_trace() -> Result<()> {
    let embed = |x: &Tensor| -> Result<BTreeMap<&str, Tensor>> { Ok(BTreeMap::from([("value", x.add(1)?), ("mask", x.gt(0)?)])) };
    let apply = |it: &BTreeMap<&str, Tensor>| it["value"].mul(it["mask"].cast(DType::F32)?);
    let traced = check_trace(|x: Tensor| apply(&embed(&x)?), &normal(1, &[4]), &[normal(2, &[4])])?;
    assert_eq!(output_values(&traced, &f32s(&[-1.0, 0.0, 1.0, 2.0]))?, [0.0, 0.0, 2.0, 3.0]);
    Ok(())
}

#[test]
fn t115_a_list_of_modules_is_walked_and_named_by_index() -> Result<()> {
    let weights = Weights::seeded(2);
    let layers = (0..3).map(|i| Linear::new(&weights.at("layers").at(i), 4, 4)).collect::<Result<Vec<_>>>()?;
    let f = |x: Tensor| layers.iter().try_fold(x, |x, layer| layer.forward(&x)?.tanh());
    let traced = check_trace(f, &normal(1, &[2, 4]), &[normal(2, &[2, 4])])?;
    let names: Vec<&str> = traced.parameters().iter().map(|parameter| parameter.0).collect();
    let layer = |i: usize| [format!("layers.{i}.weight"), format!("layers.{i}.bias")];
    assert_eq!(names, (0..3).flat_map(layer).collect::<Vec<_>>());
    assert!((0..3).all(|i| scopes(&traced).contains(&format!("layers.{i}"))), "{:?}", scopes(&traced));
    Ok(())
}

#[test]
fn t117_a_module_called_by_another_keeps_its_own_path() -> Result<()> {
    struct Caller {
        own: Linear,
    }
    impl Caller {
        /// Calls a sibling that it is given.
        fn through(&self, x: &Tensor, other: &dyn Module) -> Result<Tensor> {
            self.own.forward(&other.forward(x)?)
        }
    }
    let weights = Weights::seeded(3);
    let (sibling, caller) = (Linear::new(&weights.at("sibling"), 3, 3)?, Caller { own: Linear::new(&weights.at("caller.own"), 3, 2)? });
    let traced = check_trace(|x: Tensor| caller.through(&x, &sibling), &normal(1, &[2, 3]), &[normal(2, &[2, 3])])?;
    assert_eq!(scopes(&traced), ["sibling", "caller.own"]);
    Ok(())
}

#[test]
fn t118_every_value_says_the_line_that_made_it() -> Result<()> {
    let first = line!() + 2;
    let f = |x: Tensor| {
        let hidden = x.add(1)?;
        let result = hidden.mul(2)?;
        result.relu()
    };
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[-3.0])])?;
    let lines: Vec<String> = traced.graph().nodes().iter().map(|node| node.location.line.to_string()).collect();
    let of = |line: u32| format!("tests/tracing/tracer/modules.rs:{line}:");
    assert!(lines.iter().zip(first..).all(|(found, line)| found.starts_with(&of(line))), "{lines:?}");
    let nodes = traced.to_model()?.proto.graph.unwrap_or_default().node;
    let says = |i: usize| nodes[i].metadata_props.iter().any(|entry| entry.value == lines[i]);
    assert!(nodes.len() == 3 && (0..3).all(says), "the lines are in the file");
    Ok(())
}

/// A module with something done before and after.
struct Hooked<'a> {
    module: &'a dyn Module,
    before: &'a dyn Fn(&Tensor) -> Result<Tensor>,
    after: &'a dyn Fn(&Tensor) -> Result<Tensor>,
}

impl Module for Hooked<'_> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        (self.after)(&self.module.forward(&(self.before)(x)?)?)
    }
}

#[test]
fn t119_what_is_done_before_and_after_a_module_is_recorded() -> Result<()> {
    let offset = f32s(&[100.0]);
    let linear = Linear::without_bias(&Weights::from_map([("weight", Array::new(&[1, 2], vec![1f32, 2.0])?)]), 2, 1)?;
    let hooked = Hooked { module: &linear, before: &|x| x.mul(3), after: &|y| y.add(&offset) };
    let traced = check_module(&hooked, Example::of(&ramp(&[1, 2])), &[normal(1, &[1, 2])])?;
    assert_eq!(output_values(&traced, &Tensor::ones([1, 2], DType::F32)?)?, [109.0]);
    Ok(())
}

#[test]
fn t121_several_methods_share_their_parameters_and_are_checked_each() -> Result<()> {
    let weights = Weights::seeded(4);
    let conv = Linear::new(&weights.at("conv"), 4, 4)?;
    let scaled = module::from_fn(|(x, w): (Tensor, Tensor)| conv.forward(&x)?.mul(w));
    let pair = (normal(1, &[2, 4]), normal(2, &[4]));
    let both = Methods::new().trace("forward", &conv, &normal(3, &[2, 4]))?.trace("weighted_kernel_sum", &scaled, &pair)?;
    assert_eq!(both.names().collect::<Vec<_>>(), ["forward", "weighted_kernel_sum"]);
    assert!(both.get("forward")?.verdict().is_some_and(|verdict| verdict.contains("the example")));
    let folder = tempfile::tempdir().expect("a temporary folder");
    both.save(folder.path().join("both.onnx"))?;
    let loaded = Methods::load(folder.path().join("both.onnx"))?;
    let x = normal(5, &[2, 4]);
    assert_eq!(loaded.get("forward")?.call(&x)?.to_vec::<f32>()?, conv.forward(&x)?.to_vec::<f32>()?);
    let twice = [x.clone(), Tensor::full([4], 2, DType::F32)?];
    assert_eq!(loaded.get("weighted_kernel_sum")?.forward(&twice)?[0].to_vec::<f32>()?, conv.forward(&x)?.mul(2)?.to_vec::<f32>()?);
    assert_eq!(both.to_model()?.initializers.len(), 2);
    assert_eq!(both.get("backward").unwrap_err().help_line(), Some("the methods are: forward, weighted_kernel_sum"));
    // Inputs that nobody drew: a module that fails on them fails its check.
    let checked = Tracer::new().check_inputs(&normal(6, &[2, 4])).trace(&conv, &normal(7, &[2, 4]))?;
    assert!(checked.verdict().is_some_and(|verdict| verdict.ends_with("given inputs")), "{:?}", checked.verdict());
    Ok(())
}

#[test]
fn t124_a_module_that_is_not_there_is_skipped() -> Result<()> {
    struct Net {
        first: Linear,
        second: Option<Linear>,
    }
    impl Module for Net {
        fn forward(&self, x: &Tensor) -> Result<Tensor> {
            let x = self.first.forward(x)?;
            self.second.as_ref().map_or(Ok(x.clone()), |second| second.forward(&x))
        }
    }
    let weights = Weights::seeded(5);
    let net = Net { first: Linear::new(&weights.at("first"), 2, 2)?, second: None };
    let traced = check_module(&net, Example::of(&ramp(&[1, 2])), &[normal(1, &[1, 2])])?;
    assert_eq!(traced.state().keys().collect::<Vec<_>>(), ["first.bias", "first.weight"]);
    let net = Net { second: Some(Linear::new(&weights.at("second"), 2, 2)?), ..net };
    assert_eq!(record(&net, &ramp(&[1, 2]))?.state().len(), 4);
    assert_eq!(traced.sub("second").unwrap_err().help_line(), Some("the modules are: first"));
    Ok(())
}

#[test]
fn t139_a_trace_in_a_function_in_a_trace_and_a_parameter_that_nothing_uses() -> Result<()> {
    let (used, unused) = (f32s(&[2.0]).named("used"), f32s(&[0.0; 1000]).named("unused"));
    let f = |x: Tensor| {
        // Somebody traces while somebody traces.
        let inner = trace_fn(|y: Tensor| y.mul(&used), &f32s(&[1.0, 1.0]))?;
        let _ = unused.add(1)?;
        inner.call(&x)?.add(1)
    };
    let traced = check_trace(f, &f32s(&[1.0, 2.0]), &[f32s(&[3.0, 4.0])])?;
    assert_eq!(output_values(&traced, &f32s(&[10.0, 20.0]))?, [21.0, 41.0]);
    assert_eq!(initializers(&traced)?.iter().filter(|name| name.as_str() == "unused").count(), 0);
    Ok(())
}

#[test]
fn t152_a_module_reached_by_two_paths_has_one_copy_of_its_parameters() -> Result<()> {
    let shared = Linear::without_bias(&Weights::seeded(6).at("shared"), 4, 4)?;
    let left = |x: &Tensor| shared.forward(x)?.relu();
    let right = |x: &Tensor| shared.forward(x)?.tanh();
    let traced = check_sizes(|x: Tensor| left(&x)?.add(right(&x)?), &normal(1, &[2, 4]), &[normal(2, &[3, 4])])?;
    assert_eq!(traced.state().keys().collect::<Vec<_>>(), ["shared.weight"]);
    assert_eq!(traced.to_model()?.initializers.iter().filter(|(_, array)| array.len() == 16).count(), 1);
    Ok(())
}
