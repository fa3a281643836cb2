//! The models of a batch: which files, where their ONNX files go, and with which options.

use super::manifest::{Entry, Manifest};
use ontrace::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A model that is to be converted.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file.
    pub path: PathBuf,
    /// Its path within the folder that was named: its name in reports.
    pub source: String,
    /// The ONNX file.
    pub output: PathBuf,
    /// The options of `ontrace convert`.
    pub options: Vec<String>,
    /// Limits of its own.
    pub timeout: Option<f64>,
    /// Likewise.
    pub memory: Option<u64>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed, in nanoseconds since 1970.
    pub modified: u64,
}

/// The endings of files that are models.
const ENDINGS: [&str; 3] = ["pt", "pt2", "onnx"];

/// The jobs of these paths and of the manifest, in the order of their names.
///
/// # Errors
/// Where a path cannot be read, or two models would be written to one file.
pub fn jobs(paths: &[PathBuf], manifest: &Manifest, to: &Path, options: &[String]) -> Result<Vec<Job>> {
    // What was written by an earlier run is no source.
    let home = to.canonicalize().unwrap_or_else(|_| to.to_path_buf());
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| Error::read(format!("{}: {error}", path.display())))?;
        if metadata.is_dir() {
            let mut seen = BTreeSet::new();
            walk(path, Path::new(""), &home, &mut seen, &mut found)?;
        } else {
            let name = PathBuf::from(path.file_name().unwrap_or(path.as_os_str()));
            found.entry(path.clone()).or_insert(name);
        }
    }
    let entries: Vec<(PathBuf, &Entry)> = manifest.entries.iter().map(|entry| (manifest.folder.join(&entry.path), entry)).collect();
    for (path, entry) in &entries {
        if !found.keys().any(|known| is_same(known, path)) {
            found.insert(path.clone(), relative(&entry.path));
        }
    }
    let mut jobs = Vec::with_capacity(found.len());
    // Of a.pt and a.pt2, both keep their ending.
    let mut stems: BTreeMap<PathBuf, usize> = BTreeMap::new();
    found.values().for_each(|name| *stems.entry(name.with_extension("")).or_insert(0) += 1);
    for (path, name) in found {
        let entry = entries.iter().find(|(listed, _)| is_same(&path, listed)).map(|entry| entry.1);
        let metadata = fs::metadata(&path).map_err(|error| Error::read(format!("{}: {error}", path.display())))?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let single = stems.get(&name.with_extension("")) == Some(&1);
        let file = if single { name.with_extension("onnx") } else { PathBuf::from(format!("{}.onnx", name.display())) };
        let own = entry.map(|entry| entry.options.clone()).unwrap_or_default();
        jobs.push(Job {
            source: name.display().to_string(),
            output: to.join(entry.and_then(|entry| entry.output.as_ref()).map_or(file, |output| relative(output))),
            options: [options.to_vec(), manifest.options.clone(), own].concat(),
            timeout: entry.and_then(|entry| entry.timeout).or(manifest.timeout),
            memory: entry.and_then(|entry| entry.memory).or(manifest.memory),
            size: metadata.len(),
            modified: modified.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or_default()),
            path,
        });
    }
    jobs.sort_by(|a, b| a.source.cmp(&b.source));
    let mut outputs: BTreeMap<&Path, &str> = BTreeMap::new();
    for job in &jobs {
        if let Some(other) = outputs.insert(&job.output, &job.source) {
            return Err(Error::argument(format!("{other} and {} would both be written to {}", job.source, job.output.display()))
                .help("name them in one folder, or give one of them another `output` in the manifest"));
        }
    }
    Ok(jobs)
}

/// The models in a folder and below it, by path; `within` is the path from where the walk began.
fn walk(folder: &Path, within: &Path, home: &Path, seen: &mut BTreeSet<PathBuf>, found: &mut BTreeMap<PathBuf, PathBuf>) -> Result<()> {
    let failed = |error: std::io::Error| Error::read(format!("{}: {error}", folder.display()));
    let real = folder.canonicalize().map_err(failed)?;
    // A link to a folder above would never end.
    if real == home || !seen.insert(real) {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().map(|name| within.join(name)) else { continue };
        let is_hidden = name.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !is_hidden {
            walk(&path, &name, home, seen, found)?;
        } else if path.is_file() && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))) {
            found.entry(path).or_insert(name);
        }
    }
    Ok(())
}

/// Whether two paths name one file.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A path without what would lead out of a folder.
fn relative(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// The least memory that a worker may be given: with less the program itself does not start its threads.
const LEAST: u64 = 64_000_000;

/// How much memory a model may take: `500MB`, `8GB`.
///
/// # Errors
/// Where it is no number of bytes, or too few.
pub fn memory(text: &str) -> std::result::Result<u64, String> {
    match byte_count(text)? {
        bytes if bytes < LEAST => Err("the program itself needs at least 64 MB".to_string()),
        bytes => Ok(bytes),
    }
}

/// A number of bytes: `500MB`, `8GB`, `1048576`.
///
/// # Errors
/// Where it is none.
fn byte_count(text: &str) -> std::result::Result<u64, String> {
    const UNITS: [(&str, f64); 8] =
        [("kib", 1024.0), ("mib", 1048576.0), ("gib", 1073741824.0), ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("b", 1.0)];
    let lower = text.trim().to_lowercase();
    let (digits, factor) =
        UNITS.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?.trim().to_string(), *factor))).unwrap_or((lower, 1.0));
    match digits.parse::<f64>() {
        Ok(n) if n > 0.0 && (n * factor).is_finite() && n * factor < 1e18 => Ok((n * factor) as u64),
        _ => Err("expected a size above 0, for example 500MB or 8GB".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_have_units() {
        assert_eq!(["500MB", "8 GB", "1048576", "2GiB"].map(byte_count), [Ok(500_000_000), Ok(8_000_000_000), Ok(1 << 20), Ok(1 << 31)]);
        for wrong in ["", "0", "-1MB", "GB", "nan", "1e30GB", "5 apples"] {
            assert!(byte_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_sources_of_one_name_keep_their_endings() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.pt", "a.pt2", "b.onnx", "sub/c.PT", "note.txt", ".hidden.onnx/x.pt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let to = folder.path().join("out");
        let jobs = jobs(&[folder.path().to_path_buf()], &Manifest::default(), &to, &[]).unwrap();
        let pairs: Vec<(String, String)> =
            jobs.iter().map(|job| (job.source.clone(), job.output.strip_prefix(&to).unwrap().display().to_string())).collect();
        let expected = [("a.pt", "a.pt.onnx"), ("a.pt2", "a.pt2.onnx"), ("b.onnx", "b.onnx"), ("sub/c.PT", "sub/c.onnx")];
        assert_eq!(pairs, expected.map(|(a, b)| (a.to_string(), b.to_string())));
    }
}
