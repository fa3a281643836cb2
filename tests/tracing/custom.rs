//! Operators of a user's crate: traced, checked, written with their decompositions, read, and run as one node of tract's plan.

use crate::exported;
use ontrace::graph::{Agreement, Inputs};
use ontrace::onnx::{Model, Node, NodeBuilder};
use ontrace::ops::{CustomOp, OpRegistry};
use ontrace::read::LoadOptions;
use ontrace::{Array, DType, Dim, DynModule, Error, ErrorCode, Example, Result, Tensor, Traced, Type, module, read, trace, trace_fn};

/// x + sin²(a·x) / a, of <https://arxiv.org/abs/2006.08195>.
#[derive(Debug)]
struct Snake {
    a: f32,
}

impl CustomOp for Snake {
    const DOMAIN: &'static str = "com.example.audio";
    const NAME: &'static str = "Snake";
    const VERSION: i64 = 3;

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype != DType::F32 {
            return Err(Error::dtype(format!("expected f32, got {x}")));
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let y = x.to_vec::<f32>()?.iter().map(|x| x + (self.a * x).sin().powi(2) / self.a).collect();
        Ok(vec![Array::new(x.shape(), y)?])
    }

    fn write<'a>(&self, line: NodeBuilder<'a>) -> NodeBuilder<'a> {
        line.float("a", self.a)
    }

    fn read(node: &Node) -> Result<Snake> {
        Ok(Snake { a: node.float("a", 1.0)? })
    }

    fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
        let x = inputs.at(0)?;
        let sine = x.mul(self.a)?.sin()?;
        Ok(Some(vec![x.add(sine.mul(&sine)?.div(self.a)?)?]))
    }
}

/// The halves of the last axis, the second negated: two outputs, and a size in its decomposition.
#[derive(Debug)]
struct Halves;

impl CustomOp for Halves {
    const DOMAIN: &'static str = "com.example";
    const NAME: &'static str = "Halves";

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let (width, outer) = x.shape.split_last().ok_or_else(|| Error::shape("expected an axis"))?;
        let part = |width: Dim| Type::new(x.dtype, [outer, &[width]].concat());
        let half = width / 2;
        Ok(vec![part(half.clone()), part(width - &half)])
    }

    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let width = x.shape().last().copied().unwrap_or(0);
        let shape = |width: usize| [&x.shape()[..x.rank() - 1], &[width]].concat();
        let rows: Vec<Vec<f32>> = x.to_vec::<f32>()?.chunks(width.max(1)).map(<[f32]>::to_vec).collect();
        let first = rows.iter().flat_map(|row| row[..width / 2].to_vec()).collect();
        let second = rows.iter().flat_map(|row| row[width / 2..].iter().map(|x| -x).collect::<Vec<_>>()).collect();
        Ok(vec![Array::new(&shape(width / 2), first)?, Array::new(&shape(width - width / 2), second)?])
    }

    fn write<'a>(&self, line: NodeBuilder<'a>) -> NodeBuilder<'a> {
        line
    }

    fn read(_: &Node) -> Result<Halves> {
        Ok(Halves)
    }

    fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
        let x = inputs.at(0)?;
        let width = x.dim(-1)?;
        let half = &width / 2;
        let parts = x.split_with_sizes(&[half.clone(), width - half], -1)?;
        Ok(Some(vec![parts[0].clone(), parts[1].neg()?]))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// Where a number below a million is prime: nothing that standard operators say.
#[derive(Debug)]
struct IsPrime;

impl CustomOp for IsPrime {
    const DOMAIN: &'static str = "com.example";
    const NAME: &'static str = "IsPrime";

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![Type::new(DType::Bool, inputs.at(0)?.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let prime = |n: &i64| (2..1_000_000).contains(n) && (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0);
        Ok(vec![Array::new(x.shape(), x.to_vec::<i64>()?.iter().map(prime).collect())?])
    }

    fn write<'a>(&self, line: NodeBuilder<'a>) -> NodeBuilder<'a> {
        line
    }

    fn read(_: &Node) -> Result<IsPrime> {
        Ok(IsPrime)
    }
}

/// A square whose parts are wrong in one of three ways.
#[derive(Debug)]
struct Square {
    wrong: &'static str,
}

impl CustomOp for Square {
    const DOMAIN: &'static str = "com.example";
    const NAME: &'static str = "Square";

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let shape = if self.wrong == "rule" { vec![Dim::from(1)] } else { x.shape.to_vec() };
        Ok(vec![Type::new(x.dtype, shape)])
    }

    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let off = if self.wrong == "kernel" { 0.125 } else { 0.0 };
        Ok(vec![Array::new(x.shape(), x.to_vec::<f32>()?.iter().map(|x| x * x + off).collect())?])
    }

    fn write<'a>(&self, line: NodeBuilder<'a>) -> NodeBuilder<'a> {
        line
    }

    fn read(_: &Node) -> Result<Square> {
        Ok(Square { wrong: "" })
    }

    fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
        let x = inputs.at(0)?;
        Ok(Some(vec![if self.wrong == "composition" { x.mul(2.0)? } else { x.mul(x)? }]))
    }
}

