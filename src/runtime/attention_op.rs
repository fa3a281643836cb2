//! Scaled dot-product attention as one node of tract's plan: a pass over the model before tract reads it, and the node.
//!
//! Files have it as two products with a softmax between them, transpositions of their operands, a factor and a mask. As one node, the scores of all heads are
//! never in memory together, operands are read where they lie, and heads are divided between threads.

use super::formulas::Formulas;
use super::kernel_nodes::{Kernels, with_nodes};
use super::packed_matmul::room;
use super::panic::from_ours;
use crate::array::{DType, contiguous_strides};
use crate::kernels::attention::{Attention, AttentionSizes, Mask, StridedMatrices};
use crate::onnx::Model;
use ndarray::{ArrayViewMutD, IxDyn};
use std::collections::{BTreeSet, HashMap, HashSet};
use tract_onnx::tract_hir::internal::*;

/// A model whose attentions are one node each; `None` where it has none. The values of these names stay.
pub(super) fn with_attention(model: &Model, kept: &BTreeSet<&str>, kernels: &mut Kernels) -> Option<Model> {
    let graph = model.proto.graph.as_ref()?;
    if !graph.node.iter().any(|node| node.op_type == "Softmax") {
        return None;
    }
    let formulas = Formulas::new(model, graph, kept);
    let mut found: HashMap<usize, Found> = HashMap::new();
    let mut inner: HashSet<usize> = HashSet::new();
    // The transposition of a result, where there is one, is part of it.
    let ends = (0..graph.node.len()).map(|i| (i, true)).chain((0..graph.node.len()).map(|i| (i, false)));
    for (i, is_transposed) in ends {
        let attention = if is_transposed { formulas.transposed_attention(i) } else { formulas.attention(i) };
        if let Some(attention) = attention.filter(|_| !inner.contains(&i) && !found.contains_key(&i)) {
            inner.extend(&attention.inner);
            found.insert(i, attention);
        }
    }
    // An operand that was sought behind the transposition of another attention is not in the graph any more.
    let is_left_out = |name: &String| formulas.makers.get(name.as_str()).is_some_and(|i| inner.contains(i));
    found.retain(|_, attention| !attention.inputs.iter().any(is_left_out));
    let inner: HashSet<usize> = found.values().flat_map(|attention| attention.inner.iter().copied()).collect();
    if found.is_empty() {
        return None;
    }
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (i, node) in graph.node.iter().enumerate() {
        if let Some(Found { op, inputs, .. }) = found.remove(&i) {
            kernels.replaces(node);
            nodes.push(kernels.node(op, node.name.clone(), inputs, node.output.clone()));
        } else if !inner.contains(&i) {
            nodes.push(node.clone());
        }
    }
    Some(with_nodes(model, nodes, vec![]))
}

/// An attention that ends with a node.
struct Found {
    op: AttentionOp,
    inputs: Vec<String>,
    /// The nodes before, whose results nothing else uses.
    inner: Vec<usize>,
}

/// A value as another one with its axes in another order, times a factor.
#[derive(Clone)]
struct AttentionOperand<'a> {
    name: &'a str,
    /// For each axis the one of the other value.
    order: Vec<usize>,
    scale: f64,
}

impl<'a> Formulas<'a> {
    /// The attention that ends with a transposition which leaves the columns last.
    fn transposed_attention(&self, i: usize) -> Option<Found> {
        let name = self.node(i).input(0)?;
        let order = self.order(i)?;
        let product = self.maker("MatMul", name)?;
        let mut found = self.attention(product).filter(|_| order.last() == Some(&(order.len() - 1)))?;
        found.inner.push(product);
        found.op.result = order;
        Some(found)
    }

