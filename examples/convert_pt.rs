//! A TorchScript file becomes a checked ONNX file.
//!
//! Run it with `cargo run --example convert_pt`.

use ontrace::check::Checker;
use ontrace::{Result, read, trace};

pub(crate) fn main() -> Result<()> {
    // The program in the archive is interpreted by ontrace: neither Python nor libtorch is needed.
    let model = read::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mlp.pt"))?;

    // Archives from torch.jit.trace hold the inputs that they were traced with. Other files need an `Example` built by hand.
    let example = model.example().cloned().unwrap_or_default().symbolic("input", 0, "batch")?;

    // Shapes are enough for a trace: no weight is read before the file is written.
    let traced = trace(&model, example.clone().shapes_only())?;

    // Compare tract on the exported graph with the program of the archive: on the example, on random inputs, at other batch sizes.
    let session = traced.session()?;
    let report = Checker::new(&model, &traced, &example).candidate(&session).run()?;
    println!("{report}");
    assert!(report.calls.iter().any(|call| call == "batch = 5"));

    traced.save(std::env::temp_dir().join("ontrace_mlp.onnx"))?;
    Ok(())
}
