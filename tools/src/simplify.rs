//! `ontrace simplify`: a model with the same outputs and fewer nodes, verified before it is written.

use crate::console::{Console, count, printable};
use crate::convert::{Convert, Step, Transformed, with_metadata};
use crate::error::CommandResult;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ontrace::onnx::Model;
use ontrace::onnx::proto::NodeProto;
use ontrace::read::Format;
use ontrace::trace::{ExportOptions, Simplification, Simplified};
use ontrace::{Example, Result, Traced};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The examples in the help.
pub const EXAMPLES: &str = "Examples:
  ontrace simplify resnet18.onnx -o small.onnx
  ontrace simplify bert.pt -o bert.onnx --dynamic all --skip gemm";

/// The arguments of `ontrace simplify`.
#[derive(clap::Args)]
pub struct Simplify {
    #[command(flatten)]
    convert: Convert,
    /// Leave out a simplification; repeated for several
    #[arg(long, value_name = "RULE", value_parser = rules())]
    skip: Vec<Simplification>,
}

/// The simplifications by their names.
fn rules() -> impl TypedValueParser<Value = Simplification> {
    let names = PossibleValuesParser::new(Simplification::ALL.map(Simplification::name));
    names.try_map(|name| Simplification::ALL.into_iter().find(|rule| rule.name() == name).ok_or("no such rule"))
}

impl Simplify {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let model = self.convert.model();
        // A file keeps its opset, and is compared as it is; anything else is compared as it would be converted.
        let file = match Format::of_file(model) {
            Ok(Format::Onnx) => Some(Model::open(model)?),
            _ => None,
        };
        let opset = file.as_ref().and_then(|file| file.opset(""));
        let apply = |traced: &Traced, _: &Example| self.simplified(traced, file.as_ref());
        let step = Step { schema: "ontrace.simplify/1", output: None, opset, precision: None, apply: Some(&apply) };
        self.convert.conversion(Some(&step), console)?.show(console)
    }

    fn simplified(&self, traced: &Traced, file: Option<&Model>) -> Result<Transformed> {
        let Simplified { traced: simple, applied } = with_metadata(traced.clone(), file)?.simplified(&self.skip)?;
        let before = match file {
            Some(file) => operators(file),
            None => operators(&traced.to_model_as(ExportOptions::default())?),
        };
        let applied: BTreeMap<&str, usize> = applied.iter().map(|(rule, count)| (rule.name(), *count)).collect();
        let report = move |written: &Model| {
            let after = operators(written);
            (table(&before, &after), json!({"before": operators_json(&before), "after": operators_json(&after), "applied": applied}))
        };
        Ok(Transformed { traced: simple, written: None, report: Box::new(report) })
    }
}

/// How often each operator occurs, in graphs inside nodes and in functions too.
fn operators(model: &Model) -> BTreeMap<String, usize> {
    fn count(nodes: &[NodeProto], counts: &mut BTreeMap<String, usize>) {
        for node in nodes {
            *counts.entry(node.op_type.clone()).or_insert(0) += 1;
            let graphs = node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs));
            graphs.for_each(|graph| count(&graph.node, counts));
        }
    }
    let mut counts = BTreeMap::new();
    model.proto.graph.iter().for_each(|graph| count(&graph.node, &mut counts));
    model.proto.functions.iter().for_each(|function| count(&function.node, &mut counts));
    counts
}

fn operators_json(counts: &BTreeMap<String, usize>) -> Value {
    json!({"nodes": counts.values().sum::<usize>(), "operators": counts})
}

/// The operators before and after, those that changed first.
fn table(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> String {
    let of = |counts: &BTreeMap<String, usize>, name: &String| counts.get(name).copied().unwrap_or_default();
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_by_key(|name| (of(before, name) == of(after, name), (*name).clone()));
    names.dedup();
    let mut text = format!("   {:<28} {:>8} {:>8}\n", "operator", "before", "after");
    for name in names {
        text.push_str(&format!("   {:<28} {:>8} {:>8}\n", printable(name), of(before, name), of(after, name)));
    }
    let total = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
    text + &format!("simplified  {} to {}\n", count(total(before), "node"), total(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_that_changed_come_first() {
        let counts = |rows: &[(&str, usize)]| rows.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        let text = table(&counts(&[("Add", 2), ("Cast", 3)]), &counts(&[("Add", 2), ("Cast", 1)]));
        let rows: Vec<&str> = text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!(rows, ["operator", "Cast", "Add", "simplified"]);
        assert!(text.contains("5 nodes to 3"), "{text}");
    }
}
