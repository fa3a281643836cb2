//! TorchScript archives: a tree of modules with tensors, and the code of their methods.

mod arithmetic;
mod ast;
mod branches;
mod builtin;
mod control_flow;
mod interpret;
mod lexer;
mod lists;
mod objects;
mod parser;
mod side_effects;
mod signature;
mod unsupported_ops;

pub(super) use builtin::{binary, unary};
pub(super) use signature::output_names;

use super::aten::complex;
use super::aten::value::{Value, View};
use super::file_version;
use super::pickle::Pickle;
use super::storage::{Storages, StoredTensor, TRACED_INPUTS};
use super::zip::Archive;
use crate::array::Array;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::module::{DynModule, Example, Outputs};
use crate::tensor::Tensor;
use ast::{AstExpr, ClassDef, FunctionDef};
use objects::Objects;
use std::collections::HashMap;
use std::sync::Arc;

/// A TorchScript program that can be called, and so traced.
///
/// Its code is interpreted with ordinary tensor methods: converting it is tracing this interpreter. What is loaded (program, attributes,
/// constants) does not change: each call makes the values that it may write to, so threads can share one module.
pub struct ScriptModule {
    /// The version of the file format, which says what some operators mean.
    version: u32,
    program: Program,
    objects: Objects,
    root: usize,
    constants: Vec<StoredTensor>,
    example: Option<Example>,
    inputs: Vec<String>,
    /// What has no translation, in lines that may never run.
    missing: Option<Error>,
}

/// The code of an archive.
#[derive(Default)]
struct Program {
    classes: HashMap<String, ClassDef>,
    functions: HashMap<String, Arc<FunctionDef>>,
}

/// How deep the types of parameters are looked into.
const DEEPEST_TYPE: usize = 16;

impl Program {
    /// A type with its named tuples written out, as far as these do not hold themselves.
    fn with_fields(&self, kind: &AstExpr, depth: usize) -> AstExpr {
        let of = |kind: &AstExpr| self.with_fields(kind, depth + 1);
        match kind {
            _ if depth > DEEPEST_TYPE => kind.clone(),
            AstExpr::Index(name, inner) => AstExpr::Index(name.clone(), Box::new(of(inner))),
            AstExpr::Tuple(kinds) => AstExpr::Tuple(kinds.iter().map(of).collect()),
            AstExpr::Attribute(..) => {
                let fields = ast::dotted(kind).and_then(|path| self.classes.get(&path)?.fields.as_ref());
                fields.map_or_else(
                    || kind.clone(),
                    |fields| AstExpr::Fields(fields.iter().map(|(name, kind)| (name.clone(), of(kind))).collect()),
                )
            }
            other => other.clone(),
        }
    }

    /// Writes the fields of named tuples into the types of what a class's `forward` takes.
    fn resolve_inputs(&mut self, class: &str) -> Result<()> {
        let mut forward = self.method(class, "forward")?;
        let kinds =
            forward.parameters.iter().map(|parameter| parameter.kind.as_ref().map(|kind| self.with_fields(kind, 0))).collect::<Vec<_>>();
        if kinds.iter().zip(&forward.parameters).skip(1).any(|(kind, parameter)| *kind != parameter.kind) {
            let resolved = Arc::make_mut(&mut forward);
            resolved.parameters.iter_mut().zip(kinds).skip(1).for_each(|(parameter, kind)| parameter.kind = kind);
            let methods = self.classes.get_mut(class).map(|class| &mut class.methods).into_iter().flatten();
            methods.filter(|method| *method.name == *"forward").for_each(|method| *method = forward.clone());
        }
        Ok(())
    }

    /// The method of a class.
    fn method(&self, class: &str, name: &str) -> Result<Arc<FunctionDef>> {
        let methods = &self.classes.get(class).ok_or_else(|| unknown(class))?.methods;
        methods.iter().find(|method| *method.name == *name).cloned().ok_or_else(|| unknown(&format!("{class}.{name}")))
    }
}

impl ScriptModule {
    /// Reads an archive: its objects, its code, its constants. Weights stay where they are in the file.
    ///
    /// # Errors
    /// [`TooNew`](ErrorCode::TooNew); [`Damaged`](ErrorCode::Damaged), and [`UnknownOperators`](ErrorCode::UnknownOperators) with all operators that have no translation, unless a branch
    /// or loop may leave them out: then the call says so that meets one.
    pub(crate) fn open(archive: &Archive) -> Result<ScriptModule> {
        let version = file_version::required(archive)?;
        let mut program = Program::default();
        for name in archive.names() {
            let Some(path) = name.strip_prefix("code/").and_then(|path| path.strip_suffix(".py")) else { continue };
            let prefix = path.replace('/', ".");
            let source = parser::parse(name, &archive.text(name)?)?;
            program.classes.extend(source.classes.into_iter().map(|(class, methods)| (format!("{prefix}.{class}"), methods)));
            program.functions.extend(source.functions.into_iter().map(|f| (format!("{prefix}.{}", f.name), f)));
        }
        let data = Pickle::of(archive, "data.pkl")?;
        let storages = Storages::new(archive, "data")?;
        let (objects, root) = Objects::read(&data, &storages).at("data.pkl")?;
        let constants = constants(archive)?;
        program.resolve_inputs(objects.class(root))?;
        let forward = program.method(objects.class(root), "forward")?;
        let inputs = signature::input_names(&forward);
        let mut script = ScriptModule { version, program, objects, root, constants, example: None, inputs, missing: None };
        script.missing = unsupported_ops::find(&script);
        if unsupported_ops::is_straight(&script)
            && let Some(missing) = script.missing.take()
        {
            return Err(missing);
        }
        script.example = script.example_inputs(archive)?;
        Ok(script)
    }

