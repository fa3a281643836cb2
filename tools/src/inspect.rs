//! `ontrace inspect`: what a model file is.

use crate::fail::Outcome;
use crate::inputs::Inputs;
use crate::say::{Say, bytes, printable};
use ontrace::array::map_file;
use ontrace::onnx::Model;
use ontrace::read::{self, Format};
use ontrace::trace::Provenance;
use ontrace::{Array, At, ErrorCode, Module};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The arguments of `ontrace inspect`.
#[derive(clap::Args)]
pub struct Inspect {
    /// The file: .pt, .onnx, .pth or .safetensors
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// Name every tensor
    #[arg(long)]
    tensors: bool,
}

impl Inspect {
    /// Runs the command.
    pub fn run(&self, say: &Say) -> Outcome {
        let format = Format::of(&map_file(&self.model)?).at(self.model.display())?;
        if matches!(format, Format::Checkpoint | Format::Safetensors) {
            return self.checkpoint(format, say);
        }
        let model = read::open(&self.model)?;
        let mut text = format!("{}   {}, {}\n", self.model.display(), format.name(), bytes(model.size as u64));
        // What it does is known by doing it once, with shapes only.
        let record = crate::convert::traced(&model, &self.inputs).map(|traced| traced.0);
        let mut value =
            json!({"schema": "ontrace.inspect/1", "path": self.model.display().to_string(), "format": format.name(), "bytes": model.size});
        match record {
            Ok(record) => {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                for node in record.graph().nodes() {
                    *counts.entry(node.op.name()).or_default() += 1;
                }
                let parameters = record.parameters();
                for (what, list) in [("input", record.inputs()), ("output", record.outputs())] {
                    for (name, ty) in list {
                        text.push_str(&format!("  {what:<7} {}  {}{:?}\n", printable(&name), ty.dtype, ty.shape));
                    }
                }
                let (numbers, size) = sums(parameters.iter().map(|parameter| parameter.1));
                text.push_str(&format!("  {}\n", printable(&record.declaration().to_string())));
                text.push_str(&format!("  {} parameters · {numbers} numbers · {}\n", parameters.len(), bytes(size)));
                let operators: Vec<String> = counts.iter().map(|(name, count)| format!("{name} ×{count}")).collect();
                text.push_str(&format!("  {} operators: {}\n", record.graph().nodes().len(), operators.join(", ")));
                for note in record.notes() {
                    text.push_str(&format!("  note: {}\n", printable(&note.to_string())));
                }
                if format == Format::Onnx {
                    self.provenance(&mut text, &mut value)?;
                }
                if self.tensors {
                    parameters.iter().for_each(|(name, array)| text.push_str(&line(name, array)));
                }
                value["declaration"] = json!(record.declaration().to_string());
                value["guards"] = json!(record.guards().iter().map(ToString::to_string).collect::<Vec<_>>());
                value["notes"] = json!(record.notes().iter().map(ToString::to_string).collect::<Vec<_>>());
                let types = |list: Vec<(String, ontrace::Type)>| {
                    list.into_iter().map(|(name, ty)| json!({"name": name, "dtype": ty.dtype.name(), "shape": ty.shape.iter().map(ToString::to_string).collect::<Vec<_>>()})).collect::<Vec<Value>>()
                };
                value["inputs"] = types(record.inputs()).into();
                value["outputs"] = types(record.outputs()).into();
                value["operators"] = json!(counts);
                value["parameters"] = json!({"count": parameters.len(), "numbers": numbers, "bytes": size});
            }
            Err(error) if error.code() == ErrorCode::NoInputs => {
                let names = model.input_names();
                text.push_str(&format!("  inputs  {} (their shapes are not in the file)\n", printable(&names.join(", "))));
                if let Some(help) = error.help_line() {
                    text.push_str(&format!("  help: {help}\n"));
                }
                value["inputs"] = json!(names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>());
            }
            Err(error) => return Err(error.at(self.model.display()).into()),
        }
        say.answer(&text, value);
        Ok(())
    }

    /// What the file says of itself, and its functions.
    fn provenance(&self, text: &mut String, value: &mut Value) -> Outcome {
        let page = Model::open(&self.model)?;
        let known = Provenance::of(&page);
        let intact = match known.intact {
            Some(true) => "as it was written",
            Some(false) => "changed since it was written",
            None => "as it is: the file does not say",
        };
        text.push_str(&format!("  graph sha256 {}… · weights sha256 {}… · {intact}\n", &known.graph[..12], &known.weights[..12]));
        if let Some(verdict) = &known.verdict {
            text.push_str(&format!("  checked when it was written: {}\n", printable(verdict)));
        }
        let functions: Vec<String> = page.proto.functions.iter().map(|function| function.name.clone()).collect();
        if !functions.is_empty() {
            text.push_str(&format!("  {} functions: {}\n", functions.len(), printable(&functions.join(", "))));
        }
        let extra = page.proto.metadata_props.iter().filter(|entry| !entry.key.starts_with("ontrace."));
        for entry in extra {
            text.push_str(&format!("  {}: {}\n", printable(&entry.key), printable(&entry.value)));
        }
        value["graph_sha256"] = json!(known.graph);
        value["weights_sha256"] = json!(known.weights);
        value["intact"] = json!(known.intact);
        value["verdict"] = json!(known.verdict);
        value["functions"] = json!(functions);
        Ok(())
    }

    fn checkpoint(&self, format: Format, say: &Say) -> Outcome {
        let tensors = read::checkpoint(&self.model)?;
        let (numbers, size) = sums(tensors.values());
        let mut text = format!(
            "{}   {}: numbers by name, not a program\n  {} tensors · {numbers} numbers · {}\n",
            self.model.display(),
            format.name(),
            tensors.len(),
            bytes(size)
        );
        if self.tensors {
            tensors.iter().for_each(|(name, array)| text.push_str(&line(name, array)));
        }
        text.push_str("help: it holds no code. Save with torch.jit.trace(model, x).save(\"m.pt\"), then convert that");
        let list: Vec<Value> =
            tensors.iter().map(|(name, array)| json!({"name": name, "dtype": array.dtype().name(), "shape": array.shape()})).collect();
        say.answer(
            &text,
            json!({"schema": "ontrace.inspect/1", "path": self.model.display().to_string(), "format": format.name(), "tensors": list}),
        );
        Ok(())
    }
}

/// How many numbers, and how many bytes they take.
fn sums<'a>(arrays: impl Iterator<Item = &'a Array>) -> (usize, u64) {
    arrays.fold((0, 0), |(numbers, size), array| (numbers + array.len(), size + array.byte_len() as u64))
}

fn line(name: &str, array: &Array) -> String {
    format!("    {:<48} {}{:?}\n", printable(name), array.dtype(), array.shape())
}
