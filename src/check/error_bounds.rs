//! A-priori bounds of the rounding error of one operation, given its operands: what an implementation in working precision may differ from the exact
//! result. docs/verification.md has the derivation and the sources.

use crate::array::{Array, DType};
use crate::dim::Sizes;
use crate::error::Result;
use crate::graph::{Agreement, Attribute, Inputs, Operator};

/// Which bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// The standard deviation of the error, where the rounding errors of single operations are independent and have mean 0.
    Deviation,
    /// What no implementation exceeds, whatever the order of its sums.
    Worst,
}

impl Bound {
    /// The factor with which the error of a sum of `n` terms grows: √n for the deviation, n for the worst case.
    fn growth(self, n: f64) -> f64 {
        match self {
            Bound::Deviation => n.sqrt(),
            Bound::Worst => n,
        }
    }

    /// The multiple of an elementary error: a worst case is twice what is expected.
    fn multiple(self) -> f64 {
        if self == Bound::Worst { 2.0 } else { 1.0 }
    }
}

/// How the error of an operator follows from its operands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    /// Sums of products of two operands.
    Product,
    /// Sums of one operand along axes or windows.
    Sum,
    /// Sums or products whose error is relative to the result.
    RelativeSum,
    Softmax,
    LogSoftmax,
    /// Subtraction of the mean and division by the deviation of the last axes, from the one that is given or named by `axis`.
    Standardised(usize),
    /// Multiplication and addition by channel.
    Affine,
    /// Weighted means at positions that are computed.
    Interpolation,
    /// A function of single elements: errors in units of roundoff relative to the result, absolute, and relative to the first operand.
    Function(f64, f64, f64),
    /// No formula: the observed error of the kernel in working precision.
    Observed,
}

/// The operators with a bound of their own; all others are [`Family::Observed`].
const FAMILIES: &[(&str, Family)] = &[
    ("Conv", Family::Product),
    ("ConvTranspose", Family::Product),
    ("MatMul", Family::Product),
    ("Gemm", Family::Product),
    ("ReduceSum", Family::Sum),
    ("ReduceMean", Family::Sum),
    ("ReduceL1", Family::Sum),
    ("AveragePool", Family::Sum),
    ("CumSum", Family::Sum),
    ("ScatterElements", Family::Sum),
    ("ScatterND", Family::Sum),
    ("ReduceL2", Family::RelativeSum),
    ("ReduceProd", Family::RelativeSum),
    ("ReduceLogSumExp", Family::RelativeSum),
    ("Softmax", Family::Softmax),
    ("LogSoftmax", Family::LogSoftmax),
    ("LayerNormalization", Family::Standardised(0)),
    ("InstanceNormalization", Family::Standardised(2)),
    ("BatchNormalization", Family::Affine),
    ("Resize", Family::Interpolation),
    ("GridSample", Family::Interpolation),
    ("RoiAlign", Family::Interpolation),
    ("Abs", Family::Function(0.0, 0.0, 0.0)),
    ("Neg", Family::Function(0.0, 0.0, 0.0)),
    ("Relu", Family::Function(0.0, 0.0, 0.0)),
    ("Min", Family::Function(0.0, 0.0, 0.0)),
    ("Max", Family::Function(0.0, 0.0, 0.0)),
    ("Add", Family::Function(1.0, 0.0, 0.0)),
    ("Sub", Family::Function(1.0, 0.0, 0.0)),
    ("Mul", Family::Function(1.0, 0.0, 0.0)),
    ("Div", Family::Function(2.0, 0.0, 0.0)),
    ("Sqrt", Family::Function(2.0, 0.0, 0.0)),
    ("Reciprocal", Family::Function(2.0, 0.0, 0.0)),
    ("LeakyRelu", Family::Function(1.0, 0.0, 0.0)),
    ("Softsign", Family::Function(4.0, 0.0, 0.0)),
    ("Exp", Family::Function(4.0, 0.0, 0.0)),
    ("Pow", Family::Function(4.0, 0.0, 0.0)),
    ("Sinh", Family::Function(4.0, 0.0, 1.0)),
    ("Cosh", Family::Function(4.0, 0.0, 0.0)),
    ("Tan", Family::Function(4.0, 1.0, 0.0)),
    ("Atanh", Family::Function(4.0, 0.0, 1.0)),
    ("Asinh", Family::Function(4.0, 0.0, 1.0)),
    ("Acosh", Family::Function(4.0, 1.0, 0.0)),
    ("Log", Family::Function(4.0, 1.0, 0.0)),
    ("Sin", Family::Function(4.0, 1.0, 0.0)),
    ("Cos", Family::Function(4.0, 1.0, 0.0)),
    ("Asin", Family::Function(4.0, 1.0, 0.0)),
    ("Acos", Family::Function(4.0, 1.0, 0.0)),
    ("Atan", Family::Function(4.0, 1.0, 0.0)),
    ("Tanh", Family::Function(4.0, 4.0, 0.0)),
    ("Sigmoid", Family::Function(4.0, 4.0, 0.0)),
    ("HardSigmoid", Family::Function(2.0, 2.0, 0.0)),
    ("Softplus", Family::Function(4.0, 4.0, 0.0)),
    ("Erf", Family::Function(4.0, 8.0, 0.0)),
    ("Elu", Family::Function(4.0, 4.0, 0.0)),
    ("Selu", Family::Function(4.0, 4.0, 0.0)),
    ("Celu", Family::Function(4.0, 4.0, 0.0)),
    ("Gelu", Family::Function(4.0, 0.0, 8.0)),
    ("HardSwish", Family::Function(4.0, 0.0, 4.0)),
    ("Mish", Family::Function(4.0, 0.0, 4.0)),
];