    /// The inputs that the program was traced with, where the archive keeps them: types, or values too.
    pub fn example(&self) -> Option<&Example> {
        self.example.as_ref()
    }

    /// The parameters and buffers by name.
    pub fn parameters(&self) -> Vec<(String, Array)> {
        self.objects.tensors(self.root)
    }

    /// The program as a function of these inputs: members of lists and dictionaries are named by their path, and arguments that have a default may
    /// be left out.
    ///
    /// # Errors
    /// [`Input`](ErrorCode::Input) where an input is unknown or missing.
    pub(crate) fn with_inputs(mut self, example: &Example) -> Result<ScriptModule> {
        let forward = self.program.method(self.objects.class(self.root), "forward")?;
        self.example = Some(signature::arranged(&forward, example)?);
        Ok(self)
    }

    /// The arguments that may be left out.
    pub(crate) fn optional_inputs(&self) -> Vec<String> {
        self.program.method(self.objects.class(self.root), "forward").map(|forward| signature::optional(&forward)).unwrap_or_default()
    }

    /// The arguments with their declared types.
    pub(crate) fn input_types(&self) -> Vec<(String, String)> {
        self.program.method(self.objects.class(self.root), "forward").map(|forward| signature::types(&forward)).unwrap_or_default()
    }

    /// The arguments with members that the file does not list.
    pub(crate) fn open_inputs(&self) -> Vec<String> {
        match &self.example {
            Some(_) => Vec::new(),
            None => {
                self.program.method(self.objects.class(self.root), "forward").map(|forward| signature::open(&forward)).unwrap_or_default()
            }
        }
    }

    /// The number of modules.
    pub fn module_count(&self) -> usize {
        self.objects.len()
    }

    fn example_inputs(&self, archive: &Archive) -> Result<Option<Example>> {
        if !archive.has("traced_inputs.pkl") {
            return Ok(None);
        }
        let pickle = Pickle::of(archive, "traced_inputs.pkl")?;
        let storages = Storages::new(archive, TRACED_INPUTS)?;
        let tensors = objects::example_tensors(&pickle, &storages).at("traced_inputs.pkl")?;
        let Some(tensors) = tensors else { return Ok(None) };
        let has_keys = tensors.iter().flat_map(|(path, _)| path).any(|step| step.parse::<usize>().is_err());
        let is_single = tensors.len() == self.inputs.len() && !has_keys;
        let mut example = Example::new();
        for (i, (path, tensor)) in tensors.iter().enumerate() {
            let named = |step: &String| self.inputs.iter().position(|name| name == step);
            let argument = path.first().and_then(|step| step.parse().ok().or_else(|| named(step))).unwrap_or(i);
            let name = match (is_single, self.inputs.get(argument)) {
                (true, _) => self.inputs[i].clone(),
                (false, Some(name)) => signature::member_name(name, &path[1..]),
                (false, None) => format!("input_{i}"),
            };
            example = example.input(&name, tensor);
        }
        Ok(Some(example))
    }
}

/// The tensors of `constants.pkl`, in order.
fn constants(archive: &Archive) -> Result<Vec<StoredTensor>> {
    if !archive.has("constants.pkl") {
        return Ok(Vec::new());
    }
    let pickle = Pickle::of(archive, "constants.pkl")?;
    let storages = Storages::new(archive, "constants")?;
    let constant = |&id| match storages.tensor(&pickle, id)? {
        Some(stored) => Ok(stored),
        // Other constants (of scripted code) are kept as empty arrays, and refused where they are used.
        None => Ok(StoredTensor::Real(Array::vector(Vec::<u8>::new()))),
    };
    pickle.items(pickle.root())?.iter().map(constant).collect::<Result<_>>().at("constants.pkl")
}

