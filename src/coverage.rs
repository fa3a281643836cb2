//! Generates docs/coverage.md: which operators, dtypes and sizes the law tests cover.

use crate::array::DType;
use crate::dim::Type;
use crate::error::ErrorCode;
use crate::graph::{FIRST_OPSET, Graph};
use crate::onnx::proto::{ValueInfoProto, type_proto};
use crate::onnx::{Model, tensor};
use crate::{ops, read};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Operators of the laws' models that ONNX Runtime 1.32 has no kernel for: `name dtype`. The second opinion fails where this is stale.
const ONNX_RUNTIME: &str = include_str!("../tests/data/onnxruntime_lacks.txt");

/// What the laws saw of an operator of ONNX.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Of its inputs, and of its outputs where it has none.
    dtypes: BTreeSet<DType>,
    fixed: bool,
    symbolic: bool,
    by_tract: bool,
    /// Why it ran on ontrace's kernel.
    ours: BTreeSet<String>,
}

fn declared_dtype(info: &ValueInfoProto) -> Option<DType> {
    match info.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(ty) => tensor::dtype(ty.elem_type).ok(),
        _ => None,
    }
}

/// The dtypes that each method takes, and why it refuses others: by the name of its example.
#[derive(Clone, Debug, Default)]
pub struct Methods(BTreeMap<String, BTreeMap<DType, Option<ErrorCode>>>);

impl Methods {
    /// Adds a dtype that an example was tried in: whether it was refused, and how.
    pub fn add(&mut self, name: &str, dtype: DType, refused: Option<ErrorCode>) {
        self.0.entry(name.to_string()).or_default().insert(dtype, refused);
    }

    fn table(&self) -> String {
        let mut out = String::from("\n## Methods\n\n| example | dtypes | refused |\n|---|---|---|\n");
        for (name, dtypes) in &self.0 {
            let list = |wanted: Option<ErrorCode>| {
                let chosen = dtypes.iter().filter(|row| *row.1 == wanted).map(|row| row.0.to_string());
                chosen.collect::<Vec<_>>().join(" ")
            };
            let codes: BTreeSet<ErrorCode> = dtypes.values().flatten().copied().collect();
            let refused: Vec<String> = codes.into_iter().map(|code| format!("{}: {}", list(Some(code)), code.title())).collect();
            writeln!(out, "| {name} | {} | {} |", list(None), refused.join("; ")).unwrap();
        }
        out
    }
}

/// What the laws saw, by operator.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    operators: BTreeMap<String, Seen>,
    /// The first opset that has an operator, with any attributes.
    since: BTreeMap<&'static str, i64>,
}

impl Coverage {
    /// Adds a graph that was written: from which opset on ONNX has its operators.
    pub fn add_graph(&mut self, graph: &Graph) {
        for op in graph.nodes().iter().map(|node| &node.op) {
            let since = self.since.entry(op.name()).or_insert_with(|| op.since());
            *since = op.since().min(*since);
            op.graphs().into_iter().for_each(|graph| self.add_graph(graph));
        }
    }

    /// Adds a model that obeys the laws. `replaced` says which operators ran on ontrace's kernels, and why; `whole` whether all did.
    pub fn add(&mut self, model: &Model, symbolic: bool, replaced: &[(String, String)], whole: bool) {
        let Some(graph) = &model.proto.graph else { return };
        let declared = graph.input.iter().chain(&graph.value_info).chain(&graph.output);
        let dtype = |name: &String| {
            let info = declared.clone().find(|info| info.name == *name);
            let array = model.initializer(name).map(|array| Type::from(array).dtype);
            array.or_else(|| info.and_then(declared_dtype))
        };
        for node in &graph.node {
            let seen = self.operators.entry(node.op_type.clone()).or_default();
            let first = node.input.first().filter(|name| !name.is_empty()).or(node.output.first());
            seen.dtypes.extend(first.and_then(dtype));
            if symbolic {
                seen.symbolic = true;
            } else {
                seen.fixed = true;
            }
            match replaced.iter().find(|row| row.0 == node.op_type) {
                Some((_, why)) => drop(seen.ours.insert(why.clone())),
                None if whole => drop(seen.ours.insert("refuses the graph around it".to_string())),
                None => seen.by_tract = true,
            }
        }
    }

    /// Takes over what another thread saw.
    pub fn extend(&mut self, other: Coverage) {
        for (op, since) in other.since {
            let mine = self.since.entry(op).or_insert(since);
            *mine = since.min(*mine);
        }
        for (op, seen) in other.operators {
            let mine = self.operators.entry(op).or_default();
            mine.dtypes.extend(seen.dtypes);
            mine.ours.extend(seen.ours);
            mine.fixed |= seen.fixed;
            mine.symbolic |= seen.symbolic;
            mine.by_tract |= seen.by_tract;
        }
    }