/// The unit roundoff of a dtype: half the distance of 1 from the next number.
pub(super) fn unit_roundoff(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON / 2.0,
        DType::F32 => f64::from(f32::EPSILON) / 2.0,
        DType::F16 => 4.882_812_5e-4,
        DType::BF16 => 3.906_25e-3,
        _ => 0.0625,
    }
}

/// Below this an implementation may give 0.
pub(super) fn underflow(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MIN_POSITIVE,
        DType::F32 | DType::BF16 => f64::from(f32::MIN_POSITIVE),
        DType::F16 => 5.960_464_5e-8,
        _ => 0.0,
    }
}

/// One operation with its operands: floats in f64, all others as they are.
pub(super) struct Operation<'a> {
    pub(super) op: &'a dyn Operator,
    /// The same operator for f64, where that is another.
    pub(super) wide: &'a dyn Operator,
    /// The same operator for another dtype, in which the sums of a bound are taken: these need a few bits only.
    pub(super) sampled: (&'a dyn Operator, DType),
    pub(super) operands: &'a [Option<Array>],
    pub(super) sizes: Sizes<'a>,
    /// The dtype in which it is computed.
    pub(super) dtype: DType,
}

impl Operation<'_> {
    /// The outputs for other operands.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn outputs(&self, operands: &[Option<Array>]) -> Result<Vec<Array>> {
        let operands: Vec<Option<&Array>> = operands.iter().map(Option::as_ref).collect();
        self.wide.eval(&Inputs::new(&operands), self.sizes)
    }

    /// The outputs for other operands, in the dtype of the samples.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn sample(&self, operands: &[Option<Array>]) -> Result<Vec<Array>> {
        let operands: Vec<Option<&Array>> = operands.iter().map(Option::as_ref).collect();
        self.sampled.0.eval(&Inputs::new(&operands), self.sizes)
    }

    /// The first output for operands with their floats changed, in f64. They are divided by their largest element before, so that nothing
    /// overflows in the dtype of the samples.
    fn magnitudes(&self, count: usize, change: impl Fn(f64) -> f64) -> Result<Vec<f64>> {
        let mut scale = 1.0;
        let mut operands = Vec::with_capacity(count);
        for operand in self.operands.iter().take(count) {
            let Some(array) = operand.as_ref().filter(|array| array.dtype() == DType::F64) else {
                operands.push(operand.clone());
                continue;
            };
            let largest = array.elements::<f64>()?.iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
            let largest = if largest > 0.0 { largest } else { 1.0 };
            scale *= change(largest);
            operands.push(Some(narrowed(&mapped(array, |x| change(x / largest))?, self.sampled.1)?));
        }
        let sums = self.sample(&operands)?.first().map(Array::to_f64s).transpose()?.unwrap_or_default();
        Ok(sums.into_iter().map(|sum| scale * sum).collect())
    }

    /// What the error of each element of a float output may be; `None` where nothing is rounded.
    ///
    /// # Errors
    /// Those of the kernel, which computes bounds of sums.
    pub(super) fn error(&self, position: usize, exact: &Array, bound: Bound) -> Result<Option<Vec<f64>>> {
        // Sums and products round, though all implementations round them alike.
        let family = match FAMILIES.iter().find(|row| row.0 == self.op.name()) {
            Some((_, Family::Sum)) if self.op.agreement() == Agreement::Exact => return Ok(None),
            Some(row) => row.1,
            None if self.op.agreement() == Agreement::Exact => return Ok(None),
            None => Family::Observed,
        };
        let y = exact.to_f64s()?;
        let units = match family {
            Family::Function(0.0, 0.0, 0.0) => return Ok(None),
            Family::Function(relative, absolute, of_operand) => self.function(&y, (relative, absolute, of_operand), exact, bound)?,
            Family::Product => self.product(&y, bound)?,
            Family::Sum => {
                // What is added by a scatter has the scale of what it is added to.
                let sums = match self.operands.iter().flatten().filter(|array| array.dtype() == DType::F64).count() {
                    1 => self.magnitudes(self.operands.len(), f64::abs)?,
                    _ => self.outputs(&self.changed(f64::abs)?)?.first().map(Array::to_f64s).transpose()?.unwrap_or_default(),
                };
                let growth = bound.growth(self.terms(exact)) + 2.0;
                sums.into_iter().map(|sum| growth * sum).collect()
            }
            Family::RelativeSum => {
                let growth = bound.growth(self.terms(exact)) + 4.0;
                y.iter().map(|y| growth * (y.abs() + 1.0)).collect()
            }
            Family::Softmax => {
                let growth = bound.growth(self.row(exact)) + 4.0;
                y.iter().map(|y| y.abs() * (growth + if *y > 0.0 { y.ln().abs() } else { 0.0 })).collect()
            }
            Family::LogSoftmax => {
                let growth = bound.growth(self.row(exact)) + 4.0;
                y.iter().map(|y| growth + 2.0 * y.abs()).collect()
            }
            Family::Standardised(axis) => self.standardised(&y, axis, bound)?,
            Family::Affine => {
                let [x, scale, bias, mean, variance] = self.operands else { return self.observed(position, &y, bound) };
                let signed = [self.of(x, f64::abs)?, self.of(scale, f64::abs)?, self.of(bias, f64::abs)?, self.of(mean, |x| -x.abs())?];
                let sums = self.outputs(&[&signed[..], std::slice::from_ref(variance)].concat())?;
                let sums = sums.first().map(Array::to_f64s).transpose()?.unwrap_or_default();
                sums.into_iter().map(|sum| 2.0 * bound.multiple() * sum).collect()
            }
            Family::Interpolation => {
                let x = self.operand(0).map(Array::to_f64s).transpose()?.unwrap_or_default();
                let largest = x.into_iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
                let length = self.operand(0).map_or(1, |x| x.shape().iter().skip(2).copied().max().unwrap_or(1));
                vec![bound.multiple() * (8.0 + length as f64) * largest; y.len()]
            }
            Family::Observed => return self.observed(position, &y, bound),
        };
        let unit = unit_roundoff(self.dtype);
        Ok(Some(units.into_iter().map(|units| unit * units).collect()))
    }

    fn operand(&self, i: usize) -> Option<&Array> {
        self.operands.get(i).and_then(Option::as_ref)
    }

    fn of(&self, operand: &Option<Array>, change: impl Fn(f64) -> f64) -> Result<Option<Array>> {
        operand.as_ref().map(|array| mapped(array, &change)).transpose()
    }

    /// The operands with their floats changed.
    fn changed(&self, change: impl Fn(f64) -> f64) -> Result<Vec<Option<Array>>> {
        self.operands.iter().map(|operand| self.of(operand, &change)).collect()
    }

    fn function(&self, y: &[f64], (relative, absolute, of_operand): (f64, f64, f64), exact: &Array, bound: Bound) -> Result<Vec<f64>> {
        let multiple = bound.multiple();
        let x = match self.operand(0).filter(|x| of_operand > 0.0 && x.shape() == exact.shape()) {
            Some(x) => x.to_f64s()?,
            None => Vec::new(),
        };
        let of = |i: usize| x.get(i).map_or(0.0, |x| of_operand * x.abs());
        Ok(y.iter().enumerate().map(|(i, y)| multiple * (relative * y.abs() + absolute + of(i))).collect())
    }

    /// Sums of n products p. The worst case over all orders is n·Σ|p|. For an order without pattern the partial sums s satisfy
    /// E Σs² ≤ n(y²/3 + Σp²/6), and each rounding has the variance s²/3: n(2y² + Σp²)/18. Σp² is the same operation on squares.
    fn product(&self, y: &[f64], bound: Bound) -> Result<Vec<f64>> {
        let attribute = |name: &str| self.op.attributes().get(name).cloned();
        let (a, b) = (self.operand(0).map(Array::shape).unwrap_or_default(), self.operand(1).map(Array::shape).unwrap_or_default());
        let terms = match self.op.name() {
            "Conv" => b.iter().skip(1).product::<usize>(),
            "ConvTranspose" => b.iter().product::<usize>() / b.get(1).copied().unwrap_or(1).max(1),
            "Gemm" if attribute("transA") == Some(Attribute::Bool(true)) => a.first().copied().unwrap_or(1),
            _ => a.last().copied().unwrap_or(1),
        } as f64;
        let factor = match attribute("alpha") {
            Some(Attribute::Float(alpha)) => alpha.abs(),
            _ => 1.0,
        };
        let added = match self.operand(2) {
            Some(bias) => bias.to_f64s()?.into_iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs())),
            None => 0.0,
        };
        Ok(match bound {
            Bound::Worst => {
                let sums = self.magnitudes(2, f64::abs)?;
                sums.into_iter().zip(y).map(|(sum, y)| (terms + 2.0) * sum.abs() + 2.0 * (y.abs() + added)).collect()
            }
            Bound::Deviation => {
                let squares = self.magnitudes(2, |x| x * x)?;
                let variance = |square: f64, y: f64| {
                    let square = factor * square.abs();
                    terms * (2.0 * y * y + square) / 18.0 + square / 3.0 + (y.abs() + added).powi(2)
                };
                squares.into_iter().zip(y).map(|(square, y)| variance(square, *y).sqrt()).collect()
            }
        })
    }

    /// How many terms a sum has.
    fn terms(&self, exact: &Array) -> f64 {
        let attributes = self.op.attributes();
        if let Some(Attribute::List(kernel)) = attributes.get("kernel_shape") {
            let length = |attribute: &Attribute| if let Attribute::Int(n) = attribute { *n as f64 } else { 1.0 };
            return kernel.iter().map(length).product();
        }
        let count = |array: Option<&Array>| array.map_or(1, Array::len).max(1) as f64;
        match self.op.name() {
            "CumSum" => self.operand(0).map_or(1, |x| x.shape().iter().copied().max().unwrap_or(1)) as f64,
            // As many updates as there are may meet in one element.
            "ScatterElements" | "ScatterND" => count(self.operand(2)).min(64.0),
            _ => (count(self.operand(0)) / count(Some(exact))).max(1.0),
        }
    }

    /// The size of the axis that an operator names.
    fn row(&self, exact: &Array) -> f64 {
        let axis = match self.op.attributes().get("axis") {
            Some(Attribute::Int(axis)) => usize::try_from(*axis).unwrap_or(0),
            _ => exact.rank().saturating_sub(1),
        };
        exact.shape().get(axis).copied().unwrap_or(1) as f64
    }

    /// With the mean μ of n elements off by √n·u·mean|x| (in the worst case n·u·mean|x|), the variance, taken of differences from μ, by √n·u of itself.
    fn standardised(&self, y: &[f64], axis: usize, bound: Bound) -> Result<Vec<f64>> {
        let Some(x) = self.operand(0) else { return Ok(vec![0.0; y.len()]) };
        let attributes = self.op.attributes();
        let axis = match attributes.get("axis") {
            Some(Attribute::Int(axis)) => usize::try_from(*axis).unwrap_or(0),
            _ => axis,
        };
        let epsilon = if let Some(Attribute::Float(epsilon)) = attributes.get("epsilon") { *epsilon } else { 0.0 };
        let n = x.shape().iter().skip(axis).product::<usize>().max(1);
        let scale = match self.operand(1) {
            Some(scale) => scale.to_f64s()?.into_iter().fold(0.0, |most: f64, x| most.max(x.abs())),
            None => 1.0,
        };
        let growth = bound.growth(n as f64);
        let mut errors = Vec::with_capacity(y.len());
        for (x, y) in x.to_f64s()?.chunks(n).zip(y.chunks(n)) {
            let mean = x.iter().sum::<f64>() / n as f64;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
            let size = x.iter().map(|x| x.abs()).sum::<f64>() / n as f64;
            let factor = scale / (variance + epsilon).sqrt();
            let shift = growth * size * factor;
            errors.extend(x.iter().zip(y).map(|(x, y)| shift + (growth / 2.0 + 5.0) * (x - mean).abs() * factor + 2.0 * y.abs()));
        }
        Ok(errors)
    }

    /// The error of the kernel in working precision, on operands that this precision has.
    fn observed(&self, position: usize, y: &[f64], bound: Bound) -> Result<Option<Vec<f64>>> {
        let unit = unit_roundoff(self.dtype);
        let size = rms(y.iter().copied());
        let narrow = self.operands.iter().map(|operand| operand.as_ref().map(|array| narrowed(array, self.dtype)).transpose());
        let narrow = narrow.collect::<Result<Vec<_>>>()?;
        let rounded = narrow.iter().map(|operand| operand.as_ref().map(widened).transpose()).collect::<Result<Vec<_>>>()?;
        let refs: Vec<Option<&Array>> = narrow.iter().map(Option::as_ref).collect();
        let pair = self.op.eval(&Inputs::new(&refs), self.sizes).and_then(|narrow| Ok((narrow, self.outputs(&rounded)?)));
        let error = match pair {
            Ok((narrow, wide)) => match (narrow.get(position), wide.get(position)) {
                (Some(narrow), Some(wide)) if narrow.shape() == wide.shape() => {
                    rms(narrow.to_f64s()?.into_iter().zip(wide.to_f64s()?).map(|(a, b)| a - b))
                }
                _ => 16.0 * unit * size,
            },
            Err(_) => 16.0 * unit * size,
        };
        let of = |y: &f64| match bound {
            Bound::Deviation => 4.0 * error + unit * (4.0 * y.abs() + 2.0 * size),
            Bound::Worst => 16.0 * error + 64.0 * unit * (y.abs() + size),
        };
        Ok(Some(y.iter().map(of).collect()))
    }
}

