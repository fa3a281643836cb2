//! Modules that are there several times, written as one function that is called.

use crate::{corpus, exported};
use ontrace::nn::{Linear, Weights};
use ontrace::onnx::{MODULES_DOMAIN, Model, SCOPE_KEY};
use ontrace::tensor::location;
use ontrace::trace::ExportOptions;
use ontrace::{DType, DynModule, Example, Module, Result, Tensor, Traced, module, read, record, trace};
use std::collections::BTreeSet;

const FUNCTIONS: ExportOptions = ExportOptions { opset: None, functions: true };

/// x + second(relu(first(x))), in a module at this path.
struct Block {
    path: String,
    first: Linear,
    second: Linear,
    /// What is added at the end, where it is not the input alone.
    more: f32,
}

impl Block {
    fn new(weights: &Weights, path: &str) -> Block {
        let at = weights.at(path);
        let linear = |name: &str, n, m| Linear::new(&at.at(name), n, m).unwrap();
        Block { path: path.to_string(), first: linear("first", 4, 8), second: linear("second", 8, 4), more: 0.0 }
    }

    fn run(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = location::scope(&self.path);
        let y = x.add(self.second.forward(&self.first.forward(x)?.relu()?)?)?;
        if self.more == 0.0 { Ok(y) } else { y.add(self.more) }
    }
}

fn encoder(depth: usize, odd: Option<usize>) -> (Traced, Tensor) {
    let weights = Weights::seeded(7);
    let mut blocks: Vec<Block> = (0..depth).map(|i| Block::new(&weights, &format!("encoder.layers.{i}"))).collect();
    if let Some(odd) = odd {
        blocks[odd].more = 1.0;
    }
    let x = Tensor::new([3, 4], (0..12).map(|i| i as f32 / 12.0).collect()).unwrap();
    let f = |x: Tensor| blocks.iter().try_fold(x, |x, block| block.run(&x));
    let example = Example::of(&x).symbolic("x", 0, "batch").unwrap();
    (trace(&module::from_fn(f), example).unwrap(), x)
}

/// The functions with the number of nodes that call each.
fn calls(model: &Model) -> Vec<(String, usize)> {
    let graph = model.proto.graph.as_ref().unwrap();
    let nodes = || graph.node.iter().chain(model.proto.functions.iter().flat_map(|function| &function.node));
    let count = |name: &str| nodes().filter(|node| node.domain == MODULES_DOMAIN && node.op_type == name).count();
    model.proto.functions.iter().map(|function| (function.name.clone(), count(&function.name))).collect()
}

fn scopes(traced: &Traced) -> Vec<(&str, &str)> {
    traced.graph().nodes().iter().map(|node| (node.op.name(), &*node.location.scope)).collect()
}

/// Leaves a model for other runtimes, with what the traced graph computes.
fn leave(model: &Model, traced: &Traced, name: &str, inputs: &[Tensor]) {
    let arrays = |tensors: &[Tensor]| tensors.iter().map(|tensor| tensor.to_array().unwrap()).collect::<Vec<_>>();
    exported::save(model, name, &arrays(inputs), &arrays(&traced.forward(inputs).unwrap()));
}

fn same(traced: &Traced, model: &Model, x: &Tensor) {
    let expected = traced.call(x).unwrap().to_vec::<f32>().unwrap();
    let again = Traced::from_model(model.clone()).unwrap();
    assert_eq!(again.call(x).unwrap().to_vec::<f32>().unwrap(), expected);
    assert_eq!(scopes(&again), scopes(traced), "a call is what was done in its module");
    // Values that had no name have one in a file.
    let named = |name: &&str| !name.starts_with("constant");
    let parameters =
        |traced: &Traced| traced.parameters().into_iter().map(|it| it.0).filter(named).map(str::to_string).collect::<BTreeSet<_>>();
    assert_eq!(parameters(&again), parameters(traced));
    #[cfg(feature = "tract")]
    {
        let session = ontrace::runtime::Session::new(model).unwrap();
        let got = session.call(x).unwrap().to_vec::<f32>().unwrap();
        assert!(got.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-5), "{got:?}, {expected:?}");
        assert!(!session.explain().iter().any(|line| line.starts_with("all nodes")), "{:?}", session.explain());
    }
}

