//! Where `torch.jit.trace` is silently wrong, or warns for no reason, a traced graph is right or refuses and says where.

use ontrace::array::Random;
use ontrace::check::{CheckOptions, Checker};
use ontrace::nn::{Activation, LayerNorm, Linear, MultiHeadAttention, Sequential, Weights};
use ontrace::trace::{Diagnostic, DiagnosticKind};
use ontrace::{
    Array, DType, DynModule, Error, ErrorCode, Example, Methods, Module, Result, Static, Tensor, Traced, Tracer, concrete, jit, module,
    ops, record, size, trace, trace_fn,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The verdict on a case.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// The answer is that of the program.
    Right,
    /// There is no answer, but an error that names a line of this file.
    Refused,
    /// Tracing or the traced graph refuses, and another way of saying the program is right.
    RefusedBut(&'static str),
    /// The case cannot arise, and why.
    NotApplicable(&'static str),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Right => f.write_str("right"),
            Verdict::Refused => f.write_str("refused, saying where"),
            Verdict::RefusedBut(other) => write!(f, "refused, saying where; {other} is right"),
            Verdict::NotApplicable(why) => write!(f, "not applicable: {why}"),
        }
    }
}

/// A case: its id in the list of silent errors, what the program does, and what torch 2.15 does about it.
type Case = (&'static str, &'static str, &'static str, fn() -> Result<Verdict>);

/// The cases, of which the README has the table.
const SILENT: &[Case] = &[
    ("S01", "a loop counts to a size", "3 iterations instead of 5", s01),
    ("S02", "values leave the trace and come back", "6 instead of 10", s02),
    ("S03", "an operation runs on another thread", "9 instead of 16", s03),
    ("S04", "a region without gradients", "gradient 3 instead of 1", s04),
    ("S05", "a dtype follows another tensor's", "f64 comes back as f32", s05),
    ("S06", "the result is switched to evaluation", "no effect", s06),
    ("S07", "batch norm trains", "its buffers are changed five times", s07),
    ("S08", "an output inside a map differs", "not compared", s08),
    ("S09", "the dtype of an output differs", "not compared", s09),
    ("S10", "the number of outputs differs", "not compared", s10),
    ("S11", "a check without inputs of its own", "nothing is checked", s11),
    ("S12", "small values differ ninefold", "passes", s12),
    ("S13", "large integers differ by one", "passes", s13),
    ("S14", "the program writes to its input", "the caller's tensor changes", s14),
    ("S15", "an input is not used", "not reported", s15),
    ("S16", "an argument is no tensor", "a constant", s16),
    ("S17", "an assertion about a size", "disappears", s17),
    ("S18", "arguments by position and by name", "those by name are dropped", s18),
];

/// What torch warns about although nothing is wrong.
const FALSE_ALARMS: &[Case] = &[
    ("F1", "a model in half precision", "compared in single precision", f1),
    ("F2", "the same operation on another line", "graphs differ", f2),
    ("F3", "an encoder layer in evaluation mode", "takes another path when traced again", f3),
    ("F4", "named inputs that the program writes to", "compared after they were changed", f4),
    ("F5", "a tensor plus `true`", "internal assertion", f5),
];

fn f32s(values: &[f32]) -> Tensor {
    Tensor::from(values)
}

fn output_values(traced: &dyn DynModule, inputs: &[Tensor]) -> Result<Vec<f32>> {
    traced.forward(inputs)?[0].to_vec()
}

/// Whether an error names a line of this file.
fn names_this_file(text: &str) -> bool {
    text.contains("tests/tracing/silent.rs:")
}

fn refused(error: &Error, code: ErrorCode) -> Result<Verdict> {
    let text = format!("{error} {}", error.help_line().unwrap_or_default());
    assert_eq!(error.code(), code, "{text}");
    assert!(names_this_file(&text), "{text}");
    Ok(Verdict::Refused)
}

fn s01() -> Result<Verdict> {
    let x = Tensor::new([3, 2], (0..6).map(|n| n as f32).collect())?;
    let module = module::from_fn(|x: Tensor| {
        let mut sum = x.select(0, 0)?;
        for row in 1..concrete(&x.dim(0)?)? {
            sum = sum.add(x.select(0, row as i64)?)?;
        }
        Ok(sum)
    });
    let traced = trace(&module, Example::of(&x).symbolic("x", 0, "n")?)?;
    assert_eq!(output_values(&traced, std::slice::from_ref(&x))?, [6.0, 9.0]);
    let five = Tensor::new([5, 2], vec![1f32; 10])?;
    refused(&traced.forward(&[five]).unwrap_err(), ErrorCode::Guard)
}

fn s02() -> Result<Verdict> {
    let x = f32s(&[1.0, 2.0, 3.0]);
    let traced = trace_fn(|x: Tensor| x.add(f32s(&x.to_vec::<f32>()?).sum(.., false)?), &x)?;
    assert_eq!(output_values(&traced, std::slice::from_ref(&x))?, [7.0, 8.0, 9.0]);
    refused(&traced.forward(&[f32s(&[1.0, 2.0, 7.0])]).unwrap_err(), ErrorCode::Guard)
}

fn s03() -> Result<Verdict> {
    let x = f32s(&[4.0]);
    let on_another = |x: Tensor| std::thread::scope(|scope| scope.spawn(|| x.square()).join().expect("the thread ends"));
    refused(&trace_fn(on_another, &f32s(&[3.0])).unwrap_err(), ErrorCode::Trace)?;
    let joined = |x: Tensor| {
        let (a, b) = ops::join(|| x.square(), || x.mul(0.0));
        a?.add(b?)
    };
    let traced = trace_fn(joined, &f32s(&[3.0]))?;
    assert_eq!(output_values(&traced, &[x])?, [16.0]);
    Ok(Verdict::RefusedBut("`ops::join`"))
}

fn s04() -> Result<Verdict> {
    // Nothing in the library computes a gradient, so none can be another one.
    Ok(Verdict::NotApplicable("there are no gradients"))
}

fn s05() -> Result<Verdict> {
    let like = |x: Tensor| Tensor::arange(0, 2, 1, DType::I64)?.cast(x.dtype())?.add(&x);
    let x = f32s(&[0.5, 0.5]);
    let traced = trace_fn(like, &x)?;
    let double = x.cast(DType::F64)?;
    let error = traced.call_tree::<_, Tensor>(&double).unwrap_err();
    refused(&error, ErrorCode::Input)?;
    assert!(error.to_string().contains("input x"), "{error}");
    let any = jit(like);
    assert_eq!((any.call(&x)?.dtype(), any.call(&double)?.dtype()), (DType::F32, DType::F64));
    Ok(Verdict::RefusedBut("`jit`"))
}

/// A network whose dropout and batch normalisation depend on its mode.
struct Classifier {
    first: Linear,
    second: Linear,
    mean: Tensor,
    var: Tensor,
}

impl Classifier {
    fn new(weights: &Weights) -> Result<Classifier> {
        let (first, second) = (Linear::new(&weights.at("first"), 8, 64)?, Linear::new(&weights.at("second"), 64, 4)?);
        Ok(Classifier { first, second, mean: Tensor::zeros([64], DType::F32)?, var: Tensor::ones([64], DType::F32)? })
    }

    /// The outputs, and the running statistics after this batch.
    fn train(&self, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let (y, mean, var) = self.first.forward(x)?.batch_norm_training(None, None, &self.mean, &self.var, 0.1, 1e-5)?;
        Ok((self.second.forward(&y.relu()?.drop_out(0.5)?.0)?, mean, var))
    }

    fn eval(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.first.forward(x)?.batch_norm(None, None, &self.mean, &self.var, 1e-5)?;
        self.second.forward(&y.relu()?)
    }
}

fn s06() -> Result<Verdict> {
    // There is no switch on the result: the two modes are two methods of one artefact.
    let net = Classifier::new(&Weights::seeded(6))?;
    let x = Tensor::from(Random::new(6).array(DType::F32, &[16, 8], Random::normal)?);
    let (train, eval) = (module::from_fn(|x: Tensor| net.train(&x)), module::from_fn(|x: Tensor| net.eval(&x)));
    let both = Methods::new().trace("train", &train, &x)?.trace("eval", &eval, &x)?;
    let other = x.mul(3)?;
    let close = |got: &Tensor, expected: &Tensor| -> Result<bool> {
        let (got, expected) = (got.to_vec::<f32>()?, expected.to_vec::<f32>()?);
        Ok(got.len() == expected.len() && got.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-4))
    };
    let eval = both.get("eval")?.call(&other)?;
    assert!(close(&eval, &net.eval(&other)?)?, "evaluation uses the running statistics and no dropout");
    let train = both.get("train")?.forward(std::slice::from_ref(&other))?;
    let (_, mean, var) = net.train(&other)?;
    assert!(close(&train[1], &mean)? && close(&train[2], &var)?, "training updates the running statistics");
    assert!(!close(&train[0], &eval)?, "training is another function");
    Ok(Verdict::Right)
}

