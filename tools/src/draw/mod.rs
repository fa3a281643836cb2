//! `ontrace draw`: the graph of a model as SVG, PNG, HTML or DOT.

mod color;
mod diagram;
mod differences;
mod dot;
mod fold;
mod html;
mod layout;
mod png;
mod scene;
mod svg;
mod text;
mod values;

use crate::console::{Console, bytes, count};
use crate::error::{CommandError, CommandResult};
use crate::inputs::Inputs;
use crate::verification::traced_unchecked;
use color::{Coloring, Colors};
use diagram::{Block, Diagram};
use ontrace::onnx::{AtomicFile, Model};
use ontrace::read::{self, Format};
use ontrace::{Error, Result, ResultExt};
use scene::Scene;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use values::{Constants, Types};

const EXAMPLES: &str = "\
Examples:
  ontrace draw model.onnx -o model.html
  ontrace draw model.pt -o part.svg --around layer1.0.conv1 --hops 3 --color size";

/// The arguments of `ontrace draw`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Draw {
    /// The model: .pt, .pt2 or .onnx
    model: PathBuf,
    /// The picture to write: .svg, .png, .html (pan, zoom, search, fold; one file without references) or .dot (graphviz)
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// Draw scopes deeper than this as one box each: 1 for the outermost modules
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Only what is near a node: its name, or that of a value or scope
    #[arg(long, value_name = "NODE", allow_hyphen_values = true)]
    around: Option<String>,
    /// How many edges from the node of --around
    #[arg(long, value_name = "N", default_value_t = 2, requires = "around")]
    hops: usize,
    /// What colours mean
    #[arg(long, value_enum, default_value_t = Coloring::Operator)]
    color: Coloring,
    /// Times of nodes for --color time: what `ontrace bench MODEL --by node --json` wrote
    #[arg(long, value_name = "FILE")]
    times: Option<PathBuf>,
    /// Differences of nodes for --color difference: what `ontrace compare A B --json` wrote, where the model is A or B
    #[arg(long, value_name = "FILE")]
    differences: Option<PathBuf>,
    /// A node, value or scope that stands out; repeated for several
    #[arg(long, value_name = "NODE", allow_hyphen_values = true)]
    highlight: Vec<String>,
}

/// The formats of pictures.
#[derive(Clone, Copy, PartialEq)]
enum Picture {
    Svg,
    Png,
    Html,
    Dot,
}

impl Draw {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let picture = picture(&self.output)?;
        if self.color == Coloring::Time && self.times.is_none() {
            let error = Error::argument("--color time needs the times of the nodes");
            return Err(CommandError::usage(
                error.help("measure them: ontrace bench MODEL --by node --json > bench.json, then give --times bench.json"),
            ));
        }
        if self.color == Coloring::Difference && self.differences.is_none() {
            let error = Error::argument("--color difference needs the differences of the nodes");
            return Err(CommandError::usage(
                error.help("compare the models: ontrace compare A B --json 2> compare.json (a difference is an error: its report is on stderr), then give --differences compare.json"),
            ));
        }
        let model = self.model(console)?;
        let mut constants = Constants::of(&model);
        let mut diagram = Diagram::of(&model, &self.types(&model, console), &mut constants);
        if let Some(path) = &self.times {
            let known = add_times(&mut diagram, path)?;
            console.note(&format!("{} of {} have a time in {}", known, count(diagram.operators(), "node"), path.display()));
        }
        if let Some(path) = &self.differences {
            let known = differences::add(&mut diagram, path, &self.model)?;
            console.note(&format!("{known} of {} have a difference in {}", count(diagram.operators(), "node"), path.display()));
        }
        let started = Instant::now();
        if let Some(name) = &self.around {
            diagram = diagram.around(name, self.hops)?;
        }
        // The viewer folds by itself.
        let unfolded = diagram.operators();
        if let Some(depth) = self.depth.filter(|_| picture != Picture::Html) {
            diagram = diagram.folded(depth);
        }
        let highlighted = self.highlighted(&diagram)?;
        let title = self.model.file_name().unwrap_or(self.model.as_os_str()).to_string_lossy();
        let colors = Colors::new(self.color, diagram.blocks.iter());
        let scene = || Scene::of(&diagram, &colors, &highlighted);
        let content = match picture {
            Picture::Svg => svg::svg(&title, &scene()).into_bytes(),
            Picture::Png => {
                let (content, scale) = png::png(&scene())?;
                if scale < 1.0 {
                    console.note(&format!(
                        "the picture is reduced to {:.0} % so that viewers open it: --depth folds modules, --around NODE draws a part, and .svg and .html have no limit",
                        (scale * 100.0).max(1.0)
                    ));
                }
                content
            }
            Picture::Dot => dot::dot(&title, &diagram, &colors, &highlighted).into_bytes(),
            Picture::Html => {
                let opening = html::Opening {
                    title: &title,
                    depth: self.depth,
                    coloring: self.color,
                    has_times: self.times.is_some(),
                    has_differences: self.differences.is_some(),
                    highlighted: &highlighted,
                };
                html::html(&diagram, &constants, &opening).into_bytes()
            }
        };
        console.progress("drawn", &format!("{}, {} boxes", count(unfolded, "node"), diagram.blocks.len()), started);
        self.write(&content)?;
        let summary = format!("wrote       {}   {} · {}", self.output.display(), count(unfolded, "node"), bytes(content.len() as u64));
        console.result(
            &summary,
            json!({
                "schema": "ontrace.draw/1",
                "model": self.model.display().to_string(),
                "output": self.output.display().to_string(),
                "bytes": content.len(),
                "nodes": unfolded,
                "boxes": diagram.blocks.len(),
                "edges": diagram.edges.len(),
                "scopes": diagram.scopes().len(),
            }),
        );
        Ok(())
    }

    /// The model as ONNX: an ONNX file as it is, everything else traced.
    fn model(&self, console: &Console) -> std::result::Result<Model, CommandError> {
        if Format::of_file(&self.model)? == Format::Onnx {
            return Ok(Model::open(&self.model)?);
        }
        let prepared = self.inputs.apply(read::open(&self.model)?)?;
        prepared.notes.iter().for_each(|note| console.note(note));
        let traced = traced_unchecked(&prepared, console).at(self.model.display())?.0;
        Ok(traced.to_model()?)
    }

    /// The types of the values: those in the file, and what follows from those of the inputs.
    fn types(&self, model: &Model, console: &Console) -> Types {
        let mut types = Types::declared(model);
        if types.are_incomplete(model) {
            let inferred = read::open(&self.model)
                .and_then(|loaded| self.inputs.apply(loaded))
                .and_then(|prepared| types.infer(model, &prepared.example));
            if let Err(error) = inferred {
                console.note(&format!("some shapes are not known: {error}"));
            }
        }
        types
    }

    /// The blocks that stand out; a node in a folded scope is the scope.
    fn highlighted(&self, diagram: &Diagram) -> Result<BTreeSet<usize>> {
        let mut all = BTreeSet::new();
        for name in &self.highlight {
            all.extend(diagram.find(name)?);
        }
        Ok(all)
    }

    fn write(&self, content: &[u8]) -> Result<()> {
        let mut file = AtomicFile::beside(&self.output)?;
        let written = file.write_all(content).and_then(|()| file.sync()).and_then(|()| file.commit(&self.output));
        written.map_err(|error| Error::write(error.to_string()).at(self.output.display()))
    }
}

