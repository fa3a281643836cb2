//! Isolation: models that somebody else made run in a child process with limits, so that nothing in a file ends the program that runs it.
//!
//! In the program itself a model is read within budgets, its values are counted before it runs ([`check::check_memory`](crate::check::check_memory)), and panics
//! of tract are errors. What remains ends a process: an allocation that fails, a stack that overflows, a mapped file that is truncated meanwhile. The child is this
//! program again, which [`init`] at the start of `main` turns into a worker before it does anything else.
//!
//! ```no_run
//! use ontrace::isolation::{self, IsolatedModel, Limits};
//! use ontrace::{Array, Result};
//! use std::time::Duration;
//!
//! fn main() -> Result<()> {
//!     isolation::init();
//!     let limits = Limits::new().memory(2 << 30).timeout(Duration::from_secs(10));
//!     let model = IsolatedModel::open("uploaded.onnx", &limits)?;
//!     let outputs = model.run(&[Array::vector(vec![1.0f32, 2.0])])?;
//!     println!("{}", outputs[0]);
//!     Ok(())
//! }
//! ```

mod message;
mod panic;
mod process;
mod system;
mod worker;

pub use panic::end_on_panic;
pub use process::{Limits, StepRecord, child_of_this_process, end_with_parent, ended, is_child, limit_memory, note_steps};

use crate::array::Array;
use crate::error::{Error, Result, ResultExt};
use message::{LoadRequest, LoadedNames, PipeMessage};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// The variable that makes a child a worker of [`IsolatedModel`].
const WORKER: &str = "ONTRACE_WORKER";

/// Whether [`init`] was called: a program that does not call it would run once more in place of the worker.
static READY: AtomicBool = AtomicBool::new(false);

/// Makes this process a worker if it was started as one, and then does not return. Call it first in `main`, before threads are started or arguments are read.
pub fn init() {
    if is_child() && std::env::var_os(WORKER).is_some() {
        worker::serve();
    }
    READY.store(true, Ordering::Relaxed);
}

/// A model in a process of its own, which is started when it is opened, and again by the first call after its end.
///
/// It is `Send + Sync`; calls come one after the other, each in the worker's threads. Weights are mapped from the file, in the worker.
#[derive(Debug)]
pub struct IsolatedModel {
    path: PathBuf,
    limits: Limits,
    names: LoadedNames,
    worker: Mutex<Option<Worker>>,
}

impl IsolatedModel {
    /// Starts a worker, which opens the model and prepares it for tract: an ONNX file as it is, `.pt` and `.pt2` files traced with the inputs that they were
    /// saved with.
    ///
    /// # Errors
    /// Those of reading and preparing the model, with their codes and locations; that of the worker's end, if it ends; and
    /// [`Argument`](crate::ErrorCode::Argument) where [`init`] was not called.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<IsolatedModel> {
        if !READY.load(Ordering::Relaxed) {
            return Err(Error::argument("the program has not called ontrace::isolation::init()")
                .help("call it first in `main`: the worker is this program, started once more"));
        }
        let path = path.as_ref();
        let (worker, names) = Worker::start(path, limits).at(path.display())?;
        Ok(IsolatedModel { path: path.to_path_buf(), limits: *limits, names, worker: Mutex::new(Some(worker)) })
    }

    /// The names of the inputs, in order.
    pub fn input_names(&self) -> &[String] {
        &self.names.inputs
    }

    /// The names of the outputs, in order.
    pub fn output_names(&self) -> &[String] {
        &self.names.outputs
    }

    /// Runs the model on its inputs, in order. Where the worker has ended in an earlier call, another is started.
    ///
    /// # Errors
    /// Those of [`Session::run`](crate::runtime::Session::run); [`TooBig`](crate::ErrorCode::TooBig) where the values of the call take more than the model justifies,
    /// with the node, or more than its limit; [`Runtime`](crate::ErrorCode::Runtime) where the call takes longer than the limit, or a signal ends the worker: with the
    /// node that it was evaluating, where the system lets the worker say it (Linux).
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let mut current = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worker = match current.take() {
            Some(worker) => worker,
            None => Worker::start(&self.path, &self.limits).at(self.path.display())?.0,
        };
        let answer = worker.ask(&PipeMessage::Arrays(inputs.to_vec()), &self.limits);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(error.at(self.path.display())),
        };
        *current = Some(worker);
        match answer {
            PipeMessage::Arrays(outputs) => Ok(outputs),
            PipeMessage::Failed(error) => Err(error.at(self.path.display())),
            other @ (PipeMessage::Load(_) | PipeMessage::Loaded(_)) => Err(other.unexpected()),
        }
    }
}

