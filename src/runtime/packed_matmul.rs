//! A product with a matrix of the model, as one node of tract's plan: the matrix is laid out once for all plans, a bias is added
//! and an activation applied on the way.

use super::activation_op::ActivationOp;
use super::kernel_nodes::{Kernels, with_nodes};
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::kernels::fused_activation::FusedActivation;
use crate::kernels::packed_gemm::Panels;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::{Model, Node, outer_names};
use crate::ops::OpRegistry;
use ndarray::{ArrayView2, ArrayViewMut2, Ix2};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::math::{Add, Max};
use tract_onnx::tract_hir::internal::*;

/// A model whose products with matrices of its own are nodes of ours; `None` where it has none. The values of these names stay.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where there is no room for a matrix.
pub(super) fn with_products(model: &Model, kept: &BTreeSet<&str>, operators: &OpRegistry, kernels: &mut Kernels) -> Result<Option<Model>> {
    let Some(graph) = &model.proto.graph else { return Ok(None) };
    let matrices = Matrices::new(model, graph);
    let mut laid_out = LaidOut::default();
    let product = |node| {
        let Some(linear) = ConstantMatMul::of(node, &matrices) else { return Ok(None) };
        Ok(Some((ProductOp(Product::new(&linear, &mut laid_out)?), vec![linear.left.to_string()])))
    };
    let Some(mut nodes) = kernels.in_place(graph, operators, product)? else { return Ok(None) };
    // Transposed matrices that nothing else uses are not computed.
    let used: HashSet<String> =
        nodes.iter().flat_map(|node| node.input.iter().map(String::as_str).chain(outer_names(node))).map(str::to_string).collect();
    let is_used = |name: &String| used.contains(name) || kept.contains(name.as_str());
    nodes.retain(|node| node.op_type != "Transpose" || node.output.iter().any(is_used));
    Ok(Some(with_nodes(model, nodes, vec![])))
}

/// The values of a model that are the same at every call, and may be transposed.
struct Matrices<'a> {
    constants: HashMap<&'a str, &'a Array>,
    /// By the names of transposed values what they are the transposed of.
    transposed: HashMap<&'a str, &'a str>,
}

impl<'a> Matrices<'a> {
    fn new(model: &'a Model, graph: &'a GraphProto) -> Matrices<'a> {
        let constants: HashMap<&str, &Array> = model.initializers.iter().map(|(name, array)| (name.as_str(), array)).collect();
        let transposed = graph.node.iter().enumerate().filter_map(|(i, proto)| {
            let node = Node::new(proto, i);
            let (from, to) = (proto.input.first()?.as_str(), proto.output.first()?.as_str());
            let swaps = match node.ints("perm").ok()? {
                Some(perm) => perm == [1, 0],
                None => true,
            };
            (node.op_type() == "Transpose" && node.domain() == "" && swaps && constants.get(from)?.rank() == 2).then_some((to, from))
        });
        let transposed = transposed.collect();
        Matrices { constants, transposed }
    }

    fn constant(&self, name: &str) -> Option<&'a Array> {
        self.constants.get(name).copied()
    }

    /// A matrix of f32, its name, and whether it is meant transposed.
    fn matrix(&self, name: &'a str) -> Option<(&'a Array, &'a str, bool)> {
        let (name, transposed) = self.transposed.get(name).map_or((name, false), |from| (*from, true));
        let matrix = self.constant(name).filter(|matrix| matrix.dtype() == DType::F32 && matrix.rank() == 2)?;
        Some((matrix, name, transposed))
    }
}

/// A node that multiplies what it is given by a matrix of the model.
struct ConstantMatMul<'a> {
    /// The name of what is multiplied.
    left: &'a str,
    name: &'a str,
    matrix: &'a Array,
    transposed: bool,
    bias: Option<&'a Array>,
}