fn s07() -> Result<Verdict> {
    let x = Tensor::new([4, 2], (0..8).map(|n| (n * n) as f32).collect())?;
    let state = (f32s(&[0.0, 0.0]), f32s(&[1.0, 1.0]));
    let step = |(x, (mean, var)): (Tensor, (Tensor, Tensor))| {
        let (y, mean, var) = x.batch_norm_training(None, None, &mean, &var, 0.1, 1e-5)?;
        Ok((y, (mean, var)))
    };
    let example = (x.clone(), state.clone());
    let traced = trace_fn(step, &example)?;
    assert_eq!((state.0.to_vec::<f32>()?, state.1.to_vec::<f32>()?), (vec![0.0; 2], vec![1.0; 2]), "trace and check leave the state alone");
    let (mut eager, mut replayed) = (state.clone(), state);
    for n in 1..4 {
        let x = x.mul(n)?;
        eager = step((x.clone(), eager))?.1;
        replayed = traced.call_tree::<_, (Tensor, (Tensor, Tensor))>(&(x, replayed))?.1;
    }
    assert_eq!(eager.0.to_vec::<f32>()?, replayed.0.to_vec::<f32>()?);
    assert_eq!(eager.1.to_vec::<f32>()?, replayed.1.to_vec::<f32>()?);
    Ok(Verdict::Right)
}

