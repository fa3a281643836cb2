//! `ontrace bench`: how long a model takes to load and to run, how much memory it needs, and where the time goes.

mod node_times;
mod plot;
mod statistics;

use crate::compare::same_inputs;
use crate::console::{Console, bytes, count, printable};
use crate::error::CommandResult;
use crate::inputs::Inputs;
use crate::run::{Backend, Ready, ready};
use node_times::{By, NodeTimes};
use ontrace::onnx::{AtomicFile, Model};
use ontrace::read::{self, Format};
use ontrace::runtime::Session;
use ontrace::{DynModule, Error, ErrorCode, Result, ResultExt, Tensor, Traced};
use serde_json::{Value, json};
use statistics::{Summary, median, percentile, time};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  ontrace bench model.onnx --threads 2 --by operator
  ontrace bench model.pt -i x:8,3,224,224 --against simplified.onnx --plot lat.svg";

/// The arguments of `ontrace bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// The model: .pt, .pt2 or .onnx
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// The backend: tract, or ontrace's own kernels (eager)
    #[arg(long, value_enum, default_value_t = Backend::Tract)]
    backend: Backend,
    /// The threads of a call, at most one a core
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// How many seconds each model is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = positive)]
    time: f64,
    /// How many calls are measured, in place of a time
    #[arg(long, value_name = "N", conflicts_with = "time", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// How many calls come before those that are measured, the first one included
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    warm_up: u32,
    /// A second model with the same inputs: both are measured in turns, so that what else the machine does falls on both
    #[arg(long, value_name = "MODEL")]
    against: Option<PathBuf>,
    /// Where the time goes: by operator, by scope (the path of the module) or by node
    #[arg(long, value_enum)]
    by: Option<By>,
    /// How many components of a scope are kept: layer1.0.conv1 is layer1 at depth 1
    #[arg(long, value_name = "N", default_value_t = 8, requires = "by", value_parser = clap::value_parser!(u8).range(1..))]
    depth: u8,
    /// Plot the latencies of the calls as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("a time is a number of seconds above 0, at most a day".to_string()),
    }
}

/// A model that is measured.
struct Measured {
    path: PathBuf,
    ready: Ready,
    tensors: Vec<Tensor>,
    /// `None` for the eager kernels.
    session: Option<Session>,
    /// Seconds from the file to what runs it.
    load: f64,
    /// Seconds of the first call, which makes the plan.
    first: f64,
    latencies: Vec<f64>,
    /// The median of each round.
    rounds: Vec<f64>,
    /// The peak memory of the process after the first calls, in bytes.
    memory: Option<u64>,
}

