//! What the checker refuses, what it lets pass, what it leaves as it was, and what it costs.

use ontrace::check::{BlackBox, CheckOptions, Checker, Report};
use ontrace::module::{AsDynModule, from_fn};
use ontrace::{Array, DType, DynModule, Error, ErrorCode, Example, Module, Outputs, Result, Tensor, Traced, record};
use std::cell::{Cell, RefCell};

fn x() -> Tensor {
    Tensor::new([2, 3], vec![1.0f32, -2.0, 3.0, 0.5, -0.25, 6.0]).unwrap()
}

fn rows() -> Example {
    Example::new().input("x", &x()).symbolic("x", 0, "n").unwrap()
}

fn own<K: ?Sized>(module: &impl AsDynModule<K>, example: &Example) -> Result<Report> {
    let traced = record(module, example.clone())?;
    Checker::new(module, &traced, example).run()
}

#[test]
fn a_module_that_counts_its_calls_is_refused_with_the_line() {
    let count = Cell::new(0);
    let module = from_fn(|x: Tensor| {
        count.set(count.get() + 1);
        x.mul(f64::from(count.get()))
    });
    let error = own(&module, &Example::new().input("x", &x())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Mismatch);
    assert!(error.message().contains("a second trace"), "{error:?}");
    let help = error.help_line().unwrap();
    assert!(help.contains("Mul") && help.contains("check.rs") && help.contains("a constant with 1 instead of 2"), "{help}");
}

#[test]
fn a_module_that_remembers_a_result_is_refused() {
    let memory: RefCell<Option<Tensor>> = RefCell::new(None);
    let module = from_fn(|x: Tensor| memory.borrow_mut().get_or_insert_with(|| x.relu().unwrap()).add(&x));
    assert_eq!(own(&module, &Example::new().input("x", &x())).unwrap_err().code(), ErrorCode::Trace);
}

#[test]
fn the_same_operation_on_another_line_is_no_difference() {
    let second = Cell::new(false);
    let module = from_fn(|x: Tensor| {
        second.set(!second.get());
        let again = |x: &Tensor| x.relu();
        if second.get() { x.relu() } else { again(&x) }
    });
    own(&module, &rows()).unwrap();
}

#[test]
fn operations_in_another_order_are_no_difference() {
    let second = Cell::new(false);
    let module = from_fn(|x: Tensor| {
        second.set(!second.get());
        let (a, b) = if second.get() {
            let a = x.relu()?;
            (a, x.exp()?)
        } else {
            let b = x.exp()?;
            (x.relu()?, b)
        };
        a.add(&b)
    });
    own(&module, &rows()).unwrap();
}

#[test]
fn a_size_that_was_read_on_the_sly_is_found_at_other_sizes() {
    let module = from_fn(|x: Tensor| if x.dim(0)?.example() == Some(2) { x.relu() } else { x.abs() });
    let error = own(&module, &rows()).unwrap_err();
    let help = error.help_line().unwrap();
    assert!(error.code() == ErrorCode::Mismatch && help.contains("Relu") && help.contains("where the module has Abs"), "{error:?}");
}

#[test]
fn sizes_that_the_module_refuses_are_reported_and_no_failure() {
    let module = from_fn(|x: Tensor| match x.dim(0)?.example() {
        Some(1) => Err(Error::shape("one row is no table")),
        _ => x.relu(),
    });
    let report = own(&module, &rows()).unwrap();
    assert!(report.rejected.iter().any(|line| line == "n = 1: one row is no table"), "{report}");
    assert!(report.calls.iter().any(|call| call == "n = 3") && report.to_string().contains("the source model rejects: n = 1"));
}

/// A traced graph that holds for two rows only, and says so.
struct Guarded(Traced);

impl DynModule for Guarded {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        match inputs[0].dim(0)?.fixed() {
            Some(2) => self.0.forward(inputs),
            _ => Err(Error::new(ErrorCode::Guard, "n == 2 at src/net.rs:41")),
        }
    }
}

#[test]
fn calls_that_a_guard_refuses_are_reported_and_no_failure() {
    let module = from_fn(|x: Tensor| x.relu());
    let traced = record(&module, rows()).unwrap();
    let report = Checker::new(&module, &traced, &rows()).candidate(&BlackBox(Guarded(traced.clone()))).run().unwrap();
    assert!(report.excluded.iter().any(|line| line == "n == 2 at src/net.rs:41; excludes n = 3"), "{report}");
    assert!(report.to_string().contains("valid only for: n == 2 at src/net.rs:41"));
}

