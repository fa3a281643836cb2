//! The methods that programs call: what fits each, and the call, which is both run and printed.

use super::choose::{self, Fit};
use super::fit;
use super::program::Argument;
use super::values;
use ontrace::{DType, Result, Tensor, cond, while_loop};

/// A way to call the public API.
pub struct Method {
    /// The call as Rust, with the names of its operands in it.
    pub source: &'static str,
    /// The names of the tensors.
    pub tensors: &'static [&'static str],
    /// The names of the other arguments.
    pub arguments: &'static [&'static str],
    /// Chooses operands that it takes.
    pub fit: Fit,
    pub run: fn(&[&Tensor], &[Argument]) -> Result<Vec<Tensor>>,
}

/// What calls give, as a list.
trait Given {
    fn list(self) -> Result<Vec<Tensor>>;
}

impl Given for Result<Tensor> {
    fn list(self) -> Result<Vec<Tensor>> {
        self.map(|x| vec![x])
    }
}

impl Given for Result<(Tensor, Tensor)> {
    fn list(self) -> Result<Vec<Tensor>> {
        self.map(|(x, y)| vec![x, y])
    }
}

impl Given for Result<(Tensor, Tensor, Tensor)> {
    fn list(self) -> Result<Vec<Tensor>> {
        self.map(|(x, y, z)| vec![x, y, z])
    }
}

impl Given for Result<Vec<Tensor>> {
    fn list(self) -> Result<Vec<Tensor>> {
        self
    }
}

/// A row: what fits, the tensors, the other arguments and how they are read, the call.
macro_rules! methods {
    ($($fit:expr, [$($tensor:ident)*] ($($argument:ident: $kind:ident),*) $call:expr;)*) => {
        pub static METHODS: &[Method] = &[$(Method {
            source: stringify!($call),
            tensors: &[$(stringify!($tensor)),*],
            arguments: &[$(stringify!($argument)),*],
            fit: $fit,
            run: |_tensors, _arguments| {
                let mut _next = _tensors.iter();
                $(let $tensor: &Tensor = _next.next().expect("as many tensors as the row names");
                let _ = $tensor;)*
                let mut _next = _arguments.iter();
                $(let $argument = _next.next().expect("as many arguments as the row names").$kind(_tensors)?;)*
                ($call).list()
            },
        }),*];
    };
}

