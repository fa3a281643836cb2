//! Pooling: the largest number or the mean of each window.

use super::conv::{Window, check_window, read_window, window_attributes, windows, with_window};
use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, DTypeGap, FIRST_OPSET, Inputs, Operator};
use crate::kernels::pool;
use crate::onnx::{GraphBuilder, Name, Node};
use crate::tensor::{Tensor, apply, apply_one, size};

/// The largest number of each window. ONNX: [MaxPool](https://onnx.ai/onnx/operators/onnx__MaxPool.html).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// The sizes of the window.
    pub kernel: Vec<usize>,
    /// How it moves.
    pub window: Window,
    /// Whether a last window may hang over the end.
    pub ceil: bool,
    /// Whether a second output says where each number stood, in the whole tensor flattened.
    pub indices: bool,
}

/// The mean of each window. ONNX: [AveragePool](https://onnx.ai/onnx/operators/onnx__AveragePool.html).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AveragePool {
    /// The sizes of the window.
    pub kernel: Vec<usize>,
    /// How it moves.
    pub window: Window,
    /// Whether a last window may hang over the end.
    pub ceil: bool,
    /// Whether the padding counts as zeros, or not at all.
    pub count_pad: bool,
}

/// The sizes that are left; a window that would begin in the padding at the end is dropped, as torch does.
fn pooled(x: &Type, kernel: &[usize], window: &Window, ceil: bool) -> Result<Type> {
    if x.rank() != kernel.len() + 2 {
        return Err(Error::shape(format!("a window of {} axes does not fit {x}", kernel.len())));
    }
    check_window(window, kernel.len())?;
    if (0..kernel.len()).any(|axis| window.pads_begin[axis].max(window.pads_end[axis]) >= kernel[axis] * window.dilations[axis]) {
        return Err(Error::argument(format!("the padding must be smaller than the window {kernel:?}")));
    }
    let mut dims = x.shape[..2].to_vec();
    for (axis, &taps) in kernel.iter().enumerate() {
        let length = &x.shape[axis + 2];
        let mut count = windows(length, taps as i64, window, axis, ceil)?;
        if ceil {
            let last = (&count - 1i64) * window.strides[axis];
            match length.fixed().zip(last.fixed()) {
                Some((length, last)) => count = if last >= length + window.pads_begin[axis] as i64 { count - 1i64 } else { count },
                None => return Err(Error::unsupported(format!("ceil_mode needs a fixed size, got {length}"))),
            }
        }
        dims.push(count);
    }
    Ok(Type::new(x.dtype, dims))
}

/// Whether a window hangs over the end: where none does, ONNX's own rule for rounding up counts one that begins in the padding.
fn hangs_over(x: &Type, kernel: &[usize], window: &Window, out: &[Type]) -> bool {
    pooled(x, kernel, window, false).is_ok_and(|floor| out.first().is_some_and(|out| out.shape != floor.shape))
}

/// The sizes of the result for these values.
fn result_sizes(x: &Array, kernel: &[usize], window: &Window, ceil: bool) -> Result<Vec<usize>> {
    let ty = pooled(&Type::from(x), kernel, window, ceil)?;
    Sizes::Example.shape(&ty.shape[2..])
}

fn kernel_ints(kernel: &[usize]) -> Vec<i64> {
    kernel.iter().map(|&n| n as i64).collect()
}