#[test]
fn every_leaf_its_number_dtype_and_shape_is_compared() {
    let pair = from_fn(|x: Tensor| Ok((x.relu()?, vec![x.mul(2.0)?])));
    for wrong in [
        record(&from_fn(|x: Tensor| Ok((x.relu()?, vec![x.mul(3.0)?]))), rows()),
        record(&from_fn(|x: Tensor| x.relu()), rows()),
        record(&from_fn(|x: Tensor| Ok((x.relu()?, vec![x.mul(2.0)?.cast(DType::F64)?]))), rows()),
        record(&from_fn(|x: Tensor| Ok((x.relu()?, vec![x.mul(2.0)?.unsqueeze(0)?]))), rows()),
        record(&from_fn(|x: Tensor| Ok((x.mul(2.0)?, vec![x.relu()?]))), rows()),
    ] {
        let wrong = wrong.unwrap();
        for again in [true, false] {
            let options = CheckOptions::new().retrace(again);
            assert_eq!(Checker::new(&pair, &wrong, &rows()).options(options.clone()).run().unwrap_err().code(), ErrorCode::Mismatch);
        }
    }
}

#[test]
fn a_check_leaves_values_seed_and_traced_graph_as_they_were() {
    let weight = Tensor::new([3, 3], (0..9).map(|i| i as f32).collect()).unwrap().named("weight");
    let module = from_fn(|x: Tensor| x.matmul(&weight)?.add(Tensor::rand([3], DType::F32)?));
    let example = rows();
    let bytes = |tensor: &Tensor| tensor.to_array().unwrap().to_bytes().unwrap();
    let sample = || Tensor::rand([4], DType::F32).unwrap().to_vec::<f32>().unwrap();
    let (before, next) = ((bytes(&weight), bytes(&example.tensors()[0])), ontrace::ops::seeded(5, sample));
    let traced = record(&module, example.clone()).unwrap();
    let model = traced.to_bytes().unwrap();
    let after = ontrace::ops::seeded(5, || {
        Checker::new(&module, &traced, &example).run().unwrap();
        sample()
    });
    assert_eq!((bytes(&weight), bytes(&example.tensors()[0])), before);
    assert_eq!(after, next, "the generator goes on where it was");
    assert_eq!(traced.to_bytes().unwrap(), model);
}

#[test]
fn a_large_model_is_checked_in_five_runs() {
    let big = Tensor::from(Array::full(DType::F32, &[1024, 1024], 1.into()));
    let module = from_fn(|x: Tensor| (0..4).try_fold(x, |x, _| x.tanh()));
    let runs = Cell::new(0);
    let counted = from_fn(|x: Tensor| {
        runs.set(runs.get() + 1);
        module.forward(&x)
    });
    let example = Example::new().input("x", &big);
    let traced = record(&counted, example.clone()).unwrap();
    runs.set(0);
    let report = Checker::new(&counted, &traced, &example).run().unwrap();
    assert_eq!((runs.get(), report.cost.module_runs, report.cost.traced_runs), (2, 2, 2));
    assert!(report.cost.work <= 5.0 && !report.skipped.is_empty(), "{report}");
    assert!(report.cost.memory < 6 * (4 << 20), "{report}");
    // Other sizes are chosen so that they fit: 8 rows are tried as 9 and as 1.
    let wide = Tensor::from(Array::full(DType::F32, &[8, 1 << 17], 1.into()));
    let example = Example::new().input("x", &wide).symbolic("x", 0, "n").unwrap();
    let module = from_fn(|x: Tensor| (0..4).try_fold(x, |x, _| x.tanh()));
    let report = own(&module, &example).unwrap();
    assert!(report.cost.work <= 5.0 && report.calls.iter().any(|call| call == "n = 9"), "{report}");
}

#[test]
fn what_is_wrong_is_shrunk_to_a_model_that_is_wrong_alone() {
    let right = from_fn(|x: Tensor| x.exp()?.softmax(-1)?.mul(3.0));
    let wrong = from_fn(|x: Tensor| x.exp()?.softmax(0)?.mul(3.0));
    let traced = record(&wrong, rows()).unwrap();
    let found = Checker::new(&right, &traced, &rows()).minimise().unwrap().expect("a fault");
    let folder = tempfile::tempdir().unwrap();
    found.save(folder.path()).unwrap();
    let model = ontrace::onnx::Model::open(folder.path().join("model.onnx")).unwrap();
    assert_eq!(model.proto.graph.as_ref().unwrap().node.len(), 1, "{model}");
    let inputs: Vec<Tensor> = found.inputs.iter().map(|(_, array)| Tensor::from(array.clone())).collect();
    let outputs = ontrace::read::OnnxModule::new(model).unwrap().forward(&inputs).unwrap();
    assert_ne!(outputs[0].to_array().unwrap().to_f64s().unwrap(), found.outputs[0].1.to_f64s().unwrap());
    for file in ["test_data_set_0/input_0.pb", "test_data_set_0/output_0.pb", "error.txt"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    assert!(Checker::new(&right, &record(&right, rows()).unwrap(), &rows()).minimise().unwrap().is_none());
}

/// A module that answers with what a function makes of another module's answer.
struct Changed<M>(M, fn(f64) -> f64);

impl<M: DynModule> DynModule for Changed<M> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let output = self.0.forward(inputs)?[0].to_array()?;
        let changed = output.to_f64s()?.into_iter().map(|x| self.1(x) as f32).collect();
        Ok(Outputs::from(vec![Tensor::new(output.shape(), changed)?]))
    }
}

