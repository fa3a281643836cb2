//! What tracing and its check cost beside running, for ten thousand small operations; tools/reference/trace.py holds it against torch.
//!
//! Prints medians in milliseconds: eager, trace without check, trace with check.

use ontrace::{Example, Result, Tensor, module, record, trace};
use std::time::Instant;

/// As many as the operations of a large network.
const OPERATIONS: usize = 10_000;

/// The median of some runs in milliseconds, after one that does not count.
fn median(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    run()?;
    let mut times = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn main() -> Result<()> {
    let x = Tensor::from(&[0.5f32, -1.0, 2.0, 0.25]);
    let y = Tensor::from(&[1.0f32, 0.5, 0.25, 1.0]);
    let module = module::from_fn(|x: Tensor| (0..OPERATIONS).try_fold(x, |x, i| if i % 2 == 0 { x.add(&y) } else { x.mul(&y) }));
    let example = Example::new().input("x", &x);
    use ontrace::Module;
    let eager = median(|| module.forward(&x).map(drop))?;
    let traced = median(|| record(&module, example.clone()).map(drop))?;
    let checked = median(|| trace(&module, example.clone()).map(drop))?;
    println!("{eager:.3} {traced:.3} {checked:.3}");
    Ok(())
}
