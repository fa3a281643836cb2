//! A second opinion: ONNX's checker, ONNX Runtime and ONNX's reference implementation in a Python process, which answers a line for each model.

use crate::process;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Reads paths, answers `refused REASON`, `untried REASON` or `ran`, with inputs and outputs beside the model: those of ONNX Runtime, and those of the reference
/// implementation where it runs the model.
const PROGRAM: &str = r#"
import os, sys
import numpy as np, onnx, onnxruntime as ort
from onnx.reference import ReferenceEvaluator
ort.set_default_logger_severity(4)
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(float16)": np.float16}
def departs(declared, value):
    shape = getattr(value, "shape", declared)
    return len(shape) != len(declared) or any(isinstance(size, int) and size != n for size, n in zip(declared, shape))
def judge(path):
    try:
        onnx.checker.check_model(path, full_check=False)
    except Exception as error:
        return "refused " + str(error)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(path, options)
        random, feeds = np.random.default_rng(0), {}
        for given in session.get_inputs():
            if given.type not in TYPES:
                return "untried input type " + given.type
            shape = [size if isinstance(size, int) else 2 for size in given.shape]
            if np.prod(shape, dtype=float) > 1e6:
                return "untried size"
            feeds[given.name] = (random.standard_normal(shape) if "float" in given.type or "double" in given.type else random.integers(0, 2, shape)).astype(TYPES[given.type])
        outputs = session.run(None, feeds)
    except Exception as error:
        return "untried " + str(error)
    # Where it departs from the shape that the file declares, which `check` compares, it has no say.
    if any(departs(output.shape, value) for output, value in zip(session.get_outputs(), outputs)):
        return "untried another shape than the declared one"
    names = [output.name for output in session.get_outputs()]
    if not all(isinstance(output, np.ndarray) and output.dtype != object for output in outputs):
        return "untried output type"
    np.savez(os.path.join(os.path.dirname(path), "in.npz"), **feeds)
    np.savez(os.path.join(os.path.dirname(path), "runtime.npz"), **dict(zip(names, outputs)))
    try:
        outputs = ReferenceEvaluator(path).run(None, feeds)
        np.savez(os.path.join(os.path.dirname(path), "reference.npz"), **dict(zip(names, outputs)))
    except Exception:
        pass
    return "ran"
for line in sys.stdin:
    answers.write(judge(line.rstrip("\n")).replace("\n", " ")[:300] + "\n")
    answers.flush()
"#;

/// The process, and what it was asked.
pub struct Judge {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    pub asked: usize,
    pub compared: usize,
    /// Models that ONNX Runtime runs otherwise than this program and ONNX's reference implementation.
    pub departures: usize,
}

impl Judge {
    pub fn start(python: &Path) -> std::io::Result<Judge> {
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (to, from) = streams.ok_or_else(|| std::io::Error::other("the process of the second opinion has no streams"))?;
        Ok(Judge { child, to, from: BufReader::new(from), asked: 0, compared: 0, departures: 0 })
    }

    /// What is wrong with a model that `check` accepted: refused by ONNX's checker, or with other outputs in ONNX Runtime.
    pub fn of(&mut self, program: &Path, model: &Path, folder: &Path, limit: Duration) -> std::io::Result<Option<&'static str>> {
        if self.child.try_wait()?.is_some() {
            return Ok(None);
        }
        self.asked += 1;
        writeln!(self.to, "{}", model.display())?;
        self.to.flush()?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        if let Some(reason) = answer.strip_prefix("refused ") {
            eprintln!("    {}", reason.trim());
            return Ok(Some("accepted, and refused by ONNX's checker"));
        }
        if answer.trim() != "ran" {
            return Ok(None);
        }
        self.compared += 1;
        let name = model.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let against = |outputs: &str| {
            let arguments = ["check", &name, "-i", "@in.npz", "--against", outputs].map(str::to_string);
            process::run(program, &arguments, folder, limit, None)
        };
        let outcome = against("runtime.npz")?;
        if outcome.exit != Some(3) {
            return Ok(None);
        }
        // ONNX Runtime departs from the standard here and there: the reference implementation decides, where it runs the model.
        if folder.join("reference.npz").exists() && against("reference.npz")?.exit == Some(0) {
            self.departures += 1;
            return Ok(None);
        }
        eprintln!("    {}", outcome.text.lines().next().unwrap_or_default());
        Ok(Some("accepted, with other outputs in ONNX Runtime"))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