/// exp(log(x + 10⁴)) − 10⁴: an error of log in f32 is multiplied by 10⁴.
fn cancels(x: Tensor) -> Result<Tensor> {
    x.add(1e4)?.log()?.exp()?.sub(1e4)
}

#[test]
fn what_rounding_explains_is_no_difference_and_what_it_does_not_is_one() {
    let traced = record(&from_fn(cancels), rows()).unwrap();
    // The tolerance is 6·10⁻⁴ for the largest result of 6.
    let check = |change: fn(f64) -> f64| {
        let candidate = BlackBox(Changed(traced.clone(), change));
        Checker::new(&from_fn(cancels), &traced, &rows()).candidate(&candidate).run()
    };
    let report = check(|y| y + 4e-3).unwrap();
    assert_eq!(report.outputs[0].limit, ontrace::check::Limit::Rounding, "{report}");
    assert!(report.outputs[0].share > 0.0 && report.outputs[0].share <= 1.0, "{report}");
    let error = check(|y| y + 2.0).unwrap_err();
    assert!(error.code() == ErrorCode::Mismatch && error.message().contains("rounding explains"), "{error:?}");
    // Within a tolerance of the user's nothing else is asked.
    let candidate = BlackBox(Changed(traced.clone(), |y| y + 4e-3));
    let options = CheckOptions::new().abs_tolerance(1e-3).rel_tolerance(0.0);
    let verdict = Checker::new(&from_fn(cancels), &traced, &rows()).candidate(&candidate).options(options).verdict();
    assert!(verdict.failure.is_some() && verdict.report.outputs[0].share > 1.0, "{:?}", verdict.report);
    assert!(verdict.report.outputs[0].worst.as_ref().is_some_and(|worst| worst.limit == 1e-3), "{:?}", verdict.report);
}

#[test]
fn another_model_that_is_wrong_by_less_than_the_tolerance_is_found_and_its_node_named() {
    let weights = |change: f64| {
        let values = (0..64).map(|i| ((i * 37 % 64) as f32 - 31.5) / 32.0 * if i == 9 { 1.0 + change as f32 } else { 1.0 }).collect();
        Tensor::new([8, 8], values).unwrap()
    };
    let net = |change: f64| {
        let w = weights(change);
        from_fn(move |x: Tensor| x.matmul(&weights(0.0))?.matmul(&w)?.softmax(-1)?.relu())
    };
    let x = Tensor::new([1, 8], (0..8).map(|i| i as f32 / 8.0).collect()).unwrap();
    let example = Example::new().input("x", &x);
    let traced = record(&net(4e-4), example.clone()).unwrap();
    let options = CheckOptions::new().retrace(false);
    let error = Checker::new(&net(0.0), &traced, &example).options(options.clone()).run().unwrap_err();
    assert!(error.message().contains("within the tolerance"), "{error:?}");
    assert!(error.help_line().unwrap().contains("MatMul"), "{error:?}");
    let same = record(&net(0.0), example.clone()).unwrap();
    Checker::new(&net(0.0), &same, &example).options(options).run().unwrap();
}

#[test]
fn nan_elements_are_counted() {
    let module = from_fn(|x: Tensor| x.log());
    let report = own(&module, &Example::new().input("x", &x())).unwrap();
    let output = &report.outputs[0];
    assert!(output.nan > 0 && output.nan < output.elements, "{report}");
    assert!(report.warnings.iter().any(|warning| warning.contains("elements are NaN")), "{report}");
}

#[test]
fn a_weight_that_is_used_as_it_is_and_transposed_is_written_once() {
    let table = Tensor::new([64, 32], (0..2048).map(|i| (i % 97) as f32 / 97.0).collect()).unwrap().named("table");
    let module = from_fn(|ids: Tensor| table.embedding(&ids)?.matmul(&table.transpose(0, 1)?));
    let ids = Tensor::from(&[3i64, 63, 0]);
    let traced = record(&module, &ids).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, traced.to_bytes().unwrap()).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 64 * 32 * 4 + 3000, "{bytes} bytes");
    let model = ontrace::onnx::Model::open(&path).unwrap();
    let again = ontrace::read::OnnxModule::new(model).unwrap().forward(std::slice::from_ref(&ids)).unwrap();
    let expected = table.embedding(&ids).unwrap().matmul(&table.transpose(0, 1).unwrap()).unwrap();
    assert_eq!(again[0].to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
    #[cfg(feature = "tract")]
    Checker::new(&module, &traced, &Example::of(&ids)).candidate(&traced.session().unwrap()).run().unwrap();
}
