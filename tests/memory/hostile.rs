//! Damaged files are refused with a code: never a panic, and never more memory than the file justifies.

use crate::{counting, panics};
use ontrace::array::Random;
use ontrace::check::check_memory;
use ontrace::onnx::proto::*;
use ontrace::{ErrorCode, Example, read, record, trace};
use prost::Message as _;
use std::collections::BTreeMap;
use std::path::Path;

/// How many mutations of each file are tried.
const MUTATIONS: u64 = 2000;

/// What opening and tracing may take: this, and four times the file.
const MEMORY: usize = 64 << 20;

/// The file with a few things changed: bits, pieces copied over others, the end cut off, values that may be sizes.
fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..random.integer(1, 4) {
        let at = |random: &mut Random, length: usize| random.integer(0, length as i64 - 1) as usize;
        let length = bytes.len();
        if length < 8 {
            break;
        }
        match random.integer(0, 5) {
            0 | 1 => bytes[at(&mut random, length)] ^= 1 << random.integer(0, 7),
            2 => {
                let count = random.integer(1, 64.min(length as i64 / 2)) as usize;
                let (from, to) = (at(&mut random, length - count), at(&mut random, length - count));
                bytes.copy_within(from..from + count, to);
            }
            3 => bytes.truncate(at(&mut random, length)),
            4 => {
                let offset = at(&mut random, length - 4);
                let number = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX][random.integer(0, 7) as usize];
                bytes[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
            }
            _ => {
                let (offset, byte) = (at(&mut random, length), random.integer(0, 255) as u8);
                bytes.insert(offset, byte);
            }
        }
    }
    bytes
}

/// Opens the file and, where that succeeds, traces its shapes; the code of the failure, if it fails.
fn attempt(path: &Path) -> Option<ErrorCode> {
    let opened = match read::open(path) {
        Ok(opened) => opened,
        Err(error) => return Some(error.code()),
    };
    let example: Example = opened.example().cloned()?.shapes_only();
    trace(&opened, example).err().map(|error| error.code())
}

fn every_mutation_is_survived(original: &[u8], suffix: &str) {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    std::fs::write(file.path(), original).unwrap();
    assert_eq!(attempt(file.path()), None, "the file itself opens");
    let mut failures = Vec::new();
    let mut codes: BTreeMap<Option<ErrorCode>, usize> = BTreeMap::new();
    for seed in 0..MUTATIONS {
        let bytes = mutated(original, seed);
        std::fs::write(file.path(), &bytes).unwrap();
        let (outcome, peak) = counting::peak(|| panics::caught(|| attempt(file.path())));
        match outcome {
            Ok(code) => *codes.entry(code).or_default() += 1,
            Err(message) => failures.push(format!("seed {seed} panics: {message}")),
        }
        if peak > MEMORY + 4 * bytes.len() {
            failures.push(format!("seed {seed} takes {peak} bytes for {}", bytes.len()));
        }
    }
    println!("{suffix}: {codes:?}");
    assert!(failures.is_empty(), "{} of {MUTATIONS}\n{}", failures.len(), failures.join("\n"));
    assert!(codes.len() > 3, "the mutations reach no depth: {codes:?}");
    assert!(!codes.contains_key(&Some(ErrorCode::Internal)), "a broken file is no bug of ours: {codes:?}");
}

#[test]
fn damaged_files_are_refused_without_panic_and_in_little_memory() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mlp.pt");
    let opened = read::open(&archive).unwrap();
    let example = opened
        .example()
        .cloned()
        .map_or_else(|| Example::new().input("x", &ontrace::Tensor::new([2, 16], vec![0.5f32; 32]).unwrap()), Example::shapes_only);
    let onnx = trace(&opened, example).unwrap().to_bytes().unwrap();
    every_mutation_is_survived(&std::fs::read(archive).unwrap(), ".pt");
    every_mutation_is_survived(&onnx, ".onnx");
}