impl Operator for MaxPool {
    fn name(&self) -> &'static str {
        "MaxPool"
    }

    fn attributes(&self) -> Attributes {
        window_attributes(Attributes::new().with("kernel_shape", &self.kernel), &self.window)
            .with("ceil_mode", self.ceil)
            .with("indices", self.indices)
    }

    fn dtype_gaps(&self) -> &'static [DTypeGap] {
        const {
            &[
                DTypeGap::NARROW,
                DTypeGap::BF16_BEFORE_22,
                DTypeGap::always(&[DType::I16, DType::U16], DType::F32),
                DTypeGap::always(&[DType::I32, DType::U32], DType::F64),
            ]
        }
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype == DType::Bool {
            return Err(DType::not_taken(x.dtype));
        }
        let values = pooled(x, &self.kernel, &self.window, self.ceil)?;
        let indices = self.indices.then(|| Type::new(DType::I64, values.shape.clone()));
        Ok(std::iter::once(values).chain(indices).collect())
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            let x = inputs.at(0)?;
            let out = result_sizes(x, &self.kernel, &self.window, self.ceil)?;
            if !self.indices {
                return Ok(vec![pool::max_pool(x, &self.kernel, &self.window, &out)?]);
            }
            let (values, indices) = pool::max_pool_indices(x, &self.kernel, &self.window, &out)?;
            // The kernel counts from the start of each plane.
            let (plane, each) = (x.shape()[2..].iter().product::<usize>(), out.iter().product::<usize>().max(1));
            let whole = indices.to_i64s()?.into_iter().enumerate().map(|(i, index)| index + (i / each * plane) as i64).collect();
            Ok(vec![values, Array::new(indices.shape(), whole)?])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let ceil = self.ceil && hangs_over(builder.ty(&inputs[0])?, &self.kernel, &self.window, outputs);
        let node = builder.node("MaxPool", inputs).ints("kernel_shape", &kernel_ints(&self.kernel));
        let node = with_window(node, &self.window);
        Ok(if ceil { node.flag("ceil_mode", true) } else { node }.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

impl Operator for AveragePool {
    fn name(&self) -> &'static str {
        "AveragePool"
    }

    fn attributes(&self) -> Attributes {
        window_attributes(Attributes::new().with("kernel_shape", &self.kernel), &self.window)
            .with("ceil_mode", self.ceil)
            .with("count_include_pad", self.count_pad)
    }

    fn since(&self) -> i64 {
        if self.window.dilations.iter().any(|&n| n != 1) { 19 } else { FIRST_OPSET }
    }

    fn dtype_gaps(&self) -> &'static [DTypeGap] {
        const { &[DTypeGap::NARROW, DTypeGap::BF16_BEFORE_22] }
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype.is_float() { Ok(vec![pooled(x, &self.kernel, &self.window, self.ceil)?]) } else { Err(DType::not_taken(x.dtype)) }
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            let x = inputs.at(0)?;
            let out = result_sizes(x, &self.kernel, &self.window, self.ceil)?;
            Ok(vec![pool::average_pool(x, &self.kernel, &self.window, &out, self.count_pad, None)?])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let window = &self.window;
        let ints = |part: &[usize]| part.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let pads = [ints(&window.pads_begin), ints(&window.pads_end)].concat();
        let ceil = self.ceil && hangs_over(builder.ty(&inputs[0])?, &self.kernel, &self.window, outputs);
        let node = builder
            .node("AveragePool", inputs)
            .ints("kernel_shape", &kernel_ints(&self.kernel))
            .ints("strides", &ints(&window.strides))
            .ints("pads", &pads);
        // Dilations came with opset 19.
        let node = if window.dilations.iter().any(|&n| n != 1) { node.ints("dilations", &ints(&window.dilations)) } else { node };
        let node = if ceil { node.flag("ceil_mode", true) } else { node };
        Ok(if self.count_pad { node.flag("count_include_pad", true) } else { node }.write(outputs))
    }
}

fn read_kernel(node: &Node, x: &Tensor) -> Result<(Vec<usize>, Window)> {
    let ints = node.ints("kernel_shape")?.ok_or_else(|| Error::argument("kernel_shape is missing"))?;
    let window = read_window(node, x.shape().get(2..).unwrap_or(&[]), ints)?;
    let kernel = ints
        .iter()
        .copied()
        .map(|n| usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| Error::argument(format!("invalid window size {n}"))))
        .collect::<Result<_>>()?;
    Ok((kernel, window))
}