    /// The attention that ends with a product.
    fn attention(&self, i: usize) -> Option<Found> {
        let node = self.node(i);
        if node.op_type() != "MatMul" || !node.domain().is_empty() {
            return None;
        }
        let (weights, values) = (node.input(0)?, node.input(1)?);
        let mut inner = Vec::new();
        let softmax = self.maker("Softmax", weights)?;
        inner.push(softmax);
        let scored = self.node(softmax).input(0)?;
        let rank = self.rank(scored)?;
        if ![-1, rank as i64 - 1].contains(&self.node(softmax).int("axis", -1).ok()?) || rank < 2 {
            return None;
        }
        let mut of_mask = Vec::new();
        let (masked, mask) = match self.mask(scored, &mut of_mask) {
            Some((scores, mask)) => (scores, Some(mask)),
            None => (scored, None),
        };
        inner.extend(of_mask.into_iter().filter(|_| mask.is_some()));
        let mut factors = self.factors(masked, &mut inner)?;
        let scores = factors.values.pop().filter(|_| factors.values.is_empty())?;
        let [queries, keys] = self.operands("MatMul", scores, &mut inner)?;
        let shape = |name: &str| self.types.get(name).filter(|ty| ty.dtype == DType::F32 && ty.rank() == rank).map(|ty| &ty.shape);
        let batch = |name: &str| shape(name).map(|shape| &shape[..rank - 2]);
        let has_same_batch = batch(queries)? == batch(keys)? && batch(keys)? == batch(values)?;
        if !has_same_batch || shape(scored)? != shape(scores)? {
            return None;
        }
        let queries = self.operand(queries, rank, &|order| order[rank - 1] == rank - 1);
        let [keys, values] = [keys, values].map(|name| self.operand(name, rank, &|_| true));
        // A factor of the values is one of the result, which has no place for it; what is the same at every call is better laid out once.
        if values.scale != 1.0 || [keys.name, values.name].iter().any(|name| self.constants.contains_key(name)) {
            return None;
        }
        let scale = (factors.number * queries.scale * keys.scale) as f32;
        let inputs =
            [queries.name, keys.name, values.name].into_iter().chain(mask.as_ref().map(|mask| mask.0)).map(str::to_string).collect();
        let orders = [queries.order, keys.order, values.order];
        Some(Found { op: AttentionOp { scale, orders, result: (0..rank).collect(), mask: mask.map(|mask| mask.1) }, inputs, inner })
    }