impl<'a> ConstantMatMul<'a> {
    /// A node as one: a MatMul, or a Gemm that scales nothing and adds the same to every row.
    fn of(node: &'a NodeProto, matrices: &Matrices<'a>) -> Option<ConstantMatMul<'a>> {
        let node = Node::new(node, 0);
        let (left, name, added) = (node.input(0)?, node.input(1)?, node.input(2));
        if node.domain() != "" || !["MatMul", "Gemm"].contains(&node.op_type()) || matrices.constant(left).is_some() {
            return None;
        }
        let (matrix, name, transposed) = matrices.matrix(name)?;
        if node.op_type() == "MatMul" {
            return Some(ConstantMatMul { left, name, matrix, transposed, bias: None });
        }
        let transposed = transposed != (node.int("transB", 0).ok()? != 0);
        let columns = matrix.shape()[usize::from(!transposed)];
        let bias = added.map(|name| matrices.constant(name).filter(|bias| bias.rank() <= 2 && is_row(bias.shape(), columns)));
        let plain = node.float("alpha", 1.0).ok()? == 1.0 && node.int("transA", 0).ok()? == 0;
        let whole = bias.is_none_or(|bias| bias.is_some()) && (bias.is_none() || node.float("beta", 1.0).ok()? == 1.0);
        (plain && whole).then(|| ConstantMatMul { left, name, matrix, transposed, bias: bias.flatten() })
    }
}

/// Whether a shape broadcasts to rows of so many columns that are all the same.
fn is_row(shape: &[usize], columns: usize) -> bool {
    shape.split_last().is_some_and(|(&last, before)| last == columns && before.iter().all(|&n| n == 1))
}

/// The matrices of a model that were laid out, by their names and whether they were transposed: each once, however many nodes
/// multiply by it.
#[derive(Default)]
struct LaidOut(BTreeMap<(String, bool), Arc<Panels>>);

impl LaidOut {
    fn panels(&mut self, linear: &ConstantMatMul) -> Result<Arc<Panels>> {
        let key = (linear.name.to_string(), linear.transposed);
        if let Some(known) = self.0.get(&key) {
            return Ok(Arc::clone(known));
        }
        let view = linear.matrix.view::<f32>()?;
        let view = view.view().into_dimensionality::<Ix2>().map_err(|error| Error::internal(error.to_string()))?;
        let panels = Arc::new(Panels::new(if linear.transposed { view.t() } else { view })?);
        self.0.insert(key, Arc::clone(&panels));
        Ok(panels)
    }
}

/// A tensor for the results of a kernel.
pub(super) fn room(shape: &[usize]) -> TractResult<Tensor> {
    // SAFETY: every number is written before it is read: what a kernel writes is all of them.
    unsafe { Tensor::uninitialized::<f32>(shape) }
}

/// f(x·B + bias) along the last axis of x, where f is an activation.
#[derive(Clone, Debug)]
pub(super) struct Product {
    matrix: Arc<Panels>,
    bias: Option<Arc<[f32]>>,
    activation: Option<FusedActivation>,
}

impl Product {
    /// What a node does, with the matrix laid out.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where there is no room for the matrix.
    fn new(linear: &ConstantMatMul, laid_out: &mut LaidOut) -> Result<Product> {
        let bias = linear.bias.map(|bias| bias.to_vec().map(Into::into)).transpose()?;
        Ok(Product { matrix: laid_out.panels(linear)?, bias, activation: None })
    }

    /// The shape of the product of what has this one.
    fn shape(&self, mut shape: TVec<TDim>) -> TractResult<TVec<TDim>> {
        let (rows, columns) = self.matrix.dim();
        let last = shape.last_mut().context("a matrix product with a scalar")?;
        // A size that depends on data is known only at run time.
        ensure!(last.to_i64().is_err() || *last == rows.to_dim(), "rows of {last} elements do not fit a matrix of {rows} rows");
        *last = columns.to_dim();
        Ok(shape)
    }
}

/// A product as it stands in the model that tract reads.
#[derive(Clone, Debug)]
pub(super) struct ProductOp(pub(super) Product);

impl Expansion for ProductOp {
    fn name(&self) -> StaticName {
        self.0.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(&'s self, s: &mut Solver<'r>, inputs: &'p [TensorProxy], outputs: &'p [TensorProxy]) -> InferenceResult {
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.given(&inputs[0].shape, |s, shape| s.equals(&outputs[0].shape, self.0.shape(shape)?))
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.0.clone(), inputs)
    }
}

impl PartialEq for Product {
    fn eq(&self, other: &Product) -> bool {
        Arc::ptr_eq(&self.matrix, &other.matrix) && self.bias == other.bias && self.activation == other.activation
    }
}

impl Eq for Product {}