methods! {
    // One tensor, number by number.
    choose::floats, [x] () x.exp();
    choose::positive, [x] () x.log();
    choose::positive, [x] () x.sqrt();
    choose::floats, [x] () x.reciprocal();
    choose::floats, [x] () x.sin();
    choose::floats, [x] () x.cos();
    choose::floats, [x] () x.tan();
    choose::floats, [x] () x.asin();
    choose::floats, [x] () x.acos();
    choose::floats, [x] () x.atan();
    choose::floats, [x] () x.sinh();
    choose::floats, [x] () x.cosh();
    choose::floats, [x] () x.tanh();
    choose::floats, [x] () x.asinh();
    choose::positive, [x] () x.acosh();
    choose::floats, [x] () x.atanh();
    choose::floats, [x] () x.erf();
    choose::single_floats, [x] () x.erfc();
    choose::floats, [x] () x.expm1();
    choose::positive, [x] () x.log1p();
    choose::floats, [x] () x.exp2();
    choose::floats, [x] () x.sinc();
    choose::positive, [x] () x.entr();
    choose::positive, [x] () x.lgamma();
    choose::positive, [x] () x.digamma();
    choose::floats, [x] () x.sigmoid();
    choose::floats, [x] () x.softsign();
    choose::positive, [x] () x.rsqrt();
    choose::anything, [x] () x.square();
    choose::numeric, [x] () x.trunc();
    choose::numeric, [x] () x.abs();
    choose::numeric, [x] () x.neg();
    choose::numeric, [x] () x.sign();
    choose::numeric, [x] () x.relu();
    choose::numeric, [x] () x.ceil();
    choose::numeric, [x] () x.floor();
    choose::numeric, [x] () x.round();
    choose::anything, [x] () x.logical_not();
    choose::whole, [x] () x.bitwise_not();
    choose::anything, [x] () x.is_nan();
    choose::anything, [x] () x.is_inf();
    choose::anything, [x] () x.is_finite();
    choose::real, [x] () x.mish();
    choose::real, [x] () x.silu();
    choose::real, [x] () x.hard_sigmoid();
    choose::real, [x] () x.hard_swish();
    choose::real, [x] () x.selu();
    choose::gelu, [x] (tanh: flag) x.gelu(tanh);
    choose::real_and_number, [x] (k: float) x.leaky_relu(k);
    choose::real_and_number, [x] (k: float) x.elu(k);
    choose::softplus, [x] (beta: float, threshold: float) x.softplus(beta, threshold);
    choose::real_and_axis, [x] (axis: int) x.softmax(axis);
    choose::real_and_axis, [x] (axis: int) x.log_softmax(axis);
    choose::halves, [x] (axis: int) x.glu(axis);
    choose::cast, [x] (dtype: kind) x.cast(dtype);

    // Two tensors that broadcast, of any two dtypes.
    choose::pair, [x y] () x.add(y);
    choose::pair, [x y] () x.mul(y);
    choose::pair_of_numeric, [x y] () x.sub(y);
    choose::pair_of_numeric, [x y] () x.div(y);
    choose::divided, [x y] () x.floor_divide(y);
    choose::divided, [x y] () x.trunc_divide(y);
    choose::divided, [x y] () x.remainder(y);
    choose::divided, [x y] () x.fmod(y);
    choose::raised, [x y] () x.pow(y);
    choose::pair, [x y] () x.minimum(y);
    choose::pair, [x y] () x.maximum(y);
    choose::pair, [x y] () x.logical_and(y);
    choose::pair, [x y] () x.logical_or(y);
    choose::pair, [x y] () x.logical_xor(y);
    choose::pair_of_wholes, [x y] () x.bitwise_and(y);
    choose::pair_of_wholes, [x y] () x.bitwise_or(y);
    choose::pair_of_wholes, [x y] () x.bitwise_xor(y);
    choose::pair_of_reals, [x y] () x.atan2(y);
    choose::pair_of_reals, [x y] () x.copysign(y);
    choose::shifted, [x y] (left: flag) x.bit_shift(y, left);
    choose::pair, [x y] () x.eq(y);
    choose::pair, [x y] () x.ne(y);
    choose::pair, [x y] () x.lt(y);
    choose::pair, [x y] () x.le(y);
    choose::pair, [x y] () x.gt(y);
    choose::pair, [x y] () x.ge(y);

    // A tensor and a number, which is weak, or a size.
    choose::with_float, [x] (k: float) x.add(k);
    choose::with_float, [x] (k: float) x.mul(k);
    choose::with_float, [x] (k: float) x.div(k);
    choose::with_float, [x] (k: float) x.remainder(k);
    choose::with_float, [x] (k: float) x.floor_divide(k);
    choose::with_float, [x] (k: float) x.lt(k);
    choose::with_float, [x] (k: float) x.ge(k);
    choose::with_int, [x] (k: int) x.add(k);
    choose::with_int, [x] (k: int) x.mul(k);
    choose::with_int, [x] (k: int) x.maximum(k);
    choose::with_int, [x] (k: int) x.eq(k);
    choose::with_int, [x] (k: int) x.le(k);
    choose::with_divisor, [x] (k: int) x.div(k);
    choose::with_divisor, [x] (k: int) x.floor_divide(k);
    choose::with_divisor, [x] (k: int) x.remainder(k);
    choose::with_power, [x] (k: int) x.pow(k);
    choose::with_length, [x] (n: length) x.mul(&n);
    choose::with_length, [x] (n: length) x.add(&n);
    choose::with_length, [x] (n: length) x.div(&n);
    choose::with_length, [x] (n: length) x.floor_divide(&n);
    choose::with_length, [x] (n: length) x.lt(&n);
    choose::length, [x] (n: length, dtype: kind) Tensor::from_dim(&n).cast(dtype);
    choose::some_dims, [x] (shape: dims) Tensor::from_dims(&shape).cast(DType::I64);
    choose::all_dims, [x] (shape: dims) x.mul(Tensor::from_dims(&shape).cast(x.dtype()));
    choose::range, [x] (n: length, step: int, dtype: kind) Tensor::arange(0i64, &n, step, dtype);
    choose::filled, [x] (shape: dims, k: float, dtype: kind) Tensor::full(&shape, k, dtype);
    choose::filled_bare, [x] (shape: dims, dtype: kind) Tensor::ones(&shape, dtype);
    choose::eye, [x] (n: length, m: length, diagonal: int, dtype: kind) Tensor::eye(&n, &m, diagonal, dtype);

    // Choices.
    choose::chosen, [mask x y] () mask.where_(x, y);
    choose::masked, [x mask] (k: int) x.masked_fill(mask, k);
    choose::clamped, [x] (low: int, high: int) x.clamp(Some(low.into()), Some(high.into()));
    choose::clamped, [x] (low: int, high: int) x.minimum(high)?.clamp(Some(low.into()), None);
    choose::between, [x y z] () x.clamp_tensors(Some(y), Some(z));

    // Reductions.
    choose::reduced, [x] (axes: axes, keep: flag) x.sum(axes.as_deref(), keep);
    choose::real_reduced, [x] (axes: axes, keep: flag) x.mean(axes.as_deref(), keep);
    choose::reduced, [x] (axes: axes, keep: flag) x.prod(axes.as_deref(), keep);
    choose::reduced, [x] (axes: axes, keep: flag) x.amax(axes.as_deref(), keep);
    choose::reduced, [x] (axes: axes, keep: flag) x.amin(axes.as_deref(), keep);
    choose::reduced, [x] (axes: axes, keep: flag) x.all(axes.as_deref(), keep);
    choose::reduced, [x] (axes: axes, keep: flag) x.any(axes.as_deref(), keep);
    choose::real_reduced, [x] (axes: axes, keep: flag) x.logsumexp(axes.as_deref(), keep);
    choose::variance, [x] (axes: axes, correction: float, keep: flag) x.var(axes.as_deref(), correction, keep);
    choose::norm, [x] (p: float, axes: axes, keep: flag) x.norm(p, axes.as_deref(), keep);
    choose::one_axis, [x] (axis: int, keep: flag) x.argmax(Some(axis), keep);
    choose::one_axis, [x] (axis: int, keep: flag) x.argmin(Some(axis), keep);
    choose::numeric_and_flag, [x] (keep: flag) x.argmax(None, keep);
    choose::one_axis, [x] (axis: int, keep: flag) x.max_along(axis, keep);
    choose::one_axis, [x] (axis: int, keep: flag) x.min_along(axis, keep);
    choose::one_axis, [x] (axis: int, descending: flag) x.sort(axis, descending);
    choose::most, [x] (k: length, axis: int, largest: flag) x.topk(k, axis, largest);
    choose::summed, [x] (axis: int) x.cumsum(axis);

    // Shapes.
    fit::reshaped, [x] (shape: dims) x.reshape(&shape);
    fit::permuted, [x] (order: ints) x.permute(&order);
    fit::two_axes, [x] (a: int, b: int) x.transpose(a, b);
    fit::expanded, [x y] (shape: dims) x.expand(&shape);
    fit::flattened, [x] (first: int, last: int) x.flatten(first, last);
    fit::unflattened, [x] (axis: int, dims: ints) x.unflatten(axis, &dims);
    fit::new_axis, [x] (axis: int) x.unsqueeze(axis);
    fit::squeezed, [x] () x.squeeze();
    fit::ones, [x] (axes: ints) x.squeeze_axes(&axes);
    fit::sliced, [x] (axis: int, start: length, end: length, step: int) x.slice_step(axis, start..end, step);
    choose::any_axis, [x] (axis: int) x.slice_step(axis, .., -1);
    choose::stepped, [x] (axis: int, step: int) x.slice_step(axis, .., step);
    fit::selected, [x] (axis: int, i: length) x.select(axis, i);
    fit::narrowed, [x] (axis: int, start: length, length: length) x.narrow(axis, start, length);
    fit::some_axes, [x] (axes: ints) x.flip(&axes);
    fit::split, [x] (dims: dims, axis: int) x.split_with_sizes(&dims, axis);
    fit::chunked, [x] (count: int, axis: int) x.chunk(count, axis);
    fit::unbound, [x] (axis: int) x.unbind(axis);
    fit::square, [x] (diagonal: int) x.tril(diagonal);
    fit::square, [x] (diagonal: int) x.triu(diagonal);

    // Joins.
    fit::joined, [x y] (axis: int) Tensor::cat(&[x, y], axis);
    fit::alone, [x] (axis: int) Tensor::cat(&[x, x, x], axis);
    fit::stacked, [x y] (axis: int) Tensor::stack(&[x, y], axis);
    fit::repeated, [x] (times: dims) x.repeat(&times);
    fit::padded, [x] (widths: ints, mode: padding) x.pad(&widths, mode);

    // Indices.
    fit::named, [x index] (axis: int) x.index_select(axis, index);
    fit::gathered, [x index] (axis: int) x.gather(axis, index);
    choose::anything, [x] () x.nonzero();
    fit::masked_by, [x mask] () x.masked_select(mask);
    choose::anything, [x] () x.unique(None);
    fit::table, [x index] () x.embedding(index);
    fit::scattered, [x index y] (axis: int, how: reduction) x.scatter(axis, index, y, how);
    fit::first_index, [x index] () x.index(&[Some(index)]);
    fit::two_indices, [x i j] () x.index(&[Some(i), Some(j)]);
    fit::outer_indices, [x i j] () x.index(&[Some(i), None, Some(j)]);
    fit::mask_of, [x mask] () x.index(&[Some(mask)]);
    fit::put, [x index y] (how: reduction) x.index_put(&[Some(index)], y, how);
    fit::put_masked, [x mask y] (how: reduction) x.index_put(&[Some(mask)], y, how);

    // Indices, bounds and counts that are values of an input.
    values::index, [x i] (axis: int) x.select(axis, i.to_dim()?);
    values::index, [x i] (axis: int) x.slice(axis, i.to_dim()?..);
    values::index, [x i] (axis: int) x.slice(axis, ..i.to_dim()? + 1i64);
    values::index, [x i] (axis: int) x.slice_step(axis, i.to_dim()?..i.to_dim()? + 5i64, 2);
    values::bound, [x i] (axis: int) x.slice(axis, i.to_dim()?..i.to_dim()? + 2i64);
    values::bounds, [x i j] (axis: int) x.slice(axis, i.to_dim()?..j.to_dim()?);
    values::start, [x i] (axis: int, count: int) x.narrow(axis, i.to_dim()?, count);
    values::count, [x i] (axis: int) x.narrow(axis, 0, i.to_dim()?);
    values::put, [x i y] (axis: int) x.select_scatter(axis, i.to_dim()?, y);
    values::put_slice, [x i y] (axis: int) x.slice_scatter(axis, i.to_dim()?..i.to_dim()? + 1i64, 1, y);
    values::times, [x n] (axis: int) x.repeat_interleave(n.to_dim()?, axis);
    values::times, [x n] (_axis: int) Tensor::stack(&[x], 0)?.expand([&[n.to_dim()?][..], x.dims()].concat());
    values::counts, [x counts] (axis: int) x.index_select(axis, &counts.repeated_indices(None)?);
    values::times, [_x n] (_axis: int) Tensor::arange(1, &n.to_dim()?, 2, DType::I64);
    values::times, [_x n] (_axis: int) Tensor::full([n.to_dim()? * 2, 3.into()], 1.5, DType::F32);
    values::largest, [x k] (axis: int) x.topk(k.to_dim()?, axis, true);
    values::pieces, [x i] (axis: int, whole: length) x.split_with_sizes([i.to_dim()?, whole - i.to_dim()?], axis);

    // Products of matrices, windows, norms.
    fit::product, [x y] () x.matmul(y);
    fit::linear, [x weight bias] () x.linear(weight, Some(bias));
    fit::linear, [x weight bias] () x.linear(weight, None)?.mul(bias);
    fit::added_product, [x a b] (beta: float, alpha: float) x.addmm(a, b, beta, alpha);
    fit::attention, [x k v] (causal: flag) x.attention(k, v, None, causal, None);
    fit::einsum, [x y] (equation: text) Tensor::einsum(equation, &[x, y]);
    fit::einsum_of_one, [x] (equation: text) Tensor::einsum(equation, &[x]);
    fit::conv, [x weight bias] (window: window, groups: sizes) x.conv(weight, Some(bias), window, groups[0]);
    fit::conv_transpose, [x weight] (window: window) x.conv_transpose(weight, None, window, 1, &[0]);
    fit::pool, [x] (kernel: sizes, window: window, ceil: flag) x.max_pool(&kernel, window, ceil);
    fit::padded_pool, [x] (kernel: sizes, window: window, padding: flag) x.average_pool(&kernel, window, false, padding);
    fit::images, [x] () x.adaptive_average_pool([1, 1]);
    fit::images, [x] () x.adaptive_max_pool([1, 1]);
    fit::batch_norm, [x scale bias mean var] () x.batch_norm(Some(scale), Some(bias), mean, var, 1e-3);
    fit::layer_norm, [x scale bias] (shape: dims) x.layer_norm(&shape, Some(scale), Some(bias), 1e-3);
    fit::group_norm, [x] (groups: int) x.group_norm(groups, None, None, 1e-2);
    fit::rooms, [x] () x.instance_norm(None, None, 1e-2);
    fit::real_vectors, [x] () x.rms_norm(None, 1e-2);
    fit::resized, [x] (dims: dims, mode: text, corners: flag) x.upsample(&dims, mode, corners, &[]);

    // Control flow.
    choose::real_and_number, [x] (k: float) cond(&x.sum(.., false)?.gt(k)?, || Ok(vec![x.mul(2.0)?]), || Ok(vec![x.sub(1.0)?]));
    fit::alike, [x y] () cond(&x.amax(.., false)?.lt(y.amin(.., false)?)?, || Ok(vec![x.relu()?, y.neg()?]), || Ok(vec![y.abs()?, x.clone()]));
    choose::real_and_number, [x] (k: float) while_loop(&x.abs()?.sum(.., false)?.gt(k.abs())?, vec![x.clone()], |state| {
        let half = state[0].mul(0.5)?;
        Ok((half.abs()?.sum(.., false)?.gt(k.abs() + 0.5)?, vec![half]))
    });
    fit::alike, [x y] () while_loop(&x.abs()?.sum(.., false)?.gt(1.0)?, vec![x.clone(), y.sum(.., false)?], |state| {
        let half = state[0].mul(0.25)?;
        let total = state[1].add(y.amax(.., false)?)?;
        Ok((half.abs()?.sum(.., false)?.gt(1.0)?, vec![half, total]))
    });
}
