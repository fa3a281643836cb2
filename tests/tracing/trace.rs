//! What a `Traced` holds besides its graph: sizes, guards, structure, weights; and that a file keeps it.

use ontrace::nn::{Activation, Conv2d, ConvOptions, GlobalAveragePool, Linear, Sequential, Weights};
use ontrace::trace::{Diagnostic, DiagnosticKind};
use ontrace::tree::DynTree;
use ontrace::{
    Array, DType, DynModule, ErrorCode, Example, Methods, Module, Result, Tensor, Traced, Tracer, concrete, jit, module, read, record,
    size, trace, trace_fn,
};
use std::collections::BTreeMap;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32).unwrap()
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, DType::F32).unwrap()
}

/// A traced graph written to a file and loaded again.
fn reloaded(traced: &Traced) -> Traced {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.onnx");
    traced.save(&path).unwrap();
    Traced::load(&path).unwrap()
}

#[test]
fn sizes_that_must_be_equal_become_one_symbol() -> Result<()> {
    let (x, y) = (zeros(&[3, 4]), zeros(&[4, 3]));
    let sum = module::from_fn(|(x, y): (Tensor, Tensor)| x.add(y.transpose(0, 1)?));
    let example =
        Example::of(&(x, y)).symbolic("x_0", 0, "a")?.symbolic("x_0", 1, "b")?.symbolic("x_1", 0, "c")?.symbolic("x_1", 1, "d")?;
    let traced = record(&sum, example)?;
    assert_eq!(traced.declaration().to_string(), "main(x_0: f32[a,b], x_1: f32[b,a]) -> (y: f32[a,b])");
    assert_eq!(traced.forward(&[ones(&[2, 5]), ones(&[5, 2])])?[0].to_vec::<f32>()?, vec![2.0; 10]);
    assert_eq!(traced.forward(&[ones(&[2, 5]), ones(&[5, 3])]).unwrap_err().code(), ErrorCode::Size);
    let notes: Vec<String> = reloaded(&traced).notes().iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.starts_with("requires a == d at tests/tracing/trace.rs:")), "{notes:?}");
    Ok(())
}

#[test]
fn a_size_may_be_computed_from_another() -> Result<()> {
    let (x, y) = (zeros(&[3]), zeros(&[6]));
    let twice = module::from_fn(|(x, y): (Tensor, Tensor)| Tensor::cat(&[&x, &x], 0)?.mul(y));
    let traced = record(&twice, Example::of(&(x, y)).symbolic("x_0", 0, "n")?.symbolic("x_1", 0, "m")?)?;
    assert_eq!(traced.declaration().to_string(), "main(x_0: f32[n], x_1: f32[2*n]) -> (y: f32[2*n])");
    assert_eq!(traced.forward(&[ones(&[2]), ones(&[4])])?[0].to_vec::<f32>()?, vec![1.0; 4]);
    assert_eq!(traced.forward(&[ones(&[2]), ones(&[5])]).unwrap_err().code(), ErrorCode::Input);
    let again = reloaded(&traced);
    assert_eq!(again.declaration().to_string(), traced.declaration().to_string());
    Ok(())
}

#[test]
fn a_size_that_must_be_divisible_is_guarded_and_stays_whole() -> Result<()> {
    let x = zeros(&[8, 3]);
    let fold = module::from_fn(|x: Tensor| x.reshape([-1, 4, 3])?.reshape([-1, 3])?.add(&x));
    let traced = record(&fold, Example::of(&x).symbolic("x", 0, "n")?)?;
    assert_eq!(traced.declaration().to_string(), "main(x: f32[n,3]) -> (y: f32[n,3])");
    assert!(traced.guards()[0].to_string().starts_with("n % 4 == 0 at tests/tracing/trace.rs:"), "{:?}", traced.guards());
    for traced in [&traced, &reloaded(&traced)] {
        assert_eq!(traced.forward(&[ones(&[12, 3])])?[0].to_vec::<f32>()?, vec![2.0; 36]);
        let error = traced.forward(&[ones(&[10, 3])]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Guard);
        assert!(error.message().contains("in this call `n` is 10"), "{error}");
    }
    #[cfg(feature = "tract")]
    {
        let session = traced.session()?;
        assert_eq!(session.call(&ones(&[4, 3]))?.to_vec::<f32>()?, vec![2.0; 12]);
        assert_eq!(session.call(&ones(&[10, 3])).unwrap_err().code(), ErrorCode::Guard);
    }
    Ok(())
}

