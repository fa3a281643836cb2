//! `ontrace compare`: two models on the same inputs, and the first node behind which they differ.

use crate::console::{Console, printable};
use crate::error::{CommandError, CommandResult};
use crate::inputs::{Inputs, Prepared};
use crate::limit::Limit;
use crate::tolerance::{Effort, Tolerances};
use crate::verification::{limits, not_verified, nothing_compared, output_json, output_table, traced};
use ontrace::check::{FirstDifference, ModelComparison, NodeDifference, NodeSide, check_comparison_memory, compare_models, memory_limit};
use ontrace::read::{self, LoadedModel};
use ontrace::work::{LoopBudget, Work};
use ontrace::{DynModule, Error, ErrorCode, Example, ResultExt, Tensor};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  ontrace compare model.onnx simplified.onnx
  ontrace compare model.pt model.onnx -i x=@photo.npy --rtol 1e-3 --json";

/// The arguments of `ontrace compare`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    /// The first model: .pt, .pt2 or .onnx; what it computes is expected of the second
    first: PathBuf,
    /// The second model; its nodes may be fused, split or renamed
    second: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    tolerances: Tolerances,
    #[command(flatten)]
    effort: Effort,
    #[command(flatten)]
    limit: Limit,
}

impl Compare {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let started = Instant::now();
        let (first, second) = (self.limit.apply(read::open(&self.first)?), self.limit.apply(read::open(&self.second)?));
        let prepared = self.inputs.apply(first).at(self.first.display())?;
        prepared.notes.iter().for_each(|note| console.note(note));
        let (a, example) = traced(&prepared, console).at(self.first.display())?;
        let (size, given) = (prepared.model.size.max(second.size), prepared.given);
        check_comparison_memory(&a, size, &given).at(self.first.display())?;
        let scalars = prepared.scalars;
        let prepared = same_inputs(second, &example).at(self.second.display())?;
        let (b, _) = traced(&prepared, console).at(self.second.display())?;
        check_comparison_memory(&b, size, &given).at(self.second.display())?;
        ontrace::isolation::limit_memory(memory_limit(&a, size, &given));
        let options = self.effort.options(self.tolerances.options()).hold(scalars);
        let shown = console.counting("comparing", Work::Calls, None);
        let budget = LoopBudget::of_comparison(size);
        let comparison = compare_models(&a, &b, &example, &options)?;
        drop(budget);
        drop(shown);
        console.progress("compared", &comparison.calls.join(", "), started);
        let text = self.text(&comparison);
        let value = json!({
            "schema": "ontrace.compare/1",
            "first": self.first.display().to_string(),
            "second": self.second.display().to_string(),
            "ok": comparison.agrees() && !comparison.is_empty(),
            "calls": comparison.calls,
            "inputs": comparison.inputs,
            "outputs": comparison.outputs.iter().map(output_json).collect::<Vec<_>>(),
            "first_difference": comparison.first.as_ref().map(difference_json),
            "node_differences": {"first": nodes_json(&comparison.nodes.0), "second": nodes_json(&comparison.nodes.1)},
            "warnings": comparison.warnings,
            "notes": comparison.notes,
            "nodes": [a.graph().nodes().len(), b.graph().nodes().len()],
        });
        if comparison.agrees() && comparison.is_empty() {
            return Err(CommandError { report: Some(Box::new(value)), ..CommandError::from(not_verified(nothing_compared())) });
        }
        if comparison.agrees() {
            console.result(&text, value);
            return Ok(());
        }
        console.table(&text);
        let count = comparison.outputs.iter().filter(|output| !output.agrees()).count();
        let error = Error::new(ErrorCode::Mismatch, format!("{count} of {} outputs differ", comparison.outputs.len()));
        let error = match &comparison.first {
            Some(first) => error.help(format!("the first difference is at {}", location(first))),
            None => error,
        };
        Err(CommandError { report: Some(Box::new(value)), ..CommandError::from(error) })
    }

    fn text(&self, comparison: &ModelComparison) -> String {
        let mut text = output_table(&comparison.outputs);
        limits(&comparison.outputs).iter().for_each(|line| text.push_str(&format!("   limit: {}\n", printable(line))));
        comparison.inputs.iter().for_each(|line| text.push_str(&format!("   input {}\n", printable(line))));
        let both = "both models on ontrace's kernels, in f64 and in working precision";
        text.push_str(&format!("   compared: {both}: {}\n", printable(&comparison.calls.join(", "))));
        for (what, lines) in [("warning", &comparison.warnings), ("note", &comparison.notes)] {
            lines.iter().for_each(|line| text.push_str(&format!("   {what}: {}\n", printable(line))));
        }
        let Some(first) = &comparison.first else { return text };
        text.push_str(&format!("first difference, with {}:\n", printable(&first.call)));
        for (file, side) in [(&self.first, &first.first), (&self.second, &first.second)] {
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
            match side {
                None => text.push_str(&format!("   {:<20} no node there\n", printable(&name))),
                Some(side) => {
                    text.push_str(&format!("   {:<20} {}\n", printable(&name), printable(&in_words(side))));
                    if !side.fused.is_empty() {
                        text.push_str(&format!("   {:<20} one node in the other: {}\n", "", printable(&side.fused.join(", "))));
                    }
                }
            }
        }
        first.differences.iter().for_each(|line| text.push_str(&format!("   {}\n", printable(line))));
        text
    }
}