fn all() -> OpRegistry {
    OpRegistry::new().with::<Snake>().with::<Halves>().with::<IsPrime>()
}

fn names(traced: &Traced) -> Vec<&str> {
    traced.graph().nodes().iter().map(|node| node.op.name()).collect()
}

/// Leaves a traced graph for other runtimes, with what it computes.
fn leave(traced: &Traced, name: &str, x: &Tensor) {
    let outputs: Vec<Array> = traced.forward(std::slice::from_ref(x)).unwrap().iter().map(|output| output.to_array().unwrap()).collect();
    exported::save(&traced.to_model().unwrap(), name, &[x.to_array().unwrap()], &outputs);
}

fn output_values(outputs: &[Tensor]) -> Vec<Vec<f32>> {
    outputs.iter().map(|output| output.to_vec::<f32>().unwrap()).collect()
}

/// Two calls with one attribute and one with another, over rows whose number is not known.
fn snakes() -> (Traced, Tensor) {
    let x = Tensor::new([2, 2], vec![0.5f32, -1.0, 2.0, 0.0]).unwrap();
    let f = |x: Tensor| {
        let once = Snake { a: 2.0 }.apply_one(&[&x])?;
        let twice = Snake { a: 2.0 }.apply_one(&[&once])?;
        Snake { a: 0.5 }.apply_one(&[&twice])
    };
    let example = Example::of(&x).symbolic("x", 0, "rows").unwrap();
    (trace(&module::from_fn(f), example).unwrap(), x)
}

#[test]
fn a_composition_is_written_once_for_each_attribute() {
    let (traced, x) = snakes();
    assert_eq!(names(&traced), ["Snake", "Snake", "Snake"]);
    let model = traced.to_model().unwrap();
    let functions: Vec<(&str, &str)> = model.proto.functions.iter().map(|it| (it.name.as_str(), it.overload.as_str())).collect();
    assert_eq!(functions, [("Snake", ""), ("Snake", "1")]);
    let nodes = &model.proto.graph.as_ref().unwrap().node;
    assert_eq!(nodes.iter().map(|node| node.overload.as_str()).collect::<Vec<_>>(), ["", "", "1"]);
    assert_eq!(nodes[0].domain, "com.example.audio");
    assert_eq!(model.opset("com.example.audio"), Some(3));
    assert!(ontrace::onnx::verify(&model).into_result().is_ok());
    leave(&traced, "custom_snake", &x);
}

#[test]
fn what_is_written_is_read_with_the_operator_and_without_it() {
    let (traced, x) = snakes();
    // From the formula, in f64.
    let snake = |a: f64, x: f64| x + (a * x).sin().powi(2) / a;
    let expected: Vec<f64> = [0.5, -1.0, 2.0, 0.0].iter().map(|&x| snake(0.5, snake(2.0, snake(2.0, x)))).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    traced.save(&path).unwrap();
    let known = LoadOptions::new().operators(&all()).traced(&path).unwrap();
    assert_eq!(names(&known), names(&traced));
    assert_eq!(known.to_bytes().unwrap(), traced.to_bytes().unwrap());
    let unknown = Traced::load(&path).unwrap();
    assert!(!names(&unknown).contains(&"Snake"));
    let opened = LoadOptions::new().operators(&all()).open(&path).unwrap();
    for module in [&traced as &dyn DynModule, &known, &unknown, &opened, &read::open(&path).unwrap()] {
        let got = output_values(&module.forward(std::slice::from_ref(&x)).unwrap());
        assert!(got[0].iter().zip(&expected).all(|(got, expected)| (f64::from(*got) - expected).abs() < 1e-6), "{got:?}, {expected:?}");
    }
}

#[test]
#[cfg(feature = "tract")]
fn it_is_one_node_of_the_plan_at_every_size() {
    let (traced, _) = snakes();
    let session = traced.session().unwrap();
    for rows in [1, 2, 5] {
        let x = Tensor::new([rows, 2], (0..rows * 2).map(|i| i as f32 / 4.0).collect()).unwrap();
        assert_eq!(output_values(&session.forward(std::slice::from_ref(&x)).unwrap()), output_values(&traced.forward(&[x]).unwrap()));
    }
    let said = session.explain();
    assert!(said.len() == 3 && said.iter().all(|line| line.contains("(Snake) runs on ontrace's kernel")), "{said:?}");
    // Without the operator in the registry its decomposition runs.
    let session = ontrace::runtime::Session::new(&traced.to_model().unwrap()).unwrap();
    let x = Tensor::new([3, 2], vec![0.25f32; 6]).unwrap();
    let (got, expected) =
        (output_values(&session.forward(std::slice::from_ref(&x)).unwrap()), output_values(&traced.forward(&[x]).unwrap()));
    assert!(got[0].iter().zip(&expected[0]).all(|(got, expected)| (got - expected).abs() < 1e-6), "{got:?}, {expected:?}");
    assert!(session.explain().is_empty(), "{:?}", session.explain());
}