#[test]
fn a_declared_size_that_can_only_be_one_number_is_refused_with_the_line() -> Result<()> {
    let x = zeros(&[5, 2]);
    let add = module::from_fn(|x: Tensor| x.add(zeros(&[5, 2])));
    let error = record(&add, Example::of(&x).symbolic("x", 0, "n")?).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Size);
    assert!(error.to_string().contains("tests/tracing/trace.rs:"), "{error}");
    Ok(())
}

#[test]
fn everything_that_can_be_symbolic_is_and_the_rest_is_not() -> Result<()> {
    let weights = Weights::seeded(0);
    let same = ConvOptions { padding: [1, 1], ..ConvOptions::default() };
    let net = Sequential::new()
        .push(Conv2d::new(&weights.at("conv"), 3, 4, [3, 3], same)?)
        .push(Activation::Relu)
        .push(GlobalAveragePool)
        .push(Linear::new(&weights.at("fc"), 4, 2)?);
    let traced = record(&net, Example::of(&zeros(&[2, 3, 8, 10])).symbolic_wherever_possible()?)?;
    assert_eq!(traced.declaration().to_string(), "main(x: f32[x_0,3,x_2,x_3]) -> (y: f32[x_0,2])");
    let model = read::open("tests/data/resnet_tiny.pt")?;
    let example = model.example().cloned().unwrap_or_default().symbolic_wherever_possible()?;
    let traced = record(&model, example.shapes_only())?;
    let input = traced.inputs()[0].1.to_string();
    assert!(input.starts_with("f32[x_0,3,"), "{input}");
    Ok(())
}

#[test]
fn calls_that_were_observed_say_which_sizes_differ() -> Result<()> {
    let call = |batch: usize, length: usize| (ones(&[batch, length, 4]), ones(&[batch, length]));
    let pool = |(x, mask): (Tensor, Tensor)| x.mul(mask.unsqueeze(2)?)?.sum(1, false);
    let module = module::from_fn(pool);
    let traced = record(&module, Example::observed(&[call(2, 5), call(3, 5), call(2, 7)])?)?;
    assert_eq!(traced.declaration().to_string(), "main(x_0: f32[x_0_0,x_0_1,4], x_1: f32[x_0_0,x_0_1]) -> (y: f32[x_0_0,4])");
    Ok(())
}

#[test]
fn a_range_is_a_condition_of_every_call() -> Result<()> {
    let x = ones(&[3]);
    let module = module::from_fn(|x: Tensor| x.mul(2));
    let traced = record(&module, Example::of(&x).symbolic("x", 0, "n")?.range("n", 2..=4)?)?;
    assert!(reloaded(&traced).call(&ones(&[4])).is_ok());
    assert_eq!(
        reloaded(&traced).call(&ones(&[5])).unwrap_err().message(),
        "the traced graph is valid only for n <= 4; in this call `n` is 5"
    );
    Ok(())
}

#[test]
fn guards_on_values_stand_in_the_file_and_in_other_traced_graphs() -> Result<()> {
    let x = Tensor::from(&[1.0f32, 2.0]);
    let sign = |x: Tensor| if x.sum(.., false)?.gt(0.0)?.is_true()? { x.mul(2) } else { x.mul(3) };
    let traced = Tracer::new().unchecked().trace_fn(sign, &x)?;
    let again = reloaded(&traced);
    assert_eq!(again.guards().len(), 1);
    assert_eq!(again.guards()[0].location, traced.guards()[0].location);
    assert_eq!(again.call(&Tensor::from(&[5.0f32, 0.0]))?.to_vec::<f32>()?, [10.0, 0.0]);
    assert_eq!(again.call(&Tensor::from(&[-5.0f32, 0.0])).unwrap_err().code(), ErrorCode::Guard);
    #[cfg(feature = "tract")]
    {
        let session = again.session()?;
        assert_eq!(session.call(&Tensor::from(&[5.0f32, 0.0]))?.to_vec::<f32>()?, [10.0, 0.0]);
        assert_eq!(session.call(&Tensor::from(&[-5.0f32, 0.0])).unwrap_err().code(), ErrorCode::Guard);
        assert!(session.explain().is_empty(), "tract runs it: {:?}", session.explain());
    }
    // A traced graph that is called inside another trace brings its guards along.
    let outer = Tracer::new().unchecked().trace_fn(|x: Tensor| again.call(&x.add(1)?), &x)?;
    assert_eq!((outer.guards().len(), outer.graph().nodes().len()), (1, again.graph().nodes().len() + 1));
    assert_eq!(outer.call(&Tensor::from(&[-5.0f32, 0.0])).unwrap_err().code(), ErrorCode::Guard);
    // The file that is opened as any model refuses as well.
    let folder = tempfile::tempdir().expect("a folder");
    outer.save(folder.path().join("outer.onnx"))?;
    let opened = read::open(folder.path().join("outer.onnx"))?;
    assert_eq!(opened.call(&Tensor::from(&[-5.0f32, 0.0])).unwrap_err().code(), ErrorCode::Guard);
    Ok(())
}