/// The format of a picture by the extension of its file.
fn picture(path: &Path) -> std::result::Result<Picture, CommandError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    let error = match extension.as_deref() {
        Some("svg") => return Ok(Picture::Svg),
        Some("html" | "htm") => return Ok(Picture::Html),
        Some("dot" | "gv") => return Ok(Picture::Dot),
        Some("png") => return Ok(Picture::Png),
        Some(other @ ("jpg" | "jpeg" | "webp" | "pdf")) => {
            let (from, to) = (path.with_extension(if other == "pdf" { "svg" } else { "png" }), path.display());
            let command = match other {
                "pdf" => format!("rsvg-convert {} -f pdf -o {to}", from.display()),
                _ => format!("magick {} {to}", from.display()),
            };
            Error::argument(format!("{} is not written: pictures are .svg, .png, .html or .dot", other.to_uppercase()))
                .help(format!("write {} and convert it: {command}", from.display()))
        }
        _ => Error::argument(format!("{}: unknown picture format (.svg, .png, .html or .dot)", path.display()))
            .help("for example: -o model.svg"),
    };
    Err(CommandError::usage(error))
}

/// Gives the nodes their seconds by name; how many have one.
fn add_times(diagram: &mut Diagram, path: &Path) -> Result<usize> {
    let wrong = |what: &str| {
        let help = "write it with: ontrace bench MODEL --by node --json > bench.json";
        Error::argument(format!("{what}: expected the times of nodes")).help(help).at(path.display())
    };
    let text = std::fs::read_to_string(path).map_err(|error| Error::read(error.to_string()).at(path.display()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    let time = &value["models"][0]["time"];
    let rows = time["rows"].as_array().filter(|_| time["by"] == "node").ok_or_else(|| wrong("no times by node"))?;
    // A node is called by its name and its operator: `conv1 (Conv)`.
    let name = |label: &str| label.rsplit_once(" (").map_or(label, |(name, _)| name).to_string();
    let seconds: HashMap<String, f64> =
        rows.iter().filter_map(|row| Some((name(row["name"].as_str()?), row["seconds"].as_f64()?))).collect();
    let mut known = 0;
    for block in diagram.blocks.iter_mut().filter(|block| block.operators > 0) {
        block.seconds = time_of(block, &seconds);
        known += usize::from(block.seconds.is_some());
    }
    Ok(known)
}

/// The time of a node, by its name or that of its first result.
fn time_of(block: &Block, seconds: &HashMap<String, f64>) -> Option<f64> {
    let names = std::iter::once(&block.name).chain(block.outputs.iter().map(|operand| &operand.name));
    names.filter(|name| !name.is_empty()).find_map(|name| seconds.get(name).copied())
}
