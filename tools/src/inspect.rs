//! `ontrace inspect`: shows what a model file contains.

use crate::console::{Console, bytes, count, printable};
use crate::error::CommandResult;
use crate::inputs::Inputs;
use ontrace::onnx::ModelFile;
use ontrace::read::{self, Format};
use ontrace::trace::Provenance;
use ontrace::{Array, DynModule, ErrorCode, ResultExt, Type};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many inputs, outputs and notes are listed, where there are more.
const SHOWN: usize = 100;

/// The arguments of `ontrace inspect`.
#[derive(clap::Args)]
pub struct Inspect {
    /// The file: .pt, .pt2, .onnx, .pth or .safetensors
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// List every tensor
    #[arg(long)]
    tensors: bool,
}

impl Inspect {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let format = Format::of_file(&self.model)?;
        if matches!(format, Format::Checkpoint | Format::Safetensors) {
            return self.checkpoint(format, console);
        }
        let model = read::open(&self.model)?;
        let mut text = format!("{}   {}, {}\n", printable(&self.model.display().to_string()), format.name(), bytes(model.size as u64));
        // The operators are those of a trace with shapes only.
        let size = model.size;
        let names = if model.example().is_none() { model.input_names() } else { Vec::new() };
        let prepared = self.inputs.apply(model);
        let traced = prepared.and_then(|prepared| crate::verification::traced(&prepared, console)).map(|traced| traced.0);
        let mut value =
            json!({"schema": "ontrace.inspect/1", "path": self.model.display().to_string(), "format": format.name(), "bytes": size});
        let mut types = None;
        match traced {
            Ok(traced) => {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                for node in traced.graph().nodes() {
                    *counts.entry(node.op.name()).or_default() += 1;
                }
                let parameters = traced.parameters();
                let (inputs, outputs) = (traced.inputs(), traced.outputs());
                for (what, list) in [("input", &inputs), ("output", &outputs)] {
                    for (name, ty) in list.iter().take(SHOWN) {
                        text.push_str(&format!("  {what:<7} {}  {}{:?}\n", printable(name), ty.dtype, ty.shape));
                    }
                    if list.len() > SHOWN {
                        text.push_str(&format!("  and {} (--json lists all)\n", count(list.len() - SHOWN, &format!("more {what}"))));
                    }
                }
                let (elements, size) = total(parameters.iter().map(|parameter| parameter.1));
                text.push_str(&format!("  {}\n", printable(&traced.declaration().to_string())));
                text.push_str(&format!("  {} · {} · {}\n", count(parameters.len(), "parameter"), count(elements, "element"), bytes(size)));
                let operators: Vec<String> = counts.iter().map(|(name, count)| format!("{name} ×{count}")).collect();
                text.push_str(&format!("  {}: {}\n", count(traced.graph().nodes().len(), "operator"), operators.join(", ")));
                let notes = traced.notes();
                for note in notes.iter().take(SHOWN) {
                    text.push_str(&format!("  note: {}\n", printable(&note.to_string())));
                }
                if notes.len() > SHOWN {
                    text.push_str(&format!("  and {} (--json lists all)\n", count(notes.len() - SHOWN, "more note")));
                }
                let specialized: Vec<String> = traced.specialized().iter().map(ToString::to_string).collect();
                value["specialized"] = json!(specialized);
                let tensors: String = parameters.iter().filter(|_| self.tensors).map(|(name, array)| line(name, array)).collect();
                value["declaration"] = json!(traced.declaration().to_string());
                value["guards"] = json!(traced.guards().iter().map(ToString::to_string).collect::<Vec<_>>());
                value["notes"] = json!(traced.notes().iter().map(ToString::to_string).collect::<Vec<_>>());
                value["operators"] = json!(counts);
                value["parameters"] = json!({"count": parameters.len(), "elements": elements, "bytes": size});
                // The hashes read the file once more: the graph makes room for it, and what only JSON says.
                types = Some(Types { inputs, outputs }).filter(|_| console.is_structured());
                drop(parameters);
                drop(traced);
                if format == Format::Onnx {
                    self.provenance(&mut text, &mut value)?;
                }
                text.push_str(&tensors);
            }
            Err(error) if error.code() == ErrorCode::NoInputs => {
                text.push_str(&format!("  inputs  {} (their shapes are not in the file)\n", printable(&names.join(", "))));
                if let Some(help) = error.help_line() {
                    text.push_str(&format!("  help: {help}\n"));
                }
                value["inputs"] = json!(names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>());
            }
            Err(error) => return Err(error.at(self.model.display()).into()),
        }
        console.result_of(&text, &Report { value, types });
        Ok(())
    }

    /// Shows the metadata and functions of an ONNX file.
    fn provenance(&self, text: &mut String, value: &mut Value) -> ontrace::Result<()> {
        let file = ModelFile::open(&self.model)?;
        let provenance = Provenance::of_file(&file).at(self.model.display())?;
        let onnx = &file.outline().proto;
        let intact = match provenance.intact {
            Some(true) => "unchanged since ontrace wrote it",
            Some(false) => "changed since ontrace wrote it",
            None => "no hashes stored in the file",
        };
        text.push_str(&format!(
            "  graph blake3 {}… · weights blake3 {}… · {intact}\n",
            prefix(&provenance.graph),
            prefix(&provenance.weights)
        ));
        let evidence: Option<Value> = provenance.evidence.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if let Some(verdict) = &provenance.verdict {
            let agrees = evidence.as_ref().is_none_or(|evidence| evidence["verdict"] == "agrees");
            let (not, verdict) = if agrees { ("", verdict.as_str()) } else { ("not ", verdict.trim_start_matches("not verified: ")) };
            text.push_str(&format!("  {not}verified when it was written: {}\n", printable(verdict)));
        }
        if let Some(evidence) = &evidence {
            text.push_str(&evidence_lines(evidence));
        }
        let functions: Vec<String> = onnx.functions.iter().map(|function| function.name.clone()).collect();
        if !functions.is_empty() {
            text.push_str(&format!("  {}: {}\n", count(functions.len(), "function"), printable(&functions.join(", "))));
        }
        let extra = onnx.metadata_props.iter().filter(|entry| !entry.key.starts_with("ontrace."));
        for entry in extra {
            text.push_str(&format!("  {}: {}\n", printable(&entry.key), printable(&entry.value)));
        }
        value["graph_blake3"] = json!(provenance.graph);
        value["weights_blake3"] = json!(provenance.weights);
        value["intact"] = json!(provenance.intact);
        value["verdict"] = json!(provenance.verdict);
        value["evidence"] = json!(evidence);
        value["functions"] = json!(functions);
        Ok(())
    }

    fn checkpoint(&self, format: Format, console: &Console) -> CommandResult {
        let tensors = read::checkpoint(&self.model)?;
        let (what, help) = read::describe_checkpoint(&self.model)?;
        let (elements, size) = total(tensors.values());
        let mut text = format!(
            "{}   {}\n  {} · {} · {}\n",
            printable(&self.model.display().to_string()),
            printable(&what),
            count(tensors.len(), "tensor"),
            count(elements, "element"),
            bytes(size)
        );
        if self.tensors {
            tensors.iter().for_each(|(name, array)| text.push_str(&line(name, array)));
        }
        text.push_str(&format!("help: {help}"));
        let list: Vec<Value> =
            tensors.iter().map(|(name, array)| json!({"name": name, "dtype": array.dtype().name(), "shape": array.shape()})).collect();
        console.result(
            &text,
            json!({"schema": "ontrace.inspect/1", "path": self.model.display().to_string(), "format": format.name(), "tensors": list}),
        );
        Ok(())
    }
}

