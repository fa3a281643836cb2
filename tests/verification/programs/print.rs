//! A program as Rust source against the public API, which shows what failed.

use super::program::{Argument, Axis, Node, Program, Size, Step};
use super::run::Failure;
use ontrace::ops::{Padding, Reduction, Window};
use ontrace::{Array, DType, Scalar};
use std::fmt::Write as _;

/// The program as a test that fails as it failed.
pub fn rust(program: &Program, failure: &Failure, seed: u64) -> String {
    let mut text = format!("// Seed {seed}, {}: {}\n", failure.stage, failure.detail.replace('\n', "\n// "));
    let count = program.inputs().count();
    text += "use ontrace::ops::{Padding, Reduction, Window};\n";
    text += "use ontrace::{Array, DType, Dim, DynModule, Example, Outputs, Result, Tensor, cond, record, while_loop};\n\n";
    text += "struct Program;\n\nimpl DynModule for Program {\n    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {\n";
    text += &body(program);
    text += "    }\n}\n\n";
    writeln!(text, "#[test]\nfn seed_{seed}() -> Result<()> {{").unwrap();
    for call in 0..program.calls() {
        let inputs: Vec<String> = program.arrays(call).iter().map(tensor).collect();
        writeln!(text, "    let call_{call}: [Tensor; {count}] = [{}];", inputs.join(", ")).unwrap();
    }
    text += "    let example = Example::new()";
    (0..count).for_each(|i| write!(text, ".input(\"x{i}\", &call_0[{i}])").unwrap());
    for (i, input) in program.inputs().enumerate() {
        for (axis, declared) in input.axes.iter().enumerate() {
            if let Axis::Symbol(name) = declared {
                write!(text, ".symbolic(\"x{i}\", {axis}, \"{name}\")?").unwrap();
            }
        }
    }
    text += ";\n    let traced = record(&Program, example)?;\n    let session = traced.session()?;\n";
    let calls: Vec<String> = (0..program.calls()).map(|call| format!("call_{call}")).collect();
    writeln!(text, "    for inputs in [{}] {{", calls.join(", ")).unwrap();
    text += "        let expected = Program.forward(&inputs)?;\n";
    text += "        for got in [traced.forward(&inputs)?, session.forward(&inputs)?] {\n";
    text += "            for (got, expected) in got.iter().zip(&expected) {\n";
    text += "                let (got, expected) = (got.to_array()?, expected.to_array()?);\n";
    text += "                let tolerance = ontrace::array::Tolerance::of(expected.dtype());\n";
    text += "                let found = ontrace::array::compare(&got, &expected, tolerance)?;\n";
    text += "                assert!(found.agrees, \"{got}, expected {expected}\");\n";
    text += "            }\n        }\n    }\n    Ok(())\n}\n";
    text
}

/// What the program does, a line a value.
fn body(program: &Program) -> String {
    let (mut text, mut value, mut input) = (String::new(), 0, 0);
    for node in &program.nodes {
        match node {
            Node::Input(_) => {
                writeln!(text, "        let v{value} = inputs[{input}].clone();").unwrap();
                input += 1;
            }
            Node::Constant(array) => writeln!(text, "        let v{value} = {};", tensor(array)).unwrap(),
            Node::Step(step) => {
                let names: Vec<String> = (value..value + step.count).map(|value| format!("v{value}")).collect();
                let call = call(step);
                let list = step.method.source.starts_with("cond") || step.method.source.starts_with("while_loop") || step.is_list();
                match (step.count, list) {
                    (1, false) => writeln!(text, "        let {} = {call}?;", names[0]).unwrap(),
                    (_, false) => writeln!(text, "        let ({}) = {call}?;", names.join(", ")).unwrap(),
                    (count, true) => {
                        let list = format!("<[Tensor; {count}]>::try_from({call}?)");
                        writeln!(text, "        let [{}] = {list}.expect(\"{count} values\");", names.join(", ")).unwrap();
                    }
                }
            }
        }
        value += node.count();
    }
    let outputs: Vec<String> = program.outputs.iter().map(|value| format!("v{value}.clone()")).collect();
    writeln!(text, "        Ok(vec![{}])", outputs.join(", ")).unwrap();
    text
}

impl Step {
    /// Whether the method gives a list.
    fn is_list(&self) -> bool {
        ["split_with_sizes", "chunk", "unbind", "vec!"].iter().any(|name| self.method.source.contains(name))
    }
}

