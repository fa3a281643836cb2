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