/// Indices counted along the last axis of planes of these sizes first, counted along the first one first.
fn by_column(indices: &Tensor, spatial: &[Dim]) -> Result<Tensor> {
    let plane = spatial.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
    let mut rest = indices.remainder(&plane)?;
    let mut sum = indices.sub(&rest)?;
    let mut step = plane;
    for length in spatial.iter().rev() {
        step = size::div_exact(&step, length).ok_or_else(|| Error::size(format!("too many positions in planes of {spatial:?}")))?;
        sum = sum.add(rest.remainder(length)?.mul(&step)?)?;
        rest = rest.floor_divide(length)?;
    }
    Ok(sum)
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("MaxPool", |node, inputs| {
        let x = inputs.at(0)?;
        let indices = node.outputs().nth(1).flatten().is_some();
        let (kernel, window) = read_kernel(node, x)?;
        let mut outputs = apply(MaxPool { kernel, window, ceil: node.int("ceil_mode", 0)? != 0, indices }, &[Some(x)])?;
        if let (Some(indices), true) = (outputs.get_mut(1), node.int("storage_order", 0)? != 0) {
            *indices = by_column(indices, &x.shape()[2..])?;
        }
        Ok(outputs)
    }),
    ("AveragePool", |node, inputs| {
        let x = inputs.at(0)?;
        let (kernel, window) = read_kernel(node, x)?;
        let (ceil, count_pad) = (node.int("ceil_mode", 0)? != 0, node.int("count_include_pad", 0)? != 0);
        Ok(vec![apply_one(AveragePool { kernel, window, ceil, count_pad }, &[x])?])
    }),
];

impl Tensor {
    /// The largest number of each window over the last axes.
    ///
    /// [torch.nn.functional.max_pool2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the window does not fit.
    #[track_caller]
    pub fn max_pool(&self, kernel: &[usize], window: Window, ceil: bool) -> Result<Tensor> {
        let op = MaxPool { kernel: kernel.to_vec(), window, ceil, indices: false };
        self.batched(kernel.len() + 2, |x| apply_one(op, &[x]))
    }

    /// The largest number of each window over the last axes, and where in its plane it stood.
    ///
    /// [torch.nn.functional.max_pool2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html) with `return_indices`
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the window does not fit.
    #[track_caller]
    pub fn max_pool_indices(&self, kernel: &[usize], window: Window, ceil: bool) -> Result<(Tensor, Tensor)> {
        let single = self.rank() == kernel.len() + 1;
        let x = if single { self.unsqueeze(0)? } else { self.clone() };
        let both = apply(MaxPool { kernel: kernel.to_vec(), window, ceil, indices: true }, &[Some(&x)])?;
        let [values, indices] = <[Tensor; 2]>::try_from(both).map_err(|_| Error::internal("MaxPool needs two outputs"))?;
        let plane = x.shape()[2..].iter().fold(Dim::Fixed(1), |n, dim| n * dim);
        let indices = indices.remainder(&plane)?;
        if single { Ok((values.squeeze_axes(&[0])?, indices.squeeze_axes(&[0])?)) } else { Ok((values, indices)) }
    }

