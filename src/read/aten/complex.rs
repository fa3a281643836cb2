//! Complex numbers: pairs of real tensors, on which torch's operators are made of what they do to real ones.

use super::args::{Args, COMPLEX_TYPES};
use super::value::{Value, View};
use super::{Row, alias, one, value};
use crate::error::{Error, Result};
pub(crate) use crate::ops::fourier::Complex;
use crate::tensor::Tensor;

/// A complex tensor: the cells of its parts, each perhaps a window onto another, so that writes go where torch's go.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) re: View,
    pub(crate) im: View,
}

impl Pair {
    /// The numbers as they are now.
    pub(crate) fn read(&self) -> Result<Complex> {
        Ok(Complex { re: self.re.read()?, im: self.im.read()? })
    }

    /// torch's number of the dtype: complex32, complex64 or complex128.
    pub(crate) fn dtype_number(&self) -> Result<i64> {
        let dtype = self.re.read()?.dtype();
        Ok(COMPLEX_TYPES.iter().find(|row| row.1 == dtype).map_or(-1, |row| row.0))
    }
}

impl From<Complex> for Value {
    fn from(x: Complex) -> Value {
        Value::Complex(Pair { re: View::new(x.re), im: View::new(x.im) })
    }
}

/// A complex number.
pub(crate) fn number(re: f64, im: f64) -> Value {
    Complex { re: Tensor::weak(re), im: Tensor::weak(im) }.into()
}

/// Complex numbers as files have them: the parts side by side in a last axis.
pub(crate) fn stored(x: &Tensor) -> Result<Value> {
    Ok(Complex { re: x.select(-1, 0i64)?, im: x.select(-1, 1i64)? }.into())
}

/// Operators that do the same to both parts, and which of their arguments hold numbers: a real number there has the imaginary part 0.
///
/// All other arguments (indices, conditions, lengths) go to both parts as they are.
const APART: &[(&[usize], &[&str])] = &[
    (
        &[0],
        &[
            "_reshape_alias",
            "_reshape_copy",
            "_to_copy",
            "_unsafe_view",
            "alias",
            "as_strided",
            "atleast_1d",
            "atleast_2d",
            "atleast_3d",
            "broadcast_tensors",
            "broadcast_to",
            "cat",
            "channel_shuffle",
            "chunk",
            "clone",
            "column_stack",
            "contiguous",
            "cpu",
            "cumsum",
            "data",
            "detach",
            "diag",
            "diag_embed",
            "diagflat",
            "diagonal",
            "diff",
            "dstack",
            "empty_like",
            "expand",
            "expand_as",
            "fft_fftshift",
            "fft_ifftshift",
            "flatten",
            "flip",
            "fliplr",
            "flipud",
            "gather",
            "hstack",
            "index",
            "index_select",
            "lift_fresh",
            "lift_fresh_copy",
            "mT",
            "mean",
            "meshgrid",
            "movedim",
            "narrow",
            "neg",
            "new_empty",
            "new_zeros",
            "numpy_T",
            "permute",
            "pixel_shuffle",
            "pixel_unshuffle",
            "positive",
            "ravel",
            "reflection_pad1d",
            "reflection_pad2d",
            "reflection_pad3d",
            "repeat",
            "repeat_interleave",
            "replication_pad1d",
            "replication_pad2d",
            "replication_pad3d",
            "reshape",
            "reshape_as",
            "resolve_neg",
            "roll",
            "rot90",
            "scalar_tensor",
            "select",
            "slice",
            "split",
            "split_with_sizes",
            "squeeze",
            "stack",
            "sum",
            "sum_to_size",
            "t",
            "take",
            "take_along_dim",
            "tensor_split",
            "tile",
            "to",
            "trace",
            "transpose",
            "tril",
            "triu",
            "unbind",
            "unflatten",
            "unfold",
            "unsqueeze",
            "view",
            "view_as",
            "vstack",
            "zero",
            "zeros_like",
        ],
    ),
    (&[0, 1], &["add", "as_strided_scatter", "copy", "diagonal_scatter", "fill", "rsub", "select_scatter", "slice_scatter", "sub"]),
    (&[1, 2], &["where"]),
    (&[0, 2], &["_index_put_impl", "constant_pad_nd", "index_put", "masked_fill", "masked_scatter"]),
    (&[0, 3], &["index_add", "index_copy", "index_fill", "pad", "scatter", "scatter_add"]),
    (&[1], &["full", "full_like", "new_full"]),
];

