//! What tracing and its check cost beside running, for ten thousand small operations; tools/reference/trace.py holds it against torch.
//!
//! Prints medians in milliseconds: eager, trace without check, trace with check; and, for an encoder of 24 layers, its trace at fixed sizes and with
//! symbolic batch and length. With the path of a text model (`.pt`, `.pt2`): its trace at fixed sizes, with symbolic ones, and their ratio.

use ontrace::{DType, Example, Result, Tensor, module, read, record, trace};
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

/// The layers of the encoder.
const LAYERS: usize = 24;

/// Attention with a table of 64 positions and a mask, and two products: what a text model does with its sizes.
fn encoder(x: Tensor) -> Result<Tensor> {
    let weight = Tensor::full([16, 16], 0.1, DType::F32)?;
    let positions = Tensor::ones([64, 16], DType::F32)?;
    let (batch, length) = (x.dim(0)?, x.dim(1)?);
    let mask = Tensor::ones([64, 64], DType::Bool)?.tril(0)?.slice(0, ..length.clone())?.slice(1, ..length.clone())?;
    let start = x.add(&positions.slice(0, ..length.clone())?)?;
    (0..LAYERS).try_fold(start, |x, _| {
        let heads = |x: Tensor| x.reshape([batch.clone(), length.clone(), 4.into(), 4.into()])?.transpose(1, 2);
        let (q, k, v) = (heads(x.matmul(&weight)?)?, heads(x.matmul(&weight)?)?, heads(x.matmul(&weight)?)?);
        let scores = q.matmul(&k.transpose(-1, -2)?)?.masked_fill(&mask.logical_not()?, f32::NEG_INFINITY)?.softmax(-1)?;
        let mixed = scores.matmul(&v)?.transpose(1, 2)?.reshape([batch.clone(), length.clone(), 16.into()])?;
        x.add(&mixed)?.layer_norm(&[16.into()], None, None, 1e-5)?.matmul(&weight)?.gelu(false)
    })
}

/// The trace of a model file whose inputs are ids and masks: at the sizes of its example, and with symbolic first and second axes.
fn file(path: &str) -> Result<()> {
    let model = read::open(path)?;
    let fixed = model.example().cloned().unwrap_or_default().shapes_only();
    let symbolic = fixed.inputs().iter().try_fold(fixed.clone(), |example, (name, tensor)| {
        let length = format!("length{}", tensor.dim(1)?);
        example.symbolic(name, 0, "batch")?.symbolic(name, 1, &length)
    })?;
    let fixed = median(|| record(&model, fixed.clone()).map(drop))?;
    let symbolic = median(|| record(&model, symbolic.clone()).map(drop))?;
    println!("{fixed:.3} {symbolic:.3} {:.2}", symbolic / fixed);
    Ok(())
}

fn main() -> Result<()> {
    if let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        return file(&path);
    }
    let x = Tensor::from(&[0.5f32, -1.0, 2.0, 0.25]);
    let y = Tensor::from(&[1.0f32, 0.5, 0.25, 1.0]);
    let module = module::from_fn(|x: Tensor| (0..OPERATIONS).try_fold(x, |x, i| if i % 2 == 0 { x.add(&y) } else { x.mul(&y) }));
    let example = Example::new().input("x", &x);
    use ontrace::Module;
    let eager = median(|| module.forward(&x).map(drop))?;
    let traced = median(|| record(&module, example.clone()).map(drop))?;
    let checked = median(|| trace(&module, example.clone()).map(drop))?;
    println!("{eager:.3} {traced:.3} {checked:.3}");
    let encoder = module::from_fn(encoder);
    let fixed = Example::new().input("x", &Tensor::ones([2, 8, 16], DType::F32)?);
    let symbolic = fixed.clone().symbolic("x", 0, "batch")?.symbolic("x", 1, "length")?;
    let fixed = median(|| record(&encoder, fixed.clone()).map(drop))?;
    let symbolic = median(|| record(&encoder, symbolic.clone()).map(drop))?;
    println!("{fixed:.3} {symbolic:.3}");
    Ok(())
}
