//! Convolutions.

use super::integer_conv::{integer_conv, integer_conv_transpose, is_wide};
use super::{Reader, one, widened};
use crate::array::{Array, Scalar};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::conv;
use crate::onnx::{GraphBuilder, Name, Node};
use crate::tensor::{Tensor, apply};

pub use crate::kernels::conv::Window;

/// A convolution over the axes after batch and channels. ONNX: [Conv](https://onnx.ai/onnx/operators/onnx__Conv.html).
///
/// Inputs: x (batch, in, …), weight (out, in / groups, kernel …), and perhaps a bias (out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// How the kernel moves.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// The transpose of a convolution. ONNX: [ConvTranspose](https://onnx.ai/onnx/operators/onnx__ConvTranspose.html).
///
/// Inputs: x (batch, in, …), weight (in, out / groups, kernel …), and perhaps a bias (out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvTranspose {
    /// How the kernel moves.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// What is added to the end of each axis.
    pub output_padding: Vec<usize>,
}

/// Refuses windows that do not fit the axes, and zero steps.
pub(super) fn check_window(window: &Window, axes: usize) -> Result<()> {
    let parts = [&window.strides, &window.dilations, &window.pads_begin, &window.pads_end];
    if axes == 0 || parts.iter().any(|part| part.len() != axes) {
        return Err(Error::argument(format!("expected strides, dilations and pads for {axes} axes, got {window:?}")));
    }
    if window.strides.iter().chain(&window.dilations).any(|&n| n == 0) {
        return Err(Error::argument(format!("strides and dilations must be at least 1, got {window:?}")));
    }
    if parts.iter().copied().flatten().any(|&n| n >= LONGEST) {
        return Err(Error::too_big(format!("strides, dilations and pads must be below 2^31, got {window:?}")));
    }
    Ok(())
}

/// What strides, dilations and pads are below, as in the kernels: sums and products of them fit 64 bits.
const LONGEST: usize = 1 << 31;

/// The size that a window of this kernel leaves of an axis.
pub(super) fn windows(length: &Dim, kernel: i64, window: &Window, axis: usize) -> Result<Dim> {
    if kernel >= LONGEST as i64 {
        return Err(Error::too_big(format!("a kernel of size {kernel}, expected less than 2^31")));
    }
    let pads = (window.pads_begin[axis] + window.pads_end[axis]) as i64;
    let reach = (kernel - 1) * window.dilations[axis] as i64 + 1;
    let room = length + (pads - reach);
    if kernel < 1 || room.example().is_some_and(|n| n < 0) {
        return Err(Error::shape(format!("a kernel of extent {reach} does not fit an axis of size {length} with padding {pads}")));
    }
    let stride = window.strides[axis] as i64;
    Ok(room / stride + 1i64)
}

fn parts<'a>(inputs: &Inputs<'a, Type>, window: &Window, groups: usize) -> Result<(&'a Type, &'a Type)> {
    let (x, weight) = (inputs.at(0)?, inputs.at(1)?);
    if x.rank() < 3 || weight.rank() != x.rank() {
        return Err(Error::shape(format!("weight has {} axes, expected {} as the input {x}", weight.rank(), x.rank())));
    }
    if x.dtype != weight.dtype || !x.dtype.is_float() || inputs.opt(2).is_some_and(|bias| bias.dtype != x.dtype) {
        return Err(Error::dtype(format!("no convolution of {} by a weight {}", x.dtype, weight.dtype)));
    }
    if groups == 0 {
        return Err(Error::argument("the number of groups must be at least 1"));
    }
    check_window(window, x.rank() - 2)?;
    Ok((x, weight))
}

fn check_bias(inputs: &Inputs<Type>, channels: &Dim) -> Result<()> {
    match inputs.opt(2) {
        Some(bias) if bias.rank() != 1 || bias.shape[0] != *channels => {
            Err(Error::shape(format!("expected a bias of shape [{channels}], got {bias}")))
        }
        _ => Ok(()),
    }
}