/// The source of a call with its operands put in.
fn call(step: &Step) -> String {
    let source = step.method.source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    let mut rest = source.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        text += before;
        let is_method = text.ends_with('.') || text.ends_with(':') || after.starts_with("::");
        let tensor = step.method.tensors.iter().position(|name| *name == word);
        let argument = step.method.arguments.iter().position(|name| *name == word);
        match (tensor, argument) {
            (Some(i), _) if !is_method => {
                let borrowed = if after.starts_with('.') { "" } else { "&" };
                write!(text, "{borrowed}v{}", step.inputs[i]).unwrap();
            }
            (_, Some(i)) if !is_method => text += &self::argument(&step.arguments[i], step),
            _ => text += word,
        }
        rest = after;
    }
    text + rest
}

fn argument(argument: &Argument, step: &Step) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    match argument {
        Argument::Int(n) => whole(*n),
        Argument::Float(x) => float(*x),
        Argument::Flag(flag) => flag.to_string(),
        Argument::Ints(ints) => list(ints.iter().map(|&n| whole(n)).collect()),
        Argument::Axes(None) => "None::<Vec<i64>>".to_string(),
        Argument::Axes(Some(axes)) => format!("Some(vec!{axes:?})"),
        Argument::Sizes(sizes) => format!("{sizes:?}"),
        Argument::Kind(dtype) => kind(*dtype),
        Argument::Size(length) => self::size(length, step),
        Argument::Dims(dims) if dims.is_empty() => "[0i64; 0]".to_string(),
        Argument::Dims(dims) => list(dims.iter().map(|length| self::size(length, step)).collect()),
        Argument::Text(text) => format!("{text:?}"),
        Argument::Move(Window { strides, dilations, pads_begin, .. }) => {
            format!("Window::symmetric(&{strides:?}, &{pads_begin:?}, &{dilations:?})")
        }
        Argument::Joined(reduction) => {
            let name = match reduction {
                Reduction::Replace => "Replace",
                Reduction::Add => "Add",
                Reduction::Mul => "Mul",
                Reduction::Max => "Max",
                Reduction::Min => "Min",
            };
            format!("Reduction::{name}")
        }
        Argument::Border(Padding::Constant(number)) => format!("Padding::Constant({}.into())", scalar(number)),
        Argument::Border(padding) => format!("Padding::{padding:?}"),
    }
}

fn whole(n: i64) -> String {
    if n < 0 { format!("({n}i64)") } else { format!("{n}i64") }
}

fn float(x: f64) -> String {
    match x {
        f64::INFINITY => "f64::INFINITY".to_string(),
        x if x < 0.0 => format!("({x:?}f64)"),
        x => format!("{x:?}f64"),
    }
}

fn scalar(number: &Scalar) -> String {
    match number {
        Scalar::Bool(flag) => flag.to_string(),
        Scalar::Int(n) => whole(*n),
        Scalar::Float(x) => float(*x),
    }
}

fn size(size: &Size, step: &Step) -> String {
    match size {
        Size::Fixed(n) => format!("Dim::from({})", whole(*n)),
        Size::Of(tensor, axis) => format!("v{}.dim({axis})?", step.inputs[*tensor]),
        Size::Times(a, b) => format!("({} * {})", self::size(a, step), self::size(b, step)),
        Size::Plus(a, n) => format!("({} + {})", self::size(a, step), whole(*n)),
        Size::Over(a, n) => format!("({} / {})", self::size(a, step), whole(*n)),
    }
}

fn kind(dtype: DType) -> String {
    format!("DType::{}", dtype.name().to_uppercase().replace("BOOL", "Bool"))
}

/// A tensor with its values.
fn tensor(array: &Array) -> String {
    let values: Vec<String> = match array.dtype() {
        DType::Bool => array.to_i64s().unwrap().iter().map(|&n| (n != 0).to_string()).collect(),
        dtype if dtype.is_float() => array.to_f64s().unwrap().iter().map(|x| format!("{x:?}")).collect(),
        _ => array.to_i64s().unwrap().iter().map(i64::to_string).collect(),
    };
    let (values, shape) = (values.join(", "), array.shape());
    match array.dtype() {
        DType::F16 | DType::F64 => {
            format!("Tensor::from(Array::new::<f64>(&{shape:?}, vec![{values}])?.cast({})?)", kind(array.dtype()))
        }
        dtype => format!("Tensor::new::<{}>(&{shape:?}, vec![{values}])?", dtype.name()),
    }
}
