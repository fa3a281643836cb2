//! What a checker finds, and what need not be found because it is a guard, a note or an error with its line.

use super::harness::{check_module, f32s, normal, ops, output_values, ramp};
use ontrace::nn::Dropout;
use ontrace::ops::seeded;
use ontrace::trace::{Diagnostic, DiagnosticKind};
use ontrace::{DType, DynModule, Error, ErrorCode, Example, Result, Tensor, Tracer, concrete, module, trace_fn};
use std::cell::RefCell;

/// Whether a text names this line of this file.
fn names(text: &str, line: u32) -> bool {
    text.contains(&format!("tests/tracing/tracer/checker.rs:{line}:"))
}

/// An error with its locations and its help.
fn whole(error: &Error) -> String {
    format!("{error} {} {}", error.locations().collect::<Vec<_>>().join(" "), error.help_line().unwrap_or_default())
}

#[test]
fn t033_six_ways_to_read_a_number_are_six_guards_in_order() -> Result<()> {
    let first = line!() + 3;
    #[rustfmt::skip]
    let reads = |x: Tensor| {
        let count = x.sum(.., false)?.item()?.to_f64() as i64;
        let positive = x.amax(.., false)?.gt(0)?.is_true()?;
        let largest = x.amax(.., false)?.to_vec::<f32>()?[0];
        let list = x.mul(2)?.to_vec::<f32>()?;
        let array = x.add(1)?.to_array()?;
        let rows = concrete(&x.dim(0)?)?;
        x.add(count)?.add(positive)?.add(f64::from(largest))?.add(f64::from(list[0]))?.add(array.len() as i64)?.add(rows as i64)
    };
    let x = f32s(&[1.0, 2.0]);
    let module = module::from_fn(reads);
    let example = Example::of(&x).symbolic("x", 0, "n")?;
    let traced = Tracer::new().unchecked().trace(&module, example.clone())?;
    let guards: Vec<String> = traced.guards().iter().map(ToString::to_string).collect();
    assert_eq!(guards.len(), 6, "{guards:?}");
    assert!(guards.iter().zip(first..).all(|(guard, line)| names(guard, line)), "{guards:?}");
    assert_eq!(traced.notes().iter().filter(|note| note.kind() == DiagnosticKind::Guard).count(), 6);
    // 3 + 1 + 2 + 2 + 2 + 2
    assert_eq!(output_values(&traced, &x)?, [13.0, 14.0]);
    let denied = Tracer::new().strict().trace(&module, example).unwrap_err();
    assert!(denied.code() == ErrorCode::Denied && names(&whole(&denied), first), "{denied}");
    Ok(())
}

#[test]
fn t102_values_that_leave_the_trace_and_come_back_are_a_guard() -> Result<()> {
    let line = line!() + 1;
    let f = |x: Tensor| x.add(Tensor::from(x.mul(10)?.to_array()?));
    let traced = Tracer::new().unchecked().trace_fn(f, &f32s(&[1.0, 2.0]))?;
    assert_eq!(output_values(&traced, &f32s(&[1.0, 2.0]))?, [11.0, 22.0]);
    let refused = traced.call(&f32s(&[1.0, 3.0])).unwrap_err();
    assert!(refused.code() == ErrorCode::Guard && names(&whole(&refused), line), "{}", whole(&refused));
    let denied = Tracer::new().strict().trace_fn(f, &f32s(&[1.0, 2.0])).unwrap_err();
    assert!(denied.code() == ErrorCode::Denied && names(&whole(&denied), line), "{}", whole(&denied));
    Ok(())
}

#[test]
fn t103_a_loop_over_rows_holds_for_as_many_rows_only() -> Result<()> {
    let line = line!() + 1;
    let f = |x: Tensor| (0..concrete(&x.dim(0)?)?).try_fold(x.clone(), |x, i| x.add(x.select(0, i as i64)?));
    let x = Tensor::ones([3, 2], DType::F32)?;
    let module = module::from_fn(f);
    let traced = Tracer::new().unchecked().trace(&module, Example::of(&x).symbolic("x", 0, "n")?)?;
    assert_eq!(output_values(&traced, &x)?, [8.0; 6]);
    let refused = traced.call(&Tensor::ones([4, 2], DType::F32)?).unwrap_err();
    assert!(refused.code() == ErrorCode::Guard && names(&whole(&refused), line), "{}", whole(&refused));
    assert!(refused.message().contains("`n` is 4"), "{refused}");
    Ok(())
}

#[test]
fn t104_a_value_remembered_from_the_trace_is_refused_when_it_is_used_again() -> Result<()> {
    let memory: RefCell<Option<Tensor>> = RefCell::default();
    let line = line!() + 5;
    let f = |x: Tensor| {
        if memory.borrow().is_none() {
            memory.replace(Some(x.neg()?));
        }
        x.add(memory.borrow().as_ref().expect("it was just put there"))
    };
    let error = trace_fn(f, &f32s(&[1.0, 2.0])).unwrap_err();
    assert!(error.code() == ErrorCode::Trace && names(&whole(&error), line), "{}", whole(&error));
    assert!(error.message().contains("used after its trace has ended"), "{error}");
    Ok(())
}

#[test]
fn t110_dropout_that_trains_samples_the_same_again_and_is_said_to_be_random() -> Result<()> {
    let line = line!() + 1;
    let f = |x: Tensor| Ok(x.drop_out(0.5)?.0);
    let x = Tensor::ones([3, 4], DType::F32)?;
    let traced = trace_fn(f, &x)?;
    assert_eq!(output_values(&traced, &x)?, seeded(0, || f(x.clone()))?.to_vec::<f32>()?);
    let notes = traced.notes();
    assert!(matches!(&notes[..], [Diagnostic::Random { op: "RandomUniform", location }] if names(&location.line, line)), "{notes:?}");
    let denied = Tracer::new().deny(DiagnosticKind::Random).trace_fn(f, &x).unwrap_err();
    assert!(denied.code() == ErrorCode::Denied && names(&whole(&denied), line), "{}", whole(&denied));
    Ok(())
}

#[test]
fn t111_dropout_that_is_evaluated_is_no_node() -> Result<()> {
    let traced = check_module(&Dropout, Example::of(&normal(1, &[3, 4])), &[ramp(&[3, 4])])?;
    assert_eq!((ops(&traced), traced.notes().len()), (vec![], 0));
    Ok(())
}

#[test]
fn t122_a_captured_tensor_is_noted_and_a_named_one_is_a_parameter() -> Result<()> {
    let weight = f32s(&[2.0, 3.0]);
    let line = line!() + 1;
    let f = |x: Tensor| x.mul(&weight);
    let x = f32s(&[1.0, 1.0]);
    let notes = trace_fn(f, &x)?.notes();
    assert!(matches!(&notes[..], [Diagnostic::ConstantFolded { location, .. }] if names(&location.line, line)), "{notes:?}");
    let denied = Tracer::new().deny(DiagnosticKind::ConstantFolded).trace_fn(f, &x).unwrap_err();
    assert!(denied.code() == ErrorCode::Denied && names(&whole(&denied), line), "{}", whole(&denied));
    let named = weight.named("weight");
    let traced = Tracer::new().deny(DiagnosticKind::ConstantFolded).trace_fn(|x: Tensor| x.mul(&named), &x)?;
    assert_eq!(traced.state().keys().collect::<Vec<_>>(), ["weight"]);
    Ok(())
}
