//! Models of strangers in a process of their own: what would end the program is an error with a code.
//!
//! Run it with `cargo run --example isolated`.

use ontrace::isolation::{self, IsolatedModel, Limits};
use ontrace::{Array, DType, Error, ErrorCode, Example, Result, Tensor, trace_fn};
use std::time::Duration;

fn main() -> Result<()> {
    // First of all: the worker is this program, started once more.
    isolation::init();

    let folder = std::env::temp_dir().join(format!("ontrace_isolated_{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| Error::write(error.to_string()))?;
    let save = |name: &str, module: fn(Tensor) -> Result<Tensor>| -> Result<_> {
        let example = Example::new().input("x", &Tensor::ones([4], DType::F32)?).symbolic("x", 0, "n")?;
        let file = folder.join(name);
        trace_fn(module, example)?.save(&file)?;
        Ok(file)
    };
    let double = save("double.onnx", |x| x.mul(2.0))?;
    let greedy = save("greedy.onnx", |x| x.unsqueeze(1)?.expand([-1, 1 << 20])?.softmax(1)?.sum(1, false))?;
    let long = save("long.onnx", |x| (0..40).try_fold(x.unsqueeze(1)?.mul(&x)?, |y, _| y.matmul(&y)))?;

    let limits = Limits::new().memory(1 << 30).timeout(Duration::from_secs(60));
    let model = IsolatedModel::open(&double, &limits)?;
    let outputs = model.run(&[Array::vector(vec![1.0f32, 2.0, 3.0])])?;
    assert_eq!(outputs[0].to_vec::<f32>()?, [2.0, 4.0, 6.0]);
    println!("{:?} -> {:?}: {}", model.input_names(), model.output_names(), outputs[0]);

    // An input of 640 elements that becomes 640 million: refused before it runs, with the node.
    let model = IsolatedModel::open(&greedy, &limits)?;
    let refused = model.run(&[Array::full(DType::F32, &[640], 1.0.into())]).unwrap_err();
    println!("{refused:?}");
    assert_eq!(refused.code(), ErrorCode::TooBig);

    // What is not refused, and takes more than the limit, ends the worker; the program goes on, and the next call has another.
    let small = Limits::new().memory(200 << 20).timeout(Duration::from_secs(60));
    let model = IsolatedModel::open(&greedy, &small)?;
    let ended = model.run(&[Array::full(DType::F32, &[100], 1.0.into())]).unwrap_err();
    println!("{ended:?}");
    assert_eq!(ended.code(), ErrorCode::TooBig);
    assert_eq!(model.run(&[Array::vector(vec![0.0f32])])?[0].to_vec::<f32>()?, [1.0]);

    // What computes for too long is ended too; the error says at which node.
    let model = IsolatedModel::open(&long, &limits.cpu_seconds(2))?;
    let ended = model.run(&[Array::full(DType::F32, &[2000], 0.0.into())]).unwrap_err();
    println!("{ended:?}");
    assert!(ended.code() == ErrorCode::TooBig && ended.to_string().contains("MatMul"));

    std::fs::remove_dir_all(&folder).map_err(|error| Error::write(error.to_string()))
}