impl Bench {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        if let Some(path) = &self.plot
            && path.extension().is_none_or(|extension| extension != "svg")
        {
            return Err(Error::argument(format!("{}: a plot is written as .svg", path.display()))
                .help("for example: --plot lat.svg")
                .into());
        }
        if cfg!(debug_assertions) {
            console.note("this build of ontrace is not optimised: a release build (`cargo install --path tools`) is faster");
        }
        if self.backend == Backend::Eager {
            console.note("the eager kernels run on all cores; the environment variable RAYON_NUM_THREADS limits them");
        }
        let mut all = vec![self.measured(&self.model, None, console)?];
        if let Some(path) = &self.against {
            let second = self.measured(path, Some(&all[0].ready), console)?;
            all.push(Measured { memory: None, ..second });
        }
        self.measure(&mut all, console)?;
        let times = match self.by {
            Some(_) => all.iter().map(Measured::node_times).collect::<Result<Vec<_>>>()?,
            None => Vec::new(),
        };
        if let Some(path) = &self.plot {
            let series: Vec<(String, &[f64])> = all.iter().map(|model| (model.name(), model.latencies.as_slice())).collect();
            AtomicFile::save(path, plot::latencies(&series)?.as_bytes())?;
        }
        console.result(&self.text(&all, &times), self.to_json(&all, &times));
        Ok(())
    }

    /// A model that is loaded and was called as often as it is to warm up. With `like`, its inputs are those of another model.
    fn measured(&self, path: &Path, like: Option<&Ready>, console: &Console) -> Result<Measured> {
        let started = Instant::now();
        let model = read::open(path)?;
        let opened = started.elapsed();
        let prepared = match like {
            None => self.inputs.apply(model).at(path.display())?,
            Some(other) => same_inputs(model, &other.example).at(path.display())?,
        };
        let ready = ready(prepared, console).at(path.display())?;
        let format = ready.prepared.model.format;
        let started = Instant::now();
        let session = match self.backend {
            Backend::Tract => Some(session(path, format, ready.traced.as_ref().map_err(Clone::clone), self.threads).at(path.display())?),
            Backend::Eager => None,
        };
        // A session of another format than ONNX needs the trace.
        let tracing = if format != Format::Onnx && session.is_some() { ready.tracing } else { Duration::ZERO };
        let load = (opened + tracing + started.elapsed()).as_secs_f64();
        let tensors = ready.arrays.iter().cloned().map(Tensor::from).collect();
        let (path, latencies, rounds) = (path.to_path_buf(), Vec::new(), Vec::new());
        let shown = console.working("warming up");
        let mut measured = Measured { path, ready, tensors, session, load, first: 0.0, latencies, rounds, memory: None };
        measured.first = measured.call()?;
        for _ in 1..self.warm_up {
            measured.call()?;
        }
        drop(shown);
        measured.memory = peak_memory();
        Ok(measured)
    }

    /// Calls the models in rounds, in turns: each round gives each of them an equal part of the time, or of the calls.
    fn measure(&self, all: &mut [Measured], console: &Console) -> Result<()> {
        const ROUNDS: usize = 20;
        const LEAST: usize = 3;
        let rounds = self.runs.map_or(ROUNDS, |runs| ROUNDS.min(runs as usize));
        let (part, whole) = (Duration::from_secs_f64(self.time / rounds as f64), Duration::from_secs_f64(self.time * all.len() as f64));
        let started = Instant::now();
        let shown = console.working("measuring, in rounds");
        for round in 0..rounds {
            shown.set(round as u64, rounds as u64);
            let calls = self.runs.map(|runs| runs as usize * (round + 1) / rounds - runs as usize * round / rounds);
            // Neither is always the one behind the other.
            let mut order: Vec<usize> = (0..all.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            order.into_iter().try_for_each(|i| all[i].round(calls, part))?;
            if self.runs.is_none() && round + 1 >= LEAST && started.elapsed() >= whole {
                break;
            }
        }
        Ok(())
    }

    fn text(&self, all: &[Measured], times: &[NodeTimes]) -> String {
        let inputs: Vec<String> = all[0].inputs().iter().map(|(name, ty)| format!("{} {ty}", printable(name))).collect();
        let backend = match self.backend {
            Backend::Tract => format!("tract, {}", count(usize::from(self.threads).min(cores()), "thread")),
            Backend::Eager => "eager kernels".to_string(),
        };
        let mut text = format!("{backend}   {}\n", inputs.join(", "));
        let width = all.iter().map(|model| model.name().chars().count()).max().unwrap_or(0).max(12);
        let head = ["load", "first call", "min", "p50", "p90", "p99", "mean", "calls", "calls/s", "peak memory"];
        text.push_str(&format!("{:<width$}", ""));
        head.iter().for_each(|name| text.push_str(&format!(" {name:>11}")));
        for model in all {
            let Some(summary) = Summary::of(&model.latencies) else { continue };
            text.push_str(&format!("\n{:<width$}", printable(&model.name())));
            let columns = [model.load, model.first, summary.min, summary.p50, summary.p90, summary.p99, summary.mean].map(time);
            let counts = [summary.calls.to_string(), format!("{:.1}", summary.throughput()), model.memory.map_or("-".to_string(), bytes)];
            columns.iter().chain(&counts).for_each(|column| text.push_str(&format!(" {column:>11}")));
        }
        text.push('\n');
        if let [first, second] = all {
            let Ratio { median, low, high, least, greatest, rounds } = Ratio::of(first, second);
            text.push_str(&format!(
                "{} takes {median:.3} × the time of {} (median of {}, half of them {low:.3} to {high:.3}, all {least:.3} to {greatest:.3})",
                printable(&second.name()),
                printable(&first.name()),
                count(rounds, "round"),
            ));
            text.push_str(if low <= 1.0 && high >= 1.0 { ": no difference that stands out\n" } else { "\n" });
        }
        for (model, times) in all.iter().zip(times) {
            text.push_str(&format!(
                "\n{}: {}",
                printable(&model.name()),
                self.by.map_or(String::new(), |by| times.table(by, self.depth.into()))
            ));
        }
        text
    }

    fn to_json(&self, all: &[Measured], times: &[NodeTimes]) -> Value {
        let mut models: Vec<Value> = all.iter().map(Measured::to_json).collect();
        if let Some(by) = self.by {
            for (model, times) in models.iter_mut().zip(times) {
                model["time"] = times.to_json(by, self.depth.into());
            }
        }
        let inputs: Vec<Value> = all[0]
            .ready
            .arrays
            .iter()
            .zip(all[0].inputs())
            .map(|(array, (name, _))| json!({"name": name, "dtype": array.dtype().name(), "shape": array.shape()}))
            .collect();
        let ratio = match all {
            [first, second] => {
                let Ratio { median, low, high, least, greatest, rounds } = Ratio::of(first, second);
                json!({"median": median, "p25": low, "p75": high, "min": least, "max": greatest, "rounds": rounds})
            }
            _ => Value::Null,
        };
        json!({
            "schema": "ontrace.bench/1",
            "backend": if self.backend == Backend::Tract { "tract" } else { "eager" },
            "threads": usize::from(self.threads).min(cores()),
            "cores": cores(),
            "optimised": !cfg!(debug_assertions),
            "inputs": inputs,
            "models": models,
            "ratio": ratio,
        })
    }
}

