//! Plans for the values of inputs: axes, shapes, sizes, scales, repeats, pads and the like that arrive as inputs of the graph.
//!
//! tract needs them when it plans. So the values of such inputs belong to the signature of a call: the model is read and traced once more with
//! them as constants and with the sizes of the call, and what comes out is planned.

use super::{Session, SessionBuilder};
use crate::array::Array;
use crate::dim::{Shape, Type};
use crate::error::{Error, Result};
use crate::module::{DynModule, Example, Outputs};
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::read::OnnxModule;
use crate::tensor::Tensor;
use crate::trace::{ExportOptions, record};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The most elements of an input whose values may belong to the signature of a call.
pub(super) const SMALL: usize = 64;

/// Graphs inside each other that are looked into.
const DEEPEST: usize = 32;

/// The operands that operators need to know when a plan is made, by the operator.
const ATTRIBUTES: &[(&str, &[usize])] = &[
    ("AffineGrid", &[1]),
    ("BlackmanWindow", &[0]),
    ("CenterCropPad", &[1]),
    ("Col2Im", &[1, 2]),
    ("ConstantOfShape", &[0]),
    ("CumProd", &[1]),
    ("CumSum", &[1]),
    ("DFT", &[1, 2]),
    ("Dropout", &[1, 2]),
    ("Expand", &[1]),
    ("HammingWindow", &[0]),
    ("HannWindow", &[0]),
    ("Loop", &[0]),
    ("MaxUnpool", &[2]),
    ("MelWeightMatrix", &[0, 1, 2, 3, 4]),
    ("NonMaxSuppression", &[2, 3, 4]),
    ("OneHot", &[1]),
    ("Pad", &[1, 2, 3]),
    ("Range", &[0, 1, 2]),
    ("ReduceL1", &[1]),
    ("ReduceL2", &[1]),
    ("ReduceLogSum", &[1]),
    ("ReduceLogSumExp", &[1]),
    ("ReduceMax", &[1]),
    ("ReduceMean", &[1]),
    ("ReduceMin", &[1]),
    ("ReduceProd", &[1]),
    ("ReduceSum", &[1]),
    ("ReduceSumSquare", &[1]),
    ("Reshape", &[1]),
    ("Resize", &[1, 2, 3]),
    ("STFT", &[1, 3]),
    ("SequenceAt", &[1]),
    ("SequenceErase", &[1]),
    ("SequenceInsert", &[2]),
    ("Slice", &[1, 2, 3, 4]),
    ("Split", &[1]),
    ("SplitToSequence", &[1]),
    ("Squeeze", &[1]),
    ("Tile", &[1, 2]),
    ("TopK", &[1]),
    ("Trilu", &[1]),
    ("Unsqueeze", &[1]),
    ("Upsample", &[1]),
];

/// Operators through which an input stays a matter of sizes: what they give is known where their operands are, and is as small.
const ARITHMETIC: &[&str] = &[
    "Abs",
    "Add",
    "Cast",
    "Ceil",
    "Concat",
    "Div",
    "Equal",
    "Floor",
    "Gather",
    "Greater",
    "Identity",
    "Less",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Sub",
    "Unsqueeze",
    "Where",
];

/// The inputs, by their indices, whose values operators of the graph need when a plan is made.
pub(super) fn steering(graph: &GraphProto, inputs: &[(String, Type)]) -> Vec<usize> {
    let mut nodes = Vec::new();
    collect(&graph.node, 0, &mut nodes);
    let makers: HashMap<&str, &NodeProto> =
        nodes.iter().flat_map(|node| node.output.iter().map(|name| (name.as_str(), *node))).filter(|maker| !maker.0.is_empty()).collect();
    let mut wanted: Vec<&str> = Vec::new();
    for node in &nodes {
        let positions = ATTRIBUTES.iter().find(|row| row.0 == node.op_type).map_or(&[][..], |row| row.1);
        wanted.extend(positions.iter().filter_map(|&i| node.input.get(i)).map(String::as_str));
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !name.is_empty() && seen.insert(name) {
            let maker = makers.get(name).filter(|node| ARITHMETIC.contains(&node.op_type.as_str()));
            wanted.extend(maker.into_iter().flat_map(|node| &node.input).map(String::as_str));
        }
    }
    (0..inputs.len()).filter(|&i| seen.contains(inputs[i].0.as_str())).collect()
}

