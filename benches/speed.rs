//! Measures one thing and prints its median in milliseconds; tools/reference/speed.py holds it against torch and ONNX Runtime.
//!
//! usage: speed eager ROW THREADS · speed session MODEL THREADS · speed plain MODEL THREADS · speed memory MODEL · speed explain MODEL ·
//! speed encoder OUT. `memory` prints megabytes that a session of one thread holds after a call, mapped files not counted (Linux). tract by itself runs on one thread: as this crate builds it, it has no others.

use ontrace::array::Random;
use ontrace::nn::{LayerNorm, Linear, MultiHeadAttention, Weights};
use ontrace::onnx::Model;
use ontrace::ops::{Cell, Recurrent, RecurrentWeights, Window};
use ontrace::runtime::Session;
use ontrace::{Array, DType, Error, Example, Module, Result, Tensor, trace};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tract_onnx::prelude::*;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let median = match words[..] {
        ["encoder", out] => {
            encoder(out)?;
            return Ok(());
        }
        ["eager", row, threads] => {
            rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
            let run = eager(row)?;
            median(|| run().map(drop))?
        }
        ["session", model, threads] => {
            let session = Session::builder().threads(threads.parse()?).open(model)?;
            let inputs = inputs(&session);
            median(|| session.run(&inputs).map(drop))?
        }
        ["plain", model, _] => {
            let session = Session::new(&Model::open(model)?)?;
            plain(model, &inputs(&session))?
        }
        ["memory", model] => {
            let before = anonymous()?;
            let session = Session::builder().threads(1).open(model)?;
            let inputs = inputs(&session);
            for _ in 0..3 {
                session.run(&inputs)?;
            }
            anonymous()? - before
        }
        ["explain", model] => {
            let session = Session::new(&Model::open(model)?)?;
            session.run(&inputs(&session))?;
            println!("{}", session.explain().join("\n"));
            return Ok(());
        }
        _ => {
            return Err(
                "usage: speed eager ROW THREADS | session MODEL THREADS | plain MODEL THREADS | memory MODEL | explain MODEL | encoder OUT"
                    .into(),
            );
        }
    };
    println!("{median:.5}");
    Ok(())
}

/// The memory of this process that belongs to no file, in megabytes.
fn anonymous() -> std::result::Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
}

/// The median of many runs, in milliseconds.
fn median<E>(mut run: impl FnMut() -> std::result::Result<(), E>) -> std::result::Result<f64, E> {
    run()?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || begin.elapsed() < Duration::from_millis(600) && times.len() < 10_000 {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn noise(shape: &[usize], seed: u64) -> Tensor {
    Random::new(seed).array(DType::F32, shape, Random::normal).unwrap().into()
}

/// An operator of the eager library on tensors of its row.
fn eager(row: &str) -> Result<Box<dyn Fn() -> Result<Tensor>>> {
    let product = |n: usize| -> Box<dyn Fn() -> Result<Tensor>> {
        let (a, b) = (noise(&[n, n], 0), noise(&[n, n], 1));
        Box::new(move || a.matmul(black_box(&b)))
    };
    let conv = |groups: usize| -> Box<dyn Fn() -> Result<Tensor>> {
        let (x, w) = (noise(&[1, 64, 56, 56], 0), noise(&[64, 64 / groups, 3, 3], 1));
        let window = Window { strides: vec![1, 1], dilations: vec![1, 1], pads_begin: vec![1, 1], pads_end: vec![1, 1] };
        Box::new(move || black_box(&x).conv(&w, None, window.clone(), groups))
    };
    let (square, width) = (noise(&[1024, 1024], 0), noise(&[1024], 1));
    Ok(match row {
        "matmul 512" => product(512),
        "matmul 1024" => product(1024),
        "conv 3x3" => conv(1),
        "depthwise 3x3" => conv(64),
        "softmax" => Box::new(move || black_box(&square).softmax(-1)),
        "layer_norm" => Box::new(move || black_box(&square).layer_norm(&[1024.into()], Some(&width), Some(&width), 1e-5)),
        "gelu" => Box::new(move || black_box(&square).gelu(false)),
        "lstm" => {
            let (x, input, state) = (noise(&[50, 8, 128], 0), noise(&[1024, 128], 1), noise(&[1024, 256], 2));
            let weights = [RecurrentWeights { input, state, biases: Some((noise(&[1024], 3), noise(&[1024], 4))) }];
            let op = Recurrent::new(Cell::Lstm { coupled: false }, vec![false])?;
            Box::new(move || Ok(black_box(&x).recurrent(op.clone(), &weights, None, &[])?.swap_remove(0)))
        }
        "add row" => Box::new(move || black_box(&square).add(&width)),
        "add column" => Box::new(move || black_box(&square).add(&width.unsqueeze(1)?)),
        "add transposed" => Box::new(move || black_box(&square).add(&square.transpose(0, 1)?)),
        "multiply strided" => Box::new(move || black_box(&square).slice_step(1, .., 2)?.mul(&square.slice_step(1, 1.., 2)?)),
        other => return Err(Error::argument(format!("no row {other:?}"))),
    })
}

/// A block of an encoder: attention and two linear maps, each added to what it is given.
struct Block(MultiHeadAttention, LayerNorm, Linear, Linear, LayerNorm);

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.1.forward(&x.add(self.0.forward(x)?)?)?;
        let y = self.3.forward(&self.2.forward(&x)?.gelu(false)?)?;
        self.4.forward(&x.add(y)?)
    }
}

