//! NaN through tract's plans: operators of tract's that answer a number where an operand is NaN are replaced by ours, or wrapped.
//!
//! This is done after tract has optimised the graph: what it fused with a product or a convolution keeps NaN already, because its
//! assembly takes the second operand of an unordered comparison, and stays as fast as it is.

use crate::kernels::vector::vectorised;
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

/// Those of them that multiply their operand by a function that is 0 at −∞, where the product is NaN as well.
const SCALED: &[&str] = &["Silu"];

/// Elements that several steps go through while they are in the cache.
const CHUNK: usize = 4096;

/// Has the operators of an optimised graph keep NaN.
///
/// # Errors
/// Where tract does not know the type of a value.
pub(super) fn keep_nan(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        if !node.outputs.first().is_some_and(|output| output.fact.datum_type.is_float()) {
            continue;
        }
        if let Some(steps) = steps(&*node.op) {
            node.op = Box::new(Extremes { steps, inner: node.op.clone() });
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

fn loses_nan(op: &dyn TypedOp) -> bool {
    let clamped = |op: &ElementWiseOp| CLAMPED.contains(&op.0.name().as_str());
    let single = |indices: &Option<DatumType>| indices.is_none();
    op.downcast_ref::<ElementWiseOp>().is_some_and(clamped)
        || op.downcast_ref::<MaxPool>().is_some_and(|pool| single(&pool.with_index_outputs))
        || op.downcast_ref::<OptMaxPool>().is_some_and(|pool| single(&pool.with_index_outputs))
}

/// A binary operation with one more operand on what there is so far.
#[derive(Clone, Debug, PartialEq)]
struct ChainStep {
    op: BinOp,
    share: BShare,
}

/// The steps of a node that takes a maximum or minimum; `None` where it takes none.
fn steps(op: &dyn TypedOp) -> Option<TVec<ChainStep>> {
    let extreme = |op: &BinOp| matches!(op, BinOp::Max | BinOp::Min);
    let steps: TVec<ChainStep> = if let Some(op) = op.downcast_ref::<OptBinByScalar>() {
        tvec![ChainStep { op: op.linalg_op, share: BShare::PerBlock }]
    } else if let Some(op) = op.downcast_ref::<OptBinUnicast>() {
        tvec![ChainStep { op: op.binop.as_linalg_binop()?, share: BShare::Lockstep }]
    } else if let Some(op) = op.downcast_ref::<OptBinChain>() {
        op.steps.iter().map(|step| ChainStep { op: step.linalg_op, share: step.share }).collect()
    } else {
        let TypedBinOp(op, _) = op.downcast_ref::<TypedBinOp>()?;
        // Of any two shapes that broadcast.
        return match (op.is::<Max>(), op.is::<Min>()) {
            (false, false) => None,
            _ => Some(tvec![]),
        };
    };
    steps.iter().any(|step| extreme(&step.op)).then_some(steps)
}

/// Maxima and minima that are NaN where an operand is, and the sums and products that tract does in one pass with them.
#[derive(Clone, Debug)]
struct Extremes {
    /// None where the operands broadcast in any way.
    steps: TVec<ChainStep>,
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
    fn eval(&self, ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let plain = |value: &TValue| value.strides() == &*Tensor::natural_strides(value.shape());
        let datum = inputs[0].datum_type();
        let typed = |inputs: &[TValue]| inputs.iter().all(|input| input.datum_type() == datum);
        if self.steps.is_empty() || !inputs.iter().all(plain) || !typed(&inputs) {
            return with_nan(inputs.clone(), self.inner.eval(ctx, inputs)?);
        }
        let mut result = inputs.remove(0).into_tensor();
        if result.len() > 0 {
            match datum {
                DatumType::F32 => run::<f32>(&self.steps, &mut result, &inputs)?,
                DatumType::F64 => run::<f64>(&self.steps, &mut result, &inputs)?,
                DatumType::F16 => run::<f16>(&self.steps, &mut result, &inputs)?,
                other => bail!("a maximum of {other:?}"),
            }
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

/// A float of any width.
trait Float: Datum + Copy + PartialOrd + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> + std::ops::Sub<Output = Self> {
    const NAN: Self;
    const ZERO: Self;
    const ONE: Self;
    const LOWEST: Self;
    const HIGHEST: Self;
}

macro_rules! floats {
    ($($T:ident $zero:expr, $one:expr;)*) => {
        $(impl Float for $T {
            const NAN: $T = $T::NAN;
            const ZERO: $T = $zero;
            const ONE: $T = $one;
            const LOWEST: $T = $T::NEG_INFINITY;
            const HIGHEST: $T = $T::INFINITY;
        })*
    };
}

floats!(f32 0.0, 1.0; f64 0.0, 1.0; f16 f16::ZERO, f16::ONE;);

/// Whether a number is NaN, the only one that is not itself.
#[allow(clippy::eq_op)]
#[inline(always)]
fn is_nan<T: Float>(x: T) -> bool {
    x != x
}

/// The steps on a tensor in place, a chunk at a time.
fn run<T: Float>(steps: &[ChainStep], x: &mut Tensor, operands: &[TValue]) -> TractResult<()> {
    let operands = operands.iter().map(|operand| operand.try_as_plain_ram()?.as_slice::<T>()).collect::<TractResult<Vec<_>>>()?;
    ensure!(operands.iter().all(|operand| !operand.is_empty()), "an operand without elements");
    let whole = x.len();
    let mut room = x.try_as_plain_ram_mut()?;
    for (i, chunk) in room.as_slice_mut::<T>()?.chunks_mut(CHUNK).enumerate() {
        for (step, operand) in steps.iter().zip(&operands) {
            // How many elements meet one value, or how many values meet one element each.
            let period = match step.share {
                BShare::PerBlock => whole / operand.len(),
                BShare::Lockstep => operand.len(),
            };
            ensure!(period > 0, "an operand with more elements than it is combined with");
            let mut start = i * CHUNK;
            let mut rest = &mut *chunk;
            while !rest.is_empty() {
                let (block, within) = (start / period, start % period);
                let (part, after) = rest.split_at_mut(rest.len().min(period - within));
                start += part.len();
                match step.share {
                    BShare::PerBlock => vectorised(
                        #[inline(always)]
                        || by_value(&step.op, part, operand[block]),
                    ),
                    BShare::Lockstep => vectorised(
                        #[inline(always)]
                        || by_values(&step.op, part, &operand[within..]),
                    ),
                }
                rest = after;
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn by_value<T: Float>(op: &BinOp, xs: &mut [T], y: T) {
    match op {
        // A comparison with NaN is false, so that x stays; of y it is known here.
        BinOp::Max if !is_nan(y) => xs.iter_mut().for_each(|x| *x = if y > *x { y } else { *x }),
        BinOp::Min if !is_nan(y) => xs.iter_mut().for_each(|x| *x = if y < *x { y } else { *x }),
        BinOp::Max | BinOp::Min => xs.fill(T::NAN),
        BinOp::Add => xs.iter_mut().for_each(|x| *x = *x + y),
        BinOp::Mul => xs.iter_mut().for_each(|x| *x = *x * y),
        BinOp::Sub => xs.iter_mut().for_each(|x| *x = *x - y),
        BinOp::SubF => xs.iter_mut().for_each(|x| *x = y - *x),
    }
}

#[inline(always)]
fn by_values<T: Float>(op: &BinOp, xs: &mut [T], ys: &[T]) {
    let each = xs.iter_mut().zip(ys);
    match op {
        BinOp::Max => each.for_each(|(x, &y)| *x = if y > *x || is_nan(y) { y } else { *x }),
        BinOp::Min => each.for_each(|(x, &y)| *x = if y < *x || is_nan(y) { y } else { *x }),
        BinOp::Add => each.for_each(|(x, &y)| *x = *x + y),
        BinOp::Mul => each.for_each(|(x, &y)| *x = *x * y),
        BinOp::Sub => each.for_each(|(x, &y)| *x = *x - y),
        BinOp::SubF => each.for_each(|(x, &y)| *x = y - *x),
    }
}

/// A result that is NaN where an operand, broadcast to it, is.
fn with_nan(operands: TVec<TValue>, outputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
    fn of<T: Float>(operands: TVec<TValue>, mut result: Tensor) -> TractResult<Tensor> {
        for operand in operands.iter().filter(|operand| operand.datum_type() == T::datum_type()) {
            let operand = operand.to_plain_array_view::<T>()?;
            if operand.iter().any(|&x| is_nan(x)) {
                let mut room = result.to_plain_array_view_mut::<T>()?;
                room.zip_mut_with(&operand, |y, &x| {
                    if is_nan(x) {
                        *y = x;
                    }
                });
            }
        }
        Ok(result)
    }
    let result = args_1!(outputs).into_tensor();
    Ok(tvec![
        match result.datum_type() {
            DatumType::F32 => of::<f32>(operands, result)?,
            DatumType::F64 => of::<f64>(operands, result)?,
            DatumType::F16 => of::<f16>(operands, result)?,
            _ => result,
        }
        .into_tvalue()
    ])
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
    fn is_pool(&self) -> bool {
        !self.inner.is::<ElementWiseOp>()
    }

    fn is_scaled(&self) -> bool {
        self.inner.downcast_ref::<ElementWiseOp>().is_some_and(|op| SCALED.contains(&op.0.name().as_str()))
    }

    /// What a function that clamps its operand is at −∞ and at ∞: tract's ends a little before, which a product with an infinity shows.
    fn limits<T: Float>(&self) -> Option<(T, T)> {
        match self.inner.downcast_ref::<ElementWiseOp>()?.0.name().as_str() {
            "Tanh" => Some((T::ZERO - T::ONE, T::ONE)),
            "Sigmoid" => Some((T::ZERO, T::ONE)),
            _ => None,
        }
    }

    /// The result where the operand has NaN or infinities.
    fn eval_with_nan<T: Float>(&self, ctx: &EvalContext, x: TValue) -> TractResult<TVec<TValue>> {
        if !self.is_pool() {
            let lost = match self.is_scaled() {
                true => x.to_plain_array_view::<T>()?.mapv(|x| if x == T::LOWEST { T::NAN } else { x }).into_tensor().into_tvalue(),
                false => x.clone(),
            };
            let mut y = args_1!(self.inner.eval(ctx, tvec![x.clone()])?).into_tensor();
            if let Some((low, high)) = self.limits::<T>() {
                y.to_plain_array_view_mut::<T>()?.zip_mut_with(&x.to_plain_array_view::<T>()?, |y, &x| match x {
                    x if x == T::LOWEST => *y = low,
                    x if x == T::HIGHEST => *y = high,
                    _ => {}
                });
            }
            return with_nan(tvec![lost], tvec![y.into_tvalue()]);
        }
        // A pool: of the values, and of whether there is NaN.
        let map = |f: fn(T) -> T| -> TractResult<TValue> {
            let mapped = x.to_plain_array_view::<T>()?.mapv(f);
            Ok(mapped.into_tensor().into_tvalue())
        };
        let values = map(|x| if is_nan(x) { T::LOWEST } else { x })?;
        let found = map(|x| if is_nan(x) { T::ONE } else { T::ZERO })?;
        // tract begins with the lowest finite number, which a window of nothing but −∞ would leave.
        let above = map(|x| if x == T::LOWEST { T::ZERO } else { T::ONE })?;
        let (values, found) = (self.inner.eval(ctx, tvec![values])?, args_1!(self.inner.eval(ctx, tvec![found])?));
        let above = args_1!(self.inner.eval(ctx, tvec![above])?);
        let mut values = args_1!(values).into_tensor();
        values.to_plain_array_view_mut::<T>()?.zip_mut_with(&above.to_plain_array_view::<T>()?, |value, &above| {
            if above == T::ZERO {
                *value = T::LOWEST;
            }
        });
        let values = tvec![values.into_tvalue()];
        let found = found.to_plain_array_view::<T>()?.mapv(|x| if x > T::ZERO { T::NAN } else { T::ZERO });
        with_nan(tvec![found.into_tensor().into_tvalue()], values)
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
        fn is_odd<T: Float>(x: &TValue) -> TractResult<bool> {
            // Without a branch for each element.
            let lost = |x: T| is_nan(x) | (x == T::LOWEST) | (x == T::HIGHEST);
            Ok(x.try_as_plain_ram()?.as_slice::<T>()?.chunks(CHUNK).any(|block| {
                vectorised(
                    #[inline(always)]
                    || block.iter().fold(false, |found, &x| found | lost(x)),
                )
            }))
        }
        let x = args_1!(inputs);
        match x.datum_type() {
            DatumType::F32 if is_odd::<f32>(&x)? => self.eval_with_nan::<f32>(ctx, x),
            DatumType::F64 if is_odd::<f64>(&x)? => self.eval_with_nan::<f64>(ctx, x),
            DatumType::F16 if is_odd::<f16>(&x)? => self.eval_with_nan::<f16>(ctx, x),
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
        // Of f32 it is a node of ours.
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
}
