//! Rules of ONNX's operator documentation that its schemas do not state: values of attributes, numbers of outputs, inputs and outputs of bodies.
//!
//! Source: <https://onnx.ai/onnx/operators/>.

use super::names::printable;
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_proto::DataType;
use super::proto::{AttributeProto, GraphProto, NodeProto};

/// The values that an attribute may have.
enum AllowedValues {
    /// 0 or 1.
    Flag,
    /// From this number on.
    AtLeast(i64),
    /// Between these numbers, both included.
    Within(i64, i64),
    /// A list of numbers, each at least this.
    Each(i64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

use AllowedValues::{AtLeast, Each, Flag, OneOf, Within};

/// Attributes, the operators that have them (all where none is named), and their values.
const VALUES: &[(&str, &[&str], AllowedValues)] = &[
    ("align_corners", &[], Flag),
    ("allowzero", &[], Flag),
    ("antialias", &[], Flag),
    ("broadcast", &[], Flag),
    ("ceil_mode", &[], Flag),
    ("center_point_box", &[], Flag),
    ("count_include_pad", &[], Flag),
    ("detect_negative", &[], Flag),
    ("detect_positive", &[], Flag),
    ("exclude_outside", &[], Flag),
    ("exclusive", &[], Flag),
    ("fmod", &[], Flag),
    ("input_forget", &[], Flag),
    ("interleaved", &[], Flag),
    ("inverse", &[], Flag),
    ("is_case_sensitive", &[], Flag),
    ("is_causal", &[], Flag),
    ("keepdims", &[], Flag),
    ("largest", &[], Flag),
    ("layout", &[], Flag),
    ("linear_before_reset", &[], Flag),
    ("new_axis", &[], Flag),
    ("noop_with_empty_axes", &[], Flag),
    ("onesided", &[], Flag),
    ("periodic", &[], Flag),
    ("reverse", &[], Flag),
    ("saturate", &[], Flag),
    ("select_last_index", &[], Flag),
    ("sorted", &[], Flag),
    ("storage_order", &[], Flag),
    ("training_mode", &[], Flag),
    ("transA", &[], Flag),
    ("transB", &[], Flag),
    ("upper", &[], Flag),
    ("blocksize", &[], AtLeast(1)),
    ("group", &[], AtLeast(1)),
    ("hidden_size", &[], AtLeast(1)),
    ("kv_num_heads", &[], AtLeast(1)),
    ("num_groups", &[], AtLeast(1)),
    ("num_outputs", &[], AtLeast(1)),
    ("num_scan_inputs", &[], AtLeast(1)),
    ("offset_group", &[], AtLeast(1)),
    ("output_height", &[], AtLeast(1)),
    ("output_width", &[], AtLeast(1)),
    ("q_num_heads", &[], AtLeast(1)),
    ("sample_size", &[], AtLeast(1)),
    ("sampling_ratio", &[], AtLeast(0)),
    ("size", &["LRN"], AtLeast(1)),
    ("batch_axis", &[], Within(0, 1)),
    ("time_axis", &[], Within(0, 1)),
    ("p", &["LpNormalization"], Within(1, 2)),
    ("p", &["LpPool", "GlobalLpPool"], AtLeast(1)),
    ("qk_matmul_output_mode", &[], Within(0, 3)),
    ("dilations", &[], Each(1)),
    ("kernel_shape", &[], Each(1)),
    ("strides", &[], Each(1)),
    ("activation", &["CausalConvWithState"], OneOf(&["none", "silu", "swish"])),
    ("approximate", &[], OneOf(&["none", "tanh"])),
    // Empty is not in the documentation, but is written for the default.
    ("auto_pad", &[], OneOf(&["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", ""])),
    ("case_change_action", &[], OneOf(&["NONE", "LOWER", "UPPER"])),
    (
        "coordinate_transformation_mode",
        &["Resize"],
        OneOf(&[
            "half_pixel",
            "half_pixel_symmetric",
            "pytorch_half_pixel",
            "align_corners",
            "asymmetric",
            "tf_half_pixel_for_nn",
            "tf_crop_and_resize",
        ]),
    ),
    ("coordinate_transformation_mode", &["RoiAlign"], OneOf(&["half_pixel", "output_half_pixel"])),
    ("direction", &["BitShift"], OneOf(&["LEFT", "RIGHT"])),
    // The default of GRU before opset 3 is spelled so.
    ("direction", &["GRU", "LSTM", "RNN"], OneOf(&["forward", "reverse", "bidirectional", "foward"])),
    ("keep_aspect_ratio_policy", &[], OneOf(&["stretch", "not_larger", "not_smaller"])),
    ("mode", &["DepthToSpace", "SpaceToDepth"], OneOf(&["DCR", "CRD"])),
    ("mode", &["GridSample"], OneOf(&["linear", "nearest", "cubic", "bilinear", "bicubic"])),
    ("mode", &["Pad"], OneOf(&["constant", "reflect", "edge", "wrap"])),
    ("mode", &["Resize"], OneOf(&["nearest", "linear", "cubic"])),
    ("mode", &["RoiAlign"], OneOf(&["avg", "max"])),
    ("mode", &["TensorScatter"], OneOf(&["linear", "circular"])),
    ("mode", &["TfIdfVectorizer"], OneOf(&["TF", "IDF", "TFIDF"])),
    ("mode", &["Upsample"], OneOf(&["nearest", "linear", "bilinear"])),
    ("nearest_mode", &[], OneOf(&["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])),
    ("padding_mode", &[], OneOf(&["zeros", "border", "reflection"])),
    ("pixel_format", &[], OneOf(&["RGB", "BGR", "Grayscale"])),
    ("reduction", &["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"], OneOf(&["none", "mean", "sum"])),
    ("reduction", &["ScatterElements", "ScatterND"], OneOf(&["none", "add", "mul", "max", "min"])),
    ("round_mode", &[], OneOf(&["up", "down", "nearest"])),
    ("update_rule", &[], OneOf(&["linear", "gated", "delta", "gated_delta"])),
];

/// What one node has that the documentation of its operator does not allow, where the schema does.
pub(super) fn broken_rules(proto: &NodeProto, since: i64) -> Vec<String> {
    let mut wrong: Vec<String> = proto.attribute.iter().filter_map(|attribute| wrong_value(&proto.op_type, attribute)).collect();
    let int = |name: &str| literal(proto, name).filter(|attribute| attribute.r#type == AttributeType::Int as i32).map(|found| found.i);
    let is_given = |input: usize| proto.input.get(input).is_some_and(|name| !name.is_empty());
    match proto.op_type.as_str() {
        "Split" if since >= 18 && proto.attribute.iter().any(|attribute| attribute.name == "num_outputs") == is_given(1) => {
            wrong.push("Split needs either the input split or the attribute num_outputs".to_string());
        }
        "Flatten" if since < 11 && int("axis").is_some_and(|axis| axis < 0) => {
            wrong.push("Flatten has no negative axis before opset 11".to_string());
        }
        "Resize" if since >= 13 && !is_given(2) && !is_given(3) => {
            wrong.push("Resize needs either the input scales or the input sizes".to_string());
        }
        "BatchNormalization" if since < 14 && !matches!(proto.output.len(), 1 | 5) => {
            wrong.push(format!("BatchNormalization has {} outputs, expected 1 or 5", proto.output.len()));
        }
        "BatchNormalization" if since >= 14 && int("training_mode").unwrap_or(0) == 0 => {
            let outputs = proto.output.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
            if outputs > 1
                && proto.attribute.iter().all(|attribute| attribute.name != "training_mode" || attribute.ref_attr_name.is_empty())
            {
                wrong.push(format!("BatchNormalization has {outputs} outputs, expected 1 where training_mode is 0"));
            }
        }
        "If" | "Loop" | "Scan" => wrong.extend(wrong_bodies(proto, since)),
        _ => {}
    }
    wrong
}

/// The attribute of this name that is written out, not taken from the caller of a function.
fn literal<'a>(proto: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    proto.attribute.iter().find(|attribute| attribute.name == name && attribute.ref_attr_name.is_empty())
}

/// An attribute's value that its operator does not allow.
fn wrong_value(operator: &str, attribute: &AttributeProto) -> Option<String> {
    let row = |row: &&(&str, &[&str], AllowedValues)| row.0 == attribute.name && (row.1.is_empty() || row.1.contains(&operator));
    let (name, _, values) = VALUES.iter().find(row).filter(|_| attribute.ref_attr_name.is_empty())?;
    let (i, is_int) = (attribute.i, attribute.r#type == AttributeType::Int as i32);
    let expected = match values {
        Flag if is_int && !(0..=1).contains(&i) => "0 or 1".to_string(),
        AtLeast(least) if is_int && i < *least => format!("at least {least}"),
        Within(least, most) if is_int && !(*least..=*most).contains(&i) => format!("{least} to {most}"),
        Each(least) => {
            let wrong = attribute.ints.iter().find(|n| *n < least)?;
            return Some(format!("attribute {name} has the element {wrong}, expected at least {least}"));
        }
        OneOf(texts) if attribute.r#type == AttributeType::String as i32 => {
            if texts.iter().any(|text| text.as_bytes() == &attribute.s[..]) {
                return None;
            }
            let known = texts.iter().copied().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
            return Some(format!("attribute {name} is {}, expected one of {known}", printable(&String::from_utf8_lossy(&attribute.s))));
        }
        _ => return None,
    };
    Some(format!("attribute {name} is {i}, expected {expected}"))
}

/// The graphs of a node that have other numbers of inputs and outputs than it needs.
fn wrong_bodies(proto: &NodeProto, since: i64) -> Vec<String> {
    let graph = |name: &str| literal(proto, name).and_then(|attribute| attribute.g.as_deref());
    let mut wrong = Vec::new();
    let mut compare = |name: &str, what: &str, count: usize, expected: usize| {
        if count != expected {
            wrong.push(format!("the graph {name} has {count} {what}, expected {expected}"));
        }
    };
    // Before IR version 4 initializers are inputs too.
    let is_input = |graph: &GraphProto, name: &str| graph.initializer.iter().all(|tensor| tensor.name != name);
    let inputs = |graph: &GraphProto| graph.input.iter().filter(|info| is_input(graph, &info.name)).count();
    match proto.op_type.as_str() {
        "If" => {
            for name in ["then_branch", "else_branch"] {
                if let Some(branch) = graph(name) {
                    compare(name, "outputs", branch.output.len(), proto.output.len());
                }
            }
        }
        "Loop" => {
            if let Some(body) = graph("body") {
                compare("body", "inputs", inputs(body), proto.input.len().max(2));
                compare("body", "outputs", body.output.len(), proto.output.len() + 1);
            }
        }
        _ => {
            if let Some(body) = graph("body") {
                // In opset 8 the lengths of the sequences come first.
                compare("body", "inputs", inputs(body), proto.input.len().saturating_sub(usize::from(since < 9)));
                compare("body", "outputs", body.output.len(), proto.output.len());
            }
        }
    }
    wrong
}

/// What the element types of a node's operands are that the documentation of its operator does not allow with its attributes.
pub(super) fn broken_type_rule(proto: &NodeProto, element_type: &dyn Fn(&str) -> Option<i32>) -> Option<String> {
    const FLOATS: &[DataType] = &[DataType::Float, DataType::Float16, DataType::Bfloat16, DataType::Double];
    let is_float = || element_type(proto.input.first()?).map(|number| FLOATS.iter().any(|float| *float as i32 == number));
    let fmod = proto.attribute.iter().find(|attribute| attribute.name == "fmod");
    let truncates = fmod.is_some_and(|fmod| fmod.i == 1 || !fmod.ref_attr_name.is_empty());
    (proto.op_type == "Mod" && !truncates && is_float() == Some(true)).then(|| "Mod of floats needs the attribute fmod = 1".to_string())
}

/// Operands that have no axes: operator and position.
const SCALARS: &[(&str, usize)] = &[("Dropout", 1), ("Dropout", 2), ("Range", 0), ("Range", 1), ("Range", 2)];

/// An operand of a node that must be a scalar and is none, given the ranks of values as far as they are known.
pub(super) fn wrong_rank(proto: &NodeProto, rank: &dyn Fn(&str) -> Option<usize>) -> Option<String> {
    SCALARS.iter().filter(|row| row.0 == proto.op_type).find_map(|&(operator, input)| {
        let rank = rank(proto.input.get(input)?).filter(|&rank| rank != 0)?;
        Some(format!("{operator} takes a scalar as input {input}, not a tensor of rank {rank}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::OperatorSchema;
    use crate::onnx::sample::{body, branch, int, node, value};

    fn text(name: &str, s: &str) -> AttributeProto {
        AttributeProto { name: name.into(), r#type: AttributeType::String as i32, s: s.to_string().into(), ..Default::default() }
    }

    fn ints(name: &str, ints: &[i64]) -> AttributeProto {
        AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints: ints.to_vec(), ..Default::default() }
    }

    fn with(operator: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
        NodeProto { attribute, ..node(operator, inputs, outputs) }
    }

    fn graph(inputs: usize, outputs: usize) -> AttributeProto {
        let mut graph = branch("body", "o", vec![], vec![]);
        graph.input = (0..inputs).map(|i| value(&format!("i{i}"), 1, &[])).collect();
        graph.output = (0..outputs).map(|i| value(&format!("o{i}"), 1, &[])).collect();
        body("body", graph)
    }

    /// A node, the opset, and a part of what is said of it; empty where it is right.
    fn rows() -> Vec<(NodeProto, i64, &'static str)> {
        vec![
            (with("Mod", &["x", "y"], &["z"], vec![int("fmod", 2)]), 13, "attribute fmod is 2, expected 0 or 1"),
            (with("CumSum", &["x", "a"], &["y"], vec![int("reverse", -7)]), 14, "attribute reverse is -7"),
            (with("ReduceSum", &["x"], &["y"], vec![int("keepdims", 5)]), 13, "attribute keepdims is 5"),
            (with("BitShift", &["x", "y"], &["z"], vec![text("direction", "NOTSET")]), 11, "expected one of LEFT, RIGHT"),
            (with("BitShift", &["x", "y"], &["z"], vec![text("direction", "LEFT")]), 11, ""),
            (with("LSTM", &["x", "w", "r"], &["y"], vec![text("direction", "LEFT")]), 14, "forward, reverse, bidirectional"),
            (with("Pad", &["x", "p"], &["y"], vec![text("mode", "")]), 13, "attribute mode is"),
            (with("Resize", &["x", "", "s"], &["y"], vec![text("nearest_mode", "zork")]), 13, "attribute nearest_mode is zork"),
            (node("Resize", &["x", "", ""], &["y"]), 13, "Resize needs either the input scales or the input sizes"),
            (with("ConvInteger", &["x", "w"], &["y"], vec![ints("kernel_shape", &[3, -1])]), 10, "kernel_shape has the element -1"),
            (with("MaxPool", &["x"], &["y"], vec![ints("strides", &[0])]), 12, "strides has the element 0"),
            (with("Conv", &["x", "w"], &["y"], vec![int("group", 0)]), 11, "attribute group is 0, expected at least 1"),
            (with("LpNormalization", &["x"], &["y"], vec![int("p", 3)]), 1, "attribute p is 3, expected 1 to 2"),
            (with("Flatten", &["x"], &["y"], vec![int("axis", -1)]), 9, "no negative axis before opset 11"),
            (with("Flatten", &["x"], &["y"], vec![int("axis", -1)]), 11, ""),
            (node("Split", &["x"], &["y", "z"]), 18, "Split needs either"),
            (node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y", ""]), 10, "has 2 outputs, expected 1 or 5"),
            (node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"]), 10, ""),
            (node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y", "a", "b", "c", "d"]), 9, ""),
            (node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y", "extra"]), 15, "has 2 outputs, expected 1"),
            (node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y", "", ""]), 15, ""),
            (with("BatchNormalization", &["x", "s", "b", "m", "v"], &["y", "m2", "v2"], vec![int("training_mode", 1)]), 15, ""),
            (with("Loop", &["n", "c", "x"], &["y"], vec![graph(3, 2)]), 13, ""),
            (with("Loop", &["n", "c", "x"], &["y"], vec![graph(2, 2)]), 13, "the graph body has 2 inputs, expected 3"),
            (with("Loop", &["n", "c", "x"], &["y"], vec![graph(3, 1)]), 13, "the graph body has 1 outputs, expected 2"),
            (with("Scan", &["x"], &["y"], vec![int("num_scan_inputs", 1), graph(2, 1)]), 9, "2 inputs, expected 1"),
            (with("Scan", &["", "x"], &["y"], vec![int("num_scan_inputs", 1), graph(1, 1)]), 8, ""),
        ]
    }

    #[test]
    fn what_the_documentation_does_not_allow_is_found() {
        for (i, (proto, opset, part)) in rows().into_iter().enumerate() {
            let since = OperatorSchema::of(&proto.op_type, opset).unwrap().since;
            let wrong = broken_rules(&proto, since).join("; ");
            assert!(if part.is_empty() { wrong.is_empty() } else { wrong.contains(part) }, "row {i} ({part}): {wrong}");
        }
    }

    #[test]
    fn mod_of_floats_truncates() {
        let element_type = |number: i32| move |_: &str| Some(number);
        let plain = node("Mod", &["x", "y"], &["z"]);
        assert!(broken_type_rule(&plain, &element_type(1)).unwrap().contains("fmod = 1"));
        assert_eq!(broken_type_rule(&plain, &element_type(7)), None);
        assert_eq!(broken_type_rule(&with("Mod", &["x", "y"], &["z"], vec![int("fmod", 1)]), &element_type(1)), None);
    }

    #[test]
    fn operands_that_must_be_scalars_are_scalars() {
        let rank = |name: &str| name.parse().ok();
        assert_eq!(wrong_rank(&node("Dropout", &["2", "0", "0"], &["y"]), &rank), None);
        assert!(wrong_rank(&node("Dropout", &["2", "", "1"], &["y"]), &rank).unwrap().contains("a scalar as input 2"));
        assert!(wrong_rank(&node("Range", &["0", "1", "0"], &["y"]), &rank).unwrap().contains("input 1, not a tensor of rank 1"));
        assert_eq!(wrong_rank(&node("Range", &["x", "x", "x"], &["y"]), &rank), None);
    }

    #[test]
    fn every_row_is_about_an_attribute_that_there_is() {
        let has = |operator: &str, attribute: &str| {
            (1..=28).any(|opset| OperatorSchema::of(operator, opset).is_some_and(|schema| schema.has(attribute)))
        };
        for (attribute, operators, _) in VALUES {
            assert!(operators.iter().all(|operator| has(operator, attribute)), "{attribute} of {operators:?}");
        }
    }
}
