//! Pooling: the largest number or the mean of each window.

use super::conv::{Window, check_window, read_padded, window_attributes, windows, with_window};
use super::{Reader, widened};
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, FIRST_OPSET, Inputs, Operator};
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
    let window = if ceil { &rounded_up(kernel, window) } else { window };
    for (axis, &taps) in kernel.iter().enumerate() {
        dims.push(windows(&x.shape[axis + 2], taps as i64, window, axis)?);
    }
    Ok(Type::new(x.dtype, dims))
}

/// The window that has without `ceil_mode` the positions that this one has with it: as much padding at the end as the last position needs, and
/// too little for one that would begin in that padding, which torch leaves out. It does not depend on the size of the axis.
pub(crate) fn rounded_up(kernel: &[usize], window: &Window) -> Window {
    let mut window = window.clone();
    for (axis, &taps) in kernel.iter().enumerate() {
        let reach = taps.saturating_sub(1) * window.dilations[axis];
        window.pads_end[axis] = reach.min(window.pads_end[axis] + window.strides[axis] - 1);
    }
    window
}

/// Whether a window hangs over the end: where none does, ONNX's own rule for rounding up counts one that begins in the padding.
fn hangs_over(x: &Type, kernel: &[usize], window: &Window, out: &[Type]) -> bool {
    !pooled(x, kernel, window, false).is_ok_and(|floor| out.first().is_some_and(|out| out.shape == floor.shape))
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

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        // Nothing in ONNX gives the indices of integers of 64 bits.
        if x.dtype == DType::Bool || self.indices && LONG.contains(&x.dtype) {
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
        if LONG.contains(&outputs[0].dtype) {
            return Ok(vec![self.lower_by_axes(builder, &inputs[0], &outputs[0])?]);
        }
        let symbolic = builder.ty(&inputs[0])?.shape[2..].iter().any(Dim::is_symbolic);
        let ceil = self.ceil && !symbolic && hangs_over(builder.ty(&inputs[0])?, &self.kernel, &self.window, outputs);
        let (mut x, mut window) = (inputs[0].clone(), self.window.clone());
        if self.ceil && symbolic {
            // Runtimes disagree on the last position of ceil_mode; where it may exist at one size only, padding says it.
            window = rounded_up(&self.kernel, &window);
            let most = |(pad, taps): (&usize, &usize)| pad.saturating_sub(taps - 1);
            let more: Vec<usize> = window.pads_end.iter().zip(&self.kernel).map(most).collect();
            if more.iter().any(|&n| n > 0) && !self.indices {
                // Runtimes refuse padding as wide as the kernel: only a dilated window needs it.
                window.pads_end.iter_mut().zip(&more).for_each(|(pad, more)| *pad -= more);
                let lowest = if outputs[0].dtype.is_float() { Scalar::Float(f64::NEG_INFINITY) } else { Scalar::Int(i64::MIN) };
                x = padded(builder, &x, &vec![0; more.len()], &more, lowest)?;
            }
        }
        let node = builder.node("MaxPool", &[x]).ints("kernel_shape", &kernel_ints(&self.kernel));
        let node = with_window(node, &window);
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
        let symbolic = builder.ty(&inputs[0])?.shape[2..].iter().any(Dim::is_symbolic);
        let (mut x, mut window, mut count_pad) = (inputs[0].clone(), self.window.clone(), self.count_pad);
        if self.ceil && symbolic {
            window = rounded_up(&self.kernel, &window);
            if count_pad && self.window.pads_begin.iter().chain(&self.window.pads_end).any(|&n| n > 0) {
                // The padding that counts is made of zeros; what the last window needs besides does not count.
                x = padded(builder, &x, &self.window.pads_begin, &self.window.pads_end, Scalar::Int(0))?;
                let left = window.pads_end.iter().zip(&self.window.pads_end).map(|(all, own)| all.saturating_sub(*own));
                (window.pads_end, window.pads_begin) = (left.collect(), vec![0; self.kernel.len()]);
            }
            count_pad = false;
        }
        let ints = |part: &[usize]| part.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let pads = [ints(&window.pads_begin), ints(&window.pads_end)].concat();
        let ceil = self.ceil && !symbolic && hangs_over(builder.ty(&inputs[0])?, &self.kernel, &self.window, outputs);
        let node = builder
            .node("AveragePool", &[x])
            .ints("kernel_shape", &kernel_ints(&self.kernel))
            .ints("strides", &ints(&window.strides))
            .ints("pads", &pads);
        // Dilations came with opset 19.
        let node = if window.dilations.iter().any(|&n| n != 1) { node.ints("dilations", &ints(&window.dilations)) } else { node };
        let node = if ceil { node.flag("ceil_mode", true) } else { node };
        Ok(if count_pad { node.flag("count_include_pad", true) } else { node }.write(outputs))
    }
}

