//! The JSON of torch.export, as far as it says what a program does.
//!
//! [torch/_export/serde/schema.py](https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py); what is not named here is skipped
//! while it is read, stack traces above all.

use crate::read::aten::AtenOperator;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// `models/model.json`.
#[derive(Deserialize)]
pub(super) struct SchemaProgram {
    pub graph_module: GraphModule,
    #[serde(default)]
    pub range_constraints: BTreeMap<String, RangeConstraint>,
}

/// The sizes that a symbol can have; an end is missing where there is none.
#[derive(Deserialize)]
pub(super) struct RangeConstraint {
    pub min_val: Option<i64>,
    pub max_val: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct GraphModule {
    pub graph: SchemaGraph,
    pub signature: SchemaSignature,
    #[serde(default)]
    pub module_call_graph: Vec<ModuleCall>,
}

#[derive(Deserialize)]
pub(super) struct SchemaGraph {
    pub inputs: Vec<SchemaArgument>,
    pub outputs: Vec<SchemaArgument>,
    pub nodes: Vec<SchemaNode>,
    #[serde(default)]
    pub tensor_values: BTreeMap<String, TensorMeta>,
}

#[derive(Deserialize)]
pub(super) struct SchemaNode {
    pub target: String,
    pub inputs: Vec<Input>,
    pub outputs: Vec<SchemaArgument>,
    #[serde(default)]
    pub metadata: Metadata,
    /// The operator of torch that the target names, looked up at the first run that comes here.
    #[serde(skip)]
    pub operator: OnceLock<Option<&'static AtenOperator>>,
}

#[derive(Deserialize, Default)]
pub(super) struct Metadata {
    #[serde(default)]
    pub nn_module_stack: Option<String>,
    /// The innermost line of the stack.
    #[serde(default, deserialize_with = "last_line")]
    pub stack_trace: Option<String>,
}

/// The file and line of the last frame of a Python stack trace.
fn last_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    let frame = text.as_deref().and_then(|text| text.rsplit_once("File \"")).map(|(_, frame)| frame);
    let location = frame.and_then(|frame| {
        let (file, rest) = frame.split_once("\", line ")?;
        let line: String = rest.chars().take_while(char::is_ascii_digit).collect();
        // The machine that exported is nobody's business.
        let parts: Vec<&str> = file.rsplit('/').take(2).collect();
        Some(format!("{}:{line}", parts.into_iter().rev().collect::<Vec<_>>().join("/")))
    });
    Ok(location)
}

/// An argument by its name.
#[derive(Deserialize)]
pub(super) struct Input {
    #[serde(default)]
    pub name: String,
    pub arg: SchemaArgument,
    /// 1: positional, 2: by keyword.
    #[serde(default)]
    pub kind: Option<u8>,
}

#[derive(Deserialize)]
pub(super) struct SchemaName {
    pub name: String,
}

#[derive(Deserialize)]
pub(super) struct GraphArgument {
    pub graph: SchemaGraph,
}

/// JSON has no infinities: torch writes them as strings.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum JsonFloat {
    Number(f64),
    Text(String),
}

impl JsonFloat {
    pub(super) fn number(&self) -> f64 {
        match self {
            JsonFloat::Number(x) => *x,
            JsonFloat::Text(text) => match text.as_str() {
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => f64::NAN,
            },
        }
    }
}

/// A value of any kind: a union of one key.
// The names are torch's.
#[allow(clippy::enum_variant_names)]
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SchemaArgument {
    AsNone(serde::de::IgnoredAny),
    AsTensor(SchemaName),
    AsTensors(Vec<SchemaName>),
    AsOptionalTensor(Box<SchemaArgument>),
    AsOptionalTensors(Vec<SchemaArgument>),
    AsNestedTensors(Vec<Vec<SchemaName>>),
    AsInt(i64),
    AsInts(Vec<i64>),
    AsIntLists(Vec<Vec<i64>>),
    AsFloat(JsonFloat),
    AsFloats(Vec<JsonFloat>),
    AsBool(bool),
    AsBools(Vec<bool>),
    AsString(String),
    AsStrings(Vec<String>),
    AsName(String),
    AsSymInt(Box<SchemaArgument>),
    AsSymInts(Vec<SchemaArgument>),
    AsSymFloat(Box<SchemaArgument>),
    AsSymFloats(Vec<SchemaArgument>),
    AsSymBool(Box<SchemaArgument>),
    AsSymBools(Vec<SchemaArgument>),
    AsScalarType(i64),
    AsMemoryFormat(i64),
    AsLayout(serde::de::IgnoredAny),
    AsDevice(serde::de::IgnoredAny),
    AsGraph(Box<GraphArgument>),
    AsOperator(String),
    AsComplex(SchemaComplex),
    AsCustomObj(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
pub(super) struct SchemaComplex {
    pub real: JsonFloat,
    pub imag: JsonFloat,
}

#[derive(Deserialize)]
pub(super) struct TensorMeta {
    pub dtype: i64,
    pub sizes: Vec<Size>,
    #[serde(default)]
    pub strides: Vec<Size>,
    #[serde(default)]
    pub storage_offset: Option<Size>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names)]
pub(super) enum Size {
    AsInt(i64),
    AsExpr(SymbolicSize),
}

#[derive(Deserialize)]
pub(super) struct SymbolicSize {
    pub expr_str: String,
    #[serde(default)]
    pub hint: Option<Hint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names)]
pub(super) enum Hint {
    AsInt(i64),
    AsBool(serde::de::IgnoredAny),
    AsFloat(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
pub(super) struct SchemaSignature {
    pub input_specs: Vec<InputSpec>,
    pub output_specs: Vec<OutputSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InputSpec {
    Parameter { arg: SchemaName, parameter_name: String },
    Buffer { arg: SchemaName, buffer_name: String },
    TensorConstant { arg: SchemaName, tensor_constant_name: String },
    UserInput { arg: SchemaArgument },
    ConstantInput { name: String, value: SchemaArgument },
    CustomObj(serde::de::IgnoredAny),
    Token(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutputSpec {
    UserOutput { arg: SchemaArgument },
    BufferMutation { arg: SchemaName, buffer_name: String },
    ParameterMutation { arg: SchemaName, parameter_name: String },
    UserInputMutation { arg: SchemaName, user_input_name: String },
    LossOutput { arg: SchemaName },
    GradientToParameter(serde::de::IgnoredAny),
    GradientToUserInput(serde::de::IgnoredAny),
    Token(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
pub(super) struct ModuleCall {
    #[serde(default)]
    pub fqn: String,
    #[serde(default)]
    pub signature: Option<CallSignature>,
}

#[derive(Deserialize)]
pub(super) struct CallSignature {
    /// A tree as JSON, inside the JSON.
    pub out_spec: String,
}

/// A node of the tree of outputs: `[1, {...}]` holds the root.
#[derive(Deserialize)]
pub(super) struct TreeSpec {
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub context: Option<String>,
    #[serde(default)]
    pub children_spec: Vec<TreeSpec>,
}

/// `weights_config.json` and `constants_config.json`.
#[derive(Deserialize)]
pub(super) struct Payloads {
    pub config: BTreeMap<String, Payload>,
}

#[derive(Deserialize)]
pub(super) struct Payload {
    pub path_name: String,
    #[serde(default)]
    pub use_pickle: bool,
    #[serde(default)]
    pub tensor_meta: Option<TensorMeta>,
}