/// Operators that are linear in each of their operands: of re + i im they make what they make of re, and i times what they make of im.
const PRODUCTS: &[&str] = &["bmm", "div", "dot", "einsum", "ger", "inner", "kron", "linear", "matmul", "mm", "mul", "mv", "tensordot"];

/// A product that is added to something, and its name alone.
const SUMS: &[(&str, &str)] = &[("addmm", "mm"), ("addmv", "mv"), ("baddbmm", "bmm")];

/// Norms, which are those of the absolute values.
const NORMS: &[&str] = &["frobenius_norm", "linalg_vector_norm", "native_norm", "norm"];

/// What does not depend on the numbers.
const LENGTHS: &[&str] = &["_shape_as_tensor", "dim", "numel", "size", "sym_is_contiguous", "sym_numel", "sym_size"];

/// Operators that make numbers, or make them anew, of a dtype that is asked for.
const MAKERS: &[&str] = &[
    "_to_copy",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "full",
    "full_like",
    "new_empty",
    "new_full",
    "new_ones",
    "new_zeros",
    "ones",
    "ones_like",
    "scalar_tensor",
    "to",
    "zeros",
    "zeros_like",
];

pub(super) const ROWS: &[Row] = &[
    one("abs(Complex self) -> Tensor", |a| size(&a.complex(0)?)),
    one("angle(Complex self) -> Tensor", |a| a.complex(0)?.im.atan2(&a.complex(0)?.re)),
    value("real(Complex self) -> Tensor", |a| Ok(Value::Tensor(a.pair(0)?.re.clone()))),
    value("imag(Complex self) -> Tensor", |a| Ok(Value::Tensor(a.pair(0)?.im.clone()))),
    one("view_as_real(Complex self) -> Tensor", |a| Tensor::stack(&[&a.complex(0)?.re, &a.complex(0)?.im], -1)),
    value("view_as_complex(Tensor self) -> Tensor", |a| {
        if a.tensor(0)?.dim(-1)? != 2 {
            return Err(Error::shape(format!("two parts in a last axis, of {}", a.tensor(0)?.ty())));
        }
        let part = |i: i64| super::call("select", &[a.value(0)?.clone(), Value::Int((-1).into()), Value::Int(i.into())], &[]);
        paired(part(0)?, part(1)?)
    }),
    value("complex(Tensor real, Tensor imag) -> Tensor", |a| {
        let shape = a.tensor(0)?.shape().broadcast(a.tensor(1)?.shape())?;
        Ok(Complex { re: a.tensor(0)?.expand(&shape)?, im: a.tensor(1)?.expand(&shape)? }.into())
    }),
    value("polar(Tensor abs, Tensor angle) -> Tensor", |a| turned(&a.tensor(0)?, &a.tensor(1)?)),
    value("conj(Complex self) -> Tensor", |a| Ok(mirrored(a.complex(0)?)?.into())),
    value("conj_physical(Complex self) -> Tensor", |a| Ok(mirrored(a.complex(0)?)?.into())),
    value("mH(Complex self) -> Tensor", |a| super::call("mT", &[mirrored(a.complex(0)?)?.into()], &[])),
    value("matrix_H(Complex self) -> Tensor", |a| super::call("mT", &[mirrored(a.complex(0)?)?.into()], &[])),
    value("resolve_conj(Complex self) -> Tensor", |a| Ok(a.value(0)?.clone())),
    value("vdot(Complex self, Complex other) -> Tensor", |a| {
        super::call("dot", &[mirrored(a.complex(0)?)?.into(), a.value(1)?.clone()], &[])
    }),
    // x / y = x ȳ / |y|².
    value("div(Any self, Complex other) -> Tensor", |a| {
        let inverse = reciprocal(&a.complex(1)?)?;
        super::call("mul", &[a.value(0)?.clone(), inverse.into()], &[])
    }),
    value("reciprocal(Complex self) -> Tensor", |a| Ok(reciprocal(&a.complex(0)?)?.into())),
    value("square(Complex self) -> Tensor", |a| Ok(square(&a.complex(0)?)?.into())),
    value("pow(Complex self, Scalar exponent) -> Tensor", |a| {
        let (x, exponent) = (a.complex(0)?, a.float(1)?);
        if exponent == 2.0 {
            return Ok(square(&x)?.into());
        }
        turned(&size(&x)?.pow(exponent)?, &x.im.atan2(&x.re)?.mul(exponent)?)
    }),
    value("exp(Complex self) -> Tensor", |a| turned(&a.complex(0)?.re.exp()?, &a.complex(0)?.im)),
    value("log(Complex self) -> Tensor", |a| {
        let x = a.complex(0)?;
        Ok(Complex { re: size(&x)?.log()?, im: x.im.atan2(&x.re)? }.into())
    }),
    // √((|x| + re) / 2) and √((|x| − re) / 2), which have no difference that cancels to less than 0.
    value("sqrt(Complex self) -> Tensor", |a| {
        let x = a.complex(0)?;
        let (size, zero) = (size(&x)?, Tensor::weak(0.0));
        let (re, im) = (size.add(&x.re)?.mul(0.5)?.maximum(&zero)?.sqrt()?, size.sub(&x.re)?.mul(0.5)?.maximum(&zero)?.sqrt()?);
        Ok(Complex { re, im: x.im.sign_bit()?.where_(&im.neg()?, &im)? }.into())
    }),
    value("sgn(Complex self) -> Tensor", |a| {
        let x = a.complex(0)?;
        let size = size(&x)?;
        let size = size.eq(0.0)?.where_(&Tensor::ones((), size.dtype())?, &size)?;
        Ok(Complex { re: x.re.div(&size)?, im: x.im.div(size)? }.into())
    }),
    one("eq(Complex self, Any other) -> Tensor", alike),
    one("eq(Any self, Complex other) -> Tensor", alike),
    one("ne(Complex self, Any other) -> Tensor", |a| alike(a)?.logical_not()),
    one("ne(Any self, Complex other) -> Tensor", |a| alike(a)?.logical_not()),
    one("isreal(Complex self) -> Tensor", |a| a.complex(0)?.im.eq(0.0)),
    value("is_complex(Complex self) -> bool", |_| Ok(Value::Bool(true))),
    value("is_complex(Tensor self) -> bool", |_| Ok(Value::Bool(false))),
];

