//! Faults behind the traced graph: in its ONNX model, in the lowering that writes it, in the runtime that runs it, and in the answers.

use super::nets::Faulty;
use super::{Row, is_real, net, traced};
use ontrace::check::{BlackBox, Candidate, Checker};
use ontrace::onnx::proto::NodeProto;
use ontrace::onnx::{Model, SCOPE_KEY};
use ontrace::read::OnnxModule;
use ontrace::runtime::Session;
use ontrace::{Array, DType, DynModule, Outputs, Result, Tensor, Traced};

/// What is done to a node.
#[derive(Clone, Copy)]
pub enum Change {
    Int(&'static str, i64),
    Ints(&'static str, &'static [i64]),
    Float(&'static str, f32),
    Text(&'static str, &'static str),
    Swap(usize, usize),
    Op(&'static str),
    /// The constant that is this input.
    Number(usize, fn(f64) -> f64),
    /// The node gives what it takes.
    Drop,
    /// The optional input of this index is forgotten.
    Forget(usize),
    /// The graphs of a branch are swapped.
    Branches,
}

use Change::*;

/// A network, the scope and operator of a node of its model, and what is done to it.
type Planted = (&'static str, &'static str, &'static [&'static str], Change);

pub const PAGES: &[Planted] = &[
    ("mlp", "act", &["Relu"], Op("Abs")),
    ("mlp", "act", &["Relu"], Drop),
    ("mlp", "out", &["Softmax"], Int("axis", 0)),
    ("mlp", "out", &["Softmax"], Op("LogSoftmax")),
    ("mlp", "twice", &["Mul"], Op("Add")),
    ("convnet", "conv", &["Conv"], Ints("pads", &[0, 0, 2, 2])),
    ("convnet", "conv", &["Conv"], Forget(2)),
    ("convnet", "norm", &["BatchNormalization"], Float("epsilon", 1e-2)),
    ("convnet", "norm", &["BatchNormalization"], Swap(1, 4)),
    ("convnet", "pool", &["MaxPool"], Op("AveragePool")),
    ("convnet", "mean", &["AveragePool"], Int("count_include_pad", 1)),
    ("attention", "probs", &["Softmax"], Int("axis", 2)),
    ("attention", "scores", &["Div"], Op("Mul")),
    ("attention", "mask", &["Where"], Swap(1, 2)),
    ("attention", "mask", &["Less"], Op("LessOrEqual")),
    ("block", "norm", &["LayerNormalization"], Float("epsilon", 1e-2)),
    ("block", "residual", &["Sub"], Swap(0, 1)),
    ("recurrent", "lstm", &["LSTM"], Text("direction", "reverse")),
    ("recurrent", "cell", &["Tanh"], Op("Sigmoid")),
    ("words", "look", &["Gather"], Number(0, |x| x + 1e-3)),
    ("words", "mask", &["Greater"], Op("GreaterOrEqual")),
    ("words", "pool", &["ReduceMean"], Op("ReduceMax")),
    ("index", "join", &["Concat"], Swap(0, 1)),
    ("index", "take", &["Gather"], Number(1, |x| (x - 1.0).max(0.0))),
    ("index", "write", &["ScatterElements"], Text("reduction", "add")),
    ("index", "read", &["Add"], Op("Sub")),
    ("reduce", "most", &["ReduceMax"], Op("ReduceMin")),
    ("reduce", "best", &["ArgMax"], Int("axis", 0)),
    ("reduce", "top", &["TopK"], Int("largest", 0)),
    ("reduce", "run", &["CumSum"], Int("exclusive", 1)),
    ("types", "rest", &["Mod"], Int("fmod", 1)),
    ("types", "choose", &["Where"], Swap(1, 2)),
    ("types", "compare", &["Less"], Op("Greater")),
    ("types", "logic", &["And"], Op("Or")),
    ("types", "larger", &["Max"], Op("Min")),
    ("image", "up", &["Resize"], Text("mode", "nearest")),
    ("image", "deconv", &["ConvTranspose"], Ints("pads", &[0, 0, 2, 2])),
    ("image", "fill", &["Pad"], Text("mode", "reflect")),
    ("sizes", "flat", &["Transpose"], Drop),
    ("flow", "branch", &["If"], Branches),
    ("special", "power", &["Pow"], Swap(0, 1)),
    ("special", "root", &["Sqrt"], Op("Abs")),
];

/// Whether a node has this scope and is one of these.
fn is_it(node: &NodeProto, location: &str, ops: &[&str]) -> bool {
    let scope = node.metadata_props.iter().find(|property| property.key == SCOPE_KEY).map_or("", |property| property.value.as_str());
    scope == location && ops.contains(&node.op_type.as_str())
}

/// The ONNX model with the fault; `None` where it has no such node.
fn faulty(model: &Model, &(_, location, ops, change): &Planted) -> Option<Model> {
    let mut model = model.clone();
    let graph = model.proto.graph.as_mut()?;
    let node = graph.node.iter_mut().find(|node| is_it(node, location, ops))?;
    let attribute = |node: &mut NodeProto, name: &str, kind: ontrace::onnx::proto::attribute_proto::AttributeType| {
        node.attribute.retain(|attribute| attribute.name != name);
        node.attribute.push(ontrace::onnx::proto::AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() });
        node.attribute.len() - 1
    };
    use ontrace::onnx::proto::attribute_proto::AttributeType as Kind;
    match change {
        Int(name, value) => {
            let i = attribute(node, name, Kind::Int);
            node.attribute[i].i = value;
        }
        Ints(name, values) => {
            let i = attribute(node, name, Kind::Ints);
            node.attribute[i].ints = values.to_vec();
        }
        Float(name, value) => {
            let i = attribute(node, name, Kind::Float);
            node.attribute[i].f = value;
        }
        Text(name, value) => {
            let i = attribute(node, name, Kind::String);
            node.attribute[i].s = value.as_bytes().to_vec().into();
        }
        Swap(a, b) => node.input.swap(a, b),
        Op(op) => node.op_type = op.to_string(),
        Number(i, f) => {
            let array = model.initializers.iter().find(|initializer| initializer.0 == node.input[i])?.1.clone();
            let values: Vec<f64> = array.to_f64s().unwrap().into_iter().map(f).collect();
            node.input[i] = "wrong_constant".to_string();
            let wrong = Array::new(array.shape(), values).ok()?.cast(array.dtype()).ok()?;
            model.initializers.push(("wrong_constant".to_string(), wrong));
        }
        Drop => {
            node.op_type = "Identity".to_string();
            node.attribute.clear();
            node.input.truncate(1);
        }
        Forget(i) => node.input[i].clear(),
        Branches => {
            for attribute in &mut node.attribute {
                attribute.name = if attribute.name == "then_branch" { "else_branch" } else { "then_branch" }.to_string();
            }
        }
    }
    Some(model)
}

/// A road from a traced graph to answers that writes one kind of node wrong wherever it meets it.
pub struct Road {
    planted: Planted,
    /// Whether tract runs what was written, or our own readers and kernels.
    tract: bool,
    /// A wrong node stays right where it stands alone: what an optimiser gets wrong when it joins nodes.
    joined: usize,
    made: Box<dyn DynModule>,
}

impl Road {
    fn new(planted: Planted, tract: bool, joined: usize, traced: &Traced) -> Result<Road> {
        let model = traced.to_model()?;
        let nodes = model.proto.graph.as_ref().map_or(0, |graph| graph.node.len());
        let model = if nodes >= joined { faulty(&model, &planted).unwrap_or(model) } else { model };
        let made: Box<dyn DynModule> = if tract { Box::new(Session::new(&model)?) } else { Box::new(OnnxModule::new(model)?) };
        Ok(Road { planted, tract, joined, made })
    }
}

impl DynModule for Road {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        self.made.forward(inputs)
    }
}