/// The types of inputs and outputs.
struct Types {
    inputs: Vec<(String, Type)>,
    outputs: Vec<(String, Type)>,
}

/// What is printed as JSON, the keys in order. Each value of JSON takes hundreds of bytes, and a model may have many inputs: they are not made into any.
struct Report {
    value: Value,
    types: Option<Types>,
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let types = self.types.iter().flat_map(|types| [("inputs", &types.inputs), ("outputs", &types.outputs)]);
        let known = self.value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), Ok(value)));
        let mut entries: Vec<(&str, Result<&Value, TypeList>)> = known.chain(types.map(|(key, list)| (key, Err(TypeList(list))))).collect();
        entries.sort_by_key(|entry| entry.0);
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, entry) in entries {
            match entry {
                Ok(value) => map.serialize_entry(key, value)?,
                Err(list) => map.serialize_entry(key, &list)?,
            }
        }
        map.end()
    }
}

struct TypeList<'a>(&'a [(String, Type)]);

impl Serialize for TypeList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sizes = |ty: &Type| ty.shape.iter().map(ToString::to_string).collect::<Vec<_>>();
        serializer.collect_seq(self.0.iter().map(|(name, ty)| json!({"name": name, "dtype": ty.dtype.name(), "shape": sizes(ty)})))
    }
}

/// What was verified and how, a line for each.
fn evidence_lines(evidence: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_string();
    let source = &evidence["source"];
    let mut lines = format!(
        "  source {}, {} · blake3 {}… · ontrace {}\n",
        printable(&text(&source["format"])),
        bytes(source["bytes"].as_u64().unwrap_or_default()),
        prefix(&printable(&text(&source["blake3"]))),
        printable(&text(&evidence["ontrace"]))
    );
    let limits: Vec<String> = evidence["compared"]["outputs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|output| match output["bound"].as_str() {
            Some(bound) => format!("{} within {}", printable(&text(&output["name"])), printable(bound)),
            None => format!("{} by {}", printable(&text(&output["name"])), printable(&text(&output["limit"]))),
        })
        .collect();
    let tolerance = &evidence["options"]["tolerance"];
    let given: Vec<String> = ["atol", "rtol"].iter().filter_map(|key| tolerance[*key].as_f64().map(|x| format!("{key} {x:e}"))).collect();
    if !limits.is_empty() {
        let given = if given.is_empty() { String::new() } else { format!(" ({})", given.join(", ")) };
        lines.push_str(&format!("  compared: {}{given}\n", limits.join(", ")));
    }
    for (key, what) in [("rejected", "the source model rejects"), ("skipped", "skipped"), ("unvaried", "not verified")] {
        for line in evidence["compared"][key].as_array().into_iter().flatten() {
            lines.push_str(&format!("  {what}: {}\n", printable(&text(line))));
        }
    }
    lines
}

/// The number of elements of arrays, and of bytes.
fn total<'a>(arrays: impl Iterator<Item = &'a Array>) -> (usize, u64) {
    arrays.fold((0, 0), |(elements, size), array| (elements + array.len(), size + array.byte_len() as u64))
}

fn line(name: &str, array: &Array) -> String {
    format!("    {:<48} {}{:?}\n", printable(name), array.dtype(), array.shape())
}

/// The first digits of a hash.
fn prefix(hash: &str) -> String {
    hash.chars().take(12).collect()
}