/// √(re² + im²).
fn size(x: &Complex) -> Result<Tensor> {
    x.re.square()?.add(x.im.square()?)?.sqrt()
}

fn mirrored(x: Complex) -> Result<Complex> {
    Ok(Complex { im: x.im.neg()?, re: x.re })
}

/// A length turned by an angle.
fn turned(length: &Tensor, angle: &Tensor) -> Result<Value> {
    Ok(Complex { re: length.mul(angle.cos()?)?, im: length.mul(angle.sin()?)? }.into())
}

fn reciprocal(x: &Complex) -> Result<Complex> {
    let square = x.re.square()?.add(x.im.square()?)?;
    Ok(Complex { re: x.re.div(&square)?, im: x.im.div(square)?.neg()? })
}

fn square(x: &Complex) -> Result<Complex> {
    Ok(Complex { re: x.re.square()?.sub(x.im.square()?)?, im: x.re.mul(&x.im)?.mul(2.0)? })
}

fn alike(a: &Args) -> Result<Tensor> {
    let part = |i: usize| if a.is_complex(i) { a.complex(i) } else { Ok(Complex { re: a.tensor(i)?, im: Tensor::weak(0.0) }) };
    let (x, y) = (part(0)?, part(1)?);
    x.re.eq(y.re)?.logical_and(x.im.eq(y.im)?)
}

/// Whether a value is complex, or a list of which an element is.
fn concerns(value: &Value) -> bool {
    // No operator takes lists of lists of tensors that may be complex.
    let complex = |value: &Value| matches!(value, Value::Complex(_));
    match value {
        Value::List(values) => values.borrow().iter().any(complex),
        Value::Tuple(values) => values.iter().any(complex),
        other => complex(other),
    }
}

