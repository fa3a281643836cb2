//! What operators of the table do on complex operands: rules that compute the parts with the operators on real tensors.

use super::scalar_type::{COMPLEX_TYPES, scalar_type_number};
use super::value::{Pair, Value};
use crate::error::{Error, Result};
use crate::ops::fourier::Complex;
use crate::tensor::Tensor;

/// Operators that do the same to both parts, and which of their arguments hold values: a real one there has the imaginary part 0.
///
/// All other arguments (indices, conditions, sizes) go to both parts as they are.
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

/// Operators whose result depends on the shape only.
const SIZES: &[&str] = &["_shape_as_tensor", "dim", "numel", "size", "sym_is_contiguous", "sym_numel", "sym_size"];

/// Operators that create a tensor of a dtype that an argument gives.
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

/// Whether a value is complex, or a list of which an element is.
fn is_complex(value: &Value) -> bool {
    // No operator takes lists of lists of tensors that may be complex.
    let one = |value: &Value| matches!(value, Value::Complex(_));
    match value {
        Value::List(values) => values.borrow().iter().any(one),
        Value::Tuple(values) => values.iter().any(one),
        other => one(other),
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
    Some(Value::Int(scalar_type_number(row.1).into()))
}

/// The arguments of a call with complex dtypes replaced by those of their parts (of positional arguments only `to` has one), and whether any
/// dtype was complex, and any real.
struct RealCall {
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
    complex: bool,
    real: bool,
}

impl RealCall {
    fn read(is_to: bool, positional: &[Value], named: &[(String, Value)]) -> RealCall {
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
        let position = if matches!(positional.get(1), Some(Value::Int(_))) { 1 } else { 2 };
        let at = |i: usize| is_to && i == position;
        let positional = positional.iter().enumerate().map(|(i, value)| if at(i) { read(value) } else { value.clone() }).collect();
        let named = named.iter().map(|(name, value)| (name.clone(), if name == "dtype" { read(value) } else { value.clone() })).collect();
        RealCall { positional, named, complex, real }
    }

    /// The call on one of the parts; `operands` are the positions of the arguments that hold values.
    fn part(&self, imaginary: bool, operands: &[usize]) -> Result<(Vec<Value>, Vec<(String, Value)>)> {
        let positional = self.positional.iter().enumerate().map(|(i, value)| part(value, imaginary, operands.contains(&i)));
        let named = self.named.iter().map(|(name, value)| Ok((name.clone(), part(value, imaginary, name == "value")?)));
        Ok((positional.collect::<Result<_>>()?, named.collect::<Result<_>>()?))
    }
}

/// One of the parts of a value, in a list of each element; a real one is returned as it is, or has the imaginary part 0 where it is an operand.
fn part(value: &Value, imaginary: bool, number: bool) -> Result<Value> {
    let all = |values: &[Value]| values.iter().map(|value| part_of_one(value, imaginary, true)).collect::<Result<Vec<_>>>();
    match value {
        Value::List(values) if is_complex(value) => all(&values.borrow()).map(Value::list),
        Value::Tuple(values) if is_complex(value) => all(values).map(Value::tuple),
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

/// Runs an operator by name: the dispatcher that calls these rules hands itself in, since it lies above them.
pub(super) type AtenCall = fn(&str, &[Value], &[(String, Value)]) -> Result<Value>;

/// What an operator does on complex operands, looked up once for its name.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    name: &'static str,
    maker: bool,
    sizes: bool,
    norm: bool,
    /// The positions of the operands of which each part is computed alone.
    apart: Option<&'static [usize]>,
    /// The product that is added to the first operand.
    sum: Option<&'static str>,
    product: bool,
}

impl Rules {
    /// The rules of an operator of the table, by its own name.
    pub(super) fn of(name: &'static str) -> Rules {
        Rules {
            name,
            maker: MAKERS.contains(&name),
            sizes: SIZES.contains(&name),
            norm: NORMS.contains(&name),
            apart: APART.iter().find(|row| row.1.contains(&name)).map(|row| row.0),
            sum: SUMS.iter().find(|row| row.0 == name).map(|row| row.1),
            product: PRODUCTS.contains(&name),
        }
    }

    /// The operator's own name.
    #[cfg(all(test, feature = "tract"))]
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// A complex tensor from a call that asks for a complex dtype without having complex operands; `None` where it does not.
    pub(super) fn make(&self, call: AtenCall, positional: &[Value], named: &[(String, Value)]) -> Option<Result<Value>> {
        if !self.maker || positional.iter().any(is_complex) {
            return None;
        }
        let real = RealCall::read(self.name == "to", positional, named);
        real.complex.then(|| {
            let re = call(self.name, &real.positional, &real.named)?;
            let x = re.view()?.read()?;
            paired(re, Tensor::zeros(x.shape(), x.dtype())?.into())
        })
    }

    /// Runs the operator on complex operands; `None` where there are none, or no rule has it.
    pub(super) fn run(&self, call: AtenCall, positional: &[Value], named: &[(String, Value)]) -> Option<Result<Value>> {
        if !positional.iter().chain(named.iter().map(|entry| &entry.1)).any(is_complex) {
            return None;
        }
        let name = self.name;
        let asked = RealCall::read(name == "to", positional, named);
        let on = |operands: &[usize], imaginary: bool| {
            let (positional, named) = asked.part(imaginary, operands)?;
            call(name, &positional, &named)
        };
        if self.sizes {
            return Some(on(&[], false));
        }
        if let (true, [x @ Value::Complex(_), rest @ ..]) = (self.norm, positional) {
            let absolute = call("abs", std::slice::from_ref(x), &[]);
            return Some(absolute.and_then(|x| call(name, &[&[x], rest].concat(), named)));
        }
        // The imaginary part of what becomes real is lost.
        if self.maker && asked.real && !asked.complex {
            return Some(on(self.apart.unwrap_or_default(), false));
        }
        if name == "ones_like" || name == "new_ones" {
            return Some(on(&[], false).and_then(|re| {
                let zero = call("zeros_like", std::slice::from_ref(&re), &[])?;
                paired(re, zero)
            }));
        }
        if let Some(operands) = self.apart {
            return Some(on(operands, false).and_then(|re| paired(re, on(operands, true)?)));
        }
        if let (Some(product), [first, x, y]) = (self.sum, positional) {
            return Some(sum(call, first, product, x, y, named));
        }
        self.product.then(|| product(call, name, positional, named))
    }
}

/// An operator that is linear in the first complex operand; if another one is complex, so are the two results.
fn product(call: AtenCall, name: &str, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
    if let ("linear", [x, weight, bias]) = (name, positional)
        && !matches!(bias, Value::None)
    {
        return call("add", &[call(name, &[x.clone(), weight.clone()], named)?, bias.clone()], &[]);
    }
    let first =
        positional.iter().position(is_complex).ok_or_else(|| Error::unsupported("a complex tensor cannot be a keyword argument here"))?;
    let with = |imaginary: bool| {
        let mut positional = positional.to_vec();
        positional[first] = match &positional[first] {
            Value::List(values) => {
                let mut values = values.borrow().clone();
                if let Some(first) = values.iter_mut().find(|value| is_complex(value)) {
                    *first = part(first, imaginary, true)?;
                }
                Value::list(values)
            }
            value => part(value, imaginary, true)?,
        };
        call(name, &positional, named)
    };
    paired(with(false)?, with(true)?)
}

/// β · first + α · product.
fn sum(call: AtenCall, first: &Value, product: &str, x: &Value, y: &Value, named: &[(String, Value)]) -> Result<Value> {
    let scaled = |value: Value, by: &str| match named.iter().find(|entry| entry.0 == by) {
        Some((_, factor)) => call("mul", &[value, factor.clone()], &[]),
        None => Ok(value),
    };
    let product = call(product, &[x.clone(), y.clone()], &[])?;
    call("add", &[scaled(first.clone(), "beta")?, scaled(product, "alpha")?], &[])
}

#[cfg(test)]
mod tests {
    use super::super::alias;
    use super::super::table::{call, resolve};
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
        call(name, values, &[]).unwrap()
    }

    #[test]
    fn the_rules_are_of_operators_that_there_are() {
        let apart = APART.iter().flat_map(|row| row.1).chain(SUMS.iter().flat_map(|row| [&row.0, &row.1]));
        for name in apart.chain(PRODUCTS).chain(NORMS).chain(SIZES).chain(MAKERS) {
            assert!(resolve(name).is_some() && alias::of(name) == *name, "{name} has no row of its own");
        }
    }

    #[test]
    fn what_is_made_real_loses_its_imaginary_part() {
        let x = complex(&[1.0], &[2.0]);
        let dtype = |number: i64| [("dtype".to_string(), Value::Int(number.into()))];
        let real = call("_to_copy", std::slice::from_ref(&x), &dtype(7)).unwrap();
        assert_eq!(real.view().unwrap().read().unwrap().to_vec::<f64>().unwrap(), [1.0]);
        let zero = call("zeros", &[Value::list(vec![Value::Int(2.into())])], &dtype(9)).unwrap();
        assert_eq!(parts(&zero), [[0.0; 2]; 2]);
        assert_eq!(parts(&call("ones_like", &[x], &[]).unwrap()), [[1.0], [0.0]]);
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