/// Integers that ONNX's MaxPool does not take and no other of its dtypes holds.
const LONG: [DType; 2] = [DType::I64, DType::U64];

/// The most positions of a window that are written as slices.
const MOST_SLICES: usize = 1024;

impl MaxPool {
    /// The maximum along one axis after the other, each of strided slices of the padded operand.
    fn lower_by_axes(&self, builder: &mut GraphBuilder, x: &Name, out: &Type) -> Result<Name> {
        if self.kernel.iter().sum::<usize>() > MOST_SLICES {
            return Err(Error::unsupported(format!("MaxPool of {} with windows {:?} is too large", out.dtype, self.kernel)));
        }
        let window = &self.window;
        let shape = builder.ty(x)?.shape.clone();
        let end = |axis: usize| match (out.shape[axis + 2].fixed(), shape[axis + 2].fixed()) {
            (Some(count), Some(size)) => {
                let reach =
                    (count - 1).max(0) * window.strides[axis] as i64 + ((self.kernel[axis] - 1) * window.dilations[axis] + 1) as i64;
                (reach - size - window.pads_begin[axis] as i64).max(0) as usize
            }
            _ => window.pads_end[axis] + if self.ceil { window.strides[axis] - 1 } else { 0 },
        };
        let ends: Vec<usize> = (0..self.kernel.len()).map(end).collect();
        let lowest = if out.dtype == DType::I64 { i64::MIN } else { 0 };
        let mut x = match window.pads_begin.iter().chain(&ends).any(|&n| n > 0) {
            true => padded(builder, x, &window.pads_begin, &ends, Scalar::Int(lowest))?,
            false => x.clone(),
        };
        for (axis, &taps) in self.kernel.iter().enumerate() {
            let (count, stride) = (&out.shape[axis + 2], window.strides[axis] as i64);
            let mut dims = builder.ty(&x)?.shape.to_vec();
            dims[axis + 2] = count.clone();
            let ty = Type::new(out.dtype, dims);
            let mut slices = Vec::with_capacity(taps);
            for tap in 0..taps {
                let start = (tap * window.dilations[axis]) as i64;
                let last = if *count == 0 { Dim::Fixed(start) } else { (count - 1) * stride + (start + 1) };
                let (ends, start) = (builder.dims(&[last])?, builder.ints(&[start]));
                let (axes, steps) = (builder.ints(&[axis as i64 + 2]), builder.ints(&[stride]));
                slices.push(builder.node("Slice", &[x.clone(), start, ends, axes, steps]).write_one(ty.clone())?);
            }
            x = builder.node("Max", &slices).write_one(ty)?;
        }
        Ok(x)
    }
}

/// The operand with this padding of its spatial axes.
fn padded(builder: &mut GraphBuilder, x: &Name, begin: &[usize], end: &[usize], number: Scalar) -> Result<Name> {
    let ty = builder.ty(x)?.clone();
    let ints = |part: &[usize]| [0, 0].into_iter().chain(part.iter().map(|&n| n as i64)).collect::<Vec<_>>();
    let (begin, end) = (ints(begin), ints(end));
    let dims: Vec<Dim> = ty.shape.iter().zip(begin.iter().zip(&end)).map(|(dim, (begin, end))| dim + (begin + end)).collect();
    let (widths, number) = (builder.ints(&[begin, end].concat()), builder.number(ty.dtype, number));
    builder.node("Pad", &[x.clone(), widths, number]).string("mode", "constant").write_one(Type::new(ty.dtype, dims))
}

