//! What the default check of a conversion costs beside running the model: seconds, and runs of the model.
//!
//! usage: cargo bench --bench check -- MODEL [ROUNDS]
//!
//! Prints the median seconds of one run of the source by ontrace's interpreter, of one run of the written model in tract, and of the check, and how many
//! runs that is: of the check's runs half are the interpreter's and half tract's, so that a run is the mean of both. A check is asked to cost at most
//! five runs and a fifth.

use ontrace::check::{Checker, fill_inputs};
use ontrace::runtime::Session;
use ontrace::{Array, DynModule, Result, Tensor, read, record};
use std::time::Instant;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The seconds that something takes.
fn seconds(run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    run()?;
    Ok(started.elapsed().as_secs_f64())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let Some(path) = arguments.next() else {
        println!("usage: cargo bench --bench check -- MODEL [ROUNDS]");
        return Ok(());
    };
    let rounds: usize = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let model = read::open(&path)?;
    let example = model.example().cloned().unwrap_or_default().shapes_only();
    let traced = record(&model, example.clone())?;
    let onnx = traced.to_model()?;
    let (filled, _) = fill_inputs(&example, Some(&traced), 1)?;
    let arrays: Vec<Array> = filled.tensors().iter().map(Tensor::to_array).collect::<Result<_>>()?;
    let tensors: Vec<Tensor> = arrays.iter().cloned().map(Tensor::from).collect();
    let session = Session::new(&onnx)?;
    session.run(&arrays)?;
    let (mut source, mut candidate, mut check, mut work) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for _ in 0..rounds {
        source.push(seconds(|| model.forward(&tensors).map(drop))?);
        candidate.push(seconds(|| session.run(&arrays).map(drop))?);
        check.push(seconds(|| {
            work = Checker::new(&model, &traced, &example).candidate(&session).run()?.cost.work;
            Ok(())
        })?);
    }
    let (source, candidate, check) = (median(source), median(candidate), median(check));
    let runs = check / ((source + candidate) / 2.0);
    println!("{path}: interpreter {source:.3} s, tract {candidate:.3} s, check {check:.3} s: {runs:.2} runs ({work:.1} planned)");
    Ok(())
}