/// A module whose second call does something else than its first.
fn changing<O: ontrace::Tree + 'static>(first: fn(&Tensor) -> Result<O>, then: fn(&Tensor) -> Result<O>) -> impl Module<Tensor, O> {
    let calls = AtomicUsize::new(0);
    module::from_fn(move |x: Tensor| if calls.fetch_add(1, Ordering::Relaxed) == 0 { first(&x) } else { then(&x) })
}

fn s08() -> Result<Verdict> {
    let module = changing(
        |x| Ok(BTreeMap::from([("a".to_string(), (x.add(1)?, x.mul(2)?))])),
        |x| Ok(BTreeMap::from([("a".to_string(), (x.add(1)?, x.mul(3)?))])),
    );
    let error = trace(&module, &f32s(&[1.0, 2.0])).unwrap_err();
    refused(&error, ErrorCode::Mismatch)
}

fn s09() -> Result<Verdict> {
    let module = changing(|x| x.mul(2), |x| x.mul(2)?.cast(DType::F64));
    refused(&trace(&module, &f32s(&[1.0])).unwrap_err(), ErrorCode::Mismatch)
}

fn s10() -> Result<Verdict> {
    let module = changing(|x| Ok(vec![x.mul(2)?, x.mul(3)?]), |x| Ok(vec![x.mul(2)?]));
    refused(&trace(&module, &f32s(&[1.0])).unwrap_err(), ErrorCode::Mismatch)
}

fn s11() -> Result<Verdict> {
    // A list without inputs cannot be said; the example itself is always compared.
    let module = changing(|x| x.mul(2), |x| x.mul(3));
    let least = Tracer::new().check(CheckOptions::example_only());
    refused(&least.trace(&module, &f32s(&[1.0])).unwrap_err(), ErrorCode::Mismatch)
}

fn s12() -> Result<Verdict> {
    let module = changing(|x| x.mul(1e-6), |x| x.mul(9e-6));
    refused(&trace(&module, &f32s(&[1.0, 1.0])).unwrap_err(), ErrorCode::Mismatch)
}

fn s13() -> Result<Verdict> {
    let module = changing(|x| x.mul(0)?.cast(DType::I64)?.add(100_000), |x| x.mul(0)?.cast(DType::I64)?.add(100_001));
    refused(&trace(&module, &f32s(&[1.0])).unwrap_err(), ErrorCode::Mismatch)
}

fn s14() -> Result<Verdict> {
    let x = f32s(&[1.0, 2.0]);
    // The only way to write is to make another tensor.
    let traced = trace_fn(|x: Tensor| x.add(1), &x)?;
    traced.forward(std::slice::from_ref(&x))?;
    assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
    Ok(Verdict::Right)
}