impl Operator for Conv {
    fn name(&self) -> &'static str {
        "Conv"
    }

    fn attributes(&self) -> Attributes {
        window_attributes(Attributes::new(), &self.window).with("group", self.groups)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, weight) = parts(inputs, &self.window, self.groups)?;
        let groups = self.groups as i64;
        if !x.shape[1].agrees(&(&weight.shape[1] * groups), inputs.constraints())
            || weight.shape[0].fixed().is_some_and(|out| out % groups != 0)
        {
            return Err(Error::shape(format!("weight {weight} in {groups} groups does not fit the {} channels of {x}", x.shape[1])));
        }
        check_bias(inputs, &weight.shape[0])?;
        let mut dims = vec![x.shape[0].clone(), weight.shape[0].clone()];
        for axis in 0..x.rank() - 2 {
            let kernel = weight.shape[axis + 2].fixed().ok_or_else(|| Error::size("the kernel size must be fixed"))?;
            dims.push(windows(&x.shape[axis + 2], kernel, &self.window, axis)?);
        }
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![conv::conv(inputs.at(0)?, inputs.at(1)?, inputs.opt(2), &self.window, self.groups)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let kernel = kernel_shape(builder, &inputs[1])?;
        let node = builder.node("Conv", inputs).ints("kernel_shape", &kernel).int("group", self.groups as i64);
        Ok(with_window(node, &self.window).write(outputs))
    }
}

/// The sizes of the kernel, from the weight.
fn kernel_shape(builder: &GraphBuilder, weight: &Name) -> Result<Vec<i64>> {
    builder.ty(weight)?.shape[2..].iter().map(|dim| dim.fixed().ok_or_else(|| Error::size("the kernel size must be fixed"))).collect()
}

/// The attributes that say how a kernel moves.
pub(super) fn window_attributes(attributes: Attributes, window: &Window) -> Attributes {
    let pads = [window.pads_begin.as_slice(), &window.pads_end].concat();
    attributes.with("strides", &window.strides).with("dilations", &window.dilations).with("pads", pads)
}

pub(super) fn with_window<'a>(node: crate::onnx::NodeBuilder<'a>, window: &Window) -> crate::onnx::NodeBuilder<'a> {
    let ints = |part: &[usize]| part.iter().map(|&n| n as i64).collect::<Vec<_>>();
    let pads = [ints(&window.pads_begin), ints(&window.pads_end)].concat();
    node.ints("strides", &ints(&window.strides)).ints("dilations", &ints(&window.dilations)).ints("pads", &pads)
}

impl Operator for ConvTranspose {
    fn name(&self) -> &'static str {
        "ConvTranspose"
    }

    fn attributes(&self) -> Attributes {
        window_attributes(Attributes::new(), &self.window).with("group", self.groups).with("output_padding", &self.output_padding)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, weight) = parts(inputs, &self.window, self.groups)?;
        if !x.shape[1].agrees(&weight.shape[0], inputs.constraints()) || self.output_padding.len() != x.rank() - 2 {
            return Err(Error::shape(format!("weight {weight} does not fit the {} channels of {x}", x.shape[1])));
        }
        let channels = &weight.shape[1] * (self.groups as i64);
        check_bias(inputs, &channels)?;
        let mut dims = vec![x.shape[0].clone(), channels];
        for axis in 0..x.rank() - 2 {
            let kernel = weight.shape[axis + 2].fixed().ok_or_else(|| Error::size("the kernel size must be fixed"))?;
            if kernel >= LONGEST as i64 || self.output_padding[axis] >= LONGEST {
                return Err(Error::too_big("a kernel or an output padding of 2^31 or more"));
            }
            let window = &self.window;
            let pads = (window.pads_begin[axis] + window.pads_end[axis]) as i64;
            let reach = (kernel - 1) * window.dilations[axis] as i64 + 1 + self.output_padding[axis] as i64;
            dims.push((&x.shape[axis + 2] - 1i64) * window.strides[axis] + (reach - pads));
        }
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            let (x, weight, bias) = (inputs.at(0)?, inputs.at(1)?, inputs.opt(2));
            Ok(vec![conv::conv_transpose(x, weight, bias, &self.window, self.groups, &self.output_padding)?])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let kernel = kernel_shape(builder, &inputs[1])?;
        let node = builder.node("ConvTranspose", inputs).ints("kernel_shape", &kernel).int("group", self.groups as i64);
        let padding: Vec<i64> = self.output_padding.iter().map(|&n| n as i64).collect();
        Ok(with_window(node, &self.window).ints("output_padding", &padding).write(outputs))
    }
}

