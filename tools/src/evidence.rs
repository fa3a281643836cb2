//! The evidence of a verification in the metadata of the file that was verified. It has no measured differences, times or paths, so that every run
//! writes the same bytes.

use crate::verification::{compared, tolerance};
use ontrace::array::map_file;
use ontrace::check::{Limit, OutputReport, Report};
use ontrace::onnx::{Model, blake3};
use ontrace::trace::Provenance;
use ontrace::{Error, ErrorCode};
use serde_json::{Value, json};
use std::path::Path;
use std::thread;

/// The size of a file and its BLAKE3 hash, which is computed while the model is verified.
pub struct SourceDigest(Box<dyn FnOnce() -> ontrace::Result<(usize, String)>>);

impl SourceDigest {
    /// Begins to read the file.
    pub fn start(path: &Path) -> SourceDigest {
        let path = path.to_path_buf();
        let compute = move || map_file(&path).map(|bytes| (bytes.len(), blake3(&bytes)));
        match thread::Builder::new().spawn(compute.clone()) {
            Ok(running) => SourceDigest(Box::new(move || running.join().unwrap_or_else(|_| compute()))),
            Err(_) => SourceDigest(Box::new(compute)),
        }
    }
}

/// What was compared.
pub struct Evidence<'a> {
    /// The file that was converted, and the name of its format.
    pub source: (&'a Path, &'a str),
    /// What was compared, where anything was.
    pub report: Option<&'a Report>,
    /// Why the result is not verified.
    pub failed: Option<&'a Error>,
    /// The options that decide what is written and how it is compared.
    pub options: Value,
}

impl Evidence<'_> {
    /// The verdict in one word and one line.
    fn verdict(&self) -> (&'static str, String) {
        let name = self.source.0.file_name().unwrap_or(self.source.0.as_os_str()).to_string_lossy();
        match (self.failed, self.report) {
            (None, Some(report)) if report.outputs.iter().all(OutputReport::is_nan) && !report.outputs.is_empty() => {
                ("only NaN", format!("every output is NaN: nothing was shown about the conversion of {name}"))
            }
            (None, Some(report)) => ("agrees", format!("tract agrees with the interpreter of {name}: {}", compared(report))),
            (None, None) => ("not checked", format!("not compared with {name}")),
            (Some(error), Some(_)) if error.code() == ErrorCode::Unverified => {
                ("not verified", format!("not verified: {}", error.message()))
            }
            (Some(_), _) => ("differs", format!("tract differs from the interpreter of {name}")),
        }
    }

    /// Writes the evidence into a model's metadata.
    ///
    /// # Errors
    /// Where the source cannot be read.
    pub fn write(&self, source: SourceDigest, model: &mut Model) -> ontrace::Result<()> {
        let (bytes, blake3) = (source.0)()?;
        let (verdict, line) = self.verdict();
        let limit = |output: &OutputReport| {
            let bound = match output.limit {
                Limit::Exact => "got = expected".to_string(),
                Limit::Tolerance => tolerance(output),
                // The formula of docs/verification.md, by element.
                _ => "|got − reference| ≤ 6·(s + S) + 2u·|reference|".to_string(),
            };
            json!({"name": output.name, "limit": output.limit.name(), "bound": bound})
        };
        let report = self.report.map(|report| {
            json!({
                "calls": report.calls,
                "inputs": report.inputs,
                "excluded": report.excluded,
                "rejected": report.rejected,
                "skipped": report.skipped,
                "unvaried": report.unvaried,
                "outputs": report.outputs.iter().map(limit).collect::<Vec<_>>(),
            })
        });
        let value = json!({
            "schema": "ontrace.evidence/1",
            "ontrace": env!("CARGO_PKG_VERSION"),
            "verdict": verdict,
            "source": {"format": self.source.1, "bytes": bytes, "blake3": blake3},
            "reference": "ontrace's interpreter of the source",
            "candidate": "tract",
            "compared": report,
            "options": self.options,
        });
        Provenance::write_evidence(model, &line, &value.to_string());
        Ok(())
    }
}