fn s15() -> Result<Verdict> {
    let x = f32s(&[1.0]);
    let traced = trace_fn(|(x, _): (Tensor, Tensor)| x.relu(), &(x.clone(), x.clone()))?;
    assert_eq!(traced.inputs().len(), 2);
    assert!(traced.notes().contains(&Diagnostic::UnusedInput("x_1".to_string())), "{:?}", traced.notes());
    let denied = Tracer::new().deny(DiagnosticKind::UnusedInput).trace_fn(|(x, _): (Tensor, Tensor)| x.relu(), &(x.clone(), x));
    assert_eq!(denied.unwrap_err().code(), ErrorCode::Denied);
    Ok(Verdict::Right)
}

fn s16() -> Result<Verdict> {
    let x = f32s(&[2.0]);
    let power = |(x, k): (Tensor, Static<i64>)| x.pow(*k);
    let traced = trace_fn(power, &(x.clone(), Static(3)))?;
    assert_eq!(traced.call_tree::<_, Tensor>(&(x.clone(), Static(3)))?.to_vec::<f32>()?, [8.0]);
    let error = traced.call_tree::<_, Tensor>(&(x, Static(4))).unwrap_err();
    assert!(error.message().contains("traced with the value 3, got 4"), "{error}");
    refused(&error, ErrorCode::Input)
}

fn s17() -> Result<Verdict> {
    let x = Tensor::zeros([5, 1], DType::F32)?;
    let module = module::from_fn(|x: Tensor| if size::eq(&x.dim(0)?, 5)? { x.add(1) } else { Err(Error::argument("expected five rows")) });
    let traced = trace(&module, Example::of(&x).symbolic("x", 0, "n")?)?;
    refused(&traced.forward(&[Tensor::zeros([6, 1], DType::F32)?]).unwrap_err(), ErrorCode::Guard)
}

fn s18() -> Result<Verdict> {
    let one = f32s(&[1.0]);
    let sum = |(x, y): (Tensor, Option<Tensor>)| y.map_or(Ok(x.clone()), |y| x.add(y));
    let traced = trace_fn(sum, &(one.clone(), Some(f32s(&[10.0]))))?;
    assert_eq!(traced.call_tree::<_, Tensor>(&(one.clone(), Some(f32s(&[10.0]))))?.to_vec::<f32>()?, [11.0]);
    let error = traced.call_named(&[("x_0", &one), ("z", &one)]).unwrap_err();
    assert_eq!((error.code(), error.help_line()), (ErrorCode::Input, Some("the inputs are: x_0, x_1")));
    Ok(Verdict::Right)
}

fn f1() -> Result<Verdict> {
    let weights = Weights::seeded(0);
    let wide =
        Sequential::new().push(Linear::new(&weights.at(0), 64, 64)?).push(Activation::Gelu).push(Linear::new(&weights.at(1), 64, 8)?);
    let mut random = Random::new(1);
    let x = Tensor::from(random.array(DType::F32, &[4, 64], Random::normal)?);
    let half = trace(&wide, &x)?.with_dtype(DType::F16)?;
    let x = x.cast(DType::F16)?;
    trace(&half, &x)?;
    Ok(Verdict::Right)
}

fn f2() -> Result<Verdict> {
    let calls = AtomicUsize::new(0);
    let (here, there): (fn(&Tensor) -> Result<Tensor>, fn(&Tensor) -> Result<Tensor>) = (
        |x| x.relu(), //
        |x| x.relu(),
    );
    let module = module::from_fn(|x: Tensor| if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { here(&x) } else { there(&x) });
    trace(&module, &f32s(&[1.0, -1.0]))?;
    Ok(Verdict::Right)
}

fn f3() -> Result<Verdict> {
    let weights = Weights::seeded(3);
    let (attention, norm) = (MultiHeadAttention::new(&weights.at("attn"), 16, 4)?, LayerNorm::new(&weights.at("norm"), &[16])?);
    let feed =
        Sequential::new().push(Linear::new(&weights.at("a"), 16, 32)?).push(Activation::Relu).push(Linear::new(&weights.at("b"), 32, 16)?);
    let x = Tensor::from(Random::new(2).array(DType::F32, &[2, 5, 16], Random::normal)?);
    let layer = module::from_fn(|x: Tensor| {
        let x = norm.forward(&x.add(attention.forward(&x)?)?)?;
        norm.forward(&x.add(feed.forward(&x)?)?)
    });
    trace(&layer, Example::of(&x).symbolic("x", 0, "batch")?.symbolic("x", 1, "length")?)?;
    Ok(Verdict::Right)
}