/// The window of a node, and the operand with the padding that depends on its sizes.
fn read_kernel(node: &Node, x: &Tensor, number: Scalar) -> Result<(Tensor, Vec<usize>, Window)> {
    let ints = node.ints("kernel_shape")?.ok_or_else(|| Error::argument("kernel_shape is missing"))?;
    let (x, window) = read_padded(node, x, ints, number)?;
    let kernel = ints
        .iter()
        .copied()
        .map(|n| usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| Error::argument(format!("invalid window size {n}"))))
        .collect::<Result<_>>()?;
    Ok((x, kernel, window))
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
        let lowest = if x.dtype().is_float() { Scalar::Float(f64::NEG_INFINITY) } else { Scalar::Int(i64::MIN) };
        let (padded, kernel, window) = read_kernel(node, x, lowest)?;
        if indices && padded.shape() != x.shape() {
            return Err(Error::size("MaxPool: auto_pad with indices over an axis of symbolic size").help("give that axis a fixed size"));
        }
        let mut outputs = apply(MaxPool { kernel, window, ceil: node.int("ceil_mode", 0)? != 0, indices }, &[Some(&padded)])?;
        if let (Some(positions), true) = (outputs.get_mut(1), node.int("storage_order", 0)? != 0) {
            *positions = by_column(positions, &x.shape()[2..])?;
        }
        Ok(outputs)
    }),
    ("AveragePool", |node, inputs| {
        let x = inputs.at(0)?;
        let (padded, kernel, window) = read_kernel(node, x, Scalar::Int(0))?;
        let (ceil, count_pad) = (node.int("ceil_mode", 0)? != 0, node.int("count_include_pad", 0)? != 0);
        let op = AveragePool { kernel, window, ceil, count_pad };
        let mean = apply_one(op.clone(), &[&padded])?;
        if count_pad || padded.shape() == x.shape() {
            return Ok(vec![mean]);
        }
        // What padding that does not count took away from a mean is the mean of as many ones.
        let ones = Tensor::ones(
            x.shape().iter().enumerate().map(|(axis, n)| if axis < 2 { Dim::Fixed(1) } else { n.clone() }).collect::<Vec<_>>(),
            x.dtype(),
        )?;
        let (ones, ..) = read_kernel(node, &ones, Scalar::Int(0))?;
        Ok(vec![mean.div(apply_one(op, &[&ones])?)?])
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
        if LONG.contains(&x.dtype()) {
            let reaching = if ceil { rounded_up(kernel, &window) } else { window };
            let table = |axis: usize| positions(&self.shape()[self.rank() - kernel.len() + axis], kernel[axis], &reaching, axis);
            let tables = (0..kernel.len()).map(table).collect::<Result<Vec<_>>>()?;
            return self.largest_of_regions(&tables);
        }
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
    /// [`Shape`](crate::ErrorCode::Shape) where there are more sizes than axes, or one is 0.
    #[track_caller]
    pub fn adaptive_max_pool_indices(&self, out: impl Into<Shape>) -> Result<(Tensor, Tensor)> {
        let out = out.into();
        let front = self.adaptive_front(&out)?;
        if let Some(shape) = self.no_regions(front, &out) {
            return Ok((Tensor::zeros(&shape, self.dtype())?, Tensor::zeros(&shape, DType::I64)?));
        }
        let table = |(length, count): (&Dim, &Dim)| Ok(regions(length, count)?.0);
        let tables = self.shape()[front..].iter().zip(out.iter()).map(table).collect::<Result<Vec<_>>>()?;
        self.largest_of_regions(&tables)
    }

    /// The largest number of each region, and where in its plane it stood: for each of the last axes a table of positions, a row for each region.
    /// A region shorter than the longest has one of its positions more than once: of equal values the first one counts.
    #[track_caller]
    fn largest_of_regions(&self, tables: &[Tensor]) -> Result<(Tensor, Tensor)> {
        let front = self.rank().checked_sub(tables.len());
        let front = front.ok_or_else(|| Error::shape(format!("cannot pool {} axes of {}", tables.len(), self.ty())))?;
        let (mut x, mut indices): (Tensor, Option<Tensor>) = (self.clone(), None);
        for (axis, (length, table)) in self.shape()[front..].iter().zip(tables).enumerate() {
            x = x.index_select((front + 2 * axis) as i64, table)?;
            indices = Some(match indices {
                None => table.clone(),
                Some(outer) => outer.unsqueeze(-1)?.unsqueeze(-1)?.mul(length)?.add(table)?,
            });
        }
        let indices = indices.ok_or_else(|| Error::shape("pooling needs an axis"))?;
        let axes = tables.len() as i64;
        let inner: Vec<i64> = (0..axes).map(|i| 2 * i).chain((0..axes).map(|i| 2 * i + 1)).collect();
        let order = |front: i64| (0..front).chain(inner.iter().map(|axis| axis + front)).collect::<Vec<i64>>();
        let flat = |t: &Tensor, front: usize| t.permute(&order(front as i64))?.flatten(front as i64 + axes, -1);
        let (values, chosen) = flat(&x, front)?.max_along(-1, true)?;
        let table = flat(&indices, 0)?;
        let wide: Vec<Dim> = values.shape()[..values.rank() - 1].iter().cloned().chain([table.dim(-1)?]).collect();
        let indices = table.expand(&wide)?.gather(-1, &chosen)?;
        Ok((values.squeeze_axes(&[-1])?, indices.squeeze_axes(&[-1])?))
    }

    /// The axes before those that adaptive pooling divides.
    fn adaptive_front(&self, out: &Shape) -> Result<usize> {
        let front = self.rank().checked_sub(out.len());
        let front = front.ok_or_else(|| Error::shape(format!("adaptive pooling: {} output sizes for {}", out.len(), self.ty())))?;
        match self.shape()[front..].iter().zip(out.iter()).find(|(n, count)| **n == 0 || count.example().is_some_and(|count| count < 0)) {
            Some((n, count)) => Err(Error::shape(format!("adaptive pooling: output size {count} for an axis of size {n}"))),
            None => Ok(front),
        }
    }

    /// The shape of the result where it has no element.
    fn no_regions(&self, front: usize, out: &Shape) -> Option<Vec<Dim>> {
        let shape: Vec<Dim> = self.shape()[..front].iter().chain(out.iter()).cloned().collect();
        shape.iter().any(|n| *n == 0).then_some(shape)
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
    /// [`Shape`](crate::ErrorCode::Shape) where there are more sizes than axes, or one is 0.
    #[track_caller]
    pub fn adaptive_average_pool(&self, out: impl Into<Shape>) -> Result<Tensor> {
        let masked = |x: &Tensor, mask: &Tensor| {
            let sum = mask.where_(x, &Tensor::zeros((), x.dtype())?)?.sum(-1, false)?;
            sum.div(mask.cast(x.dtype())?.sum(-1, false)?)
        };
        self.adaptive(&out.into(), (|x: &Tensor, axes: &[i64]| x.mean(axes, true), masked), |x, kernel, window| {
            x.average_pool(kernel, window, false, false)
        })
    }

    /// The largest number of regions that divide the last axes into these many each.
    ///
    /// # Errors
    /// As [`Tensor::adaptive_average_pool`].
    #[track_caller]
    pub fn adaptive_max_pool(&self, out: impl Into<Shape>) -> Result<Tensor> {
        // The last position of a region stands for those that it lacks.
        let reduce = (|x: &Tensor, axes: &[i64]| x.amax(axes, true), |x: &Tensor, _: &Tensor| x.amax(-1, false));
        self.adaptive(&out.into(), reduce, |x, kernel, window| x.max_pool(kernel, window, false))
    }

    /// Regions as one reduction, as equal windows, or one after the other, whichever the sizes allow. `reduce` is the reduction along axes,
    /// and along the last axis of regions as rows, with a mask of the positions that count.
    #[track_caller]
    fn adaptive(
        &self,
        out: &Shape,
        reduce: (impl Fn(&Tensor, &[i64]) -> Result<Tensor>, impl Fn(&Tensor, &Tensor) -> Result<Tensor>),
        pool: impl Fn(&Tensor, &[usize], Window) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let first = self.adaptive_front(out)?;
        if let Some(shape) = self.no_regions(first, out) {
            return Tensor::zeros(&shape, self.dtype());
        }
        if out.is_empty() {
            return Ok(self.clone());
        }
        if out.iter().all(|n| *n == 1) {
            return reduce.0(self, &(first as i64..self.rank() as i64).collect::<Vec<_>>());
        }
        let even =
            |(n, length): (&Dim, &Dim)| n.fixed().zip(length.fixed()).filter(|(n, length)| length % n == 0).map(|(n, length)| length / n);
        let kernel: Option<Vec<usize>> = out.iter().zip(&self.shape()[first..]).map(|pair| even(pair).map(|n| n as usize)).collect();
        if let Some(kernel) = kernel.filter(|_| self.rank() > out.len()) {
            return pool(self, &kernel, Window::symmetric(&kernel, &vec![0; out.len()], &vec![1; out.len()]));
        }
        // Regions of unequal sizes overlap: each is reduced by itself, axis by axis. Halves would be rounded in between.
        let is_narrow = matches!(self.dtype(), DType::F16 | DType::BF16);
        let mut x = if is_narrow { self.cast(DType::F32)? } else { self.clone() };
        for (i, (count, length)) in out.iter().zip(&self.shape()[first..]).enumerate() {
            let axis = first + i;
            if count == length {
                continue;
            }
            let Some(n) = count.fixed() else {
                let (table, mask) = regions(length, count)?;
                let rows = x.transpose(axis as i64, -1)?.index_select(-1, &table)?;
                x = reduce.1(&rows, &mask)?.transpose(axis as i64, -1)?;
                continue;
            };
            let region = |k: i64| {
                let (start, end) = ((length * k) / n, (length * (k + 1) + (n - 1)) / n);
                let size = &end - &start;
                reduce.0(&x.part(axis, start, size)?, &[axis as i64])
            };
            let regions = (0..n).map(region).collect::<Result<Vec<_>>>()?;
            x = Tensor::cat(&regions.iter().collect::<Vec<_>>(), axis as i64)?;
        }
        x.cast(self.dtype())
    }
}

/// The positions of the regions that divide an axis into so many, a row each, and which of them count: a row that is shorter than the longest
/// repeats its last position.
fn regions(length: &Dim, count: &Dim) -> Result<(Tensor, Tensor)> {
    let width = match (length.fixed(), count.fixed()) {
        (Some(length), Some(count)) => {
            let region = |i: i64| ((i + 1) * length + count - 1) / count - i * length / count;
            Dim::Fixed((0..count).map(region).max().unwrap_or(1))
        }
        // An end rounded up is at most this far from a start rounded down.
        _ => (length + count - 2i64) / count + 1i64,
    };
    super::constant_where_fixed(&[length, count], || {
        let row = Tensor::arange(0, count, 1, DType::I64)?.unsqueeze(1)?;
        let start = row.mul(length)?.floor_divide(count)?;
        let last = row.add(1)?.mul(length)?.sub(1)?.floor_divide(count)?;
        let position = start.add(Tensor::arange(0, &width, 1, DType::I64)?)?;
        Ok((position.minimum(&last)?, position.le(&last)?))
    })
}

/// The positions that a window sees along an axis, a row for each of its places. Those in the padding are replaced by the nearest that it sees.
fn positions(length: &Dim, taps: usize, window: &Window, axis: usize) -> Result<Tensor> {
    let count = windows(length, taps as i64, window, axis)?;
    let (stride, step, pad) = (window.strides[axis] as i64, window.dilations[axis] as i64, window.pads_begin[axis] as i64);
    super::constant_where_fixed(&[length, &count], || {
        let start = Tensor::arange(0, &count, 1, DType::I64)?.unsqueeze(1)?.mul(stride)?.sub(pad)?;
        let first = start.lt(0)?.where_(&start.remainder(step)?, &start)?;
        let last = first.add(Tensor::from_dim(&(length - 1i64)).sub(&first)?.floor_divide(step)?.mul(step)?)?;
        start.add(Tensor::arange(0, taps as i64, 1, DType::I64)?.mul(step)?)?.maximum(&first)?.minimum(&last)
    })
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
        "adaptive_average_pool_1", [floats(&[2, 3, 7, 9])], |x| one(x[0].adaptive_average_pool([1, 1])?);
        "adaptive_average_pool", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_average_pool([3, 3])?);
        "adaptive_average_pool_uneven", [floats(&[2, 3, 7])], |x| one(x[0].adaptive_average_pool([3])?);
        "adaptive_max_pool", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_max_pool([2, 3])?);
        "adaptive_max_pool_uneven", [floats(&[2, 3, 7, 5])], |x| one(x[0].adaptive_max_pool([3, 4])?);
        "adaptive_max_pool_indices", [floats(&[2, 3, 7, 5])], |x| both(x[0].adaptive_max_pool_indices([3, 2])?);
        "adaptive_average_pool_as_another", [floats(&[2, 7, 9]), floats(&[4, 3])], |x| one(x[0].adaptive_average_pool([x[1].dim(0)?, x[1].dim(1)?])?);
        "max_pool_ceil_padding", [floats(&[2, 3, 7, 8])], |x| one(x[0].max_pool(&[3, 2], window(&[2, 3], &[1, 1], &[1, 1]), true)?);
        "max_pool_ceil_dilations", [floats(&[2, 3, 9])], |x| one(x[0].max_pool(&[2], window(&[3], &[0], &[3]), true)?);
        "max_pool_ceil_indices", [floats(&[2, 3, 7, 6])], |x| both(x[0].max_pool_indices(&[3, 3], window(&[2, 2], &[0, 1], &[1, 1]), true)?);
        "average_pool_ceil_uncounted", [floats(&[2, 3, 7, 6])], |x| one(x[0].average_pool(&[3, 3], window(&[2, 2], &[1, 1], &[1, 1]), true, false)?);
        "average_pool_ceil_counted", [floats(&[2, 3, 7, 6])], |x| one(x[0].average_pool(&[3, 2], window(&[2, 3], &[1, 1], &[1, 1]), true, true)?);
        "sum_pool_ceil", [floats(&[2, 3, 7])], |x| one(x[0].sum_pool(&[3], &window(&[2], &[1], &[1]), true)?);
        "adaptive_max_pool_1", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_max_pool([1, 1])?);
        "average_pool_dilations", [floats(&[2, 3, 9, 11])], |x| one(x[0].average_pool(&[2, 3], window(&[1, 2], &[1, 1], &[2, 3]), false, true)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{DynModule, Example, from_fn};

    /// A pooling of 1, 2 … n with n symbolic, traced at n = 5, and what torch has at other sizes.
    fn agrees(pool: impl Fn(&Tensor) -> Result<Tensor>, expected: &[(usize, &[f32])]) -> Result<()> {
        let x = |n: usize| Tensor::new([1, 1, n], (1..=n).map(|i| i as f32).collect());
        let module = from_fn(|x: Tensor| pool(&x));
        let traced = crate::record(&module, Example::new().input("x", &x(5)?).symbolic("x", 2, "n")?)?;
        for (n, expected) in expected {
            assert_eq!(traced.forward(&[x(*n)?])?[0].to_vec::<f32>()?, *expected, "n = {n}\n{traced}");
        }
        Ok(())
    }

    #[test]
    fn a_last_window_begins_inside_or_in_the_padding_before() -> Result<()> {
        // torch.nn.functional.avg_pool1d and max_pool1d, kernel 3, stride 2, padding 1, ceil_mode.
        let window = Window::symmetric(&[2], &[1], &[1]);
        agrees(|x| x.average_pool(&[3], window.clone(), true, true), &[(4, &[1.0, 3.0, 2.0]), (6, &[1.0, 3.0, 5.0, 3.0])])?;
        agrees(|x| x.average_pool(&[3], window.clone(), true, false), &[(4, &[1.5, 3.0, 4.0]), (7, &[1.5, 3.0, 5.0, 6.5])])?;
        agrees(|x| x.max_pool(&[3], window.clone(), true), &[(5, &[2.0, 4.0, 5.0]), (6, &[2.0, 4.0, 6.0, 6.0])])?;
        // Kernel 2, stride 3: of size 6 the last window would begin behind the end.
        let wide = Window::symmetric(&[3], &[0], &[1]);
        agrees(|x| x.max_pool(&[2], wide.clone(), true), &[(6, &[2.0, 5.0]), (7, &[2.0, 5.0, 7.0])])?;
        let dilated = Window::symmetric(&[3], &[0], &[3]);
        agrees(|x| x.max_pool(&[2], dilated.clone(), true), &[(4, &[4.0]), (6, &[4.0, 4.0]), (7, &[4.0, 7.0])])
    }

    #[test]
    fn regions_follow_the_size() -> Result<()> {
        // torch.nn.functional.adaptive_avg_pool1d to 3.
        agrees(|x| x.adaptive_average_pool([3]), &[(4, &[1.5, 2.5, 3.5]), (6, &[1.5, 3.5, 5.5]), (7, &[2.0, 4.0, 6.0])])
    }
}