impl DynModule for ScriptModule {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let forward = self.program.method(self.objects.class(self.root), "forward")?;
        let arguments = signature::arguments(&forward, inputs, self.example.as_ref())?;
        let mut interpreter = interpret::Interpreter::new(self);
        let result = interpreter.call(&forward, Some(Value::Object(self.root)), &[], &arguments);
        // Who misses one operator learns of all.
        let result = result.map_err(|error| match &self.missing {
            Some(missing) if error.code() == ErrorCode::UnknownOperators => missing.clone(),
            _ => error,
        })?;
        let mut leaves = Vec::new();
        signature::flatten(&result, "", &mut leaves)?;
        if leaves.is_empty() {
            return Err(Error::unsupported("the program returns no tensor"));
        }
        let (paths, tensors): (Vec<String>, Vec<Tensor>) = leaves.into_iter().unzip();
        Ok(Outputs::from(tensors).with_names(signature::output_names(paths)).with_state(interpreter.state()))
    }

    fn input_names(&self) -> Vec<String> {
        match &self.example {
            Some(example) => example.inputs().iter().map(|input| input.0.clone()).collect(),
            None => self.inputs.clone(),
        }
    }
}

/// A constant as the program sees it: of rank 0 it is a number that the tracer met, and gives way to other dtypes.
fn constant_value(constant: &StoredTensor, name: &str) -> Result<Value> {
    match constant {
        StoredTensor::Real(array) => {
            let tensor = Tensor::from(array.clone());
            Ok(Value::Tensor(View::stored(if array.rank() == 0 { tensor.weakened() } else { tensor.named(name) })))
        }
        StoredTensor::Pairs(array) if array.rank() == 1 => {
            let parts = array.to_f64s()?;
            Ok(complex::number(parts[0], parts[1]))
        }
        StoredTensor::Pairs(array) => complex::stored(&Tensor::from(array.clone()).named(name)),
        StoredTensor::TypeOnly(_) => Err(Error::damaged(format!("the archive has no data for {name}"))),
    }
}