#[test]
fn twelve_layers_are_one_function_called_twelve_times() {
    let (traced, x) = encoder(12, None);
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    ontrace::onnx::verify(&model).into_result().unwrap();
    let graph = model.proto.graph.as_ref().unwrap();
    assert_eq!(graph.node.len(), 12, "nothing but calls");
    let calls = calls(&model);
    assert_eq!(calls.iter().find(|(name, _)| name == "encoder.layers").unwrap().1, 12, "{calls:?}");
    let function = model.proto.functions.iter().find(|function| function.name == "encoder.layers").unwrap();
    assert_eq!(function.input, ["x", "first.weight", "first.bias", "second.weight", "second.bias"]);
    assert_eq!(function.output.len(), 1);
    for (i, node) in graph.node.iter().enumerate() {
        assert_eq!(node.input[1], format!("encoder.layers.{i}.first.weight"));
        assert_eq!(node.metadata_props[0].value, format!("encoder.layers.{i}"));
        assert_eq!(node.metadata_props[0].key, SCOPE_KEY);
    }
    // What a call gives is declared, and nothing else is.
    let declared: BTreeSet<&str> = graph.value_info.iter().map(|info| info.name.as_str()).collect();
    let made: BTreeSet<&str> = graph.node[..11].iter().flat_map(|node| &node.output).map(String::as_str).collect();
    assert_eq!(declared, made);
    assert!(graph.value_info.iter().all(|info| info.r#type.is_some()));
    same(&traced, &model, &x);
    assert!(model.to_bytes().unwrap().len() < traced.to_bytes().unwrap().len());
    assert_eq!(model.weights_hash(), traced.to_model().unwrap().weights_hash());
    leave(&model, &traced, "functions_encoder", std::slice::from_ref(&x));
}

#[test]
fn a_layer_that_does_something_else_is_none_of_them() {
    let (traced, x) = encoder(5, Some(2));
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    assert_eq!(calls(&model).iter().find(|(name, _)| name == "encoder.layers").unwrap().1, 4);
    same(&traced, &model, &x);
    leave(&model, &traced, "functions_odd", std::slice::from_ref(&x));
}

#[test]
fn functions_call_functions() {
    // Two towers of three blocks: a function of blocks in a function of towers.
    let weights = Weights::seeded(3);
    let tower = |t: usize| -> Vec<Block> { (0..3).map(|i| Block::new(&weights, &format!("towers.{t}.blocks.{i}"))).collect() };
    let towers = [tower(0), tower(1)];
    let x = Tensor::ones([2, 4], DType::F32).unwrap();
    let f = |x: Tensor| {
        let run = |(t, tower): (usize, &Vec<Block>)| {
            let y = tower.iter().try_fold(x.clone(), |x, block| block.run(&x))?;
            let _scope = location::scope(&format!("towers.{t}"));
            y.tanh()
        };
        let ys = towers.iter().enumerate().map(run).collect::<Result<Vec<_>>>()?;
        ys[0].add(&ys[1])
    };
    let traced = trace(&module::from_fn(f), Example::of(&x)).unwrap();
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    ontrace::onnx::verify(&model).into_result().unwrap();
    let calls = calls(&model);
    assert!(calls.contains(&("towers".to_string(), 2)) && calls.contains(&("towers.blocks".to_string(), 3)), "{calls:?}");
    same(&traced, &model, &x);
    leave(&model, &traced, "functions_nested", std::slice::from_ref(&x));
}

#[test]
fn modules_of_several_kinds_are_several_functions() {
    let x = Tensor::from(&[1.0f32, -2.0]);
    let f = |x: Tensor| {
        let kind = |path: String, x: &Tensor| {
            let _scope = location::scope(&path);
            if path.starts_with("odd") { x.exp()?.neg()?.sin() } else { x.tanh()?.cos() }
        };
        (0..3).try_fold(x, |x, i| kind(format!("odd.{i}"), &kind(format!("even.{i}"), &x)?))
    };
    let traced = record(&module::from_fn(f), Example::of(&x)).unwrap();
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    assert_eq!(calls(&model), [("even".to_string(), 3), ("odd".to_string(), 3)]);
    let operators = |i: usize| model.proto.functions[i].node.iter().map(|node| node.op_type.as_str()).collect::<Vec<_>>();
    assert_eq!((operators(0), operators(1)), (vec!["Tanh", "Cos"], vec!["Exp", "Neg", "Sin"]));
    same(&traced, &model, &x);
    leave(&model, &traced, "functions_kinds", std::slice::from_ref(&x));
}

#[test]
fn a_module_that_is_left_and_entered_again_stays_where_it_is() {
    let x = Tensor::from(&[1.0f32, -2.0]);
    let f = |x: Tensor| {
        let part = |i: usize, x: &Tensor| {
            let inside = |x: Tensor| {
                let _scope = location::scope(&format!("parts.{i}"));
                x.exp()?.neg()
            };
            // What the module makes of its own result, through something that is not its own.
            inside(inside(x.clone())?.sin()?)
        };
        part(1, &part(0, &x)?)
    };
    let traced = record(&module::from_fn(f), Example::of(&x)).unwrap();
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    assert!(model.proto.functions.is_empty());
    assert_eq!(model.to_bytes().unwrap(), traced.to_bytes().unwrap());
}

#[test]
fn one_tensor_that_is_taken_twice_is_one_input() {
    let x = Tensor::from(&[1.0f32, -2.0]);
    let f = |x: Tensor| {
        let square = |i: usize, a: &Tensor, b: &Tensor| {
            let _scope = location::scope(&format!("squares.{i}"));
            let y = a.mul(b)?.add(a)?;
            Ok::<_, ontrace::Error>((y.clone(), y.sin()?))
        };
        let (a, b) = square(0, &x, &x)?;
        let (c, d) = square(1, &a, &a)?;
        square(2, &c, &c)?.0.add(b.add(&d)?)
    };
    let traced = record(&module::from_fn(f), Example::of(&x)).unwrap();
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    let function = &model.proto.functions[0];
    assert_eq!((function.input.len(), function.output.len()), (1, 2));
    // The third gives one output only: what it does not give is no part of it.
    assert_eq!(calls(&model), [("squares".to_string(), 2)]);
    same(&traced, &model, &x);
    leave(&model, &traced, "functions_twice", std::slice::from_ref(&x));
}

#[test]
fn what_a_guard_looks_at_can_still_be_seen() {
    let x = Tensor::from(&[1.0f32, 2.0]);
    let f = |x: Tensor| {
        let part = |i: usize, x: &Tensor| {
            let _scope = location::scope(&format!("parts.{i}"));
            let y = x.exp()?;
            if y.sum(.., false)?.gt(0.0)?.is_true()? { y.neg() } else { Ok(y) }
        };
        part(1, &part(0, &x)?)
    };
    let traced = record(&module::from_fn(f), Example::of(&x)).unwrap();
    let model = traced.to_model_as(FUNCTIONS).unwrap();
    let again = Traced::from_model(model).unwrap();
    assert_eq!(again.guards().len(), traced.guards().len());
    assert_eq!(again.call(&x).unwrap().to_vec::<f32>().unwrap(), traced.call(&x).unwrap().to_vec::<f32>().unwrap());
}

/// Real archives: those of the repository, and those of the zoo where it is there.
#[test]
fn networks_are_the_same_with_functions() {
    let zoo = corpus::folder("ONTRACE_ZOO", "../shared/zoo", "resnet_tiny");
    let names = ["gpt_tiny", "vit_tiny", "resnet_tiny", "mobilenet_tiny", "tv_resnet18"];
    let archives = zoo.iter().flat_map(|zoo| names.iter().map(move |name| (*name, zoo.join(name).join("traced.pt"))));
    let own = [("resnet_data", std::path::Path::new("tests/data/resnet_tiny.pt").to_path_buf())];
    for (name, path) in own.into_iter().chain(archives) {
        let module = read::open(&path).unwrap();
        let inputs = path.with_file_name("inputs.safetensors");
        let example = match read::checkpoint(&inputs) {
            Ok(arrays) => {
                let names = module.input_names();
                arrays.values().zip(names).fold(Example::new(), |example, (array, name)| example.input(&name, &Tensor::from(array.clone())))
            }
            Err(_) => Example::new().input("x", &Tensor::ones([1, 3, 32, 32], DType::F32).unwrap()),
        };
        let tensors = example.tensors();
        let traced = record(&module, example.shapes_only()).unwrap();
        let model = traced.to_model_as(FUNCTIONS).unwrap();
        ontrace::onnx::verify(&model).into_result().unwrap();
        println!(
            "{name}: {} nodes in {} and {:?}",
            traced.graph().nodes().len(),
            model.proto.graph.as_ref().unwrap().node.len(),
            calls(&model)
        );
        assert!(!model.proto.functions.is_empty(), "{name}");
        let again = Traced::from_model(model.clone()).unwrap();
        let flat = Traced::from_model(traced.to_model().unwrap()).unwrap();
        assert_eq!(scopes(&again), scopes(&flat), "{name}");
        let values = |module: &dyn DynModule| {
            module.forward(&tensors).unwrap()[0].to_array().unwrap().cast(DType::F32).unwrap().to_vec::<f32>().unwrap()
        };
        assert_eq!(values(&again), values(&flat), "{name}");
        leave(&model, &traced, &format!("functions_{name}"), &tensors);
    }
}