    /// What a mask makes of scores: the scores, and the mask. The node that applies it is added.
    fn mask(&self, name: &'a str, inner: &mut Vec<usize>) -> Option<(&'a str, (&'a str, MaskKind))> {
        let rank = self.rank(name)?;
        let fits = |mask: &str, dtype| self.types.get(mask).is_some_and(|ty| ty.dtype == dtype && ty.rank() <= rank);
        let is_product = |name: &str| {
            let mut nodes = Vec::new();
            let factors = self.factors(name, &mut nodes);
            factors.is_some_and(|factors| factors.values.len() == 1 && self.maker("MatMul", factors.values[0]).is_some())
        };
        if let Some(i) = self.maker("Add", name) {
            let (a, b) = (self.node(i).input(0)?, self.node(i).input(1)?);
            let (scores, mask) = if is_product(a) { (a, b) } else { (b, a) };
            inner.push(i);
            return fits(mask, DType::F32).then_some((scores, (mask, MaskKind::Added)));
        }
        let i = self.maker("Where", name)?;
        let (selected, yes, no) = (self.node(i).input(0)?, self.node(i).input(1)?, self.node(i).input(2)?);
        let (scores, value, when) = match (self.number(yes), self.number(no)) {
            (Some(value), None) => (no, value, true),
            (None, Some(value)) => (yes, value, false),
            _ => return None,
        };
        inner.push(i);
        fits(selected, DType::Bool).then_some((scores, (selected, MaskKind::Filled { when, value: (value as f32).to_bits() })))
    }

    fn rank(&self, name: &str) -> Option<usize> {
        self.types.get(name).map(crate::dim::Type::rank)
    }

    /// The order of the axes that a transposition gives.
    fn order(&self, i: usize) -> Option<Vec<usize>> {
        let node = self.node(i);
        let rank = self.rank(node.input(0)?)?;
        let perm = match node.ints("perm").ok()? {
            Some(perm) => perm.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<Vec<_>>>()?,
            None => (0..rank).rev().collect(),
        };
        let is_order = perm.iter().copied().collect::<BTreeSet<_>>() == (0..rank).collect() && perm.len() == rank;
        (node.op_type() == "Transpose" && node.domain().is_empty() && is_order).then_some(perm)
    }

    /// A value through the transpositions and factors that make it, as far back as the order of its axes suits.
    fn operand(&self, name: &'a str, rank: usize, suits: &dyn Fn(&[usize]) -> bool) -> AttentionOperand<'a> {
        let mut at = AttentionOperand { name, order: (0..rank).collect(), scale: 1.0 };
        let mut best = at.clone();
        while let Some(&i) = self.makers.get(at.name) {
            let node = self.node(i);
            if let (Some(order), Some(name)) = (self.order(i).filter(|order| order.len() == rank), node.input(0)) {
                at = AttentionOperand { name, order: at.order.iter().map(|&axis| order[axis]).collect(), ..at };
            } else if let ("Mul" | "Div", "", Some(a), Some(b)) = (node.op_type(), node.domain(), node.input(0), node.input(1)) {
                let divides = node.op_type() == "Div";
                let (name, number) = match (self.number(a).filter(|_| !divides), self.number(b)) {
                    (None, Some(number)) => (a, number),
                    (Some(number), None) => (b, number),
                    _ => break,
                };
                at = AttentionOperand { name, scale: if divides { at.scale / number } else { at.scale * number }, ..at };
            } else {
                break;
            }
            if self.rank(at.name) != Some(rank) {
                break;
            }
            if suits(&at.order) {
                best = at.clone();
            }
        }
        best
    }
}

/// What a mask does to scores.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MaskKind {
    Added,
    /// Where it is, or is not, true, a value takes their place: its bits.
    Filled {
        when: bool,
        value: u32,
    },
}

/// An attention as it stands in tract's plan: Q, K transposed, V, and the mask where there is one.
#[derive(Clone, Debug)]
struct AttentionOp {
    scale: f32,
    /// For each axis of an operand the one of the input.
    orders: [Vec<usize>; 3],
    /// For each axis of what the node gives the one of the result.
    result: Vec<usize>,
    mask: Option<MaskKind>,
}

impl PartialEq for AttentionOp {
    fn eq(&self, other: &AttentionOp) -> bool {
        let parts = |op: &AttentionOp| (op.scale.to_bits(), op.orders.clone(), op.result.clone(), op.mask.clone());
        parts(self) == parts(other)
    }
}

impl Eq for AttentionOp {}

impl AttentionOp {
    /// The shape of what the node gives.
    fn shape<T: Clone>(&self, queries: &[T], values: &[T]) -> TVec<T> {
        let [q, _, v] = &self.orders;
        let rank = q.len();
        self.result.iter().map(|&axis| if axis + 1 == rank { values[v[axis]].clone() } else { queries[q[axis]].clone() }).collect()
    }
}

/// How far apart neighbours along each axis of a tensor are.
fn strides(shape: &[usize]) -> Vec<usize> {
    contiguous_strides(shape).into_iter().map(isize::unsigned_abs).collect()
}

/// A mask of this shape over scores of another: repeated along the axes that it does not have, or has one of.
fn repeated<'a, T>(values: &'a [T], shape: &[usize], scores: &[usize]) -> TractResult<StridedMatrices<'a, T>> {
    let missing = scores.len().checked_sub(shape.len()).context("a mask of more axes than the scores")?;
    let own: Vec<usize> = strides(shape);
    let strides = scores.iter().enumerate().map(|(axis, &size)| match axis.checked_sub(missing).map(|axis| (shape[axis], own[axis])) {
        None | Some((1, _)) => Ok(0),
        Some((own, stride)) if own == size => Ok(stride),
        _ => bail!("a mask of shape {shape:?} for scores of shape {scores:?}"),
    });
    Ok(StridedMatrices { values, strides: strides.collect::<TractResult<_>>()? })
}