/// Parts as one value, in lists element by element; what is no tensor is the same for both.
fn paired(re: Value, im: Value) -> Result<Value> {
    let all = |re: Vec<Value>, im: Vec<Value>| re.into_iter().zip(im).map(|(re, im)| paired(re, im)).collect::<Result<Vec<_>>>();
    Ok(match (re, im) {
        (Value::Tensor(re), Value::Tensor(im)) => Value::Complex(Pair { re, im }),
        // re + i im, both of them complex.
        (Value::Complex(re), Value::Complex(im)) => {
            let (re, im) = (re.read()?, im.read()?);
            Complex { re: re.re.sub(im.im)?, im: re.im.add(im.re)? }.into()
        }
        (Value::List(re), Value::List(im)) => Value::list(all(re.borrow().clone(), im.borrow().clone())?),
        (Value::Tuple(re), Value::Tuple(im)) => Value::tuple(all(re.to_vec(), im.to_vec())?),
        (re, _) => re,
    })
}

/// The real dtype of the parts where a complex one is asked for.
fn real_dtype(value: &Value) -> Option<Value> {
    let Value::Int(number) = value else { return None };
    let row = COMPLEX_TYPES.iter().find(|row| *number == row.0)?;
    Some(Value::Int(super::scalar_type_number(row.1).into()))
}

/// The arguments of a call, dtypes made real: of those by place only `to` has one. Also whether any was complex, and whether any was real.
struct Call {
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
    complex: bool,
    real: bool,
}

impl Call {
    fn read(name: &str, positional: &[Value], named: &[(String, Value)]) -> Call {
        let (mut complex, mut real) = (false, false);
        let mut read = |value: &Value| match real_dtype(value) {
            Some(number) => {
                complex = true;
                number
            }
            None => {
                real |= matches!(value, Value::Int(_));
                value.clone()
            }
        };
        // self, dtype, …; or self, device, dtype, ….
        let place = if matches!(positional.get(1), Some(Value::Int(_))) { 1 } else { 2 };
        let at = |i: usize| name == "to" && i == place;
        let positional = positional.iter().enumerate().map(|(i, value)| if at(i) { read(value) } else { value.clone() }).collect();
        let named = named.iter().map(|(name, value)| (name.clone(), if name == "dtype" { read(value) } else { value.clone() })).collect();
        Call { positional, named, complex, real }
    }

    /// The call on one of the parts; `numbers` says which arguments hold some.
    fn part(&self, imaginary: bool, numbers: &[usize]) -> Result<(Vec<Value>, Vec<(String, Value)>)> {
        let positional = self.positional.iter().enumerate().map(|(i, value)| part(value, imaginary, numbers.contains(&i)));
        let named = self.named.iter().map(|(name, value)| Ok((name.clone(), part(value, imaginary, name == "value")?)));
        Ok((positional.collect::<Result<_>>()?, named.collect::<Result<_>>()?))
    }
}

/// One of the parts of a value, in a list of each element; a real one is returned as it is, or has the imaginary part 0 where it is a number.
fn part(value: &Value, imaginary: bool, number: bool) -> Result<Value> {
    let all = |values: &[Value]| values.iter().map(|value| part_of_one(value, imaginary, true)).collect::<Result<Vec<_>>>();
    match value {
        Value::List(values) if concerns(value) => all(&values.borrow()).map(Value::list),
        Value::Tuple(values) if concerns(value) => all(values).map(Value::tuple),
        other => part_of_one(other, imaginary, number),
    }
}

fn part_of_one(value: &Value, imaginary: bool, number: bool) -> Result<Value> {
    Ok(match value {
        Value::Complex(pair) => Value::Tensor(if imaginary { pair.im.clone() } else { pair.re.clone() }),
        Value::Tensor(view) if imaginary && number => {
            let x = view.read()?;
            Tensor::zeros(x.shape(), x.dtype())?.into()
        }
        Value::Int(_) | Value::Float(_) | Value::Bool(_) if imaginary && number => Value::Int(0.into()),
        other => other.clone(),
    })
}

/// Makes complex numbers of a call that asks for them without having any; `None` where it does not.
pub(super) fn made(name: &str, positional: &[Value], named: &[(String, Value)]) -> Option<Result<Value>> {
    let plain = alias::of(name);
    if !MAKERS.contains(&plain) || positional.iter().any(concerns) {
        return None;
    }
    let call = Call::read(plain, positional, named);
    call.complex.then(|| {
        let re = super::call(name, &call.positional, &call.named)?;
        let x = re.view()?.read()?;
        paired(re, Tensor::zeros(x.shape(), x.dtype())?.into())
    })
}

