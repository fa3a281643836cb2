//! NaN through tract's plans: operators of tract's that answer a number where an operand is NaN are replaced by ours, or wrapped. So is the sigmoid of f32, which
//! tract ends a little above 0.
//!
//! This is done after tract has optimised the graph: what it fused with a product or a convolution keeps NaN already, because its
//! assembly takes the second operand of an unordered comparison, and stays as fast as it is.

use super::activation_op::ActivationOp;
use super::conversion::{dtype, from_tract, to_tract};
use super::panic::from_ours;
use crate::array::DType;
use crate::error::Result;
use crate::kernels::binary::{Binary, binary};
use crate::kernels::fused_activation::FusedActivation;
use crate::kernels::nan::{ChainStep, Float, Share};
use tract_onnx::tract_core::ops::binary::{OptBinByScalar, OptBinChain, OptBinUnicast, TypedBinOp};
use tract_onnx::tract_core::ops::cnn::{MaxPool, OptMaxPool};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Max, Min};
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_core::tract_linalg::BinOp;
use tract_onnx::tract_core::tract_linalg::multithread::BShare;
use tract_onnx::tract_hir::internal::*;

/// The functions of one operand whose kernels clamp it first, and so give the value at a bound for NaN, by tract's names.
const CLAMPED: &[&str] = &["Tanh", "Sigmoid", "Silu"];

/// Has the operators of an optimised graph keep NaN.
///
/// # Errors
/// Where tract does not know the type of a value.
pub(super) fn keep_nan(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        let Some(datum) = node.outputs.first().map(|output| output.fact.datum_type).filter(DatumType::is_float) else { continue };
        if let Some(activation) = activation(&*node.op).filter(|_| datum == f32::datum_type()) {
            node.op = Box::new(ActivationOp(activation));
        } else if let Some(kind) = extremes(&*node.op) {
            node.op = Box::new(Extremes { kind, inner: node.op.clone() });
        } else if loses_nan(&*node.op) {
            node.op = Box::new(KeepsNan { inner: node.op.clone() });
        }
    }
    Ok(())
}

/// Has the bodies of loops keep NaN, before they are compiled with the graph around them.
///
/// # Errors
/// As [`keep_nan`].
pub(super) fn keep_nan_in_bodies(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        if let Some(scan) = node.op_as_mut::<Scan>() {
            keep_nan_in_bodies(&mut scan.body)?;
            keep_nan(&mut scan.body)?;
        }
    }
    Ok(())
}

/// What is ours of f32: a sigmoid that is not cut off shows where it is multiplied by what is far below 0.
fn activation(op: &dyn TypedOp) -> Option<FusedActivation> {
    match op.downcast_ref::<ElementWiseOp>()?.0.name().as_str() {
        "Sigmoid" => Some(FusedActivation::Sigmoid),
        "Silu" => Some(FusedActivation::Silu),
        _ => None,
    }
}

fn loses_nan(op: &dyn TypedOp) -> bool {
    let clamped = |op: &ElementWiseOp| CLAMPED.contains(&op.0.name().as_str());
    let single = |indices: &Option<DatumType>| indices.is_none();
    op.downcast_ref::<ElementWiseOp>().is_some_and(clamped)
        || op.downcast_ref::<MaxPool>().is_some_and(|pool| single(&pool.with_index_outputs))
        || op.downcast_ref::<OptMaxPool>().is_some_and(|pool| single(&pool.with_index_outputs))
}

/// How a node takes a maximum or minimum.
#[derive(Clone, Debug, PartialEq)]
enum ExtremesKind {
    /// In steps, each with one more operand on what there is so far.
    Chain(TVec<(ChainStep, Share)>),
    /// Of two operands that broadcast in any way.
    Broadcast(Binary),
}