/// The operand of a node with the padding that its `auto_pad` asks for, where that depends on a symbolic size; and the window that is left.
pub(super) fn read_padded(node: &Node, x: &Tensor, kernel: &[i64], number: Scalar) -> Result<(Tensor, Window)> {
    let sizes = x.shape().get(2..).unwrap_or(&[]);
    let auto = node.string("auto_pad", "NOTSET")?;
    let strides = node.ints("strides")?.map_or_else(|| vec![1; kernel.len()], <[i64]>::to_vec);
    let varies = sizes.iter().zip(&strides).any(|(length, &stride)| length.is_symbolic() && stride > 1);
    if !auto.starts_with("SAME") || !varies || sizes.len() != kernel.len() {
        return Ok((x.clone(), read_window(node, sizes, kernel)?));
    }
    let dilations = node.ints("dilations")?.map_or_else(|| vec![1; kernel.len()], <[i64]>::to_vec);
    let mut widths = Vec::with_capacity(2 * kernel.len());
    for (axis, length) in sizes.iter().enumerate().rev() {
        let (Some(&stride), Some(&dilation)) = (strides.get(axis), dilations.get(axis)) else {
            return Err(Error::argument(format!("strides, dilations and pads for {} axes", kernel.len())));
        };
        let reach = (kernel[axis] - 1) * dilation + 1;
        let all = ((length + (stride - 1)) / stride - 1i64) * stride + reach - length;
        // A kernel that is as wide as its stride always needs some.
        let all = if reach >= stride { all } else { all.max(0i64) };
        let less = &all / 2;
        let more = all - &less;
        widths.extend(if auto == "SAME_UPPER" { [less, more] } else { [more, less] });
    }
    let counts = |ints: &[i64]| {
        let count =
            |&n: &i64| usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| Error::argument(format!("a stride or dilation of {n}")));
        ints.iter().map(count).collect::<Result<Vec<_>>>()
    };
    let window = Window { strides: counts(&strides)?, dilations: counts(&dilations)?, ..Window::dense(kernel.len()) };
    Ok((x.pad(&widths, super::Padding::Constant(number))?, window))
}

/// The window of a node over axes of these sizes, `auto_pad` worked out.
pub(super) fn read_window(node: &Node, spatial: &[Dim], kernel: &[i64]) -> Result<Window> {
    let axes = kernel.len();
    if spatial.len() != axes {
        return Err(Error::shape(format!("a kernel of {axes} axes does not fit {}", spatial.len())));
    }
    if let Some(asked) = node.ints("kernel_shape")?.filter(|asked| *asked != kernel) {
        return Err(Error::damaged(format!("kernel_shape is {asked:?}, but the weight has {kernel:?}")));
    }
    let counts = |name: &str, default: i64, count: usize| -> Result<Vec<usize>> {
        let ints = node.ints(name)?.map_or_else(|| vec![default; count], <[i64]>::to_vec);
        let count = |n: i64| usize::try_from(n).map_err(|_| Error::argument(format!("{name} is {n}")));
        ints.into_iter().map(count).collect()
    };
    let (strides, dilations) = (counts("strides", 1, axes)?, counts("dilations", 1, axes)?);
    let pads = counts("pads", 0, 2 * axes)?;
    if pads.len() != 2 * axes || strides.len() != axes || dilations.len() != axes || strides.contains(&0) {
        return Err(Error::argument(format!("strides, dilations and pads for {axes} axes")));
    }
    let (mut pads_begin, mut pads_end) = (pads[..axes].to_vec(), pads[axes..].to_vec());
    let auto = node.string("auto_pad", "NOTSET")?;
    for axis in 0..axes {
        let (begin, end) = match auto {
            "NOTSET" | "" => continue,
            "VALID" => (0, 0),
            "SAME_UPPER" | "SAME_LOWER" => {
                let (stride, reach) = (strides[axis] as i64, (kernel[axis] - 1) * dilations[axis] as i64 + 1);
                // One position a step needs the same at every size.
                let length = if stride == 1 { Some(1) } else { spatial[axis].fixed() };
                let length = length.ok_or_else(|| {
                    Error::size(format!("{}: auto_pad with strides over an axis of symbolic size", node.op_type()))
                        .help("give that axis a fixed size")
                })?;
                let all = (((length + stride - 1) / stride - 1) * stride + reach - length).max(0) as usize;
                if auto == "SAME_UPPER" { (all / 2, all - all / 2) } else { (all - all / 2, all / 2) }
            }
            other => return Err(Error::argument(format!("auto_pad `{other}`"))),
        };
        (pads_begin[axis], pads_end[axis]) = (begin, end);
    }
    Ok(Window { strides, dilations, pads_begin, pads_end })
}