/// How the times of two models compare, by the medians of their rounds.
struct Ratio {
    median: f64,
    /// Quartiles.
    low: f64,
    high: f64,
    least: f64,
    greatest: f64,
    rounds: usize,
}

impl Ratio {
    /// The second over the first.
    fn of(first: &Measured, second: &Measured) -> Ratio {
        let mut ratios: Vec<f64> = first.rounds.iter().zip(&second.rounds).map(|(a, b)| b / a).collect();
        ratios.sort_by(f64::total_cmp);
        let [least, low, high, greatest] = [0.0, 0.25, 0.75, 1.0].map(|share| percentile(&ratios, share));
        Ratio { median: median(&ratios), low, high, least, greatest, rounds: ratios.len() }
    }
}

impl Measured {
    /// Runs the model once; gives the seconds that it took.
    fn call(&self) -> Result<f64> {
        let started = Instant::now();
        let seconds = match &self.session {
            Some(session) => {
                let outputs = session.run(&self.ready.arrays).at(self.path.display())?;
                let seconds = started.elapsed();
                drop(outputs);
                seconds
            }
            None => {
                let outputs = ontrace::ops::seeded(0, || self.ready.prepared.model.forward(&self.tensors)).at(self.path.display())?;
                let seconds = started.elapsed();
                drop(outputs);
                seconds
            }
        };
        Ok(seconds.as_secs_f64())
    }

    /// So many calls, or as many as begin in this time.
    fn round(&mut self, calls: Option<usize>, part: Duration) -> Result<()> {
        let (from, started) = (self.latencies.len(), Instant::now());
        loop {
            let seconds = self.call()?;
            self.latencies.push(seconds);
            let is_done = match calls {
                Some(calls) => self.latencies.len() - from >= calls,
                None => started.elapsed() >= part,
            };
            if is_done {
                break;
            }
        }
        self.rounds.push(median(&self.latencies[from..]));
        Ok(())
    }

    fn node_times(&self) -> Result<NodeTimes> {
        NodeTimes::measure(self.session.as_ref(), self.ready.traced.as_ref().map_err(Clone::clone), &self.ready.arrays)
            .at(self.path.display())
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Name and type of the inputs.
    fn inputs(&self) -> Vec<(String, String)> {
        let names = self.ready.example.inputs().iter().map(|input| input.0.clone());
        names.zip(&self.ready.arrays).map(|(name, array)| (name, format!("{}{:?}", array.dtype(), array.shape()))).collect()
    }

    fn to_json(&self) -> Value {
        json!({
            "path": self.path.display().to_string(),
            "format": self.ready.prepared.model.format.name(),
            "load": self.load,
            "first_call": self.first,
            "latency": Summary::of(&self.latencies).map(Summary::to_json),
            "rounds": self.rounds,
            "peak_memory": self.memory,
        })
    }
}

/// A session with these threads, of an ONNX file as it is and of any other model as it was traced.
fn session(path: &Path, format: Format, traced: Result<&Traced>, threads: u16) -> Result<Session> {
    let builder = Session::builder().threads(threads.into());
    if format == Format::Onnx {
        match Model::open(path).and_then(|file| builder.build(&file)) {
            Err(error) if error.code() == ErrorCode::Unsupported => {}
            session => return session,
        }
    }
    builder.build_traced(traced?)
}

/// The cores of this machine, of which a session uses at most all.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The most memory that this process had so far, in bytes; `None` where the system does not tell.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