impl Expansion for AttentionOp {
    fn name(&self) -> StaticName {
        Op::name(self)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(&'s self, s: &mut Solver<'r>, inputs: &'p [TensorProxy], outputs: &'p [TensorProxy]) -> InferenceResult {
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.given_2(&inputs[0].shape, &inputs[2].shape, |s, queries, values| s.equals(&outputs[0].shape, self.shape(&queries, &values)))
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for AttentionOp {
    fn name(&self) -> StaticName {
        "ontrace.Attention".into()
    }

    op_as_typed_op!();
}

impl EvalOp for AttentionOp {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let plain = inputs.iter().map(|x| x.try_as_plain_ram()).collect::<TractResult<TVec<_>>>()?;
        let operand = |i: usize| -> TractResult<(Vec<usize>, StridedMatrices<f32>)> {
            let (shape, own) = (inputs[i].shape(), strides(inputs[i].shape()));
            ensure!(shape.len() == self.orders[i].len(), "an operand of shape {shape:?}");
            let (sizes, strides) = self.orders[i].iter().map(|&axis| (shape[axis], own[axis])).unzip();
            Ok((sizes, StridedMatrices { values: plain[i].as_slice::<f32>()?, strides }))
        };
        let ((q, queries), (k, keys), (v, values)) = (operand(0)?, operand(1)?, operand(2)?);
        let last = q.len() - 2;
        let fits = q[..last] == k[..last] && q[..last] == v[..last] && q[last + 1] == k[last] && k[last + 1] == v[last];
        ensure!(fits, "operands of shapes {q:?}, {k:?} and {v:?} have no attention");
        let sizes = AttentionSizes { batch: q[..last].to_vec(), rows: q[last], depth: k[last], keys: v[last], width: v[last + 1] };
        let scores = [&q[..=last], &v[last..=last]].concat();
        let mask = match (&self.mask, inputs.get(3)) {
            (Some(MaskKind::Added), Some(mask)) => Some(Mask::Added(repeated(plain[3].as_slice::<f32>()?, mask.shape(), &scores)?)),
            (Some(MaskKind::Filled { when, value }), Some(mask)) => {
                let selected = repeated(plain[3].as_slice::<bool>()?, mask.shape(), &scores)?;
                Some(Mask::Filled { selected, when: *when, value: f32::from_bits(*value) })
            }
            _ => None,
        };
        let shape = self.shape(inputs[0].shape(), inputs[2].shape());
        crate::array::room::<f32>(crate::array::count(&shape).map_err(from_ours)?).map_err(from_ours)?;
        let mut y = room(&shape)?;
        let mut out = y.try_as_plain_ram_mut()?;
        let out = ArrayViewMutD::from_shape(IxDyn(&shape), out.as_slice_mut::<f32>()?)?;
        // Where the axes of the result are in what the node gives.
        let mut order = vec![0; self.result.len()];
        self.result.iter().enumerate().for_each(|(at, &axis)| order[axis] = at);
        let attention = Attention { sizes, scale: self.scale, queries, keys, values, mask };
        attention.run(out.permuted_axes(order)).map_err(from_ours)?;
        Ok(tvec![y.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for AttentionOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(self.shape(&inputs[0].shape.to_tvec(), &inputs[2].shape.to_tvec()))])
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use crate::array::{Tolerance, compare};
    use crate::runtime::plan_counts::plan_counts;
    use crate::runtime::{Session, noise};
    use crate::{Example, Result, Tensor, trace, trace_fn};

    const ATTENTION: [&str; 3] = ["ontrace.Attention", "Softmax", "Move"];

    fn counts(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> [usize; 3] {
        plan_counts(f, x, Tolerance { abs: 1e-5, rel: 1e-5 }, ATTENTION)
    }

    /// Heads of a sequence: (batch, length, heads · depth) as (batch, heads, length, depth).
    fn heads(x: &Tensor, heads: i64) -> Result<Tensor> {
        let [n, length, width] = [0, 1, 2].map(|axis| x.dims()[axis].clone());
        x.reshape(&[n, length, heads.into(), width / heads])?.transpose(1, 2)
    }

    fn joined(x: &Tensor) -> Result<Tensor> {
        let [n, heads, length, depth] = [0, 1, 2, 3].map(|axis| x.dims()[axis].clone());
        x.transpose(1, 2)?.reshape(&[n, length, heads * depth])
    }

    #[test]
    fn an_attention_of_heads_is_one_node_without_transpositions() {
        let (x, w) = (noise(&[2, 50, 24], 1), [2, 3, 4].map(|seed| noise(&[24, 24], seed).mul(0.2).unwrap()));
        let projected = |x: &Tensor| -> Result<[Tensor; 3]> {
            Ok([heads(&x.matmul(&w[0])?, 3)?, heads(&x.matmul(&w[1])?, 3)?, heads(&x.matmul(&w[2])?, 3)?])
        };
        let plain = |x: Tensor| {
            let [q, k, v] = projected(&x)?;
            joined(&q.mul(0.35)?.matmul(&k.transpose(2, 3)?)?.softmax(-1)?.matmul(&v)?)
        };
        assert_eq!(counts(plain, &x), [1, 0, 0]);
        let divided = |x: Tensor| {
            let [q, k, v] = projected(&x)?;
            joined(&q.matmul(&k.transpose(2, 3)?)?.div(2.5)?.softmax(3)?.matmul(&v)?)
        };
        assert_eq!(counts(divided, &x), [1, 0, 0]);
        let both = |x: Tensor| {
            let [q, k, v] = projected(&x)?;
            joined(&q.mul(0.5)?.matmul(&k.mul(0.5)?.transpose(2, 3)?)?.softmax(3)?.matmul(&v)?)
        };
        assert_eq!(counts(both, &x), [1, 0, 0]);
    }

    #[test]
    fn masks_of_every_shape_are_applied() {
        let (x, w) = (noise(&[2, 3, 20, 8], 1), noise(&[8, 8], 2));
        let masked = |mask: Tensor| {
            let w = w.clone();
            move |x: Tensor| x.matmul(&w)?.matmul(&x.transpose(2, 3)?)?.mul(0.3)?.add(&mask)?.softmax(-1)?.matmul(&x)
        };
        for shape in [&[20, 20][..], &[20], &[20, 1], &[3, 1, 20], &[2, 1, 20, 20], &[1, 1, 1, 1]] {
            assert_eq!(counts(masked(noise(shape, 3)).clone(), &x)[..2], [1, 0], "{shape:?}");
        }
        let causal = |x: Tensor| {
            let later = Tensor::ones([20, 20], crate::DType::F32)?.triu(1)?.ne(0.0)?;
            x.matmul(&x.transpose(2, 3)?)?.masked_fill(&later, f64::NEG_INFINITY)?.softmax(-1)?.matmul(&x)
        };
        assert_eq!(counts(causal, &x)[..2], [1, 0]);
        // More scores than there are is what a mask of more matrices makes.
        let wider = noise(&[4, 2, 3, 20, 20], 4);
        assert_eq!(counts(|x| x.matmul(&x.transpose(2, 3)?)?.add(&wider)?.softmax(-1)?.matmul(&x), &x)[0], 0);
    }

    #[test]
    fn what_is_needed_otherwise_is_no_part_of_an_attention() {
        let x = noise(&[2, 20, 8], 1);
        let weights = |x: Tensor| {
            let weights = x.matmul(&x.transpose(1, 2)?)?.softmax(-1)?;
            weights.matmul(&x)?.add(weights.sum(-1, true)?)
        };
        assert_eq!(counts(weights, &x)[0], 0);
        assert_eq!(counts(|x| x.matmul(&x.transpose(1, 2)?)?.softmax(1)?.matmul(&x), &x)[0], 0);
        // StridedMatrices of the model are laid out once. Without an axis before the matrices, and with fewer keys than rows, it is one.
        assert_eq!(counts(|x| x.matmul(&noise(&[8, 5], 2))?.softmax(-1)?.matmul(&noise(&[5, 3], 3)), &noise(&[20, 8], 1))[0], 0);
        let keys = |x: Tensor| x.matmul(&x.narrow(0, 0, 5)?.transpose(0, 1)?)?.softmax(-1)?.matmul(&x.narrow(0, 5, 5)?);
        assert_eq!(counts(keys, &noise(&[20, 8], 1))[0], 1);
    }

    #[test]
    fn one_session_takes_sequences_of_every_length_and_threads_do_not_show() {
        let attention = |x: Tensor| x.matmul(&x.transpose(2, 3)?)?.mul(0.25)?.softmax(-1)?.matmul(&x);
        let x = noise(&[2, 4, 9, 16], 1);
        let example = Example::new().input("x", &x).symbolic("x", 0, "n").unwrap().symbolic("x", 2, "t").unwrap();
        let traced = trace(&crate::module::from_fn(attention), example).unwrap();
        let (one, two) = (traced.session().unwrap(), Session::builder().threads(2).build_traced(&traced).unwrap());
        for (n, t) in [(1, 1), (3, 700), (2, 64), (1, 300)] {
            let x = noise(&[n, 4, t, 16], 7);
            let got = one.run(&[x.to_array().unwrap()]).unwrap();
            let expected = attention(x.clone()).unwrap().to_array().unwrap();
            assert!(compare(&got[0], &expected, Tolerance { abs: 1e-5, rel: 1e-5 }).unwrap().agrees);
            assert_eq!(two.run(&[x.to_array().unwrap()]).unwrap(), got);
        }
    }

    #[test]
    fn an_attention_to_what_another_one_transposed_agrees() {
        let attention = |q: &Tensor, x: &Tensor| q.matmul(&x.transpose(2, 3)?)?.mul(0.1)?.softmax(-1)?.matmul(x);
        let twice = |x: Tensor| attention(&attention(&x, &x)?.transpose(1, 2)?, &x.transpose(1, 2)?);
        assert!(counts(twice, &noise(&[2, 6, 5, 8], 1))[0] >= 1);
    }

    #[test]
    fn no_rows_and_no_keys_are_ordinary() {
        let keys = Tensor::zeros([2, 0, 8], crate::DType::F32).unwrap();
        let attention =
            |x: Tensor| x.matmul(&keys.add(x.sum([1], true)?)?.transpose(1, 2)?)?.softmax(-1)?.matmul(&keys.add(x.sum([1], true)?)?);
        let x = noise(&[2, 5, 8], 1);
        let got = trace_fn(attention, &x).unwrap().session().unwrap().run(&[x.to_array().unwrap()]).unwrap();
        assert_eq!(got[0], crate::Array::full(crate::DType::F32, &[2, 5, 8], 0.0.into()));
        let none = noise(&[2, 0, 8], 1);
        assert_eq!(counts(|x| x.matmul(&x.transpose(1, 2)?)?.softmax(-1)?.matmul(&x), &none)[1], 0);
    }

    #[test]
    fn nan_stays_in_its_row() {
        let attention = |x: Tensor| x.matmul(&x.transpose(1, 2)?)?.softmax(-1)?.matmul(&noise(&[1, 30, 4], 3));
        let session = trace_fn(attention, &noise(&[1, 30, 8], 1)).unwrap().session().unwrap();
        let mut values = noise(&[1, 30, 8], 1).to_array().unwrap().to_vec::<f32>().unwrap();
        values[0] = f32::NAN;
        let x = crate::Array::new(&[1, 30, 8], values).unwrap();
        let (got, expected) = (session.run(std::slice::from_ref(&x)).unwrap(), attention(Tensor::from(x)).unwrap().to_array().unwrap());
        assert!(compare(&got[0], &expected, Tolerance { abs: 1e-5, rel: 1e-5 }).unwrap().agrees);
    }
}