/// The most that is kept of what a worker says on stderr.
const SAID: u64 = 1 << 16;

/// A process that has a model. Dropped, it is ended.
#[derive(Debug)]
struct Worker {
    child: Child,
    pipe: Option<ChildStdin>,
    answers: Receiver<Result<Option<PipeMessage>>>,
    said: Option<JoinHandle<String>>,
    /// What it is doing.
    step: StepRecord,
}

impl Worker {
    fn start(path: &Path, limits: &Limits) -> Result<(Worker, LoadedNames)> {
        let failed = |error: std::io::Error| Error::runtime(format!("a worker cannot be started: {error}"));
        let mut command = child_of_this_process(std::env::current_exe().map_err(failed)?);
        command.env(WORKER, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let step = StepRecord::of(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let (pipe, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (sender, answers) = channel();
        let mut worker = Worker { child, pipe, answers, said: None, step };
        if let (Some(mut stdout), Some(stderr)) = (stdout, stderr) {
            let listen = move || {
                loop {
                    let message = PipeMessage::read(&mut stdout);
                    let is_last = !matches!(message, Ok(Some(_)));
                    if sender.send(message).is_err() || is_last {
                        break;
                    }
                }
            };
            std::thread::Builder::new().name("worker".into()).spawn(listen).map_err(failed)?;
            worker.said = Some(std::thread::Builder::new().spawn(move || said(stderr)).map_err(failed)?);
        }
        let path = std::path::absolute(path).map_err(|error| Error::read(error.to_string()))?;
        let request = LoadRequest { path, memory: limits.memory, cpu: limits.cpu, threads: limits.threads.max(1) };
        match worker.ask(&PipeMessage::Load(request), limits)? {
            PipeMessage::Loaded(names) => Ok((worker, names)),
            PipeMessage::Failed(error) => Err(error),
            other @ (PipeMessage::Load(_) | PipeMessage::Arrays(_)) => Err(other.unexpected()),
        }
    }

    /// Sends a message and waits for the answer.
    ///
    /// # Errors
    /// Where there is none: the worker has ended, or was ended because it took too long.
    fn ask(&mut self, message: &PipeMessage, limits: &Limits) -> Result<PipeMessage> {
        // A worker that has ended does not read: what it said and how it ended is the error.
        if let Some(pipe) = &mut self.pipe {
            let _ = message.write(pipe);
        }
        let answer = match limits.timeout {
            Some(timeout) => self.answers.recv_timeout(timeout),
            None => self.answers.recv().map_err(RecvTimeoutError::from),
        };
        match answer {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Err(error)) => Err(error),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = limits.timeout.unwrap_or_default().as_secs_f64();
                Err(self.step.explain(Error::runtime(format!("took longer than {seconds} s")).help("Limits::timeout allows more")))
            }
            Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_err(|error| Error::runtime(error.to_string()))?;
                let said = self.said.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
                Err(self.step.explain(ended(status, &said)))
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The start of what a worker says; it reads on, so that the worker does not wait.
fn said(mut stderr: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = (&mut stderr).take(SAID).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_would_run_again_in_place_of_its_worker_is_told() {
        let error = IsolatedModel::open("m.onnx", &Limits::new()).unwrap_err();
        assert!(error.message().contains("isolation::init") && error.help_line().is_some(), "{error:?}");
    }
}
