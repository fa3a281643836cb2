//! `ontrace diff`: what is different between two models as graphs and in their weights, whatever the names and the order of their nodes.

mod alignment;
mod differences;
mod html;

use crate::console::{Console, count, printable};
use crate::error::{CommandError, CommandResult};
use crate::inputs::{Inputs, Prepared};
use crate::verification::{number, traced_unchecked};
use differences::{Change, Differences, NodeLabel, WeightDifference, Weights};
use ontrace::onnx::{AtomicFile, Model};
use ontrace::read::{self, Format, LoadedModel};
use ontrace::trace::{OPSET, OPSETS};
use ontrace::{DynModule, Error, ErrorCode, Example, Result, ResultExt, Shape, Tensor, Traced, Type};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  ontrace diff before.onnx after.onnx --simplified
  ontrace diff model.pt model.onnx --html diff.html --json";

/// The arguments of `ontrace diff`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Diff {
    /// The first model: .pt, .pt2 or .onnx
    first: PathBuf,
    /// The second model
    second: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// Compare the graphs only: weights may have other values
    #[arg(long)]
    structure: bool,
    /// Simplify both first: what a simplifier fuses or folds is no difference, nor is the rounding of weights that it folds
    #[arg(long)]
    simplified: bool,
    /// Write both graphs side by side, with what is different, as one HTML file
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
}

impl Diff {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let prepared = self.inputs.apply(read::open(&self.first)?).at(self.first.display())?;
        prepared.notes.iter().for_each(|note| console.note(note));
        let (a, example) = traced_unchecked(&prepared, console).at(self.first.display())?;
        let prepared = like(read::open(&self.second)?, &example).at(self.second.display())?;
        let (b, _) = traced_unchecked(&prepared, console).at(self.second.display())?;
        let weights = match (self.structure, self.simplified) {
            (true, _) => Weights::Ignored,
            (_, true) => Weights::Rounded,
            _ => Weights::Exact,
        };
        let simple = |traced: &Traced| Ok::<_, Error>(traced.simplified(&[])?.traced);
        let (a, b) = if self.simplified { (simple(&a)?, simple(&b)?) } else { (a, b) };
        let mut found = Differences::of(a.graph(), b.graph(), weights)?;
        // A file has an operator that its opset lacks as others; so both are read as files of one opset, too.
        let common = [&self.first, &self.second].into_iter().filter_map(|path| opset(path)).min().unwrap_or(OPSET);
        if !found.is_empty()
            && let Some((a, b)) = written(&a, &b, common)
        {
            let other = Differences::of(a.graph(), b.graph(), weights)?;
            if other.count() < found.count() {
                found = other;
            }
        }
        let names = (self.first.display().to_string(), self.second.display().to_string());
        if let Some(path) = &self.html {
            AtomicFile::save(path, html::document((&names.0, &names.1), &found).as_bytes())?;
        }
        console.result(&self.text(&found), to_json((&names.0, &names.1), &found));
        match found.is_empty() {
            true => Ok(()),
            false => {
                let error = Error::new(ErrorCode::Mismatch, format!("the models differ: {}", summary(&found)));
                let is_size = |line: &String| line.starts_with("input");
                if found.signature.iter().any(is_size) {
                    let help = "the inputs differ: --dynamic INPUT:AXIS=NAME and --fixed NAME=SIZE change those of the first model";
                    return Err(CommandError::from(error.help(help)));
                }
                let is_fused = !self.simplified && {
                    let weights = if self.structure { Weights::Ignored } else { Weights::Rounded };
                    Differences::of(simple(&a)?.graph(), simple(&b)?.graph(), weights)?.is_empty()
                };
                Err(CommandError::from(match is_fused {
                    true => error.help("they are the same once both are simplified: --simplified compares them so"),
                    false => error,
                }))
            }
        }
    }

    fn text(&self, found: &Differences) -> String {
        const SHOWN: usize = 20;
        let nodes = found.nodes;
        if found.is_empty() {
            let weights = if self.structure { "" } else { ", weights included" };
            let how = if self.simplified {
                "once simplified, up to names, order and the rounding of folded weights"
            } else {
                "up to names and order"
            };
            return format!("the same    {}{weights}, {how}", count(nodes.0, "node"));
        }
        let mut text = format!("nodes       {} and {}, {} of them the same\n", nodes.0, nodes.1, found.same);
        found.signature.iter().for_each(|line| text.push_str(&format!("signature   {}\n", printable(line))));
        let mut section = |what: &str, lines: Vec<String>| {
            let more = lines.len().saturating_sub(SHOWN);
            if !lines.is_empty() {
                text.push_str(&format!("{what}\n"));
            }
            lines.iter().take(SHOWN).for_each(|line| text.push_str(&format!("   {}\n", printable(line))));
            if more > 0 {
                text.push_str(&format!("   and {more} more; --json and --html have all\n"));
            }
        };
        section("changed", found.changed.iter().map(change_line).collect());
        section(&format!("only in {}", file_name(&self.first)), found.only_first.iter().map(node_line).collect());
        section(&format!("only in {}", file_name(&self.second)), found.only_second.iter().map(node_line).collect());
        section("weights", found.weights.iter().map(weight_line).collect());
        text
    }
}