/// Runs an operator on complex operands; `None` where there are none, or no rule has it.
pub(super) fn call(name: &str, positional: &[Value], named: &[(String, Value)]) -> Option<Result<Value>> {
    let plain = alias::of(name);
    if !positional.iter().chain(named.iter().map(|entry| &entry.1)).any(concerns) {
        return None;
    }
    let asked = Call::read(plain, positional, named);
    let on = |numbers: &[usize], imaginary: bool| {
        let (positional, named) = asked.part(imaginary, numbers)?;
        super::call(name, &positional, &named)
    };
    if LENGTHS.contains(&plain) {
        return Some(on(&[], false));
    }
    if let (true, [x @ Value::Complex(_), rest @ ..]) = (NORMS.contains(&plain), positional) {
        let absolute = super::call("abs", std::slice::from_ref(x), &[]);
        return Some(absolute.and_then(|x| super::call(name, &[&[x], rest].concat(), named)));
    }
    let numbers = APART.iter().find(|row| row.1.contains(&plain)).map(|row| row.0);
    // The imaginary part of what becomes real is lost.
    if MAKERS.contains(&plain) && asked.real && !asked.complex {
        return Some(on(numbers.unwrap_or_default(), false));
    }
    if plain == "ones_like" || plain == "new_ones" {
        return Some(on(&[], false).and_then(|re| {
            let zero = super::call("zeros_like", std::slice::from_ref(&re), &[])?;
            paired(re, zero)
        }));
    }
    if let Some(numbers) = numbers {
        return Some(on(numbers, false).and_then(|re| paired(re, on(numbers, true)?)));
    }
    if let (Some(row), [first, x, y]) = (SUMS.iter().find(|row| row.0 == plain), positional) {
        return Some(sum(first, row.1, x, y, named));
    }
    PRODUCTS.contains(&plain).then(|| product(name, positional, named))
}

/// An operator that is linear in the first complex operand; if another one is complex, so are the two results.
fn product(name: &str, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
    if let ("linear", [x, weight, bias]) = (name, positional)
        && !matches!(bias, Value::None)
    {
        return super::call("add", &[super::call(name, &[x.clone(), weight.clone()], named)?, bias.clone()], &[]);
    }
    let place = positional.iter().position(concerns).ok_or_else(|| Error::unsupported("a complex operand by name"))?;
    let with = |imaginary: bool| {
        let mut positional = positional.to_vec();
        positional[place] = match &positional[place] {
            Value::List(values) => {
                let mut values = values.borrow().clone();
                if let Some(first) = values.iter_mut().find(|value| concerns(value)) {
                    *first = part(first, imaginary, true)?;
                }
                Value::list(values)
            }
            value => part(value, imaginary, true)?,
        };
        super::call(name, &positional, named)
    };
    paired(with(false)?, with(true)?)
}

/// β · first + α · product.
fn sum(first: &Value, name: &str, x: &Value, y: &Value, named: &[(String, Value)]) -> Result<Value> {
    let scaled = |value: Value, by: &str| match named.iter().find(|entry| entry.0 == by) {
        Some((_, factor)) => super::call("mul", &[value, factor.clone()], &[]),
        None => Ok(value),
    };
    let product = super::call(name, &[x.clone(), y.clone()], &[])?;
    super::call("add", &[scaled(first.clone(), "beta")?, scaled(product, "alpha")?], &[])
}

/// Writes the result of an operation in place to its operand.
pub(super) fn write(target: &Pair, result: &Value) -> Result<()> {
    let to = target.read()?;
    let result = match result {
        Value::Complex(pair) => pair.read()?,
        other => {
            let re = other.view()?.read()?;
            Complex { im: Tensor::zeros(re.shape(), re.dtype())?, re }
        }
    };
    target.re.write(super::view::like(&to.re, &result.re)?)?;
    target.im.write(super::view::like(&to.im, &result.im)?)
}

/// The error of a complex number that would leave the program.
pub(crate) fn refused() -> Error {
    Error::unsupported("a complex tensor among the outputs: ONNX's operators have real ones only").help("give torch.view_as_real of it")
}