/// Models of a few bytes: the source of an ONNX graph that takes x: f32[2,3], and what inspecting and checking it comes to.
fn small_models() -> Vec<(&'static str, GraphProto, bool)> {
    let constant = |name: &str, values: &[i64]| {
        let raw = values.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        TensorProto { name: name.into(), dims: vec![values.len() as i64], data_type: 7, raw_data: raw.into(), ..Default::default() }
    };
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    let concat = |inputs: &[&str], output: &str| {
        let axis = AttributeProto { name: "axis".into(), r#type: 2, ..Default::default() };
        NodeProto { attribute: vec![axis], ..node("Concat", inputs, output) }
    };
    let graph = |nodes: Vec<NodeProto>, initializer: Vec<TensorProto>| GraphProto { node: nodes, initializer, ..Default::default() };
    let size = |n: i64| vec![constant("c", &[1]), constant("s", &[n])];
    let tail = |from: &str| vec![node("ReduceMax", &[from], "m"), node("Cast", &["m"], "f"), node("Add", &["x", "f"], "y")];
    let with = |mut nodes: Vec<NodeProto>, from: &str| {
        nodes.extend(tail(from));
        for cast in nodes.iter_mut().filter(|node| node.op_type == "Cast") {
            cast.attribute = vec![AttributeProto { name: "to".into(), r#type: 2, i: 1, ..Default::default() }];
        }
        nodes
    };
    let doubled = (0..40).map(|i| concat(&[&format!("d{i}"), &format!("d{i}")], &format!("d{}", i + 1))).collect::<Vec<_>>();
    vec![
        (
            "Expand and an operator on it",
            graph(with(vec![node("Expand", &["c", "s"], "e"), node("Neg", &["e"], "n")], "n"), size(300_000_000)),
            true,
        ),
        ("Tile", graph(with(vec![node("Tile", &["c", "s"], "e")], "e"), size(300_000_000)), true),
        (
            "ConstantOfShape",
            graph(with(vec![node("ConstantOfShape", &["s"], "e"), node("Exp", &["e"], "n")], "n"), size(300_000_000)),
            true,
        ),
        ("Concat that doubles", graph(with(doubled, "d40"), vec![constant("d0", &[1])]), true),
        ("an Expand that fits", graph(with(vec![node("Expand", &["c", "s"], "e")], "e"), size(1000)), false),
    ]
}

fn file_of(mut graph: GraphProto) -> Vec<u8> {
    let dim = |n| tensor_shape_proto::Dimension { value: Some(tensor_shape_proto::dimension::Value::DimValue(n)), ..Default::default() };
    let tensor =
        |dims: &[i64]| type_proto::Tensor { elem_type: 1, shape: Some(TensorShapeProto { dim: dims.iter().copied().map(dim).collect() }) };
    let value = |name: &str| ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor(&[2, 3]))), ..Default::default() }),
        ..Default::default()
    };
    graph.name = "main".into();
    (graph.input, graph.output) = (vec![value("x")], vec![ValueInfoProto { r#type: None, ..value("y") }]);
    let opset_import = vec![OperatorSetIdProto { version: 18, ..Default::default() }];
    ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

#[test]
fn a_small_file_is_traced_in_little_memory_and_refused_before_it_runs() {
    let file = tempfile::Builder::new().suffix(".onnx").tempfile().unwrap();
    for (what, graph, is_refused) in small_models() {
        let bytes = file_of(graph);
        std::fs::write(file.path(), &bytes).unwrap();
        let (outcome, peak) = counting::peak(|| {
            let opened = read::open(file.path())?;
            let example = opened.example().cloned().unwrap().shapes_only();
            let traced = record(&opened, example)?;
            check_memory(&traced, opened.size, &[])
        });
        assert_eq!(outcome.as_ref().err().map(ontrace::Error::code), is_refused.then_some(ErrorCode::TooBig), "{what}: {outcome:?}");
        assert!(peak <= 2 * MEMORY + 4 * bytes.len(), "{what} takes {peak} bytes for {}", bytes.len());
    }
}

#[test]
fn a_program_of_more_operators_than_its_file_justifies_is_refused() {
    let mut endless = GraphProto { name: "body".into(), ..Default::default() };
    let named = |name: &str| ValueInfoProto { name: name.into(), ..Default::default() };
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    endless.input = ["i", "go", "v"].map(named).into();
    endless.output = ["on", "w"].map(named).into();
    endless.node = vec![node("Add", &["v", "v"], "w"), node("Identity", &["go"], "on")];
    let body = AttributeProto { name: "body".into(), r#type: 5, g: Some(Box::new(endless)), ..Default::default() };
    let graph = GraphProto {
        node: vec![NodeProto { attribute: vec![body], ..node("Loop", &["", "c", "x"], "y") }],
        initializer: vec![TensorProto { name: "c".into(), data_type: 9, raw_data: vec![1u8].into(), ..Default::default() }],
        ..Default::default()
    };
    let file = tempfile::Builder::new().suffix(".onnx").tempfile().unwrap();
    std::fs::write(file.path(), file_of(graph)).unwrap();
    let opened = read::open(file.path()).unwrap();
    let error = record(&opened, opened.example().cloned().unwrap().shapes_only()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooBig, "{error}");
}