impl Candidate for Road {
    fn subgraph(&self, part: &Traced) -> Result<Box<dyn Candidate>> {
        Ok(Box::new(Road::new(self.planted, self.tract, self.joined, part)?))
    }
}

/// What a runtime's answers become on the way out.
type Spoil = fn(Vec<Array>) -> Vec<Array>;

const ANSWERS: &[(&str, &str, Spoil)] = &[
    ("mlp", "widened", |answers| answers.iter().map(|answer| answer.cast(DType::F64).unwrap()).collect()),
    ("reduce", "reordered", |mut answers| {
        answers.swap(1, 8);
        answers
    }),
    ("types", "one lost", |mut answers| {
        answers.truncate(7);
        answers
    }),
];

struct Spoilt(Session, Spoil);

impl DynModule for Spoilt {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let answers = self.0.forward(inputs)?.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
        Ok((self.1)(answers).into_iter().map(Tensor::from).collect::<Vec<_>>().into())
    }
}

/// Every fault behind the traced graph.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (i, planted) in PAGES.iter().enumerate() {
        let (net, location) = (net(planted.0), planted.1);
        let (traced, example) = traced(net);
        let right = Faulty(net, "");
        let name = format!("{} {location} {}", planted.0, what(planted.3));
        let model = traced.to_model().unwrap();
        let wrong = faulty(&model, planted).unwrap_or_else(|| panic!("{name}: no such node on\n{model}"));
        let module = OnnxModule::new(wrong.clone()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(is_real(net, &module), "{name} changes no answer");
        let session = Session::new(&wrong).unwrap();
        rows.push(Row::new(name.clone(), "model", location, Checker::new(&right, &traced, &example).candidate(&session).run()));
        let (kind, tract) = if i % 2 == 0 { ("lowering", false) } else { ("runtime", true) };
        let road = Road::new(*planted, tract, 0, &traced).unwrap();
        rows.push(Row::new(name, kind, location, Checker::new(&right, &traced, &example).candidate(&road).run()));
    }
    // Wrong only among others: at least three nodes of an ONNX model.
    for planted in [PAGES[0], PAGES[11], PAGES[25]] {
        let net = net(planted.0);
        let (traced, example) = traced(net);
        let road = Road::new(planted, true, 3, &traced).unwrap();
        let result = Checker::new(&Faulty(net, ""), &traced, &example).candidate(&road).run();
        rows.push(Row::new(format!("{} {} {}", planted.0, planted.1, what(planted.3)), "optimiser", planted.1, result));
    }
    for &(name, what, spoil) in ANSWERS {
        let net = net(name);
        let (traced, example) = traced(net);
        let spoilt = BlackBox(Spoilt(traced.session().unwrap(), spoil));
        let result = Checker::new(&Faulty(net, ""), &traced, &example).candidate(&spoilt).run();
        rows.push(Row::new(format!("{name} {what}"), "answer", "the answer", result));
    }
    rows
}

/// A change in a few words.
fn what(change: Change) -> String {
    match change {
        Int(name, value) => format!("{name} {value}"),
        Ints(name, values) => format!("{name} {values:?}"),
        Float(name, value) => format!("{name} {value}"),
        Text(name, value) => format!("{name} {value}"),
        Swap(a, b) => format!("inputs {a} and {b} swapped"),
        Op(op) => format!("becomes {op}"),
        Number(i, _) => format!("another constant {i}"),
        Drop => "dropped".to_string(),
        Forget(i) => format!("without input {i}"),
        Branches => "branches swapped".to_string(),
    }
}