fn kernel_of(weight: &Tensor) -> Result<Vec<i64>> {
    let dims = weight.shape().get(2..).ok_or_else(|| Error::shape(format!("unsupported weight of shape {}", weight.shape())))?;
    dims.iter().map(|dim| dim.fixed().ok_or_else(|| Error::size("the kernel size must be fixed"))).collect()
}

fn groups(node: &Node) -> Result<usize> {
    usize::try_from(node.int("group", 1)?).map_err(|_| Error::argument("a negative number of groups"))
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Conv", |node, inputs| {
        let (x, weight) = (inputs.at(0)?, inputs.at(1)?);
        let (x, window) = read_padded(node, x, &kernel_of(weight)?, Scalar::Int(0))?;
        apply(Conv { window, groups: groups(node)? }, &[Some(&x), Some(weight), inputs.opt(2)])
    }),
    ("ConvTranspose", |node, inputs| {
        let (x, weight) = (inputs.at(0)?, inputs.at(1)?);
        let kernel = kernel_of(weight)?;
        let spatial = x.shape().get(2..).unwrap_or(&[]);
        let mut window = read_window(node, spatial, &kernel)?;
        let mut padding = node.ints("output_padding")?.map_or_else(|| vec![0; kernel.len()], <[i64]>::to_vec);
        let auto = node.string("auto_pad", "NOTSET")?;
        let asked = node.ints("output_shape")?.map(|shape| &shape[shape.len().saturating_sub(kernel.len())..]);
        if asked.is_some() || auto.starts_with("SAME") {
            for axis in 0..kernel.len() {
                // All padding follows from the size of the result; what that has too much is added at the end.
                let stride = window.strides[axis] as i64;
                let reach = (kernel[axis] - 1) * window.dilations[axis] as i64 + 1;
                let extra = padding.get(axis).copied().unwrap_or(0);
                let all = match asked.map(|asked| asked.get(axis).copied()) {
                    None => reach + extra - stride,
                    Some(Some(want)) => {
                        let n = spatial[axis].fixed().ok_or_else(|| {
                            Error::size("ConvTranspose: output_shape over an axis of symbolic size").help("give that axis a fixed size")
                        })?;
                        (n - 1) * stride + extra + reach - want
                    }
                    Some(None) => return Err(Error::argument(format!("expected output_shape for {} axes", kernel.len()))),
                };
                let (less, more) = ((all.max(0) / 2) as usize, ((all.max(0) + 1) / 2) as usize);
                (window.pads_begin[axis], window.pads_end[axis]) = if auto == "SAME_UPPER" { (less, more) } else { (more, less) };
                // A size that is asked for is reached; that of the input times the stride only as far as the kernel does.
                if let Some(extra) = padding.get_mut(axis).filter(|_| asked.is_some()) {
                    *extra += (-all).max(0);
                }
            }
        }
        let output_padding = padding
            .into_iter()
            .map(|n| usize::try_from(n).map_err(|_| Error::argument("negative output_padding")))
            .collect::<Result<_>>()?;
        apply(ConvTranspose { window, groups: groups(node)?, output_padding }, &[Some(x), Some(weight), inputs.opt(2)])
    }),
];