/// How a node takes a maximum or minimum; `None` where it takes none.
fn extremes(op: &dyn TypedOp) -> Option<ExtremesKind> {
    let step = |op: &BinOp| match op {
        BinOp::Max => ChainStep::Max,
        BinOp::Min => ChainStep::Min,
        BinOp::Add => ChainStep::Add,
        BinOp::Mul => ChainStep::Mul,
        BinOp::Sub => ChainStep::Sub,
        BinOp::SubF => ChainStep::SubFrom,
    };
    let share = |share: &BShare| match share {
        BShare::PerBlock => Share::Blocks,
        BShare::Lockstep => Share::Cycle,
    };
    let steps: TVec<(ChainStep, Share)> = if let Some(op) = op.downcast_ref::<OptBinByScalar>() {
        tvec![(step(&op.linalg_op), Share::Blocks)]
    } else if let Some(op) = op.downcast_ref::<OptBinUnicast>() {
        tvec![(step(&op.binop.as_linalg_binop()?), Share::Cycle)]
    } else if let Some(op) = op.downcast_ref::<OptBinChain>() {
        op.steps.iter().map(|one| (step(&one.linalg_op), share(&one.share))).collect()
    } else {
        let TypedBinOp(op, _) = op.downcast_ref::<TypedBinOp>()?;
        return match (op.is::<Max>(), op.is::<Min>()) {
            (true, _) => Some(ExtremesKind::Broadcast(Binary::Max)),
            (_, true) => Some(ExtremesKind::Broadcast(Binary::Min)),
            _ => None,
        };
    };
    let is_extreme = steps.iter().any(|(step, _)| matches!(step, ChainStep::Max | ChainStep::Min));
    is_extreme.then_some(ExtremesKind::Chain(steps))
}

/// Maxima and minima that are NaN where an operand is, and the sums and products that tract does in one pass with them.
#[derive(Clone, Debug)]
struct Extremes {
    kind: ExtremesKind,
    inner: Box<dyn TypedOp>,
}

impl PartialEq for Extremes {
    fn eq(&self, other: &Extremes) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Extremes {}

impl Op for Extremes {
    fn name(&self) -> StaticName {
        format!("ontrace.{}", self.inner.name()).into()
    }