#[test]
fn a_number_is_not_read_in_the_body_of_a_loop() {
    let x = Tensor::from(&[1.0f32]);
    let f = |x: Tensor| {
        let below = x.sum(.., false)?.lt(10.0)?;
        let state = ontrace::while_loop(&below, vec![x], |state| {
            let next = state[0].mul(2)?;
            next.item()?;
            Ok((next.sum(.., false)?.lt(10.0)?, vec![next]))
        })?;
        Ok(state[0].clone())
    };
    let error = trace_fn(f, &x).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Trace);
    assert!(error.to_string().contains("tests/tracing/trace.rs:"), "{error}");
}

#[test]
fn a_nested_tree_comes_back_from_a_file() -> Result<()> {
    let x = Tensor::from(&[1.0f32, 2.0]);
    let f = |(x, state): (Tensor, BTreeMap<String, Option<Tensor>>)| {
        let h = state["h"].clone().map_or(Ok(x.clone()), |h| h.add(&x))?;
        Ok((vec![x.mul(2)?], BTreeMap::from([("h".to_string(), (h, None::<Tensor>))])))
    };
    let example = (x.clone(), BTreeMap::from([("h".to_string(), Some(x.clone())), ("unused".to_string(), None)]));
    let traced = trace_fn(f, &example)?;
    assert_eq!(traced.inputs().into_iter().map(|input| input.0).collect::<Vec<_>>(), ["x_0", "x_1.h"]);
    assert_eq!(traced.outputs().into_iter().map(|output| output.0).collect::<Vec<_>>(), ["y_0.0", "y_1.h.0"]);
    let nest: DynTree = reloaded(&traced).call_tree(&example)?;
    assert_eq!(nest.at("1.h.0").expect("it is there").to_vec::<f32>()?, [2.0, 4.0]);
    let missing = (x.clone(), BTreeMap::from([("g".to_string(), Some(x))]));
    assert!(traced.call_tree::<_, DynTree>(&missing).unwrap_err().message().contains("there is no `g`"));
    Ok(())
}

#[test]
fn weights_are_swapped_behind_what_was_computed_from_them() -> Result<()> {
    let weights = Weights::from_map([("w", Array::new(&[2, 2], vec![1f32, 2.0, 3.0, 4.0])?)]);
    let w = weights.get("w", &[2, 2], ontrace::nn::Init::Constant(0.0))?;
    let x = ones(&[1, 2]);
    // The traced graph holds the transpose of the square, never the parameter itself.
    let traced = record(&module::from_fn(|x: Tensor| x.matmul(&w.square()?.transpose(0, 1)?)), &x)?;
    assert_eq!(traced.call(&x)?.to_vec::<f32>()?, [5.0, 25.0]);
    assert_eq!(traced.state().keys().collect::<Vec<_>>(), ["w"]);
    let other = traced.with_state(&BTreeMap::from([("w".to_string(), Array::new(&[2, 2], vec![1f32, 1.0, 0.0, 3.0])?)]))?;
    assert_eq!(other.call(&x)?.to_vec::<f32>()?, [2.0, 9.0]);
    assert_eq!(other.state()["w"].to_vec::<f32>()?, [1.0, 1.0, 0.0, 3.0]);
    assert_eq!(traced.call(&x)?.to_vec::<f32>()?, [5.0, 25.0], "the first is as it was");
    let wrong = BTreeMap::from([("v".to_string(), Array::vector(vec![1f32]))]);
    assert_eq!(traced.with_state(&wrong).unwrap_err().help_line(), Some("the parameters are: w"));
    let shape = BTreeMap::from([("w".to_string(), Array::vector(vec![1f32]))]);
    assert_eq!(traced.with_state(&shape).unwrap_err().code(), ErrorCode::Input);
    Ok(())
}