/// The second model with the inputs of the first: those of its names, else in their order.
pub fn same_inputs(model: LoadedModel, example: &Example) -> ontrace::Result<Prepared> {
    let names = model.input_names();
    let known = example.inputs();
    let by_name = names.iter().map(|name| known.iter().find(|input| input.0 == *name)).collect::<Option<Vec<_>>>();
    let inputs: Vec<&Tensor> = match by_name {
        Some(inputs) => inputs.into_iter().map(|input| &input.1).collect(),
        None if names.len() == known.len() => known.iter().map(|input| &input.1).collect(),
        None => {
            let list = |names: Vec<&str>| names.join(", ");
            let message = format!("the second model takes {} inputs, the first {}", names.len(), known.len());
            let both = (list(names.iter().map(String::as_str).collect()), list(known.iter().map(|input| input.0.as_str()).collect()));
            return Err(Error::input(message).help(format!("the inputs are {} and {}", both.0, both.1)));
        }
    };
    let fixed = |tensor: &Tensor| -> ontrace::Result<Tensor> {
        let shape = tensor.shape().example().ok_or_else(|| Error::size("the sizes of an input are not known"))?;
        match tensor.is_type_only() {
            true => Ok(Tensor::of_type(ontrace::Type::new(tensor.dtype(), ontrace::Shape::fixed(&shape)))),
            false => Ok(Tensor::from(tensor.to_array()?)),
        }
    };
    let pairs = names.iter().zip(inputs);
    let example =
        pairs.map(|(name, tensor)| Ok((name, fixed(tensor)?))).try_fold(Example::new(), |example, input: ontrace::Result<_>| {
            let (name, tensor) = input?;
            Ok::<_, Error>(example.input(name, &tensor))
        })?;
    Ok(Prepared { model: model.with_inputs(&example)?, example, given: names, scalars: Vec::new(), notes: Vec::new() })
}

fn in_words(side: &NodeSide) -> String {
    let attributes: Vec<String> = side.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let weights: Vec<String> = side.weights.iter().map(|(k, ty)| format!("operand {k} {ty}")).collect();
    format!("{} {}   {}", side.op, side.name, [attributes, weights].concat().join(", "))
}

/// The nodes of both sides, as one where they have one name.
fn location(first: &FirstDifference) -> String {
    let name = |side: &NodeSide| format!("{} {}", side.op, side.name);
    match (&first.first, &first.second) {
        (Some(a), Some(b)) if (&a.op, &a.name) == (&b.op, &b.name) => name(a),
        (Some(a), Some(b)) => format!("{} and, in the second model, {}", name(a), name(b)),
        (Some(a), None) => format!("{}, which the second model does not have", name(a)),
        (None, Some(b)) => format!("{}, which the first model does not have", name(b)),
        (None, None) => "no node".to_string(),
    }
}

/// How far each node is from the other model, in units of what rounding explains: null where there is nothing to compare it with.
fn nodes_json(nodes: &[NodeDifference]) -> Value {
    let one = |node: &NodeDifference| json!({"op": node.op, "scope": node.scope, "line": node.line, "difference": node.share});
    nodes.iter().map(one).collect()
}

fn difference_json(first: &FirstDifference) -> Value {
    let side = |side: &Option<NodeSide>| {
        side.as_ref().map(|side| {
            json!({
                "name": side.name,
                "op": side.op,
                "attributes": side.attributes.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                "weights": side.weights.iter().map(|(k, ty)| json!({"operand": k, "type": ty})).collect::<Vec<_>>(),
                "fused": side.fused,
            })
        })
    };
    json!({"call": first.call, "first": side(&first.first), "second": side(&first.second), "differences": first.differences})
}
