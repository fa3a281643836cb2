//! `ontrace serve-layout`: a model as an entry of a Triton model repository.
//!
//! The layout: <https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md>.

mod config;
mod interface;
mod rows;

use crate::console::{Console, bytes, printable, short_hash};
use crate::convert::{Conversion, Convert, Step};
use crate::error::{CommandError, CommandResult};
use config::Config;
use interface::Interface;
use ontrace::onnx::{AtomicFile, Model, blake3};
use ontrace::read::Format;
use ontrace::{Error, ErrorCode, ResultExt};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The examples in the help.
pub const EXAMPLES: &str = "Examples:
  ontrace serve-layout resnet18.onnx --repo models
  ontrace serve-layout bert.pt --repo models --name bert --dynamic input_ids:0=batch --kserve s3://bucket/models";

/// The arguments of `ontrace serve-layout`.
#[derive(clap::Args)]
#[command(mut_arg("output", |arg| arg.hide(true)))]
pub struct ServeLayout {
    /// The model repository; made if it does not exist
    #[arg(long, value_name = "DIR")]
    repo: PathBuf,
    /// The name of the model in the repository; default: the file's name without its extension
    #[arg(long)]
    name: Option<String>,
    /// The most requests that the server joins in a batch, 0 for none; default: 8 where the first axis of every input and output is one symbolic size
    /// and rows do not depend on each other, else 0
    #[arg(long, value_name = "N")]
    max_batch: Option<u32>,
    /// How many instances run on the CPU side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    instances: u32,
    /// What becomes of a config.pbtxt that is there and says something else: kept, or replaced; default: an error
    #[arg(long, value_enum)]
    config: Option<OldConfig>,
    /// Also write NAME.inferenceservice.yaml for KServe, which loads the repository from this URI
    #[arg(long, value_name = "URI")]
    kserve: Option<String>,
    // Behind its own options, of which the help tells first.
    #[command(flatten)]
    convert: Convert,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OldConfig {
    Keep,
    Replace,
}

impl ServeLayout {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let started = Instant::now();
        if self.convert.has_output() {
            return Err(Error::argument("serve-layout writes into a repository, not to one file")
                .help("leave out -o; --repo DIR says where")
                .into());
        }
        let name = self.model_name()?;
        fs::create_dir_all(&self.repo).map_err(|error| Error::write(format!("{}: {error}", self.repo.display())))?;
        let staging = tempfile::Builder::new()
            .prefix(".ontrace-")
            .tempdir_in(staging_folder(&self.repo))
            .map_err(|error| Error::write(format!("{}: {error}", self.repo.display())))?;
        let entry = staging.path().join("entry");
        let file = entry.join("1").join("model.onnx");
        fs::create_dir_all(entry.join("1")).map_err(|error| Error::write(format!("{}: {error}", entry.display())))?;
        let conversion = self.put(&file, console)?;
        let (config, notes) = self.config(&name, &file)?;
        notes.iter().for_each(|note| console.note(&printable(note)));
        let text = config.to_string();
        write_file(&entry.join("config.pbtxt"), &text)?;
        let version = self.publish(&name, &entry, &text)?;
        let service = self.kserve.as_ref().map(|uri| self.write_service(&name, uri)).transpose()?;
        let home = self.repo.join(&name);
        let written = home.join(version.to_string()).join("model.onnx");
        let data = fs::read(&written).map_err(|error| Error::write(format!("{}: {error}", written.display())))?;
        console.progress("placed", &format!("version {version} of {name} in {}", self.repo.display()), started);
        let hash = blake3(&data);
        let mut lines = vec![format!("wrote       {}   {} · blake3 {}…", written.display(), bytes(data.len() as u64), short_hash(&hash))];
        lines.push(format!("config      {}   {}", home.join("config.pbtxt").display(), config.summary()));
        lines.extend(service.as_ref().map(|path| format!("kserve      {}", path.display())));
        let table = conversion.as_ref().map(Conversion::table).unwrap_or_default();
        console.result(
            &(table + &lines.join("\n")),
            json!({
                "schema": "ontrace.serve-layout/1",
                "input": self.convert.model().display().to_string(),
                "repository": self.repo.display().to_string(),
                "name": name,
                "version": version,
                "model": written.display().to_string(),
                "blake3": hash,
                "config": text,
                "max_batch_size": config.max_batch,
                "kserve": service.map(|path| path.display().to_string()),
                "notes": notes,
                "conversion": conversion.as_ref().map(|conversion| &conversion.value),
            }),
        );
        conversion.and_then(|conversion| conversion.failure).map_or(Ok(()), Err)
    }