/// The nodes of a graph and of those inside it.
fn collect<'a>(nodes: &'a [NodeProto], depth: usize, all: &mut Vec<&'a NodeProto>) {
    for node in nodes.iter().filter(|_| depth < DEEPEST) {
        all.push(node);
        let graphs = node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs));
        graphs.for_each(|graph| collect(&graph.node, depth + 1, all));
    }
}

/// A module some of whose inputs have these values.
struct Specialised<'a> {
    module: &'a OnnxModule,
    fixed: &'a [(usize, Array)],
}

impl Specialised<'_> {
    fn is_fixed(&self, i: usize) -> bool {
        self.fixed.iter().any(|fixed| fixed.0 == i)
    }
}

impl DynModule for Specialised<'_> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let mut rest = inputs.iter().cloned();
        let all = (0..inputs.len() + self.fixed.len()).map(|i| {
            let fixed = self.fixed.iter().find(|fixed| fixed.0 == i).map(|fixed| Tensor::from(fixed.1.clone()));
            fixed.or_else(|| rest.next()).ok_or_else(|| Error::internal("too few inputs"))
        });
        self.module.forward(&all.collect::<Result<Vec<_>>>()?)
    }

    fn input_names(&self) -> Vec<String> {
        let names = self.module.input_names().into_iter().enumerate();
        names.filter(|(i, _)| !self.is_fixed(*i)).map(|(_, name)| name).collect()
    }
}

/// A session for the values of some inputs and the sizes of the others.
#[derive(Clone)]
pub(super) struct SpecialisedSession {
    pub(super) session: Arc<Session>,
    /// The inputs that it takes, by their indices.
    rest: Arc<[usize]>,
}

impl SpecialisedSession {
    /// Of all inputs of a call those that it takes.
    pub(super) fn inputs(&self, all: &[Array]) -> Vec<Array> {
        self.rest.iter().map(|&i| all[i].clone()).collect()
    }
}

