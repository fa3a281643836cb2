//! Reports of a batch: JSON, CSV, and JUnit's XML.

use super::Shard;
use super::sources::Job;
use ontrace::onnx::AtomicFile;
use ontrace::{Error, Result, ResultExt};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What came of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Converted and verified, or converted without a check where the options say so.
    Ok,
    /// Converted but not verified: nothing was written, unless the options keep it.
    Unverified,
    /// It has operators that are not supported.
    Unsupported,
    /// The options do not fit the model: inputs are missing, say.
    Usage,
    /// Refused for safety.
    Refused,
    /// It could not be read or written.
    Failed,
    /// It took too long.
    Timeout,
    /// It took too much memory.
    Memory,
    /// The worker ended without an answer.
    Crashed,
}

impl Status {
    const ALL: [Status; 9] = [
        Status::Ok,
        Status::Unverified,
        Status::Unsupported,
        Status::Usage,
        Status::Refused,
        Status::Failed,
        Status::Timeout,
        Status::Memory,
        Status::Crashed,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Unverified => "unverified",
            Status::Unsupported => "unsupported",
            Status::Usage => "usage",
            Status::Refused => "refused",
            Status::Failed => "failed",
            Status::Timeout => "timeout",
            Status::Memory => "memory",
            Status::Crashed => "crashed",
        }
    }

    fn of(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// What came of a model, and what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The model's path within the batch.
    pub source: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed, in nanoseconds since 1970.
    pub modified: u64,
    /// The BLAKE3 hash of the model.
    pub blake3: Option<String>,
    /// The options with which it was converted.
    pub options: Vec<String>,
    /// The version of ontrace.
    pub version: String,
    /// What came of it.
    pub status: Status,
    /// The exit code of the worker, where it had one.
    pub exit: Option<i32>,
    /// How long it took.
    pub seconds: f64,
    /// The ONNX file.
    pub output: String,
    /// The size of the ONNX file.
    pub bytes: Option<u64>,
    /// The BLAKE3 hash of the ONNX file.
    pub output_blake3: Option<String>,
    /// How many nodes it has.
    pub nodes: Option<u64>,
    /// Its opset.
    pub opset: Option<u64>,
    /// The code of the error.
    pub code: Option<String>,
    /// The message of the error.
    pub message: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Record {
    /// An entry of a job of which nothing is known but that it took this long.
    pub fn of(job: &Job, seconds: f64) -> Record {
        Record {
            source: job.source.clone(),
            size: job.size,
            modified: job.modified,
            blake3: ontrace::array::map_file(&job.path).ok().map(|bytes| ontrace::onnx::blake3(&bytes)),
            options: job.options.clone(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            status: Status::Crashed,
            exit: None,
            seconds: (seconds * 1000.0).round() / 1000.0,
            output: job.output.display().to_string(),
            bytes: None,
            output_blake3: None,
            nodes: None,
            opset: None,
            code: None,
            message: None,
            help: None,
        }
    }

    /// Takes over what `convert --json` says of what it wrote.
    pub fn written(&mut self, value: &Value) {
        self.bytes = value["bytes"].as_u64();
        self.output_blake3 = text(value, "blake3");
        self.nodes = value["nodes"].as_u64();
        self.opset = value["opset"].as_u64();
    }

    /// Takes over what `convert --json` says of what went wrong.
    pub fn failed(&mut self, value: &Value) {
        (self.code, self.message, self.help) = (text(value, "code"), text(value, "message"), text(value, "help"));
    }

    /// Why it failed, in one line.
    pub fn reason(&self) -> Option<String> {
        let message = self.message.as_deref()?.lines().next()?;
        Some(self.code.as_ref().map_or_else(|| message.to_string(), |code| format!("{code}: {message}")))
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "source": self.source,
            "size": self.size,
            "modified": self.modified,
            "blake3": self.blake3,
            "options": self.options,
            "ontrace": self.version,
            "status": self.status.name(),
            "exit": self.exit,
            "seconds": self.seconds,
            "output": self.output,
            "bytes": self.bytes,
            "output_blake3": self.output_blake3,
            "nodes": self.nodes,
            "opset": self.opset,
            "code": self.code,
            "message": self.message,
            "help": self.help,
        })
    }

    /// An entry from JSON; `None` where something is missing.
    pub fn from_json(value: &Value) -> Option<Record> {
        let options = value["options"].as_array()?.iter().map(|option| Some(option.as_str()?.to_string())).collect::<Option<Vec<_>>>()?;
        Some(Record {
            source: text(value, "source")?,
            size: value["size"].as_u64()?,
            modified: value["modified"].as_u64()?,
            blake3: text(value, "blake3"),
            options,
            version: text(value, "ontrace")?,
            status: Status::of(value["status"].as_str()?)?,
            exit: value["exit"].as_i64().and_then(|exit| i32::try_from(exit).ok()),
            seconds: value["seconds"].as_f64()?,
            output: text(value, "output")?,
            bytes: value["bytes"].as_u64(),
            output_blake3: text(value, "output_blake3"),
            nodes: value["nodes"].as_u64(),
            opset: value["opset"].as_u64(),
            code: text(value, "code"),
            message: text(value, "message"),
            help: text(value, "help"),
        })
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_string)
}

