//! How times grow with the length of a graph: a chain of small operators at n, 2n and 4n of them is traced, written, read, planned, run and checked.
//!
//! Prints milliseconds, and the exponent of each time: 1 where it is linear. An exponent above [`MOST`] is an error.

use ontrace::runtime::Session;
use ontrace::{Error, Example, Module, Result, Tensor, module, onnx, record, trace};
use std::time::Instant;

/// The operators of the shortest chain.
const SHORTEST: usize = 5_000;

/// The largest exponent that a linear time is measured with: memory that no longer fits a cache costs more by the element.
const MOST: f64 = 1.2;

/// How often each chain is measured, the three in turn: what else the machine does meets all of them.
const ROUNDS: usize = 7;

/// The steps that are measured.
const STEPS: [&str; 6] = ["eager", "trace", "write", "read", "plan and run", "trace and check"];

/// Milliseconds of a step.
fn milliseconds<R>(run: impl FnOnce() -> Result<R>) -> Result<f64> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// The times of a chain of so many operators, step by step.
fn times(count: usize) -> Result<[f64; STEPS.len()]> {
    let (x, y) = (Tensor::from(&[0.5f32, -1.0, 2.0, 0.25]), Tensor::from(&[1.0f32, 0.5, 0.25, 1.0]));
    let chain = module::from_fn(|x: Tensor| (0..count).try_fold(x, |x, i| if i % 2 == 0 { x.add(&y) } else { x.mul(&y) }));
    let example = || Example::new().input("x", &x);
    let model = record(&chain, example())?.to_model()?;
    let (bytes, input) = (model.to_bytes()?, [x.to_array()?]);
    Ok([
        milliseconds(|| chain.forward(&x))?,
        milliseconds(|| record(&chain, example()))?,
        milliseconds(|| model.to_bytes())?,
        milliseconds(|| onnx::Model::load(bytes.clone().into(), None))?,
        milliseconds(|| Session::new(&model)?.run(&input))?,
        milliseconds(|| trace(&chain, example()))?,
    ])
}

fn main() -> Result<()> {
    let mut least = [[f64::INFINITY; STEPS.len()]; 3];
    for _ in 0..ROUNDS {
        for (least, count) in least.iter_mut().zip([SHORTEST, 2 * SHORTEST, 4 * SHORTEST]) {
            let times = times(count)?;
            least.iter_mut().zip(times).for_each(|(least, time)| *least = least.min(time));
        }
    }
    let [one, two, four] = least;
    println!("| step | {SHORTEST} | {} | {} | exponent |\n|---|---|---|---|---|", 2 * SHORTEST, 4 * SHORTEST);
    let mut steepest = ("", 0.0);
    for (i, step) in STEPS.into_iter().enumerate() {
        let exponent = (four[i] / one[i]).log(4.0);
        println!("| {step} | {:.1} | {:.1} | {:.1} | {exponent:.2} |", one[i], two[i], four[i]);
        if exponent > steepest.1 {
            steepest = (step, exponent);
        }
    }
    match steepest {
        (step, exponent) if exponent > MOST => Err(Error::argument(format!("{step} grows with exponent {exponent:.2}"))),
        _ => Ok(()),
    }
}