    /// The largest number of regions that divide the last axes into these many each, and where in its plane it stood.
    ///
    /// [torch.nn.functional.adaptive_max_pool2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html)
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where an axis is symbolic.
    #[track_caller]
    pub fn adaptive_max_pool_indices(&self, out: &[usize]) -> Result<(Tensor, Tensor)> {
        let front = self
            .rank()
            .checked_sub(out.len())
            .ok_or_else(|| Error::shape(format!("adaptive pooling: {} output sizes for {}", out.len(), self.ty())))?;
        let spatial = self.shape()[front..].iter().map(|dim| dim.fixed().map(|n| n as usize));
        let spatial = spatial.collect::<Option<Vec<_>>>().ok_or_else(|| Error::size("adaptive pooling needs a fixed size"))?;
        // Every region is read as if it were the longest, its last position over and over: of equal values the first one counts.
        let (mut x, mut indices, mut plane) = (self.clone(), vec![0i64], 1i64);
        let mut tables = Vec::new();
        for (axis, (&n, &count)) in spatial.iter().zip(out).enumerate() {
            if count == 0 || n == 0 {
                return Err(Error::shape(format!("adaptive pooling: output size {count} for an axis of size {n}")));
            }
            let region = |i: usize| (i * n / count, ((i + 1) * n).div_ceil(count));
            let widest = (0..count).map(|i| region(i).1 - region(i).0).max().unwrap_or(1);
            let table: Vec<Vec<i64>> =
                (0..count).map(|i| (0..widest).map(|k| (region(i).0 + k).min(region(i).1 - 1) as i64).collect()).collect();
            let at = (front + 2 * axis) as i64;
            x = x.index_select(at, &Tensor::from(table.concat().as_slice()))?.unflatten(at, [count as i64, widest as i64])?;
            tables.push(table);
        }
        // The position in the plane of each number that a region reads.
        for (table, &n) in tables.iter().zip(&spatial).rev() {
            let mut wider = Vec::with_capacity(indices.len() * table.len());
            for index in table.concat() {
                wider.extend(indices.iter().map(|inner| index * plane + inner));
            }
            indices = wider;
            plane *= n as i64;
        }
        let shape: Vec<i64> = tables.iter().flat_map(|table| [table.len() as i64, table[0].len() as i64]).collect();
        let axes = out.len() as i64;
        let inner: Vec<i64> = (0..axes).map(|i| 2 * i).chain((0..axes).map(|i| 2 * i + 1)).collect();
        let order = |front: i64| (0..front).chain(inner.iter().map(|axis| axis + front)).collect::<Vec<i64>>();
        let flat = |t: &Tensor, front: usize| t.permute(&order(front as i64))?.flatten(front as i64 + axes, -1);
        let (values, chosen) = flat(&x, front)?.max_along(-1, true)?;
        let table = flat(&Tensor::from(indices.as_slice()).reshape(&shape)?, 0)?;
        let wide: Vec<Dim> = values.shape()[..values.rank() - 1].iter().cloned().chain([table.dim(-1)?]).collect();
        let indices = table.expand(&wide)?.gather(-1, &chosen)?;
        Ok((values.squeeze_axes(&[-1])?, indices.squeeze_axes(&[-1])?))
    }

    /// The mean of each window over the last axes; the padding counts as zeros where `count_pad` says so.
    ///
    /// [torch.nn.functional.avg_pool2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the window does not fit.
    #[track_caller]
    pub fn average_pool(&self, kernel: &[usize], window: Window, ceil: bool, count_pad: bool) -> Result<Tensor> {
        let op = AveragePool { kernel: kernel.to_vec(), window, ceil, count_pad };
        self.batched(kernel.len() + 2, |x| apply_one(op, &[x]))
    }

    /// The mean of regions that divide the last axes into these many each.
    ///
    /// [torch.nn.functional.adaptive_avg_pool2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html)
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where an axis is symbolic and more than one region is asked for.
    #[track_caller]
    pub fn adaptive_average_pool(&self, out: &[usize]) -> Result<Tensor> {
        self.adaptive(out, |x, axis| x.mean(axis, true), |x, kernel, window| x.average_pool(kernel, window, false, false))
    }

    /// The largest number of regions that divide the last axes into these many each.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where an axis is symbolic and more than one region is asked for.
    #[track_caller]
    pub fn adaptive_max_pool(&self, out: &[usize]) -> Result<Tensor> {
        self.adaptive(out, |x, axis| x.amax(axis, true), |x, kernel, window| x.max_pool(kernel, window, false))
    }