#[test]
fn it_may_have_two_outputs_and_sizes_of_its_own() {
    let x = Tensor::new([2, 4], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
    let f = |x: Tensor| {
        let halves = Halves.apply(&[Some(&x)])?;
        Ok((halves[0].clone(), Snake { a: 1.0 }.apply_one(&[&halves[1]])?))
    };
    let example = Example::of(&x).symbolic("x", 1, "n").unwrap();
    let traced = trace(&module::from_fn(f), example).unwrap();
    assert_eq!(traced.outputs()[0].1.to_string(), "f32[2,floor(n/2)]");
    assert_eq!(output_values(&traced.forward(std::slice::from_ref(&x)).unwrap())[0], [1.0, 2.0, 5.0, 6.0]);
    let again = LoadOptions::new().operators(&all()).traced_model(traced.to_model().unwrap()).unwrap();
    assert_eq!(names(&again), ["Halves", "Snake"]);
    let unknown = Traced::from_model(traced.to_model().unwrap()).unwrap();
    let wide = Tensor::new([2, 6], (0..12).map(|i| i as f32).collect()).unwrap();
    assert_eq!(output_values(&unknown.forward(std::slice::from_ref(&wide)).unwrap())[0], [0.0, 1.0, 2.0, 6.0, 7.0, 8.0]);
    #[cfg(feature = "tract")]
    assert_eq!(
        output_values(&traced.session().unwrap().forward(std::slice::from_ref(&wide)).unwrap()),
        output_values(&traced.forward(&[wide]).unwrap())
    );
    leave(&traced, "custom_halves", &x);
}

#[test]
fn without_a_composition_it_is_read_by_who_has_it() {
    let x = Tensor::from(&[1i64, 2, 9, 97]);
    let traced = trace_fn(|x: Tensor| IsPrime.apply_one(&[&x]), &x).unwrap();
    let model = traced.to_model().unwrap();
    assert!(model.proto.functions.is_empty());
    let error = Traced::from_model(model.clone()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnknownOperators);
    assert!(error.to_string().contains("com.example.IsPrime"), "{error:?}");
    assert!(error.help_line().unwrap().contains("OpRegistry"), "{error:?}");
    let again = LoadOptions::new().operators(&all()).traced_model(model).unwrap();
    for module in [&traced as &dyn DynModule, &again] {
        assert_eq!(module.call(&x).unwrap().to_vec::<bool>().unwrap(), [false, true, false, true]);
    }
    #[cfg(feature = "tract")]
    {
        assert_eq!(traced.session().unwrap().call(&x).unwrap().to_vec::<bool>().unwrap(), [false, true, false, true]);
        let alone = ontrace::runtime::Session::new(&traced.to_model().unwrap()).and_then(|session| session.call(&x));
        assert!(alone.is_err());
    }
}

#[test]
fn a_wrong_kernel_composition_or_rule_is_caught() {
    let x = Tensor::from(&[0.5f32, 2.5, 3.0]);
    let traced = |wrong: &'static str| trace_fn(move |x: Tensor| Square { wrong }.apply_one(&[&x])?.relu(), &x);
    assert!(traced("").is_ok());
    for wrong in ["kernel", "composition"] {
        let error = traced(wrong).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Mismatch, "{error:?}");
        assert!(error.to_string().contains("com.example.Square") && error.to_string().contains("tests/tracing/custom.rs:"), "{error:?}");
    }
    assert_eq!(traced("rule").unwrap_err().code(), ErrorCode::Internal);
}

#[test]
fn a_traced_graph_with_it_is_a_module_like_any_other() {
    let (traced, x) = snakes();
    let outer = trace_fn(|x: Tensor| traced.call(&x)?.relu(), &x).unwrap();
    assert_eq!(names(&outer), ["Snake", "Snake", "Snake", "Relu"]);
    // It may stand in the branches of a choice.
    let f = |x: Tensor| {
        let large = x.sum(.., false)?.gt(10.0)?;
        let other = || Ok(vec![Snake { a: 1.0 }.apply_one(&[&x])?]);
        Ok(ontrace::cond(&large, || Ok(vec![x.neg()?]), other)?.remove(0))
    };
    let branches = trace_fn(f, &x).unwrap();
    assert_eq!(branches.to_model().unwrap().proto.functions.len(), 1);
    let again = LoadOptions::new().operators(&all()).traced_model(branches.to_model().unwrap()).unwrap();
    assert_eq!(
        output_values(&again.forward(std::slice::from_ref(&x)).unwrap()),
        output_values(&branches.forward(std::slice::from_ref(&x)).unwrap())
    );
    leave(&branches, "custom_branches", &x);
}

#[test]
fn the_same_operators_are_the_same_bytes() {
    let bytes = |_| snakes().0.to_bytes().unwrap();
    let threads: Vec<_> = (0..4).map(|i| std::thread::spawn(move || bytes(i))).collect();
    let all: Vec<Vec<u8>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(Model::load(all[0].clone().into(), None).is_ok());
}