    /// The text of docs/coverage.md.
    fn text(&self, unwritten: &[(&str, &str)], methods: &Methods) -> String {
        let mut out = String::from(HEAD);
        out.push_str("\n## Operators of ONNX\n\n| operator | from opset | dtypes tried | sizes | runs on | ONNX Runtime |\n|---|---|---|---|---|---|\n");
        for (op, seen) in &self.operators {
            let dtypes: Vec<String> = seen.dtypes.iter().map(DType::to_string).collect();
            let sizes = match (seen.fixed, seen.symbolic) {
                (_, true) => "fixed, symbolic",
                _ => "fixed",
            };
            let ours: Vec<&str> = seen.ours.iter().map(String::as_str).collect();
            let runtime = match (seen.by_tract, ours.is_empty()) {
                (true, true) => "tract".to_string(),
                (true, false) => format!("tract; ontrace's where tract {}", ours.join("; ")),
                (false, _) => format!("ontrace's: tract {}", ours.join("; ")),
            };
            let lacks: Vec<&str> =
                ONNX_RUNTIME.lines().filter_map(|line| line.split_once(' ')).filter(|row| row.0 == op).map(|row| row.1).collect();
            let lacks = if lacks.is_empty() { "yes".to_string() } else { format!("not {}", lacks.join(", ")) };
            writeln!(
                out,
                "| {op} | {} | {} | {sizes} | {runtime} | {lacks} |",
                self.since.get(op.as_str()).unwrap_or(&FIRST_OPSET),
                dtypes.join(" ")
            )
            .unwrap();
        }
        let composites: Vec<&str> = ops::readable().into_iter().filter(|op| ops::is_composite(op)).collect();
        writeln!(out, "\nRead as their decompositions, and written as those: {}.", composites.join(", ")).unwrap();
        out.push_str("\n| read only | why |\n|---|---|\n");
        unwritten.iter().for_each(|(op, why)| writeln!(out, "| {op} | {why} |").unwrap());
        out.push_str(&methods.table());
        let backend = include_str!("../tests/data/onnx_backend.txt");
        let failing = |way: &str| backend.lines().filter(|line| line.split('\t').nth(1).is_some_and(|ways| ways.contains(way))).count();
        writeln!(
            out,
            "\n## ONNX's backend tests\n\nOf 2,036 tests these do not pass: {} eagerly, {} after export and reading back, {} in `Session`. Each of them, with the reason, is \
             in [tests/data/onnx_backend.txt](../tests/data/onnx_backend.txt).",
            failing("eager"),
            failing("rewritten"),
            failing("session")
        )
        .unwrap();
        let aten = read::aten::readable();
        writeln!(
            out,
            "\n## Operators of torch\n\n{} names, those without a namespace `aten`'s own, in archives of TorchScript and of torch.export; in-place spellings \
             (`relu_`) and copies of views (`select_copy`) are not listed.\n\n{}.",
            aten.len(),
            aten.join(", ").replace('.', "::")
        )
        .unwrap();
        out
    }

    /// Compares docs/coverage.md with what was seen.
    ///
    /// # Panics
    /// If it is stale; the new text is then in target/tmp/coverage.md.
    pub fn is_up_to_date(&self, unwritten: &[(&str, &str)], methods: &Methods) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = self.text(unwritten, methods);
        if std::fs::read_to_string(root.join("docs/coverage.md")).unwrap_or_default() != text {
            std::fs::create_dir_all(root.join("target/tmp")).unwrap();
            std::fs::write(root.join("target/tmp/coverage.md"), text).unwrap();
            panic!("docs/coverage.md is stale: cp target/tmp/coverage.md docs/coverage.md");
        }
    }
}

const HEAD: &str = "# Coverage

Generated by `cargo test --lib laws`, which fails if this file is stale. Every example of an operator is evaluated eagerly, traced, replayed,
exported, read back and executed by `Session`; all results must agree. *sizes*: fixed, and symbolic if tracing with a symbolic dimension was tried and
the result agrees at other sizes. Every plain example is tried in all dtypes with fixed sizes: an operator's dtypes are those of its first input
in the exported graphs; *Methods* lists which dtypes each example takes. *runs on* says whose kernel runs in tract's plan; *ONNX Runtime* lists the dtypes for which version 1.32 has no kernel.
";