impl Op for Product {
    fn name(&self) -> StaticName {
        "ontrace.Product".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Product {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (k, n) = self.matrix.dim();
        let x = args_1!(inputs);
        let mut shape: TVec<usize> = x.shape().into();
        *shape.last_mut().context("a matrix product with a scalar")? = n;
        let rows = shape[..shape.len() - 1].iter().product();
        let mut y = room(&shape)?;
        let x = ArrayView2::from_shape((rows, k), x.try_as_plain_ram()?.as_slice::<f32>()?)?;
        let mut out = y.try_as_plain_ram_mut()?;
        let out = ArrayViewMut2::from_shape((rows, n), out.as_slice_mut::<f32>()?)?;
        self.matrix.multiply(x, self.bias.as_deref(), self.activation, out);
        Ok(tvec![y.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for Product {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(self.shape(inputs[0].shape.to_tvec())?)])
    }

    /// Folds in an addition of the same values to every row, and an activation.
    fn declutter(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        if self.activation.is_some() || model.outputs.contains(&node.id.into()) {
            return Ok(None);
        }
        let Some(next) = model.single_succ(node.id)? else { return Ok(None) };
        let fused =
            |activation| TypedModelPatch::fuse_with_next(model, node, Product { activation: Some(activation), ..self.clone() }).map(Some);
        if let Some(ActivationOp(activation)) = next.op_as::<ActivationOp>() {
            return fused(*activation);
        }
        let Some(TypedBinOp(operation, _)) = next.op_as::<TypedBinOp>() else { return Ok(None) };
        let Some(other) = next.inputs.iter().find(|input| input.node != node.id) else { return Ok(None) };
        let Some(values) = &model.outlet_fact(*other)?.konst else { return Ok(None) };
        // How tract has Relu.
        if operation.is::<Max>() && values.len() == 1 && values.cast_to_scalar::<f32>().is_ok_and(|value| value == 0.0) {
            return fused(FusedActivation::Relu);
        }
        if self.bias.is_some() || !operation.is::<Add>() {
            return Ok(None);
        }
        let row = values.rank() <= node.outputs[0].fact.rank() && is_row(values.shape(), self.matrix.dim().1);
        if !row || values.datum_type() != f32::datum_type() {
            return Ok(None);
        }
        let bias: Arc<[f32]> = values.try_as_plain_ram()?.as_slice::<f32>()?.into();
        TypedModelPatch::fuse_with_next(model, node, Product { bias: Some(bias), ..self.clone() }).map(Some)
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use crate::array::{Tolerance, compare};
    use crate::onnx::GraphBuilder;
    use crate::runtime::{Session, noise, shapes};
    use crate::{Array, DType, Shape, Tensor, dim::Type, trace_fn};

    /// The operators of the plan for these inputs, and what it answers.
    fn run(session: &Session, inputs: &[Array]) -> (Vec<String>, Vec<Array>) {
        (session.compile(&shapes(inputs)).unwrap().operators(), session.run(inputs).unwrap())
    }

    /// How many products and additions there are in the plan of a function, which answers what the function does.
    fn counts(f: impl Fn(Tensor) -> crate::Result<Tensor>, x: &Tensor) -> (usize, usize) {
        let traced = trace_fn(&f, x).unwrap();
        let (names, got) = run(&traced.session().unwrap(), &[x.to_array().unwrap()]);
        let expected = f(x.clone()).unwrap().to_array().unwrap();
        assert!(compare(&got[0], &expected, Tolerance { abs: 1e-5, rel: 1e-5 }).unwrap().agrees);
        let count = |name: &str| names.iter().filter(|found| *found == name).count();
        (count("ontrace.Product"), names.iter().filter(|name| name.contains("Add")).count())
    }

    #[test]
    fn what_is_added_to_every_row_is_added_on_the_way() {
        let (x, w) = (noise(&[2, 3, 20], 1), noise(&[20, 70], 2));
        let (row, column, scalar) = (noise(&[70], 3), noise(&[3, 1], 4), noise(&[], 5));
        assert_eq!(counts(|x| x.matmul(&w)?.add(&row), &x), (1, 0));
        assert_eq!(counts(|x| row.add(x.matmul(&w)?), &x), (1, 0));
        assert_eq!(counts(|x| x.matmul(&w)?.add(&row)?.add(&row), &x), (1, 1));
        assert_eq!(counts(|x| x.matmul(&w)?.add(&column), &x), (1, 1));
        assert_eq!(counts(|x| x.matmul(&w)?.add(&scalar), &x), (1, 1));
        // The product is needed by itself too.
        assert_eq!(
            counts(
                |x| {
                    let y = x.matmul(&w)?;
                    y.add(&row)?.mul(&y)
                },
                &x
            ),
            (1, 1)
        );
        assert_eq!(counts(|x| x.linear(&noise(&[70, 20], 6), Some(&row)), &x), (1, 0));
    }

    #[test]
    fn a_product_that_is_an_output_too_is_given_without_the_bias() {
        let (x, w, row) = (noise(&[3, 20], 1), noise(&[20, 7], 2), noise(&[7], 3));
        let both = |x: Tensor| {
            let y = x.matmul(&w)?;
            Ok((y.clone(), y.add(&row)?))
        };
        let got = trace_fn(both, &x).unwrap().session().unwrap().run(&[x.to_array().unwrap()]).unwrap();
        let (y, z) = both(x).unwrap();
        for (got, expected) in got.iter().zip([y, z]) {
            assert!(compare(got, &expected.to_array().unwrap(), Tolerance { abs: 1e-5, rel: 1e-5 }).unwrap().agrees);
        }
    }

    #[test]
    fn matrices_are_gemms_too() {
        let (x, w, row) = (noise(&[5, 20], 1), noise(&[7, 20], 2), noise(&[7], 3));
        assert_eq!(counts(|x| x.linear(&w, Some(&row)), &x), (1, 0));
        assert_eq!(counts(|x| x.linear(&w, None), &x), (1, 0));
        let w = w.transpose(0, 1).unwrap();
        assert_eq!(counts(|x| row.addmm(&x, &w, 1.0, 1.0), &x), (1, 0));
        // Scaled ones are tract's.
        assert_eq!(counts(|x| row.addmm(&x, &w, 0.5, 1.0), &x).0, 0);
        assert_eq!(counts(|x| row.addmm(&x, &w, 1.0, 2.0), &x).0, 0);
        assert_eq!(counts(|x| noise(&[5, 1], 4).addmm(&x, &w, 1.0, 1.0), &x).0, 0);
    }

    #[test]
    fn a_table_that_is_read_and_multiplied_transposed_is_laid_out() {
        // A language model whose head is its embedding: 300 rows are kept once in the file, and transposed in the graph.
        let (table, ids) = (noise(&[300, 64], 1), Tensor::from(&[7i64, 299, 0]));
        let mut builder = GraphBuilder::new(18);
        let weights = builder.constant(&table.to_array().unwrap());
        let input = builder.input("ids", ids.ty());
        let ty = |shape: &[usize]| Type::new(DType::F32, Shape::fixed(shape));
        let rows = builder.node("Gather", &[weights.clone(), input.clone()]).write_one(ty(&[3, 64])).unwrap();
        let transposed = builder.node("Transpose", &[weights]).ints("perm", &[1, 0]).write_one(ty(&[64, 300])).unwrap();
        let y = builder.node("MatMul", &[rows, transposed]).write_one(ty(&[3, 300])).unwrap();
        let model = builder.finish("main", &[input], &[("y".to_string(), y)]).unwrap();
        let (names, got) = run(&Session::new(&model).unwrap(), &[ids.to_array().unwrap()]);
        let expected = table.index_select(0, &ids).unwrap().matmul(&table.transpose(0, 1).unwrap()).unwrap().to_array().unwrap();
        assert!(compare(&got[0], &expected, Tolerance { abs: 1e-5, rel: 1e-5 }).unwrap().agrees);
        let has = |part: &str| names.iter().any(|name| name.contains(part));
        assert!(has("ontrace.Product") && !has("MatMul") && !has("Transpose") && !has("MoveAxis"), "{names:?}");
    }

    #[test]
    fn vectors_and_empty_batches_have_a_product() {
        let w = noise(&[4, 3], 1);
        assert_eq!(counts(|x| x.matmul(&w), &noise(&[4], 2)), (1, 0));
        // tract knows what is empty before anything runs.
        assert_eq!(counts(|x| x.matmul(&w), &noise(&[2, 0, 4], 2)), (0, 0));
    }
}