/// The error of a name that nothing defines.
fn unknown(name: &str) -> Error {
    Error::new(ErrorCode::Damaged, format!("`{name}` is not defined"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::sample::{self, Packed, pack, pickled};
    use crate::{DType, ErrorCode, Traced, record};

    /// A program of one module without attributes, whose `forward` takes these tensors and has this body.
    fn archive(version: u32, inputs: &[&str], body: &str) -> Result<ScriptModule> {
        module(version, inputs, body, b"}")
    }

    /// A program of one module with these attributes; its storage 0 is two zeros of f32.
    fn module(version: u32, inputs: &[&str], body: &str, attributes: &[u8]) -> Result<ScriptModule> {
        let lines: String = body.lines().map(|line| format!("    {line}\n")).collect();
        let kind = |name: &str| if name.contains(": ") { name.to_string() } else { format!("{name}: Tensor") };
        let inputs: String = inputs.iter().map(|name| format!(",\n    {}", kind(name))).collect();
        let code = format!("class M(Module):\n  def forward(self: __torch__.M{inputs}) -> Tensor:\n{lines}");
        let object = pickled(&[b"c__torch__\nM\n)\x81", attributes, b"b"].concat());
        let entries = [
            Packed::stored("m/data.pkl", &object),
            Packed::stored("m/code/__torch__.py", code.as_bytes()),
            Packed::stored("m/constants.pkl", &pickled(b")")),
            Packed::stored("m/version", version.to_string().as_bytes()),
            Packed::stored("m/data/0", &[0; 8]),
        ];
        ScriptModule::open(&Archive::open(pack(&entries).into())?)
    }

    fn script(body: &str) -> ScriptModule {
        archive(10, &["x"], body).unwrap()
    }

    /// A tensor as tests/data/upgraders.txt writes it, `f32[4] 3.5 -3.5 0.0 1.0`, and the size of its first axis.
    fn written(text: &str) -> (Tensor, usize) {
        let (ty, values) = text.split_once(' ').unwrap();
        let (dtype, shape) = ty.strip_suffix(']').unwrap().split_once('[').unwrap();
        let values: Vec<f64> = values.split(' ').map(|value| value.parse().unwrap()).collect();
        let dtype =
            [DType::F32, DType::F64, DType::I64, DType::I32, DType::U8].into_iter().find(|known| known.to_string() == dtype).unwrap();
        (Tensor::from(values.as_slice()).cast(dtype).unwrap(), shape.parse().unwrap())
    }

    #[test]
    fn operators_of_old_archives_compute_what_torch_makes_of_them() {
        let mut failures = Vec::new();
        for line in include_str!("../../../tests/data/upgraders.txt").lines().filter(|line| !line.starts_with(['#', '='])) {
            let fields: Vec<&str> = line.split(" | ").collect();
            let [versions, body, x, y, expected] = fields[..] else { panic!("{line}") };
            let (first, last) = versions.split_once("..").unwrap();
            for version in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                let inputs = [written(x).0, written(y).0];
                let got = archive(version, &["x", "y"], &format!("return {body}")).and_then(|script| script.forward(&inputs));
                let wrong = match (got, expected) {
                    // What torch refuses to cast in place is no part of the table.
                    (Ok(_), "refused") => (!body.contains("div")).then(|| "not refused".to_string()),
                    (Err(_), "refused") => None,
                    (Err(error), _) => Some(error.to_string()),
                    (Ok(got), _) => {
                        let (values, length) = written(expected);
                        let agrees = got[0].dtype() == values.dtype()
                            && got[0].shape().example().unwrap()[..] == [length]
                            && got[0]
                                .to_array()
                                .unwrap()
                                .to_f64s()
                                .unwrap()
                                .iter()
                                .zip(values.to_array().unwrap().to_f64s().unwrap())
                                .all(|(a, b)| *a == b || (a - b).abs() <= 1e-6 * b.abs());
                        (!agrees).then(|| format!("{} {:?}", got[0].ty(), got[0].to_array().unwrap().to_f64s().unwrap()))
                    }
                };
                failures.extend(wrong.map(|wrong| format!("version {version} | {body} | {x} | {y} | {expected}: {wrong}")));
            }
        }
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    }

    #[test]
    fn the_fields_of_a_named_tuple_are_inputs() {
        let code = "class M(Module):\n  def forward(self: __torch__.M,\n    x: __torch__.P,\n    s: float) -> Tensor:\n    return torch.add(torch.mul((x)[0], s), ((x)[1])[1])\n\
                    class Q(NamedTuple):\n  c : Tensor\n  d : Tensor\n\
                    class P(NamedTuple):\n  first_a : Tensor\n  q : __torch__.Q\n";
        let open = || {
            let entries = [
                Packed::stored("m/data.pkl", &pickled(b"c__torch__\nM\n)\x81}b")),
                Packed::stored("m/code/__torch__.py", code.as_bytes()),
                Packed::stored("m/constants.pkl", &pickled(b")")),
                Packed::stored("m/version", b"10"),
            ];
            ScriptModule::open(&Archive::open(pack(&entries).into()).unwrap()).unwrap()
        };
        let number = |x: f32| Tensor::from(&[x]);
        let example = |names: [&str; 3]| {
            let values = [number(3.0), number(4.0), number(5.0)];
            let example = names.iter().zip(values).fold(Example::new(), |example, (name, value)| example.input(name, &value));
            example.input("s", &Tensor::from(Array::scalar(2.0f32)))
        };
        for names in [["x.first_a", "x.q.c", "x.q.d"], ["x_first_a", "x_q_c", "x_q_d"], ["x.0", "x.1.0", "x.1.1"]] {
            let given = example(names);
            let script = open().with_inputs(&given).unwrap();
            let inputs: Vec<Tensor> = given.inputs().iter().map(|(_, tensor)| tensor.clone()).collect();
            assert_eq!(script.forward(&inputs).unwrap()[0].to_vec::<f32>().unwrap(), [11.0], "{names:?}");
        }
        // In the order of the fields, where nothing is named.
        let all = [number(3.0), number(4.0), number(5.0), Tensor::from(Array::scalar(2.0f32))];
        assert_eq!(open().forward(&all).unwrap()[0].to_vec::<f32>().unwrap(), [11.0]);
        assert!(open().with_inputs(&example(["x.first_a", "x.q.c", "x.q.e"])).is_err());
    }

    #[test]
    fn indices_counts_and_steps_that_torch_refuses_are_refused() {
        let x = Tensor::from(&[1.0f32, 2.0, 3.0, 4.0, 5.0]);
        let refused = |body: &str, n: i64| {
            let script = archive(10, &["x", "n: int"], &format!("return {body}")).unwrap();
            script.forward(&[x.clone(), Tensor::from_dim(&crate::dim::Dim::Fixed(n))]).is_err()
        };
        for (body, wrong, right) in [
            ("torch.narrow(x, 0, n, 2)", [4, 9, -1, -6, -9].as_slice(), [0, 3, -5, -2].as_slice()),
            ("torch.narrow(x, 0, 1, n)", &[5, -1], &[0, 4]),
            ("torch.slice(x, 0, 0, 9223372036854775807, n)", &[0, -1, -2], &[1, 2, 9]),
            ("torch.select(x, 0, n)", &[5, -6], &[4, -5]),
            ("torch.arange(n)", &[-1, -2], &[0, 2]),
            ("torch.arange(3, n)", &[2, -1], &[3, 4]),
            ("torch.zeros([n])", &[-1], &[0, 1]),
            ("torch.full([n], 2.)", &[-1], &[0, 1]),
            ("torch.new_zeros(x, [n])", &[-1], &[0, 1]),
            ("torch.mul(x, torch.floordiv(7, n))", &[0], &[2]),
        ] {
            assert_eq!(wrong.iter().filter(|&&n| !refused(body, n)).collect::<Vec<_>>(), [&0i64; 0], "{body} takes these");
            assert_eq!(right.iter().filter(|&&n| refused(body, n)).collect::<Vec<_>>(), [&0i64; 0], "{body} refuses these");
        }
    }

    #[test]
    fn whether_a_list_contains_a_number_is_a_condition_on_it() {
        let body = "if torch.__contains__([2, 3], n):\n  y = torch.mul(x, 2)\nelse:\n  y = x\nreturn y";
        let script = archive(10, &["x", "n: int"], body).unwrap();
        let x = Tensor::from(&[1.0f32, 2.0]);
        let n = |n: i64| Tensor::from_dim(&crate::dim::Dim::Fixed(n));
        let first = |n: Tensor| script.forward(&[x.clone(), n]).unwrap()[0].to_vec::<f32>().unwrap()[0];
        assert_eq!([first(n(3)), first(n(4))], [2.0, 1.0]);
        let traced = record(&script, Example::new().input("x", &x).input("n", &n(3))).unwrap();
        assert_eq!(traced.forward(&[x.clone(), n(3)]).unwrap()[0].to_vec::<f32>().unwrap(), [2.0, 4.0]);
        assert_eq!(traced.forward(&[x, n(4)]).unwrap_err().code(), ErrorCode::Guard);
    }

    #[test]
    fn a_list_of_values_has_torchs_default_dtype_however_they_are_computed() {
        let script = archive(10, &["x", "a: float"], "return torch.tensor([a, torch.mul(a, 2.)])").unwrap();
        let inputs = [Tensor::from(&[1.0f32]), Tensor::full((), 0.5, DType::F64).unwrap()];
        assert_eq!(script.forward(&inputs).unwrap()[0].dtype(), DType::F32);
        let example = Example::new().input("x", &inputs[0]).input("a", &inputs[1]);
        assert_eq!(record(&script, example).unwrap().outputs()[0].1.dtype, DType::F32);
    }

    #[test]
    fn sizes_divide_to_sizes_in_old_archives() {
        let script =
            archive(3, &["x"], "n = torch.div(ops.prim.NumToTensor(torch.size(x, 0)), 2)\nreturn torch.slice(x, 0, 0, int(n))").unwrap();
        let traced = record(&script, Example::new().input("x", &Tensor::from(&[1.0f32; 5])).symbolic("x", 0, "n").unwrap()).unwrap();
        for (length, half) in [(5, 2), (8, 4), (1, 0)] {
            let y = traced.forward(&[Tensor::new([length], vec![1.0f32; length]).unwrap()]).unwrap();
            assert_eq!(y[0].shape().example().unwrap()[..], [half]);
        }
    }

    #[test]
    fn strings_and_lists_that_double_are_refused_before_they_fill_the_memory() {
        let doubled = |first: &str, again: &str| {
            let script = script(&format!("y = {first}\nfor i in range(60):\n  {again}\nreturn x"));
            script.forward(&[Tensor::from(&[1.0f32])]).unwrap_err().code()
        };
        for (first, again) in [
            ("\"aaaa\"", "y = torch.add(y, y)"),
            ("\"aaaa\"", "y = torch.format(\"{}{}\", y, y)"),
            ("\"aaaa\"", "y = torch.join(y, [y, y])"),
            ("[1, 2]", "y = torch.add(y, y)"),
            ("[1, 2]", "_0 = torch.extend(y, y)"),
        ] {
            assert_eq!(doubled(first, again), ErrorCode::TooBig, "{again}");
        }
    }

    #[test]
    fn a_number_that_is_an_input_stays_one() {
        // Of x = [1, 2, 3, 4] at n = 1, 2, 3.
        let cases: &[(&str, [&[f32]; 3])] = &[
            ("torch.mul(x, torch.div(6, int(n)))", [&[6., 12., 18., 24.], &[3., 6., 9., 12.], &[2., 4., 6., 8.]]),
            ("torch.slice(x, 0, 0, torch.floordiv(7, torch.add(int(n), 1)))", [&[1., 2., 3.], &[1., 2.], &[1.]]),
            ("torch.mul(x, torch.pow(2, torch.neg(int(n))))", [&[0.5, 1., 1.5, 2.], &[0.25, 0.5, 0.75, 1.], &[0.125, 0.25, 0.375, 0.5]]),
            ("torch.mul(x, ops.prim.abs(torch.neg(int(n))))", [&[1., 2., 3., 4.], &[2., 4., 6., 8.], &[3., 6., 9., 12.]]),
            ("torch.slice(x, 0, 0, None, int(n))", [&[1., 2., 3., 4.], &[1., 3.], &[1., 4.]]),
            ("torch.clamp(x, None, int(n))", [&[1., 1., 1., 1.], &[1., 2., 2., 2.], &[1., 2., 3., 3.]]),
            ("torch.add(x, x, alpha=int(n))", [&[2., 4., 6., 8.], &[3., 6., 9., 12.], &[4., 8., 12., 16.]]),
            ("torch.mul(x, float(n))", [&[1., 2., 3., 4.], &[2., 4., 6., 8.], &[3., 6., 9., 12.]]),
            ("torch.mul(x, ops.prim.min(int(n), 2))", [&[1., 2., 3., 4.], &[2., 4., 6., 8.], &[2., 4., 6., 8.]]),
            ("torch.full_like(x, int(n))", [&[1.; 4], &[2.; 4], &[3.; 4]]),
            ("torch.select(torch.triu(torch.expand(x, [4, 4]), int(n)), 0, 0)", [&[0., 2., 3., 4.], &[0., 0., 3., 4.], &[0., 0., 0., 4.]]),
            ("torch.select(torch.tril(torch.expand(x, [4, 4]), int(n)), 0, 0)", [&[1., 2., 0., 0.], &[1., 2., 3., 0.], &[1., 2., 3., 4.]]),
            ("torch.reshape(torch.reshape(x, [int(n), -1]), [-1])", [&[1., 2., 3., 4.], &[1., 2., 3., 4.], &[]]),
        ];
        let x = Tensor::from(&[1.0f32, 2.0, 3.0, 4.0]);
        let number = |n: i64| Tensor::new((), vec![n]).unwrap();
        // Today's torch writes version 3 where no operator needs a later one.
        let ways = [(3, "n"), (10, "n"), (3, "n: int"), (10, "n: int")];
        for ((version, n), (body, expected)) in ways.into_iter().flat_map(|way| cases.iter().map(move |case| (way, case))) {
            let body = if n == "n" { body.to_string() } else { body.replace("int(n)", "n") };
            let script = archive(version, &["x", n], &format!("return {body}")).unwrap();
            let example = Example::new().input("x", &x).input("n", &number(1)).shapes_only();
            let traced = record(&script, example).unwrap_or_else(|error| panic!("{body}: {error}"));
            for (n, y) in (1..).zip(expected).filter(|case| !case.1.is_empty()) {
                for module in [&script as &dyn DynModule, &traced] {
                    let got = module.forward(&[x.clone(), number(n)]).unwrap_or_else(|error| panic!("{body} at {n}: {error}"));
                    assert_eq!(got[0].to_vec::<f32>().unwrap(), *y, "{body} at {n} in version {version}");
                }
            }
        }
    }

    #[test]
    fn a_number_that_decides_how_many_axes_there_are_can_be_specialized_for() {
        let body = "if torch.eq(rate, 16000):\n  width = 1\nelse:\n  width = 2\ny = torch.squeeze(torch.slice(x, 0, 0, width), 0)\n\
                    if torch.ne(torch.dim(y), 0):\n  ops.prim.RaiseException(\"not a number\", \"builtins.ValueError\")\n\
                    else:\n  pass\nreturn torch.mul(y, rate)";
        let script = archive(10, &["x", "rate: int"], body).unwrap();
        let example = Example::new().input("x", &Tensor::from(&[1.0f32, 2.0])).input("rate", &Tensor::from(Array::scalar(16000i64)));
        assert!(record(&script, example.clone().shapes_only()).is_err(), "how wide the slice is depends on an input");
        let traced = record(&script, example.specialize("rate").unwrap().shapes_only()).unwrap();
        let call = |rate: i64| traced.forward(&[Tensor::from(&[0.5f32, 2.0]), Tensor::from(Array::scalar(rate))]);
        assert_eq!(call(16000).unwrap()[0].to_vec::<f32>().unwrap(), [8000.0]);
        assert_eq!(call(8000).unwrap_err().code(), ErrorCode::Guard);
    }

    #[test]
    fn files_of_the_first_archives_say_a_version_of_their_own() {
        let code = "op_version_set = 1\nclass M(Module):\n  def forward(self,\n    x: Tensor) -> Tensor:\n    return torch.div(x, 2)\n";
        let entries = [
            Packed::stored("m/version", b"1\n"),
            Packed::stored("m/data.pkl", &pickled(b"c__torch__\nM\n)\x81}b")),
            Packed::stored("m/code/__torch__.py", code.as_bytes()),
        ];
        let script = ScriptModule::open(&Archive::open(pack(&entries).into()).unwrap()).unwrap();
        assert_eq!(script.forward(&[Tensor::from(&[7i64, -7])]).unwrap()[0].to_vec::<i64>().unwrap(), [3, -3]);
    }

    /// Traced on the first input; eager and replayed on all.
    fn agrees(body: &str, calls: &[([f32; 2], Vec<f32>)]) {
        let script = script(body);
        let traced = record(&script, Example::new().input("x", &Tensor::from(&calls[0].0))).unwrap();
        for (x, y) in calls {
            let x = [Tensor::from(x)];
            for module in [&script as &dyn DynModule, &traced] {
                assert_eq!(module.forward(&x).unwrap()[0].to_vec::<f32>().unwrap(), *y, "{x:?}\n{body}\n{traced}");
            }
        }
    }

    #[test]
    fn a_branch_may_write_to_tensors_and_their_views() {
        let body = "y = torch.clone(x)\nhead = torch.select(y, 0, 0)\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.mul_(head, 10.)\n\
                    else:\n  _1 = torch.sub_(y, 1.)\nreturn torch.add(y, head)";
        agrees(body, &[([1.0, 2.0], vec![20.0, 12.0]), ([-1.0, -2.0], vec![-4.0, -5.0])]);
    }

    /// A module with a buffer of two zeros and an integer 0.
    fn counter(body: &str) -> ScriptModule {
        let zeros = sample::tensor(sample::storage("torch.FloatStorage", "0", 2), 0, &[2], &[1]);
        module(10, &["x"], body, &sample::dict(&[("sum", zeros), ("n", sample::int(0))])).unwrap()
    }

    #[test]
    fn what_a_call_writes_to_a_buffer_it_reads_again() {
        let x = Tensor::from(&[1.0f32, -2.0]);
        let call = |body: &str| counter(body).forward(std::slice::from_ref(&x)).unwrap()[0].to_vec::<f32>().unwrap();
        // torch's values; the second line reads the attribute anew.
        assert_eq!(call("_0 = torch.add_(self.sum, x)\nreturn torch.mul(self.sum, 2.)"), [2.0, -4.0]);
        assert_eq!(call("_0 = torch.copy_(torch.select(self.sum, 0, 0), torch.select(x, 0, 1))\nreturn self.sum"), [-2.0, 0.0]);
    }

    #[test]
    fn a_branch_may_write_to_a_buffer_that_nothing_read_before() {
        let body = "if bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.add_(self.sum, x)\nelse:\n  pass\nreturn torch.add(self.sum, 1.)";
        let (script, inputs) = (counter(body), [[1.0f32, 2.0], [-1.0, -2.0]]);
        let traced = record(&script, &Tensor::from(&inputs[0])).unwrap();
        for (x, expected) in inputs.iter().zip([[2.0f32, 3.0], [1.0, 1.0]]) {
            let x = Tensor::from(x);
            assert_eq!(script.forward(std::slice::from_ref(&x)).unwrap()[0].to_vec::<f32>().unwrap(), expected);
            assert_eq!(traced.graph().replay(&[x.to_array().unwrap()]).unwrap()[0].to_vec::<f32>().unwrap(), expected);
        }
    }

    #[test]
    fn what_the_next_call_of_the_source_would_read_is_named() {
        let state = |body: &str| counter(body).forward(&[Tensor::from(&[1.0f32, 2.0])]).unwrap().state().to_vec();
        assert_eq!(state("_0 = torch.add_(self.sum, x)\nreturn self.sum"), ["sum"]);
        assert_eq!(state("self.sum = torch.add(self.sum, x)\nreturn self.sum"), ["sum"]);
        assert_eq!(state("self.n = torch.add(self.n, 1)\nreturn torch.mul(x, self.n)"), ["n"]);
        // What is written before it is read is no state, and what is only read neither.
        assert_eq!(state("self.sum = torch.neg(x)\nreturn torch.mul(self.sum, self.n)"), [""; 0]);
        let traced = record(&counter("_0 = torch.add_(self.sum, x)\nreturn self.sum"), &Tensor::from(&[1.0f32, 2.0])).unwrap();
        let note = "the source keeps `sum` from call to call; here every call starts from the stored values";
        assert!(traced.notes().iter().any(|found| found.to_string() == note), "{:?}", traced.notes());
    }

    #[test]
    fn imaginary_literals_are_read_as_the_code_has_them() {
        let body = "return torch.view_as_real(torch.sub(torch.mul(x, 2.-3.j), 0.+1.j))";
        agrees(body, &[([1.0, 2.0], vec![2.0, -4.0, 4.0, -7.0])]);
    }

    #[test]
    fn a_loop_may_write_to_a_tensor() {
        let body = "y = torch.clone(x)\nwhile bool(torch.lt(torch.sum(y), 100)):\n  _0 = torch.mul_(y, 2.)\nreturn torch.add(y, x)";
        agrees(body, &[([1.0, 2.0], vec![65.0, 130.0]), ([200.0, 1.0], vec![400.0, 2.0]), ([40.0, 30.0], vec![120.0, 90.0])]);
    }

    #[test]
    fn a_branch_may_change_the_elements_of_a_list() {
        let body = "l = [x, torch.neg(x)]\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch._set_item(l, 0, torch.mul(x, 3.))\nelse:\n  pass\n\
                    return torch.add(l[0], l[1])";
        agrees(body, &[([1.0, 2.0], vec![2.0, 4.0]), ([-1.0, -2.0], vec![0.0, 0.0])]);
        let body = "l = [x]\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.append(l, torch.mul(x, 3.))\nelse:\n  \
                    _1 = torch.append(l, torch.neg(x))\nreturn torch.add(l[0], l[1])";
        agrees(body, &[([1.0, 2.0], vec![4.0, 8.0]), ([-1.0, -2.0], vec![0.0, 0.0])]);
    }

    #[test]
    fn a_list_that_grows_on_one_side_only_is_refused() {
        let script =
            script("l = [x]\nif bool(torch.gt(torch.sum(x), 0)):\n  _0 = torch.append(l, x)\nelse:\n  pass\nreturn torch.add(l[0], l[-1])");
        let error = record(&script, Example::new().input("x", &Tensor::from(&[1.0f32, 2.0]))).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("the length or element types of a list"), "{error}");
    }

    /// Traced with its first axis symbolic; eager and replayed on all.
    fn agrees_at_any_length(body: &str, calls: &[(&[f32], Vec<f32>)]) -> Traced {
        let script = script(body);
        let traced = record(&script, Example::new().input("x", &Tensor::from(calls[0].0)).symbolic("x", 0, "n").unwrap()).unwrap();
        for (x, y) in calls {
            let x = [Tensor::from(*x)];
            for module in [&script as &dyn DynModule, &traced] {
                assert_eq!(module.forward(&x).unwrap()[0].to_vec::<f32>().unwrap(), *y, "{x:?}\n{body}\n{traced}");
            }
        }
        traced
    }

    #[test]
    fn a_branch_that_only_raises_is_a_guard_on_sizes() {
        let body = "if torch.gt(torch.size(x, 0), 3):\n  ops.prim.RaiseException(\"too long\", \"builtins.ValueError\")\nelse:\n  pass\n\
                    return torch.mul(x, 2)";
        let traced = agrees_at_any_length(body, &[(&[1.0, 2.0], vec![2.0, 4.0]), (&[1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0])]);
        assert_eq!(traced.guards().len(), 1);
        assert!(traced.guards()[0].to_string().starts_with("n <= 3 at "), "{}", traced.guards()[0]);
        let error = traced.forward(&[Tensor::from(&[1.0f32; 4])]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Guard);
        assert!(error.message().contains("too long"), "{error}");
        // `or` is a branch of its own in a script.
        let body = "if torch.lt(torch.size(x, 0), 2):\n  _0 = True\nelse:\n  _0 = torch.gt(torch.size(x, 0), 3)\nif _0:\n  \
                    ops.prim.RaiseException(\"rows\")\nelse:\n  pass\nreturn torch.neg(x)";
        let traced = agrees_at_any_length(body, &[(&[1.0, 2.0], vec![-1.0, -2.0]), (&[1.0, 2.0, 3.0], vec![-1.0, -2.0, -3.0])]);
        let guards: Vec<String> = traced.guards().iter().map(ToString::to_string).collect();
        assert!(guards.len() == 2 && guards[0].starts_with("n >= 2 at ") && guards[1].starts_with("n <= 3 at "), "{guards:?}");
    }

    #[test]
    fn an_assertion_on_data_is_a_guard_with_the_message_of_the_program() {
        let body = "if bool(torch.gt(torch.min(x), -100)):\n  pass\nelse:\n  ops.prim.RaiseException(\"AssertionError: low\")\n\
                    return torch.mul(x, 2)";
        agrees(body, &[([1.0, 2.0], vec![2.0, 4.0]), ([-1.0, 0.0], vec![-2.0, 0.0])]);
        let module = script(body);
        let low = [Tensor::from(&[-200.0f32, 1.0])];
        let error = record(&module, Example::new().input("x", &low[0])).unwrap_err();
        assert!(error.message().contains("low"), "{error}");
        let traced = record(&module, Example::new().input("x", &Tensor::from(&[1.0f32, 2.0]))).unwrap();
        let error = traced.forward(&low).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Guard);
        assert!(error.message().contains("low"), "{error}");
    }

    #[test]
    fn a_loop_over_rows_may_append_to_a_list() {
        let body = "l = annotate(List[Tensor], [])\nh = torch.neg(torch.select(x, 0, 0))\nfor i in range(torch.size(x, 0)):\n  \
                    h0 = torch.add(torch.mul(h, 2.), torch.select(x, 0, i))\n  _0 = torch.append(l, h0)\n  h = h0\nreturn torch.stack(l)";
        agrees_at_any_length(body, &[(&[1.0, 2.0], vec![-1.0, 0.0]), (&[3.0], vec![-3.0]), (&[1.0, 2.0, 4.0], vec![-1.0, 0.0, 4.0])]);
        let body = "rows = torch.unbind(x)\nl = [torch.neg(rows[0])]\nfor i in range(torch.len(rows)):\n  \
                    l = torch.add(l, [torch.mul(rows[i], 2.), torch.neg(rows[i])])\nreturn torch.stack(l)";
        agrees_at_any_length(body, &[(&[1.0, 2.0], vec![-1.0, 2.0, -1.0, 4.0, -2.0]), (&[3.0], vec![-3.0, 6.0, -3.0])]);
    }

    #[test]
    fn a_size_that_goes_through_floats_is_a_size() {
        let body = "n = int(torch.mul(torch.size(x, 0), 0.5))\nreturn torch.mul(torch.ones([n]), 3)";
        agrees_at_any_length(body, &[(&[1.0, 2.0, 3.0], vec![3.0]), (&[1.0; 4], vec![3.0, 3.0])]);
    }

    #[test]
    fn what_is_read_of_lists_counts_as_work() {
        let grows =
            "l = annotate(List[int], [])\n_0 = True\nwhile _0:\n  _1 = torch.append(l, 1)\n  _0 = torch.ge(torch.len(l), 0)\nreturn x";
        assert_eq!(script(grows).forward(&[Tensor::from(&[1.0f32])]).unwrap_err().code(), ErrorCode::TooBig);
    }
}