fn f4() -> Result<Verdict> {
    let x = f32s(&[1.0, 2.0]);
    let scaled = module::named(module::from_fn(|(x, by): (Tensor, Tensor)| x.mul(by)?.add(1)), &["x", "by"], &[]);
    let traced = trace(&scaled, Example::new().input("by", &f32s(&[3.0, 3.0])).input("x", &x))?;
    assert_eq!(traced.call_named(&[("by", &f32s(&[2.0, 2.0])), ("x", &x)])?["y"].to_vec::<f32>()?, [3.0, 5.0]);
    assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
    Ok(Verdict::Right)
}

fn f5() -> Result<Verdict> {
    let traced = trace_fn(|x: Tensor| x.add(true), &f32s(&[1.5]))?;
    assert_eq!(output_values(&traced, &[f32s(&[2.5])])?, [3.5]);
    Ok(Verdict::Right)
}

/// One test a case.
macro_rules! cases {
    ($table:ident: $($test:ident $i:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            let case = &$table[$i];
            let verdict = (case.3)().unwrap_or_else(|error| panic!("{}: {error:?}", case.0));
            println!("{} {}: {verdict}", case.0, case.1);
        })*
    };
}

cases! {
    SILENT:
    silent_s01 0, silent_s02 1, silent_s03 2, silent_s04 3, silent_s05 4, silent_s06 5, silent_s07 6, silent_s08 7, silent_s09 8,
    silent_s10 9, silent_s11 10, silent_s12 11, silent_s13 12, silent_s14 13, silent_s15 14, silent_s16 15, silent_s17 16, silent_s18 17,
}

cases! {
    FALSE_ALARMS:
    false_alarm_1 0, false_alarm_2 1, false_alarm_3 2, false_alarm_4 3, false_alarm_5 4,
}

/// What stands around the table in the README.
const MARKS: (&str, &str) = ("<!-- verdicts: generated by tests/tracing/silent.rs -->\n", "<!-- end of verdicts -->\n");

#[test]
fn the_readme_has_the_table_of_verdicts() {
    let mut table = String::from("| | the program | `torch.jit.trace` 2.15 | ontrace |\n|---|---|---|---|\n");
    for (id, what, torch, run) in SILENT.iter().chain(FALSE_ALARMS) {
        let verdict = run().unwrap_or_else(|error| panic!("{id}: {error:?}"));
        table.push_str(&format!("| {id} | {what} | {torch} | {verdict} |\n"));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(MARKS.0).expect("the README has the first mark");
    let (found, after) = rest.split_once(MARKS.1).expect("the README has the second mark");
    if found != table && std::env::var_os("ONTRACE_RENEW").is_some() {
        std::fs::write(path, format!("{before}{}{table}{}{after}", MARKS.0, MARKS.1)).unwrap();
        return;
    }
    assert_eq!(found, table, "renew it with ONTRACE_RENEW=1 cargo test --workspace --test tracing silent");
}

#[test]
fn a_module_that_remembers_is_found_out() {
    // What a cache keeps from the first run is a traced tensor, which the second run may not use.
    let cache: Mutex<Option<Tensor>> = Mutex::default();
    let module = module::from_fn(|x: Tensor| {
        let mut kept = cache.lock().expect("nobody panicked");
        if kept.is_none() {
            *kept = Some(x.mul(2)?);
        }
        x.add(kept.as_ref().expect("it was just made"))
    });
    let error = trace(&module, &f32s(&[1.0])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Trace, "{error}");
    assert!(names_this_file(&error.to_string()), "{error}");
}

#[test]
fn a_traced_graph_that_was_edited_is_caught_on_the_example_alone() -> Result<()> {
    let x = f32s(&[1.0, 2.0]);
    let (double, triple) = (module::from_fn(|x: Tensor| x.mul(2)), module::from_fn(|x: Tensor| x.mul(3)));
    let wrong: Traced = record(&triple, &x)?;
    let error = Checker::new(&double, &wrong, &Example::of(&x)).options(CheckOptions::example_only()).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Mismatch);
    let expected: Vec<f32> = Array::vector(vec![2f32, 4.0]).to_vec()?;
    assert_eq!(double.forward(&x)?.to_vec::<f32>()?, expected);
    Ok(())
}