/// Writes an encoder of 12 layers, 12 heads and 768 values a token for 128 tokens.
fn encoder(out: &str) -> Result<()> {
    let weights = Weights::seeded(0);
    let block = |i: usize| {
        let weights = weights.at(i);
        Ok(Block(
            MultiHeadAttention::new(&weights.at("attention"), 768, 12)?,
            LayerNorm::new(&weights.at("norm1"), &[768])?,
            Linear::new(&weights.at("up"), 768, 3072)?,
            Linear::new(&weights.at("down"), 3072, 768)?,
            LayerNorm::new(&weights.at("norm2"), &[768])?,
        ))
    };
    let blocks = (0..12).map(block).collect::<Result<Vec<_>>>()?;
    let x = noise(&[1, 128, 768], 7);
    let module = ontrace::module::from_fn(|x: Tensor| blocks.iter().try_fold(x, |x, block| block.forward(&x)));
    trace(&module, Example::new().input("x", &x))?.save(out)?;
    Ok(())
}

/// Random inputs for a model; what is symbolic is 1.
fn inputs(session: &Session) -> Vec<Array> {
    let of = |(_, ty): &(String, ontrace::Type)| {
        let shape: Vec<usize> = ty.shape.iter().map(|dim| dim.fixed().unwrap_or(1) as usize).collect();
        match ty.dtype.is_float() {
            true => Random::new(1).array(ty.dtype, &shape, Random::normal).unwrap(),
            false => Array::full(ty.dtype, &shape, 1.into()),
        }
    };
    session.inputs().iter().map(of).collect()
}

/// tract by itself, on one thread, from arrays to arrays as a session: its tensors are made at every call.
fn plain(model: &str, inputs: &[Array]) -> TractResult<f64> {
    fn tensor(array: &Array) -> TractResult<tract_onnx::prelude::Tensor> {
        macro_rules! of {
            ($($D:ident $T:ty),*) => {
                match array.dtype() {
                    $(DType::$D => tract_onnx::prelude::Tensor::from_shape(array.shape(), &array.elements::<$T>()?),)*
                    other => Err(Error::dtype(format!("no input of {other} is made here")).into()),
                }
            };
        }
        of!(Bool bool, U8 u8, I32 i32, I64 i64, F32 f32, F64 f64)
    }
    let mut model = tract_onnx::onnx().with_ignore_value_info(true).model_for_path(model)?;
    for (i, array) in inputs.iter().enumerate() {
        model.set_input_fact(i, InferenceFact::dt_shape(tensor(array)?.datum_type(), array.shape()))?;
    }
    let runnable = model.into_optimized()?.into_runnable()?;
    median(|| {
        let tensors = inputs.iter().map(|array| tensor(array).map(TValue::from)).collect::<TractResult<TVec<_>>>()?;
        runnable.run(tensors).map(drop)
    })
}
