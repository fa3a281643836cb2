//! The journal of a batch: one line for each model that is done, on the disk before the next is reported. After a crash, what is in it is not done again.

use super::Shard;
use super::report::{Record, Status};
use super::sources::Job;
use ontrace::{Error, Result};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The journal of this run, and what is in those of all runs into the same folder.
pub struct Journal {
    file: File,
    path: PathBuf,
    /// The last record of each source.
    known: HashMap<String, Record>,
}

/// What the name of a journal begins with.
const PREFIX: &str = ".ontrace-batch";

impl Journal {
    /// Opens the journals in a folder: other shards' for reading, this one's for adding to it.
    ///
    /// # Errors
    /// Where one cannot be read or written.
    pub fn open(folder: &Path, shard: Option<Shard>) -> Result<Journal> {
        let failed = |path: &Path, error: std::io::Error| Error::read(format!("{}: {error}", path.display()));
        let name = match shard {
            Some(Shard { index, count }) => format!("{PREFIX}-{index}-of-{count}.jsonl"),
            None => format!("{PREFIX}.jsonl"),
        };
        let path = folder.join(name);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(|error| failed(&path, error))?;
        let mut known = HashMap::new();
        for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
            let other = entry.map_err(|error| failed(folder, error))?.path();
            let is_journal = other.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
            if is_journal && other != path {
                read(&fs::read(&other).map_err(|error| failed(&other, error))?, &mut known);
            }
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(|error| failed(&path, error))?;
        read(&bytes, &mut known);
        // A line that a crash cut short must not run into the next.
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").map_err(|error| failed(&path, error))?;
        }
        Ok(Journal { file, path, known })
    }

    /// The entry of a model that is done: it, its options, the program and the file that was written are still the same.
    pub fn done(&self, job: &Job) -> Option<Record> {
        let record = self.known.get(&job.source)?;
        let same_output = match record.status {
            Status::Ok => fs::metadata(&job.output).is_ok_and(|metadata| Some(metadata.len()) == record.bytes),
            _ => true,
        };
        let same_file = || {
            let hash = || ontrace::array::map_file(&job.path).ok().map(|bytes| ontrace::onnx::blake3(&bytes));
            record.modified == job.modified || record.blake3.is_some() && record.blake3 == hash()
        };
        let same = record.version == env!("CARGO_PKG_VERSION")
            && record.size == job.size
            && record.options == job.options
            && Path::new(&record.output) == job.output
            && same_output
            && same_file();
        same.then(|| record.clone())
    }

    /// Adds an entry; it is on the disk when this returns.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let line = format!("{}\n", record.to_json());
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::write(format!("{}: {error}", self.path.display())))?;
        self.known.insert(record.source.clone(), record.clone());
        Ok(())
    }
}

/// The records of a journal; what is no record (the line that a crash cut short) is passed over.
fn read(bytes: &[u8], known: &mut HashMap<String, Record>) {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(record) = serde_json::from_slice(line).ok().as_ref().and_then(Record::from_json) {
            known.insert(record.source.clone(), record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(folder: &Path, content: &str) -> Job {
        let path = folder.join("a.pt");
        fs::write(&path, content).unwrap();
        let output = folder.join("a.onnx");
        let (options, size) = (vec![], content.len() as u64);
        Job { path, source: "a.pt".into(), output, options, timeout: None, memory: None, size, modified: 7 }
    }

    #[test]
    fn what_is_done_is_known_after_a_crash_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let job = job(folder.path(), "model");
        fs::write(&job.output, "onnx").unwrap();
        let record = Record { status: Status::Ok, bytes: Some(4), ..Record::of(&job, 1.0) };
        let mut journal = Journal::open(folder.path(), None).unwrap();
        assert_eq!(journal.done(&job), None);
        journal.add(&record).unwrap();
        let path = folder.path().join(".ontrace-batch.jsonl");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(r#"{"source": "b.pt", "siz"#);
        fs::write(&path, text).unwrap();
        let mut journal = Journal::open(folder.path(), None).unwrap();
        assert_eq!(journal.done(&job), Some(record.clone()));
        journal.add(&Record { source: "c.pt".into(), ..record.clone() }).unwrap();
        let other = Journal::open(folder.path(), Some(Shard { index: 0, count: 2 })).unwrap();
        assert_eq!(other.done(&job), Some(record), "other shards read it, too");
        assert_eq!(other.known.len(), 2);
    }

    #[test]
    fn a_changed_model_option_or_output_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let before = job(folder.path(), "model");
        fs::write(&before.output, "onnx").unwrap();
        let mut journal = Journal::open(folder.path(), None).unwrap();
        journal.add(&Record { status: Status::Ok, bytes: Some(4), ..Record::of(&before, 1.0) }).unwrap();
        assert!(journal.done(&before).is_some());
        assert!(journal.done(&Job { modified: 8, ..before.clone() }).is_some(), "touched, but the same bytes");
        assert!(journal.done(&Job { options: vec!["--no-check".into()], ..before.clone() }).is_none());
        assert!(journal.done(&Job { modified: 8, ..job(folder.path(), "MODEL") }).is_none(), "other bytes of the same number");
        fs::remove_file(&before.output).unwrap();
        assert!(journal.done(&before).is_none());
    }
}