impl Tensor {
    /// A convolution over the axes after batch and channels; a missing batch axis is put in and taken away.
    ///
    /// Shapes: x (batch, in, …), weight (out, in / groups, kernel …), bias (out).
    /// [torch.nn.functional.conv2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where channels or sizes do not fit.
    #[track_caller]
    pub fn conv(&self, weight: &Tensor, bias: Option<&Tensor>, window: Window, groups: usize) -> Result<Tensor> {
        if is_wide(self.dtype()) {
            return self.batched(weight.rank(), |x| integer_conv(x, weight, bias, &window, groups));
        }
        self.batched(weight.rank(), |x| one(apply(Conv { window, groups }, &[Some(x), Some(weight), bias])))
    }

    /// The transpose of a convolution. Shapes: x (batch, in, …), weight (in, out / groups, kernel …), bias (out).
    ///
    /// [torch.nn.functional.conv_transpose2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where channels or sizes do not fit.
    #[track_caller]
    pub fn conv_transpose(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        window: Window,
        groups: usize,
        output_padding: &[usize],
    ) -> Result<Tensor> {
        if is_wide(self.dtype()) {
            return self.batched(weight.rank(), |x| integer_conv_transpose(x, weight, bias, &window, groups, output_padding));
        }
        let longer = |axis: usize| output_padding[axis] > 0 && output_padding[axis] >= window.strides.get(axis).copied().unwrap_or(1);
        if (0..output_padding.len()).any(longer) {
            return self.conv_transpose_then_pad(weight, bias, window, groups, output_padding);
        }
        let op = ConvTranspose { window, groups, output_padding: output_padding.to_vec() };
        self.batched(weight.rank(), |x| one(apply(op, &[Some(x), Some(weight), bias])))
    }

    /// Padding that is no rest of a stride, which ONNX Runtime refuses: less is cut off at the end, and zeros follow.
    fn conv_transpose_then_pad(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        mut window: Window,
        groups: usize,
        padding: &[usize],
    ) -> Result<Tensor> {
        let mut zeros = Vec::new();
        for (end, padding) in window.pads_end.iter_mut().zip(padding) {
            let kept = padding.saturating_sub(*end);
            *end = end.saturating_sub(*padding);
            zeros.push(kept);
        }
        let y = self.conv_transpose(weight, None, window, groups, &vec![0; padding.len()])?;
        let widths: Vec<Dim> = zeros.iter().rev().flat_map(|&n| [Dim::Fixed(0), Dim::from(n)]).collect();
        let y = y.pad(widths, super::Padding::Constant(Scalar::Float(0.0)))?;
        let Some(bias) = bias else { return Ok(y) };
        y.add(bias.reshape([vec![Dim::Fixed(-1)], vec![Dim::Fixed(1); padding.len()]].concat())?)
    }