/// The records of a batch.
#[derive(Clone, Debug)]
pub struct Report {
    /// The part of the models that it is about.
    pub shard: Option<Shard>,
    /// One for each model.
    pub records: Vec<Record>,
    /// How long the batch took.
    pub seconds: f64,
}

/// Refuses a report whose format its name does not say.
///
/// # Errors
/// A usage error.
pub fn check_format(path: &Path) -> Result<()> {
    match ending(path) {
        "csv" | "json" | "xml" => Ok(()),
        _ => {
            Err(Error::argument(format!("{}: unknown report format", path.display())).help("a report ends in .csv, .json or .xml (JUnit)"))
        }
    }
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

impl Report {
    /// How many models there are of each status.
    pub fn counts(&self) -> BTreeMap<Status, usize> {
        self.records.iter().fold(BTreeMap::new(), |mut counts, record| {
            *counts.entry(record.status).or_insert(0) += 1;
            counts
        })
    }

    /// As JSON, in the order of the sources.
    pub fn to_json(&self) -> Value {
        let counts: BTreeMap<&str, usize> = self.counts().into_iter().map(|(status, count)| (status.name(), count)).collect();
        json!({
            "schema": "ontrace.batch/1",
            "shard": self.shard.map(|shard| json!({"index": shard.index, "count": shard.count})),
            "models": self.sorted().iter().map(|record| record.to_json()).collect::<Vec<_>>(),
            "counts": counts,
            "seconds": (self.seconds * 1000.0).round() / 1000.0,
        })
    }

    fn sorted(&self) -> Vec<&Record> {
        let mut records: Vec<&Record> = self.records.iter().collect();
        records.sort_by(|a, b| a.source.cmp(&b.source));
        records
    }

    /// Reads JSON reports as one. Of a model that several have, the one that is converted counts, else that of the last.
    ///
    /// # Errors
    /// Where a file is no report, or reports of other shards than those of one batch come together.
    pub fn merged(paths: &[PathBuf]) -> Result<Report> {
        let mut records: BTreeMap<String, Record> = BTreeMap::new();
        let mut seconds = 0.0;
        for path in paths {
            let text = std::fs::read_to_string(path).map_err(|error| Error::read(format!("{}: {error}", path.display())))?;
            let value: Option<Value> = serde_json::from_str(&text).ok();
            let value = value.filter(|value| value["schema"] == "ontrace.batch/1");
            let found =
                value.as_ref().and_then(|value| value["models"].as_array()?.iter().map(Record::from_json).collect::<Option<Vec<_>>>());
            let (Some(value), Some(found)) = (value.as_ref(), found) else {
                return Err(Error::argument(format!("{} is no JSON report of a batch", path.display()))
                    .help("give the report.json files that `batch` wrote"));
            };
            seconds += value["seconds"].as_f64().unwrap_or_default();
            for record in found {
                match records.get(&record.source) {
                    Some(known) if known.status == Status::Ok && record.status != Status::Ok => {}
                    _ => drop(records.insert(record.source.clone(), record)),
                }
            }
        }
        Ok(Report { shard: None, records: records.into_values().collect(), seconds })
    }

    /// Writes the report into each file, in the format that its name says.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            let text = match ending(path) {
                "csv" => self.csv(),
                "xml" => self.junit()?,
                _ => format!("{:#}\n", self.to_json()),
            };
            let mut file = AtomicFile::beside(path)?;
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync()).and_then(|()| file.commit(path));
            written.map_err(|error| Error::write(error.to_string())).at(path.display())?;
        }
        Ok(())
    }

    /// CSV as RFC 4180 has it, with a header.
    fn csv(&self) -> String {
        const COLUMNS: [&str; 12] =
            ["source", "status", "exit", "seconds", "output", "bytes", "nodes", "opset", "code", "message", "help", "blake3"];
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let row = |record: &Record| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![
                record.source.clone(),
                record.status.name().to_string(),
                record.exit.map(|exit| exit.to_string()).unwrap_or_default(),
                record.seconds.to_string(),
                record.output.clone(),
                number(record.bytes),
                number(record.nodes),
                number(record.opset),
                text(&record.code),
                text(&record.message),
                text(&record.help),
                text(&record.blake3),
            ]
        };
        let header = COLUMNS.map(str::to_string).to_vec();
        let mut bytes = Vec::new();
        for fields in std::iter::once(header).chain(self.sorted().into_iter().map(row)) {
            csv_row(&fields, &mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The XML of JUnit, as continuous integration shows it: one test for each model.
    fn junit(&self) -> Result<String> {
        let mut suite = TestSuite::new("ontrace batch");
        for record in self.sorted() {
            let mut status = match record.status {
                Status::Ok => TestCaseStatus::success(),
                Status::Timeout | Status::Memory | Status::Crashed => TestCaseStatus::non_success(NonSuccessKind::Error),
                _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            if record.status != Status::Ok {
                status.set_type(record.code.as_deref().unwrap_or(record.status.name()));
                status.set_message(record.message.as_deref().unwrap_or_default().lines().next().unwrap_or_default());
                status.set_description(
                    [record.message.as_deref(), record.help.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("\n"),
                );
            }
            let mut case = TestCase::new(record.source.as_str(), status);
            case.set_classname("ontrace.batch").set_time(Duration::from_secs_f64(record.seconds.max(0.0)));
            suite.add_test_case(case);
        }
        let mut report = quick_junit::Report::new("ontrace batch");
        report.add_test_suite(suite);
        report.to_string().map_err(|error| Error::internal(format!("the JUnit report: {error}")))
    }
}

/// Adds a row of CSV.
fn csv_row(fields: &[String], bytes: &mut Vec<u8>) {
    let mut writer = csv_core::Writer::new();
    let mut buffer = [0u8; 4096];
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            let (_, written) = writer.delimiter(&mut buffer);
            bytes.extend(&buffer[..written]);
        }
        let mut rest = field.as_bytes();
        loop {
            let (result, read, written) = writer.field(rest, &mut buffer);
            bytes.extend(&buffer[..written]);
            rest = &rest[read..];
            if result == csv_core::WriteResult::InputEmpty {
                break;
            }
        }
    }
    let (_, written) = writer.terminator(&mut buffer);
    bytes.extend(&buffer[..written]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, status: Status, message: Option<&str>) -> Record {
        Record {
            source: source.into(),
            size: 1,
            modified: 2,
            blake3: Some("ab".into()),
            options: vec!["--dynamic".into(), "all".into()],
            version: "1".into(),
            status,
            exit: Some(0),
            seconds: 1.5,
            output: "o.onnx".into(),
            bytes: Some(3),
            output_blake3: None,
            nodes: Some(4),
            opset: Some(18),
            code: message.map(|_| "E0301".into()),
            message: message.map(Into::into),
            help: None,
        }
    }

    #[test]
    fn records_come_back_from_json() {
        for status in Status::ALL {
            let record = record("a.pt", status, Some("no \"model\", here"));
            assert_eq!(Record::from_json(&record.to_json()), Some(record));
        }
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let records = vec![record("b.pt", Status::Failed, Some("a \"word\", and\na line")), record("a,b.pt", Status::Ok, None)];
        let text = Report { shard: None, records, seconds: 1.0 }.csv();
        let mut lines = text.split('\n');
        assert!(lines.next().unwrap().starts_with("source,status,exit"), "{text}");
        assert!(lines.next().unwrap().starts_with("\"a,b.pt\",ok,0,1.5,o.onnx,3,4,18,"), "{text}");
        assert!(text.contains("\"a \"\"word\"\", and\na line\""), "{text}");
        let long = record("c.pt", Status::Failed, Some(&"\"".repeat(10_000)));
        assert!(Report { shard: None, records: vec![long], seconds: 1.0 }.csv().contains(&"\"\"".repeat(10_000)));
    }

    #[test]
    fn junit_has_a_test_for_each_model() {
        let records = vec![
            record("a.pt", Status::Ok, None),
            record("b.pt", Status::Timeout, Some("<slow> & \u{1b}[31m")),
            record("c.pt", Status::Unsupported, Some("x")),
        ];
        let text = Report { shard: None, records, seconds: 1.0 }.junit().unwrap();
        assert!(text.contains(r#"tests="3""#) && text.contains(r#"failures="1""#) && text.contains(r#"errors="1""#), "{text}");
        assert!(text.contains("&lt;slow&gt; &amp;") && !text.contains('\u{1b}'), "{text}");
    }
}