/// The root of the mean square of those that are finite.
pub(super) fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let mut squares = SquareMean::default();
    values.for_each(|x| squares.add(x));
    squares.root()
}

/// The mean square of finite values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SquareMean {
    sum: f64,
    count: usize,
}

impl SquareMean {
    pub(super) fn add(&mut self, x: f64) {
        if x.is_finite() {
            self.sum += x * x;
            self.count += 1;
        }
    }

    pub(super) fn root(self) -> f64 {
        (self.sum / self.count.max(1) as f64).sqrt()
    }
}

/// A float array in f64; others as they are.
pub(super) fn widened(array: &Array) -> Result<Array> {
    if array.dtype().is_float() { array.cast(DType::F64) } else { Ok(array.clone()) }
}

fn narrowed(array: &Array, dtype: DType) -> Result<Array> {
    if array.dtype().is_float() { array.cast(dtype) } else { Ok(array.clone()) }
}

/// An array of f64 with a function applied to its elements; others as they are.
fn mapped(array: &Array, change: impl Fn(f64) -> f64) -> Result<Array> {
    if array.dtype() != DType::F64 {
        return Ok(array.clone());
    }
    Array::new(array.shape(), array.elements::<f64>()?.iter().map(|&x| change(x)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Random;
    use crate::dim::Bindings;
    use crate::module::from_fn;
    use crate::tensor::Tensor;
    use crate::trace::record;

    /// The largest error of the only node of a function on f32 values, as a share of a bound.
    fn share(inputs: &[Array], bound: Bound, function: impl Fn(&[Tensor]) -> Result<Tensor>) -> f64 {
        let tensors: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
        let traced = record(&from_fn(|x: Vec<Tensor>| function(&x)), &tensors).unwrap();
        let node = &traced.graph().nodes()[0];
        let operands: Vec<Option<Array>> = inputs.iter().map(|input| Some(widened(input).unwrap())).collect();
        let bindings = Bindings::new();
        let operation = Operation {
            op: &*node.op,
            wide: &*node.op,
            sampled: (&*node.op, DType::F32),
            operands: &operands,
            sizes: Sizes::Bound(&bindings),
            dtype: DType::F32,
        };
        let exact = operation.outputs(&operands).unwrap().remove(0);
        let error = operation.error(0, &exact, bound).unwrap().unwrap();
        let got = function(&tensors).unwrap().to_array().unwrap().to_f64s().unwrap();
        let exact = exact.to_f64s().unwrap();
        got.iter().zip(&exact).zip(&error).map(|((got, exact), error)| (got - exact).abs() / error).fold(0.0, f64::max)
    }

    fn noise(seed: u64, shape: &[usize]) -> Array {
        Random::new(seed).array(DType::F32, shape, Random::normal).unwrap()
    }

    #[test]
    fn errors_of_kernels_are_within_their_bounds_and_these_are_not_idle() {
        type Case<'a> = (&'a str, Vec<Array>, fn(&[Tensor]) -> Result<Tensor>);
        let cases: Vec<Case> = vec![
            ("a product", vec![noise(1, &[8, 300]), noise(2, &[300, 9])], |x| x[0].matmul(&x[1])),
            ("a mean", vec![noise(3, &[6, 400])], |x| x[0].mean([1i64], false)),
            ("a softmax", vec![noise(4, &[6, 50])], |x| x[0].softmax(-1)),
            ("an exponential", vec![noise(5, &[100])], |x| x[0].exp()),
            ("a hyperbolic tangent", vec![noise(6, &[100])], |x| x[0].tanh()),
        ];
        for (what, inputs, function) in cases {
            let (expected, worst) = (share(&inputs, Bound::Deviation, function), share(&inputs, Bound::Worst, function));
            assert!(worst <= 1.0 && expected <= 6.0, "{what}: {worst} of the worst case, {expected} deviations");
            assert!(expected > 1e-3, "{what}: a bound of {expected} deviations says nothing");
        }
    }
}
