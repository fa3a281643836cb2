//! A worker: this program as a process of its own that converts one model, within limits.

use super::report::{Record, Status};
use super::sources::Job;
use crate::error::CommandError;
use clap::Parser;
use ontrace::{Error, ErrorCode, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How a worker is told how much memory it may take, in bytes.
const MEMORY: &str = "ONTRACE_WORKER_MEMORY";
/// How a worker is told how long it may compute, in seconds; a worker whose batch was killed ends by itself.
const SECONDS: &str = "ONTRACE_WORKER_SECONDS";

/// The most that is read of what a worker says.
const LONGEST: u64 = 16 << 20;

/// What each worker may take, where its model has no limits of its own.
pub struct Limits {
    /// The longest that it may run.
    pub timeout: Option<Duration>,
    /// The most memory, in bytes.
    pub memory: Option<u64>,
    /// How many threads it uses.
    pub threads: usize,
}

/// Limits this process as its batch asks; does nothing in one that no batch started.
pub fn limit_this_process() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let limits = ontrace::isolation::Limits::new();
    let limits = asked(MEMORY).map_or(limits, |bytes| limits.memory(bytes));
    asked(SECONDS).map_or(limits, |seconds| limits.cpu_seconds(seconds)).limit_this_process();
}

/// The arguments of a worker.
fn arguments(job: &Job) -> Vec<String> {
    let fixed = ["--json".to_string(), "convert".to_string(), "-o".to_string(), job.output.display().to_string()];
    let model = ["--".to_string(), job.path.display().to_string()];
    fixed.into_iter().chain(job.options.iter().cloned()).chain(model).collect()
}

/// Refuses options that `convert` does not have, before anything is converted.
///
/// # Errors
/// A usage error that names the model.
pub fn check_options(job: &Job) -> std::result::Result<(), CommandError> {
    let program = std::iter::once("ontrace".to_string());
    match crate::Cli::try_parse_from(program.chain(arguments(job))) {
        Ok(cli) if matches!(cli.command, crate::Command::Convert(_)) => Ok(()),
        Ok(_) => Err(Error::argument(format!("the options of {} are no options of `convert`", job.source)).into()),
        Err(error) => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
            Err(Error::argument(first).at(format!("the options of {}", job.source)).help("see ontrace convert --help").into())
        }
    }
}

/// A worker that is running. Dropped, it is killed.
pub struct Worker {
    job: Job,
    child: Child,
    /// When it was started.
    pub started: Instant,
    timeout: Option<Duration>,
    memory: Option<u64>,
    stdout: File,
    stderr: File,
}

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// Where there is no room for its output, or the process cannot be started.
    pub fn start(job: Job, limits: &Limits) -> Result<Worker> {
        let failed = |error: std::io::Error| Error::write(format!("a worker cannot be started: {error}"));
        if let Some(folder) = job.output.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::write(format!("{}: {error}", folder.display())))?;
        }
        let timeout = job.timeout.map(Duration::from_secs_f64).or(limits.timeout);
        let memory = job.memory.or(limits.memory);
        let (stdout, stderr) = (tempfile::tempfile().map_err(failed)?, tempfile::tempfile().map_err(failed)?);
        let program = std::env::current_exe().map_err(failed)?;
        if !program.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("ontrace")) {
            return Err(Error::unsupported("workers are processes of the program `ontrace`, which this is not").help("run `ontrace batch`"));
        }
        let mut command = Command::new(program);
        command.args(arguments(&job)).env("RAYON_NUM_THREADS", limits.threads.to_string()).stdin(Stdio::null());
        command.stdout(stdout.try_clone().map_err(failed)?).stderr(stderr.try_clone().map_err(failed)?);
        command.envs(memory.map(|bytes| (MEMORY, bytes.to_string())));
        command.envs(timeout.map(|timeout| (SECONDS, (timeout.as_secs() + 1).saturating_mul(limits.threads as u64 + 1).to_string())));
        let child = command.spawn().map_err(failed)?;
        Ok(Worker { job, child, started: Instant::now(), timeout, memory, stdout, stderr })
    }

    /// What came of it; `None` while it runs.
    ///
    /// # Errors
    /// Where the operating system does not say.
    pub fn finished(&mut self) -> Result<Option<Record>> {
        let failed = |error: std::io::Error| Error::read(format!("a worker: {error}"));
        if let Some(status) = self.child.try_wait().map_err(failed)? {
            return Ok(Some(self.record(Some(status))));
        }
        if self.timeout.is_some_and(|timeout| self.started.elapsed() > timeout) {
            self.child.kill().map_err(failed)?;
            self.child.wait().map_err(failed)?;
            return Ok(Some(self.record(None)));
        }
        Ok(None)
    }

    /// What a worker said and how it ended; without a status it was killed, because it took too long.
    fn record(&mut self, status: Option<ExitStatus>) -> Record {
        let (stdout, stderr) = (said(&mut self.stdout), said(&mut self.stderr));
        let mut record = Record::of(&self.job, self.started.elapsed().as_secs_f64());
        let limit = self.timeout.map_or(0.0, |timeout| timeout.as_secs_f64());
        let Some(status) = status else {
            record.status = Status::Timeout;
            record.message = Some(format!("took longer than {limit} s"));
            return record;
        };
        record.exit = status.code();
        let object = |text: &str| text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok().filter(Value::is_object));
        if let Some(value) = object(&stdout) {
            record.written(&value);
        }
        if let Some(value) = object(&stderr) {
            record.failed(&value);
        }
        let ran_out = stderr.contains("memory allocation of") || stderr.contains("Cannot allocate memory");
        record.status = match (status.code(), record.message.is_some()) {
            (Some(0), _) => Status::Ok,
            _ if self.memory.is_some() && (ran_out || record.code.as_deref() == Some(ErrorCode::TooBig.id())) => Status::Memory,
            (Some(2), true) => Status::Usage,
            (Some(4), true) => Status::Unsupported,
            (Some(5), true) => Status::Refused,
            (Some(6), true) => Status::Unverified,
            (Some(_), true) => Status::Failed,
            _ => Status::Crashed,
        };
        if record.status == Status::Memory {
            record.message = Some(format!("took more than {}", crate::console::bytes(self.memory.unwrap_or_default())));
        }
        if record.status == Status::Crashed {
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            record.message = Some(format!("the worker ended with {status}: {last}").trim_end_matches([':', ' ']).to_string());
        }
        record
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a worker wrote into a file.
fn said(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(LONGEST).read_to_end(&mut bytes));
    if read.is_err() { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() }
}