/// The error of a complex number that would be given to the program.
pub(crate) fn refused_input() -> Error {
    Error::unsupported("a complex tensor among the inputs: ONNX's operators have real ones only")
        .help("take its parts in a last axis, and join them with torch.view_as_complex")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complex(re: &[f32], im: &[f32]) -> Value {
        Complex { re: Tensor::from(re), im: Tensor::from(im) }.into()
    }

    fn parts(value: &Value) -> [Vec<f32>; 2] {
        let Value::Complex(pair) = value else { panic!("{value:?}") };
        let x = pair.read().unwrap();
        [x.re, x.im].map(|part| part.to_vec().unwrap())
    }

    fn called(name: &str, values: &[Value]) -> Value {
        super::super::call(name, values, &[]).unwrap()
    }

    #[test]
    fn the_rules_are_of_operators_that_there_are() {
        let apart = APART.iter().flat_map(|row| row.1).chain(SUMS.iter().flat_map(|row| [&row.0, &row.1]));
        for name in apart.chain(PRODUCTS).chain(NORMS).chain(LENGTHS).chain(MAKERS) {
            assert!(super::super::knows(name) && alias::of(name) == *name, "{name} has no row of its own");
        }
    }

    #[test]
    fn what_is_made_real_loses_its_imaginary_part() {
        let x = complex(&[1.0], &[2.0]);
        let dtype = |number: i64| [("dtype".to_string(), Value::Int(number.into()))];
        let real = super::super::call("_to_copy", std::slice::from_ref(&x), &dtype(7)).unwrap();
        assert_eq!(real.view().unwrap().read().unwrap().to_vec::<f64>().unwrap(), [1.0]);
        let zero = super::super::call("zeros", &[Value::list(vec![Value::Int(2.into())])], &dtype(9)).unwrap();
        assert_eq!(parts(&zero), [[0.0; 2]; 2]);
        assert_eq!(parts(&super::super::call("ones_like", &[x], &[]).unwrap()), [[1.0], [0.0]]);
    }

    #[test]
    fn products_of_several_complex_operands_multiply_out() {
        // (1 + 2i)(3 − i) = 5 + 5i, times i.
        let (x, y, i) = (complex(&[1.0], &[2.0]), complex(&[3.0], &[-1.0]), complex(&[0.0], &[1.0]));
        assert_eq!(parts(&called("mul", &[x.clone(), y.clone()])), [[5.0], [5.0]]);
        let all = Value::list(vec![x.clone(), y.clone(), i]);
        assert_eq!(parts(&called("einsum", &[Value::Str("a,a,a->a".into()), all])), [[-5.0], [5.0]]);
        // With a real weight and a complex bias: 2 (1 + 2i) + i.
        let weight = Value::from(Tensor::new([1, 1], vec![2.0f32]).unwrap());
        assert_eq!(parts(&called("linear", &[x.clone(), weight, complex(&[0.0], &[1.0])])), [[2.0], [5.0]]);
        // (1 + 2i) / (3 − i) = (1 + 7i) / 10.
        let [re, im] = parts(&called("div", &[x, y]));
        assert!((re[0] - 0.1).abs() < 1e-6 && (im[0] - 0.7).abs() < 1e-6);
    }

    #[test]
    fn a_real_number_has_no_imaginary_part() {
        let x = complex(&[1.0, 2.0], &[3.0, 4.0]);
        assert_eq!(parts(&called("add", &[x.clone(), Value::Int(1.into())])), [[2.0, 3.0], [3.0, 4.0]]);
        let real = Value::from(Tensor::from(&[5.0f32, 6.0]));
        assert_eq!(parts(&called("rsub", &[x.clone(), real.clone()])), [[4.0, 4.0], [-3.0, -4.0]]);
        assert_eq!(parts(&called("cat", &[Value::list(vec![x, real])])), [[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 0.0, 0.0]]);
    }

    #[test]
    fn writes_reach_the_parts_through_views() {
        let x = complex(&[1.0, 2.0], &[3.0, 4.0]);
        let last = called("narrow", &[x.clone(), Value::Int(0.into()), Value::Int(1.into()), Value::Int(1.into())]);
        called("copy_", &[last, complex(&[7.0], &[8.0])]);
        called("mul_", &[called("imag", std::slice::from_ref(&x)), Value::Int(10.into())]);
        assert_eq!(parts(&x), [[1.0, 7.0], [30.0, 80.0]]);
    }

    #[test]
    fn roots_lie_right_of_the_imaginary_axis() {
        let [re, im] = parts(&called("sqrt", &[complex(&[3.0, -4.0, 0.0], &[-4.0, 0.0, 0.0])]));
        assert_eq!((re, im), (vec![2.0, 0.0, 0.0], vec![-1.0, 2.0, 0.0]));
    }
}
