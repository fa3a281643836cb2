//! An ONNX file served by a pool of threads that share one session.
//!
//! Run it with `cargo run --example serve`.

use ontrace::onnx::Model;
use ontrace::runtime::Session;
use ontrace::{Array, DType, Example, Result, Tensor, trace_fn};
use std::sync::{Arc, mpsc};
use std::thread;

pub(crate) fn main() -> Result<()> {
    // A file to serve: the sum of each row.
    let file = std::env::temp_dir().join("ontrace_serve.onnx");
    let example = Example::new().input("rows", &Tensor::ones([2, 3], DType::F32)?).symbolic("rows", 0, "batch")?;
    trace_fn(|x: Tensor| x.sum(1, false), example)?.save(&file)?;

    // A session is Send + Sync. Each call runs on the thread that makes it; a plan is compiled for each new input shape, and kept.
    let session = Arc::new(Session::new(&Model::open(&file)?)?);
    let (answers, results) = mpsc::channel();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (session, answers) = (session.clone(), answers.clone());
            thread::spawn(move || {
                for batch in 1..=3 {
                    let rows = Array::full(DType::F32, &[batch, 3], (worker as f64).into());
                    let sums = session.run(&[rows]).and_then(|outputs| outputs[0].to_vec::<f32>());
                    // The receiver lives until all workers are done.
                    let _ = answers.send((worker, batch, sums));
                }
            })
        })
        .collect();
    drop(answers);

    for (worker, batch, sums) in results {
        assert_eq!(sums?, vec![3.0 * worker as f32; batch]);
    }
    workers.into_iter().for_each(|worker| worker.join().expect("a worker panicked"));
    println!("plans: {:?}", session.plan_counts());
    Ok(())
}