    op_as_typed_op!();
}

impl EvalOp for Extremes {
    fn eval(&self, _: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let steps = match &self.kind {
            ExtremesKind::Chain(steps) => steps,
            ExtremesKind::Broadcast(op) => {
                let (a, b) = args_2!(inputs);
                return Ok(tvec![broadcast(*op, a, b).map_err(from_ours)?.into_tvalue()]);
            }
        };
        let mut result = inputs.remove(0).into_tensor();
        match result.datum_type() {
            DatumType::F32 => run::<f32>(steps, &mut result, &inputs)?,
            DatumType::F64 => run::<f64>(steps, &mut result, &inputs)?,
            DatumType::F16 => run::<f16>(steps, &mut result, &inputs)?,
            other => bail!("a maximum of {other:?}"),
        }
        Ok(tvec![result.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for Extremes {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.inner.output_facts(inputs)
    }

    as_op!();
}

/// The steps on a tensor in place.
fn run<T: Float + Datum>(steps: &[(ChainStep, Share)], x: &mut Tensor, operands: &[TValue]) -> TractResult<()> {
    let operands = operands.iter().map(|operand| operand.try_as_plain_ram()?.as_slice::<T>()).collect::<TractResult<TVec<_>>>()?;
    T::chain(steps, x.try_as_plain_ram_mut()?.as_slice_mut::<T>()?, &operands).map_err(from_ours)
}

/// A maximum or minimum of two operands that broadcast. Of halves it is that of singles.
fn broadcast(op: Binary, a: TValue, b: TValue) -> Result<Tensor> {
    let narrow = dtype(a.datum_type())?;
    let wide = if narrow == DType::F16 { DType::F32 } else { narrow };
    let (a, b) = (from_tract(a, narrow)?.cast(wide)?, from_tract(b, narrow)?.cast(wide)?);
    to_tract(&binary(op, &a, &b)?.cast(narrow)?)
}

/// An operator of tract's on one operand whose result is NaN where it is, or where a number that the result is the largest of is, and has its limits where the
/// operand is infinite.
#[derive(Clone, Debug)]
struct KeepsNan {
    inner: Box<dyn TypedOp>,
}

impl PartialEq for KeepsNan {
    fn eq(&self, other: &KeepsNan) -> bool {
        self.inner == other.inner
    }
}

impl Eq for KeepsNan {}

impl KeepsNan {
    /// What a function that clamps its operand is at −∞ and at ∞: tract's ends a little before, which a product with an infinity shows. `None` of a pool.
    fn limits<T: Float>(&self) -> Option<[Option<T>; 2]> {
        Some(match self.inner.downcast_ref::<ElementWiseOp>()?.0.name().as_str() {
            "Tanh" => [Some(T::ZERO - T::ONE), Some(T::ONE)],
            "Sigmoid" => [Some(T::ZERO), Some(T::ONE)],
            // −∞ is multiplied by 0.
            _ => [Some(T::NAN), None],
        })
    }

    fn eval_as<T: Float + Datum>(&self, ctx: &EvalContext, x: TValue) -> TractResult<TVec<TValue>> {
        if !T::any_not_finite(x.try_as_plain_ram()?.as_slice::<T>()?) {
            return self.inner.eval(ctx, tvec![x]);
        }
        let of = |x: TValue| -> TractResult<Tensor> { Ok(args_1!(self.inner.eval(ctx, tvec![x])?).into_tensor()) };
        let given = x.try_as_plain_ram()?.as_slice::<T>()?;
        let y = match self.limits::<T>() {
            Some(limits) => {
                let mut y = of(x.clone())?;
                T::restore(given, y.try_as_plain_ram_mut()?.as_slice_mut()?, limits);
                y
            }
            None => {
                let [values, nan, above] = T::pooled(given);
                let pool = |values: Vec<T>| of(Tensor::from_shape(x.shape(), &values)?.into_tvalue());
                let (mut y, nan, above) = (pool(values)?, pool(nan)?, pool(above)?);
                let (nan, above) = (nan.try_as_plain_ram()?, above.try_as_plain_ram()?);
                T::unite(y.try_as_plain_ram_mut()?.as_slice_mut::<T>()?, nan.as_slice()?, above.as_slice()?);
                y
            }
        };
        Ok(tvec![y.into_tvalue()])
    }
}

impl Op for KeepsNan {
    fn name(&self) -> StaticName {
        format!("ontrace.{}", self.inner.name()).into()
    }

    op_as_typed_op!();
}

impl EvalOp for KeepsNan {
    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        match x.datum_type() {
            DatumType::F32 => self.eval_as::<f32>(ctx, x),
            DatumType::F64 => self.eval_as::<f64>(ctx, x),
            DatumType::F16 => self.eval_as::<f16>(ctx, x),
            _ => self.inner.eval(ctx, tvec![x]),
        }
    }

    op_out_of_plan!();
}

impl TypedOp for KeepsNan {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.inner.output_facts(inputs)
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use super::super::runnable::Runnable;
    use super::CLAMPED;
    use crate::array::{Array, DType, Scalar, Tolerance, compare};
    use crate::ops::Window;
    use crate::runtime::noise;
    use crate::{Result, Tensor, trace_fn};
    use tract_onnx::prelude::{InferenceModelExt, IntoRunnable};

    type Function = fn(&Tensor) -> Result<Tensor>;

    /// A tensor with NaN and infinities here and there.
    fn with_nan(shape: &[usize]) -> Tensor {
        let mut values = noise(shape, 1).to_vec::<f32>().unwrap();
        let odd = [f32::NAN, f32::INFINITY, f32::NAN, f32::NEG_INFINITY];
        values.iter_mut().skip(1).step_by(7).zip(odd.iter().cycle()).for_each(|(value, odd)| *value = *odd);
        Tensor::new(shape, values).unwrap()
    }

    /// Functions of one tensor, by what they become in tract.
    const FUNCTIONS: &[(&str, Function)] = &[
        ("Tanh", |x| x.tanh()),
        ("Sigmoid", |x| x.sigmoid()),
        ("", |x| x.hard_swish()),
        ("", |x| x.silu()),
        ("", |x| x.erf()),
        ("", |x| x.gelu(false)),
        ("", |x| x.gelu(true)),
        ("", |x| x.exp()),
        ("", |x| x.relu()),
        ("", |x| x.clamp(Some(Scalar::Float(-0.5)), Some(Scalar::Float(0.5)))),
        ("", |x| x.maximum(0.25)),
        ("", |x| x.minimum(x.neg()?)),
        ("", |x| x.maximum(x.sum([-1], true)?)),
        ("", |x| x.add(1.0)?.relu()?.mul(2.0)),
        ("", |x| x.leaky_relu(0.1)),
        ("", |x| x.elu(1.0)),
        ("", |x| x.softplus(1.0, 20.0)),
        ("", |x| x.softmax(-1)),
        ("", |x| x.log()),
        ("", |x| x.sqrt()),
        ("", |x| x.sign()),
        ("", |x| x.round()),
        ("", |x| x.max_pool(&[2, 2], Window::dense(2), false)),
    ];

    fn agrees(got: &Array, expected: &Array) -> bool {
        compare(got, expected, Tolerance { abs: 1e-5, rel: 1e-4 }).is_ok_and(|found| found.agrees)
    }

    #[test]
    fn nan_stays_nan_and_tract_alone_loses_it() {
        // A product with its sigmoid is a node of ours before tract reads it.
        let (mut wrong, mut idle) = (Vec::new(), CLAMPED.to_vec());
        idle.retain(|row| *row != "Silu");
        for shape in [&[1, 1, 2, 3][..], &[2, 3, 16, 20]] {
            let x = with_nan(shape);
            for (name, f) in FUNCTIONS {
                let expected = f(&x).unwrap().to_array().unwrap();
                let session = trace_fn(|x: Tensor| f(&x), &x).unwrap().session().unwrap();
                let x = x.to_array().unwrap();
                let got = session.run(std::slice::from_ref(&x)).unwrap();
                let unoptimized = session.run_unoptimized(std::slice::from_ref(&x)).unwrap();
                if !agrees(&got[0], &expected) || !agrees(&unoptimized[0], &expected) {
                    wrong.push((*name, shape, expected, got, unoptimized));
                }
                let alone = session.planned(&[shape.to_vec()], |model| Runnable::new(model.into_optimized()?.into_runnable()?)).unwrap();
                let alone = session.by_tract(&alone, &[x]).unwrap();
                let expected = &session.run_unoptimized(&[with_nan(shape).to_array().unwrap()]).unwrap()[0];
                if !agrees(&alone[0], expected) {
                    idle.retain(|row| row != name);
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(idle.is_empty(), "tract keeps NaN by itself: {idle:?}");
    }

    #[test]
    fn a_half_times_its_sigmoid_keeps_nan() {
        let x = with_nan(&[2, 30]).cast(DType::F16).unwrap();
        let traced = trace_fn(|x: Tensor| x.silu(), &x).unwrap();
        let (session, x) = (traced.session().unwrap(), x.to_array().unwrap());
        assert!(session.compile(&[x.shape().to_vec()]).unwrap().operators().iter().any(|name| name.contains("Silu")));
        let got = session.run(std::slice::from_ref(&x)).unwrap()[0].to_f64s().unwrap();
        // −∞ · 0 is NaN.
        let expected: Vec<bool> = x.to_f64s().unwrap().into_iter().map(|x| x.is_nan() || x == f64::NEG_INFINITY).collect();
        assert_eq!(got.into_iter().map(f64::is_nan).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_largest_of_nothing_but_minus_infinity_is_that() {
        let x = Tensor::new([1, 1, 3, 2], vec![f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY, f32::MIN, f32::NEG_INFINITY, f32::NAN]).unwrap();
        let f = |x: Tensor| x.max_pool(&[2, 1], Window::dense(2), false);
        let expected = f(x.clone()).unwrap().to_array().unwrap();
        assert_eq!(expected.to_f64s().unwrap()[..3], [f64::NEG_INFINITY, 1.0, f64::NEG_INFINITY]);
        let session = trace_fn(f, &x).unwrap().session().unwrap();
        let got = session.run(&[x.to_array().unwrap()]).unwrap();
        assert!(agrees(&got[0], &expected), "{got:?}");
    }

    #[test]
    fn what_is_fused_with_a_convolution_keeps_nan() {
        let w = noise(&[8, 3, 3, 3], 2);
        let x = with_nan(&[1, 3, 12, 12]);
        let f = |x: Tensor| -> Result<Tensor> { x.conv(&w, None, Window::dense(2), 1)?.relu()?.clamp(None, Some(Scalar::Float(6.0))) };
        let expected = f(x.clone()).unwrap().to_array().unwrap();
        let got = trace_fn(f, &x).unwrap().session().unwrap().run(&[x.to_array().unwrap()]).unwrap();
        assert!(agrees(&got[0], &expected), "{expected} {}", got[0]);
    }

    #[test]
    fn a_sigmoid_far_below_0_is_right_to_the_last_bits() {
        let x = Tensor::from(&[-15.0f32, -18.5, -30.0, -87.0, -200.0]);
        let expected: Vec<f64> = [-15f64, -18.5, -30.0, -87.0, -200.0].iter().map(|x| x.exp() / (1.0 + x.exp())).collect();
        let session =
            trace_fn(|x: Tensor| Ok(vec![x.sigmoid()?, x.mul(1e9)?.mul(x.mul(2.0)?.sigmoid()?)?]), &x).unwrap().session().unwrap();
        let got = session.run(&[x.to_array().unwrap()]).unwrap();
        let close = |(got, expected): (f64, &f64)| (got - expected).abs() <= 3e-7 * expected + 1e-38;
        assert!(got[0].to_f64s().unwrap().into_iter().zip(&expected).all(close), "{}", got[0]);
        assert_eq!(got[1].to_f64s().unwrap()[4], 0.0);
    }
}