    /// The name in the repository, which is that of its folder.
    fn model_name(&self) -> Result<String, CommandError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match &self.name {
            Some(name) if !name.is_empty() && name.chars().all(plain) && !name.starts_with('.') => Ok(name.clone()),
            Some(name) => Err(Error::argument(format!("`{}` is no name for a model", printable(name)))
                .help("letters, digits, `_`, `-` and `.`, for example: --name resnet18")
                .into()),
            None => {
                let stem = self.convert.model().file_stem().unwrap_or_default().to_string_lossy();
                let name: String = stem.chars().map(|c| if plain(c) { c } else { '_' }).collect();
                let name = name.trim_start_matches('.').to_string();
                Ok(if name.is_empty() { "model".to_string() } else { name })
            }
        }
    }

    /// Puts the model at its place: an ONNX file as it is, unless options change it; anything else converted and verified.
    fn put(&self, file: &Path, console: &Console) -> Result<Option<Conversion>, CommandError> {
        let model = self.convert.model();
        if Format::of_file(model)? == Format::Onnx && !self.convert.changes_the_model() {
            let opened = Model::open(model)?;
            let size = fs::metadata(model).map_or(0, |metadata| metadata.len());
            let weights: u64 = opened.initializers.iter().map(|(_, array)| array.byte_len() as u64).sum();
            // Weights that are not in the file itself are written into the copy.
            match weights <= size {
                true => drop(fs::copy(model, file).map_err(|error| Error::write(format!("{}: {error}", file.display())))?),
                false => drop(opened.save(file)?),
            }
            return Ok(None);
        }
        let step = Step { schema: "ontrace.convert/1", output: Some(file.to_path_buf()), opset: None, precision: None, apply: None };
        self.convert.conversion(Some(&step), console).map(Some)
    }

    /// The config of the model, and what was decided for the user.
    fn config(&self, name: &str, file: &Path) -> Result<(Config, Vec<String>), CommandError> {
        let interface = Interface::of(file).at(self.convert.model().display())?;
        let mut notes = Vec::new();
        let max_batch = match (self.max_batch, interface.batch_axis()) {
            (Some(0), _) => 0,
            (None, None) => 0,
            (Some(_), None) => {
                return Err(Error::argument("--max-batch needs a model whose inputs and outputs all have the same symbolic size first")
                    .help("make it so, for example: --dynamic x:0=batch; or --max-batch 0")
                    .into());
            }
            (given, Some(axis)) => match rows::are_independent(file, &axis) {
                Ok(()) => interface.greatest(&axis, given.unwrap_or(DEFAULT_BATCH)),
                Err(reason) if given.is_some() => {
                    return Err(Error::new(ErrorCode::Mismatch, format!("requests cannot be joined along `{axis}`: {reason}"))
                        .help("leave out --max-batch: the server then runs each request by itself")
                        .into());
                }
                Err(reason) => {
                    notes.push(format!("no batching along `{axis}`: {reason}"));
                    0
                }
            },
        };
        Ok((Config { name: name.to_string(), max_batch, instances: self.instances, interface }, notes))
    }

    /// Makes the staged entry visible by a rename: as the model, or as the next version of one that exists.
    fn publish(&self, name: &str, entry: &Path, config: &str) -> Result<u64, CommandError> {
        /// How often another process may take the number first.
        const TRIES: usize = 100;
        let home = self.repo.join(name);
        let failed = |error: std::io::Error| CommandError::from(Error::write(format!("{}: {error}", home.display())));
        if !home.exists() && fs::rename(entry, &home).is_ok() {
            return Ok(1);
        }
        let old = home.join("config.pbtxt");
        let known = fs::read_to_string(&old).ok();
        let replaces = match (&known, self.config) {
            (Some(text), _) if config::is_same(text, config) => false,
            (Some(_), Some(OldConfig::Keep)) => false,
            (None, _) | (Some(_), Some(OldConfig::Replace)) => true,
            (Some(_), None) => {
                return Err(Error::argument(format!("{} says something else than the config of this model", old.display()))
                    .help("--config keep leaves it as it is, --config replace writes the new one")
                    .into());
            }
        };
        for _ in 0..TRIES {
            let version = next_version(&home).map_err(failed)?;
            match fs::rename(entry.join("1"), home.join(version.to_string())) {
                Ok(()) => {
                    if replaces {
                        write_file(&old, config)?;
                    }
                    return Ok(version);
                }
                Err(_) if home.join(version.to_string()).exists() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Error::write(format!("{}: no free version", home.display())).into())
    }

    /// KServe's description of a service that runs the repository on Triton:
    /// <https://kserve.github.io/website/docs/model-serving/predictive-inference/frameworks/triton>.
    fn write_service(&self, name: &str, uri: &str) -> Result<PathBuf, CommandError> {
        if uri.chars().any(char::is_control) || !uri.contains("://") {
            return Err(Error::argument(format!("`{}` is no storage URI", printable(uri)))
                .help("for example: --kserve s3://bucket/models or --kserve pvc://claim/models")
                .into());
        }
        let path = self.repo.join(format!("{name}.inferenceservice.yaml"));
        write_file(&path, &config::inference_service(name, uri))?;
        Ok(path)
    }
}

/// The most requests in a batch where the options do not say.
const DEFAULT_BATCH: u32 = 8;

/// Where an entry is made: beside the repository if that is on the same disk, because a server that polls the repository would see it there.
fn staging_folder(repo: &Path) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let parent = repo.canonicalize().ok().and_then(|repo| repo.parent().map(Path::to_path_buf));
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        if let Some(parent) = parent.filter(|parent| device(parent) == device(repo))
            && tempfile::tempfile_in(&parent).is_ok()
        {
            return parent;
        }
    }
    repo.to_path_buf()
}

/// One more than the highest version.
fn next_version(home: &Path) -> std::io::Result<u64> {
    let names =
        fs::read_dir(home)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<std::io::Result<Vec<_>>>()?;
    Ok(names.iter().filter_map(|name| name.parse::<u64>().ok()).max().unwrap_or_default() + 1)
}

/// Writes a text file whole or not at all.
fn write_file(path: &Path, text: &str) -> ontrace::Result<()> {
    let mut file = AtomicFile::beside(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync()).and_then(|()| file.commit(path));
    written.map_err(|error| Error::write(error.to_string())).at(path.display())
}
