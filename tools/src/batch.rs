//! `ontrace batch`: many models converted by worker processes, with limits, a journal and reports.

mod journal;
mod manifest;
mod report;
mod sources;
mod worker;

use crate::console::{Console, bytes, count, printable};
use crate::error::{CommandError, CommandResult};
use journal::Journal;
use manifest::Manifest;
use ontrace::{Error, Result};
use report::{Record, Report, Status};
use serde_json::json;
use sources::Job;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use worker::limit_this_process;

/// The examples in the help.
pub const EXAMPLES: &str = "Examples:
  ontrace batch models --to onnx --timeout 120 --memory 4GB --report report.csv
  ontrace batch models --to onnx --shard $JOB_COMPLETION_INDEX/4 -- --dynamic all
  ontrace batch --merge onnx/report-*-of-4.json --report all.csv --report all.xml

The manifest (TOML):
  options = [\"--effort\", \"1\"]
  timeout = 60
  [[model]]
  path = \"resnet18.pt\"
  output = \"resnet18-batched.onnx\"
  options = [\"--dynamic\", \"x:0=batch\"]
  memory = \"8GB\"

Exit codes: 0 all models are converted and verified, 3 some are not (the report says which and why), 1 the batch itself failed.";

/// The arguments of `ontrace batch`.
#[derive(clap::Args)]
pub struct Batch {
    /// Models, and folders in which all .pt, .pt2 and .onnx files are models; with --merge: JSON reports
    #[arg(required_unless_present = "manifest")]
    paths: Vec<PathBuf>,
    /// The folder for the ONNX files, in the same subfolders as their sources; also for the journal and report.json
    #[arg(long, value_name = "DIR", required_unless_present = "merge")]
    to: Option<PathBuf>,
    /// How many models are converted side by side; default: the number of processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// The longest that one model may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<f64>,
    /// The most memory that one model may take: 500MB, 8GB, or bytes
    #[arg(long, value_name = "SIZE", value_parser = sources::memory)]
    memory: Option<u64>,
    /// Only the models of part I of N, counted from 0, as array jobs number their tasks
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Options for each model, from a TOML file
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Convert models again that failed before; those that are converted are never converted again unless they or the options changed
    #[arg(long)]
    retry: bool,
    /// A report: .csv, .json, or .xml (JUnit); repeated for several
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Merge the JSON reports of shards instead of converting
    #[arg(long, conflicts_with_all = ["to", "jobs", "timeout", "memory", "shard", "manifest", "retry", "options"])]
    merge: bool,
    /// Options of `ontrace convert` for every model
    #[arg(last = true, value_name = "CONVERT OPTIONS")]
    options: Vec<String>,
}

/// A part of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

fn shard(text: &str) -> std::result::Result<Shard, String> {
    let wrong = || "expected I/N, for example 0/4".to_string();
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let (index, count) = (index.trim().parse().map_err(|_| wrong())?, count.trim().parse().map_err(|_| wrong())?);
    match index < count {
        true => Ok(Shard { index, count }),
        false => Err(format!("shards are counted from 0: 0/{count} to {}/{count}", usize::saturating_sub(count, 1))),
    }
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("expected a number of seconds above 0".to_string()),
    }
}

impl Batch {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        self.report.iter().try_for_each(|path| report::check_format(path))?;
        if self.merge {
            return self.merged(console);
        }
        let to = self.to.as_ref().ok_or_else(|| Error::argument("--to DIR is missing"))?;
        let manifest = self.manifest.as_deref().map(Manifest::open).transpose()?.unwrap_or_default();
        let all = sources::jobs(&self.paths, &manifest, to, &self.options)?;
        if all.is_empty() {
            return Err(Error::argument("there is no model among these paths")
                .help("models are files that end in .pt, .pt2 or .onnx")
                .into());
        }
        for job in &all {
            worker::check_options(job)?;
        }
        let mine = |index: usize| self.shard.is_none_or(|shard| index % shard.count == shard.index);
        let jobs: Vec<Job> = all.into_iter().enumerate().filter(|(index, _)| mine(*index)).map(|(_, job)| job).collect();
        std::fs::create_dir_all(to).map_err(|error| Error::write(format!("{}: {error}", to.display())))?;
        let journal = Journal::open(to, self.shard)?;
        let started = Instant::now();
        let records = self.converted(jobs, journal, console)?;
        let report = Report { shard: self.shard, records, seconds: started.elapsed().as_secs_f64() };
        let name = match self.shard {
            Some(Shard { index, count }) => format!("report-{index}-of-{count}.json"),
            None => "report.json".to_string(),
        };
        let files: Vec<PathBuf> = [to.join(name)].into_iter().chain(self.report.iter().cloned()).collect();
        finished(&report, &files, console)
    }

    /// Merges reports.
    fn merged(&self, console: &Console) -> CommandResult {
        if self.report.is_empty() {
            return Err(Error::argument("--merge needs a report to write").help("for example: --report all.json --report all.csv").into());
        }
        let report = Report::merged(&self.paths)?;
        finished(&report, &self.report, console)
    }

    /// The records of all models: those that are done from the journal, the others from workers.
    fn converted(&self, jobs: Vec<Job>, mut journal: Journal, console: &Console) -> Result<Vec<Record>> {
        let total = jobs.len();
        let mut records = Vec::with_capacity(total);
        let mut waiting: VecDeque<Job> = VecDeque::new();
        for job in jobs {
            match journal.done(&job).filter(|record| record.status == Status::Ok || !self.retry) {
                Some(record) => records.push(record),
                None => waiting.push_back(job),
            }
        }
        if !records.is_empty() {
            console.note(&format!("{} done before; not converted again", count(records.len(), "model")));
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let most = self.jobs.map_or(processors, |jobs| jobs as usize).min(waiting.len().max(1));
        let limits =
            worker::Limits { timeout: self.timeout.map(Duration::from_secs_f64), memory: self.memory, threads: (processors / most).max(1) };
        let mut running: Vec<worker::Worker> = Vec::new();
        while !(waiting.is_empty() && running.is_empty()) {
            while running.len() < most
                && let Some(job) = waiting.pop_front()
            {
                running.push(worker::Worker::start(job, &limits)?);
            }
            let mut still = Vec::with_capacity(running.len());
            for mut worker in running {
                match worker.finished()? {
                    None => still.push(worker),
                    Some(record) => {
                        journal.add(&record)?;
                        let line = format!("[{}/{total}] {} {}", records.len() + 1, record.source, record.reason().unwrap_or_default());
                        console.progress(record.status.name(), printable(&line).trim_end(), worker.started);
                        records.push(record);
                    }
                }
            }
            running = still;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(records)
    }
}

/// Writes the reports and says what came of it.
fn finished(report: &Report, files: &[PathBuf], console: &Console) -> CommandResult {
    report.write(files)?;
    let counts: Vec<String> = report.counts().iter().map(|(status, n)| format!("{n} {}", status.name())).collect();
    let size: u64 = report.records.iter().filter_map(|record| record.bytes).sum();
    let mut text = String::new();
    for record in report.records.iter().filter(|record| record.status != Status::Ok) {
        text.push_str(&format!("   {:<12} {}   {}\n", record.status.name(), record.source, record.reason().unwrap_or_default()));
    }
    text.push_str(&format!("batch       {}: {} · {}\n", count(report.records.len(), "model"), counts.join(", "), bytes(size)));
    for file in files {
        text.push_str(&format!("report      {}\n", file.display()));
    }
    let failed = report.records.iter().filter(|record| record.status != Status::Ok).count();
    let mut value = report.to_json();
    value["reports"] = json!(files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>());
    console.result(&printable(&text), value);
    if failed == 0 {
        return Ok(());
    }
    let error = Error::new(ontrace::ErrorCode::Unverified, format!("{failed} of {} not converted", count(report.records.len(), "model")))
        .help("the report says why; --retry converts those again that failed");
    Err(CommandError { exit: 3, error, report: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_0() {
        assert_eq!(shard("1/4"), Ok(Shard { index: 1, count: 4 }));
        assert!(shard("4/4").unwrap_err().contains("0/4 to 3/4"));
        for wrong in ["4", "a/4", "1/", "-1/4", "0/0"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