#[test]
fn methods_share_their_weights_and_keep_their_guards_apart() -> Result<()> {
    let weights = Weights::seeded(0);
    let fc = Linear::without_bias(&weights.at("fc"), 4, 4)?;
    let x = ones(&[3, 4]);
    let first = module::from_fn(|x: Tensor| fc.forward(&x)?.mul(concrete(&x.dim(0)?)? as f64));
    let second = module::from_fn(|x: Tensor| fc.forward(&x)?.relu());
    let example = || Example::of(&x).symbolic("x", 0, "n");
    let methods = Methods::with(Tracer::new().unchecked()).trace("first", &first, example()?)?.trace("second", &second, example()?)?;
    assert_eq!(methods.to_model()?.initializers.iter().filter(|initializer| initializer.0.starts_with("fc")).count(), 1);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("methods.onnx");
    methods.save(&path)?;
    let again = Methods::load(&path)?;
    assert_eq!(again.names().collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(again.get("second")?.call(&ones(&[5, 4]))?.to_vec::<f32>()?, second.forward(&ones(&[5, 4]))?.to_vec::<f32>()?);
    assert_eq!(again.get("first")?.call(&ones(&[5, 4])).unwrap_err().code(), ErrorCode::Guard);
    assert_eq!(again.get("third").unwrap_err().help_line(), Some("the methods are: first, second"));
    let twice = Methods::new().trace("a", &second, example()?)?.trace("a", &second, example()?);
    assert_eq!(twice.unwrap_err().code(), ErrorCode::Argument);
    Ok(())
}

#[test]
fn a_part_is_a_traced_graph_of_its_own() -> Result<()> {
    let weights = Weights::seeded(0);
    let (a, b) = (Linear::new(&weights.at("net.a"), 4, 8)?, Linear::new(&weights.at("net.b"), 8, 2)?);
    let x = ones(&[3, 4]);
    let module = module::from_fn(|x: Tensor| b.forward(&a.forward(&x)?.relu()?)?.mul(2));
    let traced = record(&module, Example::of(&x).symbolic("x", 0, "n")?)?;
    let part = traced.sub("net.b")?;
    let h = ones(&[5, 8]);
    assert_eq!(part.call(&h)?.to_vec::<f32>()?, b.forward(&h)?.to_vec::<f32>()?);
    assert_eq!(traced.sub("net")?.graph().nodes().len(), 2);
    assert!(traced.sub("head").unwrap_err().help_line().is_some_and(|help| help.contains("net.a")));
    Ok(())
}

#[test]
fn another_float_is_the_same_program() -> Result<()> {
    let x = Tensor::from(&[0.5f32, 2.0]);
    let traced = trace_fn(|x: Tensor| x.mul(Tensor::from(&[3.0f32, 4.0]))?.cast(DType::F32)?.exp(), &x)?;
    let double = traced.with_dtype(DType::F64)?;
    let y = double.call(&x.cast(DType::F64)?)?.to_vec::<f64>()?;
    assert!((y[0] - 1.5f64.exp()).abs() < 1e-12 && (y[1] - 8f64.exp()).abs() < 1e-9, "{y:?}");
    assert_eq!(traced.with_dtype(DType::I64).unwrap_err().code(), ErrorCode::DType);
    Ok(())
}

#[test]
fn a_function_is_traced_again_only_where_no_traced_graph_holds() -> Result<()> {
    let f = jit(|x: Tensor| if size::gt(&x.dim(0)?, 3)? { x.mul(2) } else { x.mul(3) });
    for (n, expected) in [(5, 2.0), (6, 2.0), (2, 3.0), (3, 3.0), (9, 2.0)] {
        assert_eq!(f.call(&ones(&[n]))?.to_vec::<f32>()?, vec![expected; n]);
    }
    assert_eq!((f.counts().traces, f.counts().hits), (2, 3));
    assert_eq!(f.call(&ones(&[2, 2]))?.to_vec::<f32>()?, [3.0; 4]);
    assert_eq!(f.counts().traces, 3);
    Ok(())
}

#[test]
fn what_is_denied_is_listed_whole() -> Result<()> {
    let x = Tensor::from(&[1.0f32, 2.0]);
    let f = |(x, _): (Tensor, Tensor)| x.mul(Tensor::from(&[3.0f32, 4.0]))?.add(Tensor::rand([2], DType::F32)?);
    let tracer = Tracer::new().deny(DiagnosticKind::ConstantFolded).deny(DiagnosticKind::Random).deny(DiagnosticKind::UnusedInput);
    let error = tracer.trace_fn(f, &(x.clone(), x.clone())).unwrap_err();
    assert_eq!((error.code(), error.message().lines().count()), (ErrorCode::Denied, 4), "{error}");
    assert!(error.message().contains("tests/tracing/trace.rs:"), "{error}");
    let traced = tracer
        .allow(DiagnosticKind::ConstantFolded)
        .allow(DiagnosticKind::Random)
        .allow(DiagnosticKind::UnusedInput)
        .trace_fn(f, &(x.clone(), x))?;
    assert!(traced.notes().iter().any(|note| matches!(note, Diagnostic::Random { op: "RandomUniform", .. })));
    Ok(())
}

#[test]
fn notes_name_the_elements_of_inputs_that_sizes_depend_on() -> Result<()> {
    let x = ones(&[3]);
    for (count, condition) in [(Tensor::from(&[2i64, 3]), "n == count[1]"), (Tensor::full((), 3, DType::I64)?, "n == count")] {
        let f = module::from_fn(|(x, count): (Tensor, Tensor)| {
            let n = if count.rank() == 0 { count.to_dim()? } else { count.select(0, 1i64)?.to_dim()? };
            x.add(Tensor::arange(0, &n, 1, DType::F32)?)
        });
        let model = module::named(f, &["x", "count"], &[]);
        let traced = record(&model, Example::new().input("x", &x).symbolic("x", 0, "n")?.input("count", &count))?;
        let notes: Vec<String> = traced.notes().iter().map(ToString::to_string).collect();
        assert!(notes.iter().any(|note| note.contains(&format!("valid only for {condition} at "))), "{notes:?}");
        let other = Array::full(DType::I64, count.to_array()?.shape(), 2.into());
        let error = traced.graph().replay(&[x.to_array()?, other]).unwrap_err().to_string();
        assert!(error.contains(&format!("valid only for {condition} at ")) && !error.contains("value"), "{error}");
    }
    Ok(())
}

#[test]
fn hashes_say_what_is_computed_whatever_it_is_called() -> Result<()> {
    let x = ones(&[2]);
    let model = |name: &str, by: f32| {
        let f = module::from_fn(move |x: Tensor| x.mul(Tensor::from(&[by, by]))?.relu());
        record(&module::named(f, &[name], &[]), Example::new().input(name, &x))?.to_model()
    };
    let (a, b, c) = (model("a", 2.0)?, model("b", 2.0)?, model("a", 3.0)?);
    assert_eq!((a.graph_hash(), a.weights_hash()), (b.graph_hash(), b.weights_hash()));
    assert_eq!(a.graph_hash(), c.graph_hash());
    assert_ne!(a.weights_hash(), c.weights_hash());
    let mut bare = a.clone();
    bare.strip();
    assert!(bare.proto.metadata_props.is_empty() && a.proto.metadata_props.iter().any(|entry| entry.value == a.graph_hash()));
    Ok(())
}

#[test]
fn tracing_a_traced_graph_again_is_the_same_traced_graph() -> Result<()> {
    let x = ones(&[3, 4]);
    let fc = Linear::new(&Weights::seeded(0).at("fc"), 4, 2)?;
    let traced = trace(&fc, Example::of(&x).symbolic("x", 0, "n")?)?;
    let again = trace(&traced, Example::of(&x).symbolic("x", 0, "n")?)?;
    assert_eq!(again.to_model()?.graph_hash(), traced.to_model()?.graph_hash());
    assert_eq!(again.state().keys().collect::<Vec<_>>(), traced.state().keys().collect::<Vec<_>>());
    Ok(())
}

#[test]
fn rows_that_a_call_has_none_of_are_flattened_too() -> Result<()> {
    let f =
        module::from_fn(|(flags, table): (Tensor, Tensor)| table.index_select(0, &flags.nonzero()?.squeeze_axes(&[1])?)?.flatten(1, -1));
    let (table, flags) = (ones(&[4, 3, 2]), Tensor::from(&[1.0f32, 0.0, 1.0, 0.0]));
    let model = module::named(f, &["flags", "table"], &[]);
    let traced = record(&model, Example::new().input("flags", &flags).input("table", &table).symbolic("table", 1, "k")?)?;
    let session = traced.session()?;
    for (flags, rows) in [(flags, 2), (zeros(&[4]), 0)] {
        let inputs = [flags.to_array()?, table.to_array()?];
        assert_eq!(session.run(&inputs)?[0].shape(), [rows, 6]);
        assert_eq!(traced.graph().replay(&inputs)?[0].shape(), [rows, 6]);
    }
    Ok(())
}

#[test]
fn a_clip_with_one_end_keeps_infinities_in_the_file_that_is_written() -> Result<()> {
    let traced = trace_fn(|x: Tensor| x.clamp(Some(0.0.into()), None), &ones(&[2]))?;
    let model = traced.to_model()?;
    // Without a maximum ONNX cuts at the largest finite number.
    assert_eq!(model.proto.graph.as_ref().unwrap().node[0].input.len(), 3, "{model}");
    let x = Tensor::from(&[f32::INFINITY, f32::NEG_INFINITY]);
    assert_eq!(reloaded(&traced).forward(&[x])?[0].to_vec::<f32>()?, [f32::INFINITY, 0.0]);
    Ok(())
}