impl Session {
    /// A session for these inputs in which those of these indices have become constants, with a plan of tract's.
    ///
    /// # Errors
    /// Where the model needs to know more values, and where tract refuses the graph.
    pub(super) fn specialised(&self, inputs: &[Array], fixed: &[usize]) -> Result<SpecialisedSession> {
        let module = self.module()?;
        let fixed: Vec<(usize, Array)> = fixed.iter().map(|&i| (i, inputs[i].clone())).collect();
        let specialised = Specialised { module: &module, fixed: &fixed };
        let rest: Arc<[usize]> = (0..inputs.len()).filter(|&i| !specialised.is_fixed(i)).collect();
        let names = specialised.input_names();
        let typed = |&i: &usize| Tensor::of_type(Type::new(inputs[i].dtype(), Shape::fixed(inputs[i].shape())));
        let example = names.iter().zip(rest.iter().map(typed)).fold(Example::new(), |example, (name, tensor)| example.input(name, &tensor));
        let traced = record(&specialised, example)?;
        let options = SessionBuilder { cached_plans: 1, operators: traced.operators(), threads: 1 };
        let mut session = Session::with_rows(traced.to_unhashed_model(ExportOptions::default())?, &options, &self.rows)?;
        session.pool = self.pool.clone();
        let specialised = SpecialisedSession { session: Arc::new(session), rest };
        specialised.session.planned_by_tract(&specialised.inputs(inputs))?;
        Ok(specialised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::dim::{Dim, Expr};
    use crate::onnx::{GraphBuilder, Model, Name};

    fn free(name: &str) -> Dim {
        Dim::new(Expr::symbol(name), None)
    }

    fn ty(dtype: DType, dims: &[Dim]) -> Type {
        Type::new(dtype, dims.to_vec())
    }

    /// A model of one node whose inputs are those of the graph, as another program would write it.
    fn foreign(op: &str, types: &[Type], output: Type) -> Model {
        let mut builder = GraphBuilder::new(18);
        let inputs: Vec<Name> = types.iter().map(|ty| builder.input("x", ty)).collect();
        let y = builder.node(op, &inputs).write_one(output).unwrap();
        let mut model = builder.finish("main", &inputs, &[("y".to_string(), y)]).unwrap();
        model.proto.producer_name = "another".to_string();
        model
    }

    fn slice() -> Model {
        let index = ty(DType::I64, &[Dim::Fixed(1)]);
        foreign("Slice", &[ty(DType::F32, &[free("n")]), index.clone(), index], ty(DType::F32, &[free("k")]))
    }

    fn part(start: i64, end: i64) -> [Array; 3] {
        [Array::vector(vec![0f32, 1.0, 2.0, 3.0, 4.0]), Array::vector(vec![start]), Array::vector(vec![end])]
    }

    #[test]
    fn values_that_operators_need_belong_to_the_signature() {
        let session = Session::new(&slice()).unwrap();
        let run = |start, end| session.run(&part(start, end)).unwrap()[0].to_vec::<f32>().unwrap();
        assert_eq!(run(1, 3), [1.0, 2.0]);
        assert_eq!(run(-2, i64::MAX), [3.0, 4.0]);
        assert_eq!(run(1, 3), [1.0, 2.0]);
        assert_eq!((session.plan_counts().made, session.plan_counts().hits), (2, 1));
        assert!(!session.runs_without_tract());
    }

    #[test]
    fn values_that_differ_at_every_call_do_not_make_a_plan_each() {
        let session = Session::builder().cached_plans(4).build(&slice()).unwrap();
        for start in 0..5 {
            for end in 0..6 {
                let expected: Vec<f32> = (start..end.min(5)).map(|i| i as f32).collect();
                assert_eq!(session.run(&part(start, end)).unwrap()[0].to_vec::<f32>().unwrap(), expected);
            }
        }
        assert!(session.plan_counts().made <= 4, "{:?}", session.plan_counts());
    }

    #[test]
    fn axes_shapes_repeats_and_scales_may_be_inputs() {
        let x = Array::new(&[1, 1, 2, 2], vec![1f32, 2.0, 3.0, 4.0]).unwrap();
        let four = ty(DType::F32, &[free("a"), free("b"), free("c"), free("d")]);
        let ints = |n: i64| ty(DType::I64, &[Dim::Fixed(n)]);
        let rows: &[(&str, Type, Array, &[usize])] = &[
            ("ReduceSum", ints(1), Array::vector(vec![2i64]), &[1, 1, 1, 2]),
            ("Reshape", ints(2), Array::vector(vec![2i64, -1]), &[2, 2]),
            ("Expand", ints(4), Array::vector(vec![3i64, 1, 1, 1]), &[3, 1, 2, 2]),
            ("Tile", ints(4), Array::vector(vec![1i64, 2, 1, 1]), &[1, 2, 2, 2]),
            ("Pad", ints(8), Array::vector(vec![0i64, 0, 1, 0, 0, 0, -1, 0]), &[1, 1, 2, 2]),
            ("Unsqueeze", ints(1), Array::vector(vec![0i64]), &[1, 1, 1, 2, 2]),
            ("Squeeze", ints(1), Array::vector(vec![1i64]), &[1, 2, 2]),
        ];
        for (op, input, values, shape) in rows {
            let output = ty(DType::F32, &(0..shape.len()).map(|i| free(&format!("y{i}"))).collect::<Vec<_>>());
            let session = Session::new(&foreign(op, &[four.clone(), input.clone()], output)).unwrap();
            let y = session.run(&[x.clone(), values.clone()]).unwrap_or_else(|error| panic!("{op}: {error}"));
            assert_eq!(y[0].shape(), *shape, "{op}");
            assert!(!session.runs_without_tract(), "{op}: {:?}", session.explain());
        }
    }

    #[test]
    fn an_input_of_no_declared_rank_takes_any() {
        let mut model = foreign("Relu", &[ty(DType::F32, &[])], ty(DType::F32, &[]));
        let graph = model.proto.graph.as_mut().unwrap();
        for info in graph.input.iter_mut().chain(&mut graph.output) {
            if let Some(crate::onnx::proto::type_proto::Value::TensorType(ty)) = info.r#type.as_mut().and_then(|ty| ty.value.as_mut()) {
                ty.shape = None;
            }
        }
        let session = Session::new(&model).unwrap();
        let y = session.run(&[Array::vector(vec![-1f32, 2.0])]).unwrap();
        assert_eq!(y[0].to_vec::<f32>().unwrap(), [0.0, 2.0]);
    }

    #[test]
    fn a_graph_that_is_too_long_to_plan_runs_on_our_kernels() {
        let x = Tensor::from(&[-1.0f32, 2.0]);
        let chain = |x: Tensor| (0..5_000).try_fold(x, |x, i| if i % 2 == 0 { x.neg() } else { x.abs() });
        let session = crate::trace_fn(chain, &x).unwrap().session().unwrap();
        assert_eq!(session.run(&[x.to_array().unwrap()]).unwrap()[0].to_vec::<f32>().unwrap(), [1.0, 2.0]);
        assert!(session.runs_without_tract() && session.explain()[0].contains("5000 nodes"), "{:?}", session.explain());
    }
}