/// The second model with its own example, symbolic sizes named as in the first; where the file has none, with the types of the first.
fn like(model: LoadedModel, first: &Example) -> Result<Prepared> {
    let names = model.input_names();
    let Some(own) = model.example().cloned() else {
        return crate::compare::same_inputs(model, first);
    };
    let example = renamed(&own, first).unwrap_or(own);
    Ok(Prepared { model, example, given: names, scalars: Vec::new(), notes: Vec::new() })
}

/// An example whose symbolic sizes have the names of those of another, input by input; `None` where one would stand for two sizes.
fn renamed(own: &Example, first: &Example) -> Option<Example> {
    let same_names = own.inputs().iter().all(|(name, _)| first.inputs().iter().any(|other| other.0 == *name));
    let (mut example, mut symbols) = (Example::new(), Vec::new());
    for (position, (name, tensor)) in own.inputs().iter().enumerate() {
        let other = first.inputs().iter().enumerate().find(|(i, input)| if same_names { input.0 == *name } else { *i == position });
        for axis in (0..tensor.rank()).filter(|&axis| tensor.shape()[axis].is_symbolic()) {
            let known = other.filter(|(_, input)| input.1.rank() == tensor.rank()).map(|(_, input)| &input.1.shape()[axis]);
            let symbol =
                known.and_then(|dim| dim.expr().as_symbol().cloned()).or_else(|| tensor.shape()[axis].expr().as_symbol().cloned())?;
            symbols.push((name, axis, symbol));
        }
        let fixed = match tensor.is_type_only() {
            true => Tensor::of_type(Type::new(tensor.dtype(), Shape::fixed(&tensor.shape().example()?))),
            false => Tensor::from(tensor.to_array().ok()?),
        };
        example = example.input(name, &fixed);
    }
    symbols.into_iter().try_fold(example, |example, (name, axis, symbol)| example.symbolic(name, axis as i64, &symbol).ok())
}

/// The opset of an ONNX file.
fn opset(path: &Path) -> Option<i64> {
    (Format::of_file(path).ok()? == Format::Onnx).then_some(())?;
    Model::open(path).ok()?.opset("")
}

/// Both graphs written in an opset, or in the first later one that has what they need, and read again.
fn written(a: &Traced, b: &Traced, opset: i64) -> Option<(Traced, Traced)> {
    let at = |traced: &Traced, opset: i64| Traced::from_model(traced.to_model_at(opset).ok()?).ok();
    (opset.max(*OPSETS.start())..=*OPSETS.end()).find_map(|opset| Some((at(a, opset)?, at(b, opset)?)))
}

fn file_name(path: &Path) -> String {
    printable(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
}

/// What is different, in one line.
fn summary(found: &Differences) -> String {
    let parts = [
        (found.signature.len(), "input or output", "inputs or outputs"),
        (found.changed.len(), "node changed", "nodes changed"),
        (found.only_first.len(), "node only in the first", "nodes only in the first"),
        (found.only_second.len(), "node only in the second", "nodes only in the second"),
        (found.weights.len(), "weight with other values", "weights with other values"),
    ];
    let named = |(n, one, many): &(usize, &str, &str)| format!("{n} {}", if *n == 1 { one } else { many });
    parts.iter().filter(|part| part.0 > 0).map(named).collect::<Vec<_>>().join(", ")
}

fn change_line(change: &Change) -> String {
    format!("{} {}   {}", change.first.op, change.first.name, change.what.join("; "))
}

fn node_line(node: &NodeLabel) -> String {
    format!("{} {}   {}", node.operation, node.name, node.types)
}

fn weight_line(weight: &WeightDifference) -> String {
    let (first, second) = &weight.names;
    let names = if first == second { first.clone() } else { format!("{first} and {second}") };
    let found = &weight.comparison;
    let at = found.worst.as_ref().map(|(index, got, expected)| format!(" at {index:?}: {expected} → {got}")).unwrap_or_default();
    format!("{names} {}   {} of {} elements, largest difference {:.1e}{at}", weight.ty, found.outside, weight.elements, found.max_abs)
}

fn node_json(node: &NodeLabel) -> Value {
    json!({"op": node.op, "name": node.name, "operation": node.operation, "types": node.types})
}

fn to_json((first, second): (&str, &str), found: &Differences) -> Value {
    let weight = |weight: &WeightDifference| {
        let Some((index, got, expected)) = &weight.comparison.worst else { return Value::Null };
        json!({
            "first": weight.names.0,
            "second": weight.names.1,
            "type": weight.ty,
            "elements": weight.elements,
            "differing": weight.comparison.outside,
            "max_abs": number(weight.comparison.max_abs),
            "max_rel": number(weight.comparison.max_rel),
            "worst": {"index": index, "first": number(*expected), "second": number(*got)},
        })
    };
    let change =
        |change: &Change| json!({"first": node_json(&change.first), "second": node_json(&change.second), "differences": change.what});
    json!({
        "schema": "ontrace.diff/1",
        "first": first,
        "second": second,
        "same": found.is_empty(),
        "nodes": [found.nodes.0, found.nodes.1],
        "same_nodes": found.same,
        "signature": found.signature,
        "changed": found.changed.iter().map(change).collect::<Vec<_>>(),
        "only_first": found.only_first.iter().map(node_json).collect::<Vec<_>>(),
        "only_second": found.only_second.iter().map(node_json).collect::<Vec<_>>(),
        "weights": found.weights.iter().map(weight).collect::<Vec<_>>(),
    })
}