    /// Regions as one reduction, as equal windows, or one after the other, whichever the sizes allow.
    #[track_caller]
    fn adaptive(
        &self,
        out: &[usize],
        reduce: impl Fn(&Tensor, i64) -> Result<Tensor>,
        pool: impl Fn(&Tensor, &[usize], Window) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let first = self
            .rank()
            .checked_sub(out.len())
            .ok_or_else(|| Error::shape(format!("adaptive pooling: {} axes for shape {}", out.len(), self.shape())))?;
        if out.iter().all(|&n| n == 1) {
            return (0..out.len()).try_fold(self.clone(), |x, i| reduce(&x, (first + i) as i64));
        }
        let spatial: Vec<i64> = self.shape()[first..]
            .iter()
            .map(|dim| {
                dim.fixed().ok_or_else(|| {
                    Error::size(format!("adaptive pooling to more than 1 needs a fixed size, got {dim}")).help("fix that axis")
                })
            })
            .collect::<Result<_>>()?;
        if out.iter().zip(&spatial).all(|(&n, &length)| n > 0 && length > 0 && length % n as i64 == 0) && self.rank() > out.len() {
            let kernel: Vec<usize> = out.iter().zip(&spatial).map(|(&n, &length)| length as usize / n).collect();
            return pool(self, &kernel, Window::symmetric(&kernel, &vec![0; out.len()], &vec![1; out.len()]));
        }
        // Regions of unequal sizes overlap: each is reduced by itself, axis by axis.
        let mut x = self.clone();
        for (i, (&n, &length)) in out.iter().zip(&spatial).enumerate() {
            let (axis, n) = ((first + i) as i64, n as i64);
            let region = |k: i64| {
                let (start, end) = (k * length / n, ((k + 1) * length + n - 1) / n);
                reduce(&x.slice(axis, start..end)?, axis)
            };
            let regions = (0..n).map(region).collect::<Result<Vec<_>>>()?;
            x = Tensor::cat(&regions.iter().collect::<Vec<_>>(), axis)?;
        }
        Ok(x)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "max_pool_indices", [floats(&[2, 3, 6, 6])], |x| both(x[0].max_pool_indices(&[2, 2], Window::symmetric(&[2, 2], &[0, 0], &[1, 1]), false)?);
        "max_pool", [floats(&[2, 3, 7, 9])], |x| one(x[0].max_pool(&[2, 3], window(&[2, 3], &[0, 0], &[1, 1]), false)?);
        "max_pool_ceil", [floats(&[2, 3, 7, 10])], |x| one(x[0].max_pool(&[2, 3], window(&[2, 3], &[0, 0], &[1, 1]), true)?);
        "max_pool_padding", [floats(&[2, 3, 7, 9])], |x| one(x[0].max_pool(&[3, 3], window(&[2, 1], &[1, 1], &[1, 1]), false)?);
        "max_pool_dilations", [floats(&[2, 3, 11])], |x| one(x[0].max_pool(&[3], window(&[1], &[0], &[2]), false)?);
        "average_pool", [floats(&[2, 3, 7, 9])], |x| one(x[0].average_pool(&[2, 3], window(&[2, 3], &[0, 0], &[1, 1]), false, true)?);
        "average_pool_padding", [floats(&[2, 3, 7, 9])], |x| one(x[0].average_pool(&[3, 3], window(&[1, 2], &[1, 1], &[1, 1]), false, true)?);
        "average_pool_uncounted", [floats(&[2, 3, 7, 9])], |x| one(x[0].average_pool(&[3, 3], window(&[1, 2], &[1, 1], &[1, 1]), false, false)?);
        "average_pool_ceil", [floats(&[2, 3, 8])], |x| one(x[0].average_pool(&[3], window(&[3], &[0], &[1]), true, true)?);
        "average_pool_ceil_padding", [floats(&[2, 3, 8])], |x| one(x[0].average_pool(&[3], window(&[2], &[1], &[1]), true, true)?);
        "adaptive_average_pool_1", [floats(&[2, 3, 7, 9])], |x| one(x[0].adaptive_average_pool(&[1, 1])?);
        "adaptive_average_pool", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_average_pool(&[3, 3])?);
        "adaptive_average_pool_uneven", [floats(&[2, 3, 7])], |x| one(x[0].adaptive_average_pool(&[3])?);
        "adaptive_max_pool", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_max_pool(&[2, 3])?);
        "adaptive_max_pool_1", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_max_pool(&[1, 1])?);
        "average_pool_dilations", [floats(&[2, 3, 9, 11])], |x| one(x[0].average_pool(&[2, 3], window(&[1, 2], &[1, 1], &[2, 3]), false, true)?);
    }
}