    /// Runs a function of a batch on this, which may be a single element of one.
    #[track_caller]
    pub(super) fn batched(&self, rank: usize, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        if self.rank() + 1 == rank { f(&self.unsqueeze(0)?)?.squeeze_axes(&[0]) } else { f(self) }
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;
    use crate::array::DType;

    cases! {
        "conv_1d", [floats(&[2, 3, 11])], |x| one(x[0].conv(&weight(&[4, 3, 5]), Some(&weight(&[4])), window(&[1], &[2], &[1]), 1)?);
        "conv_2d", [floats(&[2, 3, 7, 9])], |x| one(x[0].conv(&weight(&[4, 3, 3, 3]), None, window(&[1, 1], &[1, 1], &[1, 1]), 1)?);
        "conv_strides", [floats(&[2, 3, 7, 9])], |x| one(x[0].conv(&weight(&[4, 3, 3, 3]), None, window(&[2, 3], &[1, 0], &[1, 1]), 1)?);
        "conv_dilations", [floats(&[2, 3, 9, 11])], |x| one(x[0].conv(&weight(&[4, 3, 3, 3]), None, window(&[1, 2], &[2, 2], &[2, 3]), 1)?);
        "conv_groups", [floats(&[2, 4, 7, 9])], |x| one(x[0].conv(&weight(&[6, 2, 3, 3]), None, window(&[1, 1], &[0, 1], &[1, 1]), 2)?);
        "conv_depthwise", [floats(&[2, 4, 7, 9])], |x| one(x[0].conv(&weight(&[4, 1, 3, 3]), Some(&weight(&[4])), window(&[1, 1], &[1, 1], &[1, 1]), 4)?);
        "conv_pointwise", [floats(&[2, 3, 7, 9])], |x| one(x[0].conv(&weight(&[5, 3, 1, 1]), None, Window::dense(2), 1)?);
        "conv_3d", [floats(&[1, 2, 5, 6, 7])], |x| one(x[0].conv(&weight(&[3, 2, 2, 3, 2]), None, window(&[1, 2, 1], &[1, 0, 1], &[1, 1, 1]), 1)?);
        "conv_uneven_pads", [floats(&[2, 3, 8])], |x| {
            let window = Window { pads_begin: vec![1], pads_end: vec![3], ..Window::dense(1) };
            one(x[0].conv(&weight(&[4, 3, 3]), None, window, 1)?)
        };
        "conv_two_inputs", [floats(&[2, 3, 7]), floats(&[5, 3, 4])], |x| one(x[0].conv(&x[1], None, Window::dense(1), 1)?);
        "conv_unbatched", [floats(&[3, 11])], |x| one(x[0].conv(&weight(&[4, 3, 5]), None, Window::dense(1), 1)?);
        "conv_f64", [of(DType::F64, &[2, 3, 7], -1.0, 1.0)], |x| one(x[0].conv(&weight(&[4, 3, 3]).cast(DType::F64)?, None, Window::dense(1), 1)?);
        "conv_transpose_1d", [floats(&[2, 3, 5])], |x| one(x[0].conv_transpose(&weight(&[3, 4, 3]), Some(&weight(&[4])), window(&[2], &[1], &[1]), 1, &[1])?);
        "conv_transpose_2d", [floats(&[2, 3, 5, 6])], |x| one(x[0].conv_transpose(&weight(&[3, 4, 3, 2]), None, window(&[2, 3], &[1, 0], &[1, 1]), 1, &[0, 0])?);
        "conv_transpose_groups", [floats(&[2, 4, 5])], |x| one(x[0].conv_transpose(&weight(&[4, 3, 3]), None, window(&[2], &[0], &[1]), 2, &[0])?);
        "conv_transpose_dilations", [floats(&[2, 3, 5])], |x| one(x[0].conv_transpose(&weight(&[3, 4, 3]), None, window(&[1], &[1], &[2]), 1, &[0])?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::dim::Shape;

    #[test]
    fn a_symbolic_height_gives_a_symbolic_height() {
        let x = Type::new(DType::F32, vec![Dim::Fixed(1), Dim::Fixed(3), Dim::symbol("h", 224), Dim::Fixed(224)]);
        let w = Type::new(DType::F32, Shape::fixed(&[64, 3, 7, 7]));
        let op = Conv { window: Window::symmetric(&[2, 2], &[3, 3], &[1, 1]), groups: 1 };
        let ty = op.infer(&Inputs::new(&[Some(&x), Some(&w)])).unwrap();
        assert_eq!(ty[0].to_string(), "f32[1,64,floor((h + 1)/2),112]");
    }

    #[test]
    fn pads_whose_sum_no_number_holds_are_refused_before_a_size_is_computed_from_them() {
        let x = Type::new(DType::F32, Shape::fixed(&[2, 3, 8, 8]));
        let w = Type::new(DType::F32, Shape::fixed(&[6, 3, 3, 3]));
        for pad in [i64::MAX as usize, 1 << 31] {
            let op = Conv { window: Window::symmetric(&[1, 1], &[0, pad], &[1, 1]), groups: 1 };
            assert_eq!(op.infer(&Inputs::new(&[Some(&x), Some(&w)])).unwrap_err().code(), crate::ErrorCode::TooBig);
        }
    }
}
