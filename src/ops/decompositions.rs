//! Operators that ONNX itself defines by others: read as their decomposition, and never written.

use super::{Padding, Reader};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::graph::Inputs;
use crate::onnx::Node;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::tensor::{Tensor, size};

pub(super) const READS: &[(&str, Reader)] = &[
    ("Mean", |_, inputs| {
        let mut all = inputs.iter();
        let first = all.next().ok_or_else(|| Error::argument("the mean of no inputs"))?.clone();
        let sum = all.try_fold(first, |sum, x| sum.add(x))?;
        Ok(vec![sum.div(inputs.len() as f64)?])
    }),
    ("Swish", |node, inputs| {
        let (x, alpha) = (inputs.at(0)?, f64::from(node.float("alpha", 1.0)?));
        Ok(vec![x.mul(x.mul(alpha)?.sigmoid()?)?])
    }),
    ("SwiGLU", |node, inputs| {
        let (gate, x) = (inputs.at(0)?, inputs.at(1)?);
        Ok(vec![gate.mul(gate.mul(f64::from(node.float("alpha", 1.0)?))?.sigmoid()?)?.mul(x)?])
    }),
    ("Shrink", |node, inputs| {
        let (x, edge, bias) = (inputs.at(0)?, f64::from(node.float("lambd", 0.5)?), f64::from(node.float("bias", 0.0)?));
        let zero = Tensor::zeros((), x.dtype())?;
        let wide = if x.dtype().is_float() { x.clone() } else { x.cast(DType::F64)? };
        let shifted = |bias: f64| if bias == 0.0 { Ok(x.clone()) } else { wide.sub(bias)?.cast(x.dtype()) };
        // Where both hold, for a negative edge, the first of ONNX's page counts.
        Ok(vec![wide.lt(-edge)?.where_(&shifted(-bias)?, &wide.gt(edge)?.where_(&shifted(bias)?, &zero)?)?])
    }),
    ("ThresholdedRelu", |node, inputs| {
        let x = inputs.at(0)?;
        let zero = Tensor::zeros((), x.dtype())?;
        Ok(vec![x.gt(f64::from(node.float("alpha", 1.0)?))?.where_(x, &zero)?])
    }),
    ("Hardmax", |node, inputs| {
        let x = inputs.at(0)?;
        let axis = node.int("axis", -1)?;
        super::has_axes(node, x)?;
        if x.shape()[x.shape().axis(axis)?] == 0 {
            return Ok(vec![x.clone()]);
        }
        let position = x.argmax(Some(axis), true)?;
        Ok(vec![positions_along(x, axis)?.eq(&position)?.cast(x.dtype())?])
    }),
    ("ReduceSumSquare", |node, inputs| reduced(node, inputs, |x| x.mul(x), |x| Ok(x.clone()))),
    ("ReduceLogSum", |node, inputs| reduced(node, inputs, |x| Ok(x.clone()), log_in_dtype)),
    ("LpNormalization", |node, inputs| {
        let x = inputs.at(0)?;
        let norm = x.norm(node.int("p", 2)? as f64, [node.int("axis", -1)?], true)?;
        let safe = norm.eq(0.0)?.where_(&Tensor::ones((), x.dtype())?, &norm)?;
        Ok(vec![x.div(safe)?])
    }),
    ("MeanVarianceNormalization", |node, inputs| {
        let x = inputs.at(0)?;
        let axes = node.ints("axes")?.map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
        let centred = x.sub(x.mean(&axes, true)?)?;
        Ok(vec![centred.div(centred.square()?.mean(&axes, true)?.sqrt()?.add(1e-9)?)?])
    }),
    ("LRN", |node, inputs| {
        let (x, size) = (inputs.at(0)?, node.int("size", 1)?);
        let (alpha, beta, bias) = (node.float("alpha", 1e-4)?, node.float("beta", 0.75)?, node.float("bias", 1.0)?);
        let (before, after) = ((size - 1) / 2, size / 2);
        let mut widths = vec![0i64; 2 * (x.rank() - 2)];
        widths.extend([before, after]);
        let squares = x.square()?.pad(&widths, Padding::Constant(Scalar::Int(0)))?;
        let channels = x.dim(1)?;
        let mut sum: Option<Tensor> = None;
        for i in 0..size {
            let part = squares.narrow(1, i, channels.clone())?;
            sum = Some(sum.map_or(Ok(part.clone()), |sum| sum.add(&part))?);
        }
        let sum = sum.ok_or_else(|| Error::argument("the size must not be 0"))?;
        let scale = sum.mul(f64::from(alpha) / size as f64)?.add(f64::from(bias))?.pow(f64::from(beta))?;
        Ok(vec![x.div(scale)?.cast(x.dtype())?])
    }),
    ("RMSNormalization", |node, inputs| {
        let x = inputs.at(0)?;
        let axis = x.shape().axis(node.int("axis", -1)?)?;
        let axes: Vec<i64> = (axis as i64..x.rank() as i64).collect();
        let wide = x.cast(if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 })?;
        let root = wide.square()?.mean(&axes, true)?.add(f64::from(node.float("epsilon", 1e-5)?))?.sqrt()?;
        Ok(vec![wide.div(root)?.cast(x.dtype())?.mul(inputs.at(1)?)?])
    }),
    ("GroupNormalization", |node, inputs| {
        let (x, groups) = (inputs.at(0)?, node.int("num_groups", 1)?);
        let y = x.group_norm(groups, None, None, f64::from(node.float("epsilon", 1e-5)?))?;
        let channels = x.dim(1)?;
        let across = |t: &Tensor| {
            // Opset 18 has a scale a group, 21 one a channel.
            let t = if t.dim(0)? == channels { t.clone() } else { per_group(t, &channels, groups)? };
            let mut shape = vec![Dim::Fixed(1); x.rank()];
            shape[1] = channels.clone();
            t.reshape(&shape)
        };
        Ok(vec![y.mul(across(inputs.at(1)?)?)?.add(across(inputs.at(2)?)?)?])
    }),
    ("BitShift", |node, inputs| Ok(vec![inputs.at(0)?.bit_shift(inputs.at(1)?, node.string("direction", "LEFT")? == "LEFT")?])),
    ("OneHot", |node, inputs| {
        let (index, values) = (inputs.at(0)?, inputs.at(2)?);
        if values.rank() != 1 || values.shape()[0].fixed().is_some_and(|n| n != 2) {
            return Err(Error::shape(format!("OneHot: one value for off and one for on are needed, not {}", values.ty())));
        }
        let depth = super::dims_of(&inputs.at(1)?.cast(DType::I64)?)?;
        let depth = depth.into_iter().next().ok_or_else(|| Error::argument("OneHot without depth"))?;
        let rank = index.rank() as i64 + 1;
        let axis = crate::dim::axis(node.int("axis", -1)?, rank as usize)? as i64;
        let index = index.cast(DType::I64)?;
        let index = index.lt(0)?.where_(&index.add(&depth)?, &index)?.unsqueeze(axis)?;
        let classes = Tensor::arange(0, &depth, 1, DType::I64)?;
        let mut across = vec![Dim::Fixed(1); rank as usize];
        across[axis as usize] = classes.dim(0)?;
        let on = classes.reshape(&across)?.eq(index)?;
        Ok(vec![on.where_(&values.select(0, 1i64)?, &values.select(0, 0i64)?)?])
    }),
    ("Compress", |node, inputs| {
        let (x, mask) = (inputs.at(0)?, inputs.at(1)?);
        let length = match node.find_int("axis")? {
            Some(axis) => x.dim(axis)?,
            None => x.shape().numel(),
        };
        if let (Some(given), Some(length)) = (mask.shape().numel().fixed(), length.fixed())
            && given > length
        {
            // ONNX: its length can be less than that of the axis.
            return Err(Error::shape(format!("a condition of {given} elements for an axis of size {length}")));
        }
        let positions = mask.nonzero()?.reshape([-1])?;
        Ok(vec![match node.find_int("axis")? {
            Some(axis) => x.index_select(axis, &positions)?,
            None => x.reshape([-1])?.index_select(0, &positions)?,
        }])
    }),
    ("Scatter", |node, inputs| {
        let x = inputs.at(0)?;
        Ok(vec![x.scatter(node.int("axis", 0)?, inputs.at(1)?, inputs.at(2)?, super::Reduction::Replace)?])
    }),
    ("DepthToSpace", |node, inputs| {
        let (x, r) = (inputs.at(0)?, node.int("blocksize", 1)?);
        let (n, c, h, w) = (x.dim(0)?, x.dim(1)?, x.dim(2)?, x.dim(3)?);
        let few =
            size::div_exact(&c, &Dim::Fixed(r * r)).ok_or_else(|| Error::shape(format!("{c} channels are not a multiple of {r}²")))?;
        let block = Dim::Fixed(r);
        let y = if node.string("mode", "DCR")? == "DCR" {
            x.reshape(&[n.clone(), block.clone(), block, few.clone(), h.clone(), w.clone()])?.permute(&[0, 3, 4, 1, 5, 2])?
        } else {
            x.reshape(&[n.clone(), few.clone(), block.clone(), block, h.clone(), w.clone()])?.permute(&[0, 1, 4, 2, 5, 3])?
        };
        Ok(vec![y.reshape(&[n, few, h * r, w * r])?])
    }),
    ("SpaceToDepth", |node, inputs| {
        let (x, r) = (inputs.at(0)?, node.int("blocksize", 1)?);
        let (n, c, h, w) = (x.dim(0)?, x.dim(1)?, x.dim(2)?, x.dim(3)?);
        let part = |n: &Dim| size::div_exact(n, &Dim::Fixed(r)).ok_or_else(|| Error::shape(format!("{n} is not a multiple of {r}")));
        let (rows, columns) = (part(&h)?, part(&w)?);
        let split = x.reshape(&[n.clone(), c.clone(), rows.clone(), Dim::Fixed(r), columns.clone(), Dim::Fixed(r)])?;
        let order: &[i64] = if node.string("mode", "DCR")? == "CRD" { &[0, 1, 3, 5, 2, 4] } else { &[0, 3, 5, 1, 2, 4] };
        Ok(vec![split.permute(order)?.reshape(&[n, c * (r * r), rows, columns])?])
    }),
    ("AffineGrid", |node, inputs| {
        let size = super::dims_of(inputs.at(1)?)?;
        Ok(vec![inputs.at(0)?.affine_grid(&size, node.int("align_corners", 0)? != 0)?])
    }),
    ("CenterCropPad", |node, inputs| {
        let x = inputs.at(0)?;
        let lengths = super::dims_of(inputs.at(1)?)?;
        let axes = node.ints("axes")?.map_or_else(|| (0..x.rank() as i64).collect(), <[i64]>::to_vec);
        if axes.len() != lengths.len() {
            return Err(Error::damaged(format!("CenterCropPad: {} sizes for {} axes", lengths.len(), axes.len())));
        }
        let mut y = x.clone();
        for (&axis, want) in axes.iter().zip(&lengths) {
            let axis = y.shape().axis(axis)?;
            let have = y.shape()[axis].clone();
            // One of the two is 0.
            let (excess, missing) = ((&have - want).max(0i64), (want - &have).max(0i64));
            let (before, kept) = (&missing / 2, want - &missing);
            let mut widths = vec![Dim::Fixed(0); 2 * (y.rank() - 1 - axis)];
            widths.extend([before.clone(), missing - before]);
            y = y.part(axis, excess / 2, kept)?.pad(&widths, Padding::Constant(Scalar::Int(0)))?;
        }
        Ok(vec![y])
    }),
    ("ReverseSequence", |node, inputs| {
        let (x, lengths) = (inputs.at(0)?, inputs.at(1)?);
        let (batch, time) = (node.int("batch_axis", 1)?, node.int("time_axis", 0)?);
        if batch == time {
            return Err(Error::argument(format!("ReverseSequence: batch_axis and time_axis are both {batch}")));
        }
        let position = positions_along(x, time)?;
        let mut across = vec![1i64; x.rank()];
        across[x.shape().axis(batch)?] = -1;
        let lengths = lengths.reshape(&across)?;
        let mirrored = lengths.sub(1)?.sub(&position)?;
        let index = position.lt(&lengths)?.where_(&mirrored, &position)?;
        Ok(vec![x.gather(time, &index.expand(x.shape())?)?])
    }),
    ("CumProd", |node, inputs| {
        let x = inputs.at(0)?;
        let axis = super::fixed(inputs.at(1)?)?.first().copied().unwrap_or(0);
        let (exclusive, reverse) = (node.int("exclusive", 0)? != 0, node.int("reverse", 0)? != 0);
        let mut y = if reverse { x.flip(&[axis])? } else { x.clone() };
        if exclusive && y.dim(axis)? != 0 {
            let one = y.narrow(axis, 0i64, 1i64)?.mul(0)?.add(1)?;
            y = Tensor::cat(&[&one, &y.slice(axis, ..-1)?], axis)?;
        }
        let y = y.cumprod(axis)?;
        let y = if reverse { y.flip(&[axis])? } else { y };
        Ok(vec![y.cast(x.dtype())?])
    }),
    ("NegativeLogLikelihoodLoss", |node, inputs| {
        let ignored = node.find_int("ignore_index")?;
        Ok(vec![chosen(inputs.at(0)?, inputs.at(1)?, inputs.opt(2), node.string("reduction", "mean")?, ignored)?])
    }),
    ("SoftmaxCrossEntropyLoss", |node, inputs| {
        let log = inputs.at(0)?.log_softmax(1)?;
        let loss = chosen(&log, inputs.at(1)?, inputs.opt(2), node.string("reduction", "mean")?, node.find_int("ignore_index")?)?;
        Ok(vec![loss, log])
    }),
    ("LpPool", |node, inputs| {
        let x = inputs.at(0)?;
        let p = node.int("p", 2)? as f64;
        let ints = node.ints("kernel_shape")?.ok_or_else(|| node.missing("kernel_shape"))?;
        let mut window = super::conv::read_window(node, x.shape().get(2..).unwrap_or(&[]), ints)?;
        let kernel: Vec<usize> =
            ints.iter().map(|&n| usize::try_from(n)).collect::<std::result::Result<_, _>>().map_err(|_| node.missing("kernel_shape"))?;
        let powers = x.abs()?.pow(p)?;
        if node.int("ceil_mode", 0)? != 0 {
            // Zeros where the last window hangs over.
            window = super::pool::rounded_up(&kernel, &window);
        }
        let widths: Vec<i64> =
            window.pads_begin.iter().zip(&window.pads_end).rev().flat_map(|(&before, &after)| [before as i64, after as i64]).collect();
        let padded = powers.pad(&widths, Padding::Constant(Scalar::Int(0)))?;
        window.pads_begin.fill(0);
        window.pads_end.fill(0);
        let columns = padded.im2col(&kernel, window.clone())?;
        let taps = kernel.iter().product::<usize>() as i64;
        let sums = columns.unflatten(1, &[x.dim(1)?, Dim::Fixed(taps)])?.sum(2, false)?;
        let mut shape = vec![x.dim(0)?, x.dim(1)?];
        for (i, &taps) in kernel.iter().enumerate() {
            let n = padded.shape()[i + 2].clone();
            shape.push((n - ((window.dilations[i] * (taps - 1)) as i64) - 1i64) / (window.strides[i] as i64) + 1i64);
        }
        Ok(vec![sums.reshape(&shape)?.pow(1.0 / p)?])
    }),
    ("MaxUnpool", |node, inputs| {
        let (x, positions) = (inputs.at(0)?, inputs.at(1)?);
        let ints = node.ints("kernel_shape")?.ok_or_else(|| node.missing("kernel_shape"))?;
        let window = super::conv::read_window(node, x.shape().get(2..).unwrap_or(&[]), ints)?;
        let tight: Vec<Dim> = x.shape()[..2]
            .iter()
            .cloned()
            .chain(
                x.shape()[2..]
                    .iter()
                    .enumerate()
                    .map(|(i, n)| (n - 1i64) * (window.strides[i] as i64) + ints[i] - ((window.pads_begin[i] + window.pads_end[i]) as i64)),
            )
            .collect();
        let count = tight.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
        let flat = Tensor::zeros([count], x.dtype())?;
        let filled = flat.scatter(0, &positions.reshape([-1])?, x.reshape([-1])?, super::Reduction::Replace)?.reshape(&tight)?;
        let Some(shape) = inputs.opt(2) else { return Ok(vec![filled]) };
        // A larger image holds the smaller one in its corner.
        let wanted = super::dims_of(shape)?;
        let mut widths = Vec::new();
        for (want, have) in wanted.iter().zip(&tight).rev() {
            widths.extend([Dim::Fixed(0), want - have]);
        }
        Ok(vec![filled.pad(&widths, Padding::Constant(Scalar::Int(0)))?])
    }),
    ("GlobalLpPool", |node, inputs| {
        let x = inputs.at(0)?;
        // Version 1 has p as a float.
        let p = match node.proto().attribute.iter().find(|attribute| attribute.name == "p") {
            Some(given) if given.r#type == AttributeType::Float as i32 => f64::from(given.f),
            _ => node.int("p", 2)? as f64,
        };
        Ok(vec![x.norm(p, (2..x.rank() as i64).collect::<Vec<_>>(), true)?])
    }),
    ("Det", |_, inputs| Ok(vec![determinant(inputs.at(0)?)?])),
    ("HannWindow", |node, inputs| cosines(node, inputs, &[0.5, -0.5])),
    ("HammingWindow", |node, inputs| cosines(node, inputs, &[25.0 / 46.0, 25.0 / 46.0 - 1.0])),
    ("BlackmanWindow", |node, inputs| cosines(node, inputs, &[0.42, -0.5, 0.08])),
    ("QuantizeLinear", |node, inputs| {
        let (x, scale) = (inputs.at(0)?, inputs.at(1)?);
        let axis = node.int("axis", 1)?;
        let dtype = match (inputs.opt(2), node.int("output_dtype", 0)?) {
            (Some(zero), _) => zero.dtype(),
            (None, 0) => DType::U8,
            (None, number) => crate::onnx::tensor::dtype(number as i32)?,
        };
        let block = node.int("block_size", 0)?;
        let across = |t: &Tensor| spread(t, x, axis, block);
        let scaled = x.cast(DType::F32)?.div(across(scale)?.cast(DType::F32)?)?;
        // A float is rounded by the cast, and its zero point is zero.
        let scaled = if dtype.is_int() { scaled.round()? } else { scaled };
        let shifted = match inputs.opt(2) {
            Some(zero) => scaled.add(across(zero)?.cast(DType::F32)?)?,
            None => scaled,
        };
        match dtype.is_int() {
            true => Ok(vec![saturated(&shifted, dtype)?]),
            false => Ok(vec![shifted.narrow_to(dtype, super::cast::narrowing(node)?)?]),
        }
    }),
    ("DequantizeLinear", |node, inputs| {
        let (x, scale) = (inputs.at(0)?, inputs.at(1)?);
        let (axis, block) = (node.int("axis", 1)?, node.int("block_size", 0)?);
        let across = |t: &Tensor| spread(t, x, axis, block);
        let wide = x.cast(DType::F32)?;
        let centred = match inputs.opt(2) {
            Some(zero) => wide.sub(across(zero)?.cast(DType::F32)?)?,
            None => wide,
        };
        Ok(vec![centred.mul(across(scale)?.cast(DType::F32)?)?.cast(scale.dtype())?])
    }),
    ("DynamicQuantizeLinear", |_, inputs| {
        let x = inputs.at(0)?;
        let high = x.amax(.., false)?.maximum(0.0)?;
        let low = x.amin(.., false)?.minimum(0.0)?;
        let scale = high.sub(&low)?.div(255.0)?;
        // Of zeros alone the scale would be 0, which nothing can be divided by: it is 1, as in ONNX Runtime.
        let scale = scale.eq(0.0)?.where_(&Tensor::ones((), DType::F32)?, &scale)?;
        let zero = saturated(&low.neg()?.div(&scale)?.round()?, DType::U8)?;
        let y = saturated(&x.div(&scale)?.round()?.add(zero.cast(DType::F32)?)?, DType::U8)?;
        Ok(vec![y, scale, zero])
    }),
    ("MatMulInteger", |_, inputs| {
        let less = |x: usize, zero: usize, row: bool| {
            let x = inputs.at(x)?.cast(DType::I32)?;
            match inputs.opt(zero) {
                Some(zero) if zero.rank() == 1 && row && zero.numel() != 1 => x.sub(zero.cast(DType::I32)?.unsqueeze(-1)?),
                Some(zero) => x.sub(zero.cast(DType::I32)?),
                None => Ok(x),
            }
        };
        Ok(vec![less(0, 2, true)?.matmul(&less(1, 3, false)?)?])
    }),
    ("ConvInteger", |node, inputs| {
        let less = |x: usize, zero: usize| {
            let x = inputs.at(x)?.cast(DType::F64)?;
            inputs.opt(zero).map_or(Ok(x.clone()), |point| x.sub(fit_channels(point, zero == 3)?.cast(DType::F64)?))
        };
        // What pads is the zero point: it is taken away before.
        let (x, w) = (less(0, 2)?, less(1, 3)?);
        let kernel: Vec<i64> = w.shape()[2..].iter().filter_map(Dim::fixed).collect();
        let window = super::conv::read_window(node, x.shape().get(2..).unwrap_or(&[]), &kernel)?;
        Ok(vec![x.conv(&w, None, window, node.int("group", 1)?.max(1) as usize)?.cast(DType::I32)?])
    }),
    ("QLinearMatMul", |_, inputs| {
        let part = |i: usize, row: bool| {
            let (x, scale, zero) = (inputs.at(i)?.cast(DType::F32)?, inputs.at(i + 1)?, inputs.at(i + 2)?);
            let fit = |t: &Tensor| if t.rank() == 1 && row && t.numel() != 1 { t.unsqueeze(-1) } else { Ok(t.clone()) };
            Ok::<_, Error>((x.sub(fit(zero)?.cast(DType::F32)?)?, fit(scale)?.cast(DType::F32)?))
        };
        let ((a, a_scale), (b, b_scale)) = (part(0, true)?, part(3, false)?);
        let (scale, zero) = (inputs.at(6)?.cast(DType::F32)?, inputs.at(7)?);
        let y = a.matmul(&b)?.mul(a_scale)?.mul(b_scale)?.div(scale)?.round()?.add(zero.cast(DType::F32)?)?;
        Ok(vec![saturated(&y, zero.dtype())?])
    }),
    ("QLinearConv", |node, inputs| {
        let less = |i: usize| inputs.at(i)?.cast(DType::F32)?.sub(fit_channels(inputs.at(i + 2)?, i == 3)?.cast(DType::F32)?);
        let (x, w) = (less(0)?, less(3)?);
        let kernel: Vec<i64> = w.shape()[2..].iter().filter_map(Dim::fixed).collect();
        let window = super::conv::read_window(node, x.shape().get(2..).unwrap_or(&[]), &kernel)?;
        let bias = inputs.opt(8).map(|bias| bias.cast(DType::F32)).transpose()?;
        let sum = x.conv(&w, bias.as_ref(), window, node.int("group", 1)?.max(1) as usize)?;
        let weight_scale = inputs.at(4)?;
        let weight_scale = if weight_scale.numel() == 1 { weight_scale.reshape(())? } else { weight_scale.reshape([1, -1, 1, 1])? };
        let y = sum.mul(inputs.at(1)?)?.mul(weight_scale)?.div(inputs.at(6)?)?.round()?.add(inputs.at(7)?.cast(DType::F32)?)?;
        Ok(vec![saturated(&y, inputs.at(7)?.dtype())?])
    }),
    ("MelWeightMatrix", |node, inputs| {
        let number = |i: usize, what: &str| {
            let array = inputs.at(i)?.constant().ok_or_else(|| Error::no_value(format!("MelWeightMatrix: {what} must be constant")))?;
            array.to_f64s()?.first().copied().ok_or_else(|| Error::argument(format!("MelWeightMatrix: {what} is missing")))
        };
        let counts = [number(0, "the bands")?, number(1, "the length")?];
        let edges = [number(3, "the lower edge")?, number(4, "the upper edge")?];
        let matrix = mel_bands(counts, number(2, "the rate")?, edges)?;
        Ok(vec![matrix.cast(crate::onnx::tensor::dtype(node.int("output_datatype", 1)? as i32)?)?])
    }),
    ("TfIdfVectorizer", grams),
    ("TensorScatter", |node, inputs| {
        let (past, new) = (inputs.at(0)?, inputs.at(1)?);
        let axis = past.shape().axis(node.int("axis", -2)?)?;
        let (length, whole) = (new.shape()[axis].clone(), past.shape()[axis].clone());
        let step = positions_along(new, axis as i64)?;
        let mut across = vec![1i64; past.rank()];
        across[0] = -1;
        let start = match inputs.opt(2) {
            Some(start) => start.cast(DType::I64)?.reshape(&across)?,
            None => Tensor::weak(0i64).strengthened(),
        };
        let position = start.add(step)?;
        let position = if node.string("mode", "linear")? == "circular" { position.remainder(&whole)? } else { position };
        let _ = length;
        Ok(vec![past.scatter(axis as i64, &position.expand(new.shape())?, new, super::Reduction::Replace)?])
    }),
];

/// 0, 1, 2 … along an axis of this tensor, with size 1 on the others.
fn positions_along(x: &Tensor, axis: i64) -> Result<Tensor> {
    let axis = x.shape().axis(axis)?;
    let mut across = vec![Dim::Fixed(1); x.rank()];
    across[axis] = x.shape()[axis].clone();
    Tensor::arange(0, &x.shape()[axis], 1, DType::I64)?.reshape(&across)
}

fn reduced(
    node: &Node,
    inputs: &Inputs<Tensor>,
    before: fn(&Tensor) -> Result<Tensor>,
    after: fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let x = inputs.at(0)?;
    let axes = super::axes(node, inputs, 1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && node.int("noop_with_empty_axes", 0)? != 0 {
        return Ok(vec![after(&before(x)?)?]);
    }
    let sum = before(x)?.sum(axes.as_deref(), node.int("keepdims", 1)? != 0)?;
    Ok(vec![after(&sum.cast(x.dtype())?)?])
}

/// The logarithm in the operand's own dtype: of integers rounded towards zero.
fn log_in_dtype(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { x.log() } else { x.cast(DType::F64)?.log()?.cast(x.dtype()) }
}

/// A number a group, repeated for its channels.
fn per_group(t: &Tensor, channels: &Dim, groups: i64) -> Result<Tensor> {
    let each = size::div_exact(channels, &Dim::Fixed(groups))
        .ok_or_else(|| Error::shape(format!("{channels} channels are not divisible into {groups} groups")))?;
    t.unsqueeze(1)?.expand(&[Dim::Fixed(groups), each])?.reshape(std::slice::from_ref(channels))
}

/// −x of each target's class on axis 1, weighted and reduced.
fn chosen(x: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: &str, ignored: Option<i64>) -> Result<Tensor> {
    let differ = |(n, labels): (&Dim, &Dim)| n.fixed().zip(labels.fixed()).is_some_and(|(n, labels)| n != labels);
    let others = x.shape().iter().enumerate().filter(|(axis, _)| *axis != 1).map(|(_, n)| n);
    if x.rank() != target.rank() + 1 || others.zip(target.shape().iter()).any(differ) {
        return Err(Error::shape(format!("labels {} do not fit the scores {} of the classes on axis 1", target.ty(), x.ty())));
    }
    let target = target.cast(DType::I64)?;
    let kept = ignored.map(|ignored| target.ne(ignored)).transpose()?;
    let index = match &kept {
        Some(kept) => kept.where_(&target, &Tensor::zeros((), DType::I64)?)?,
        None => target.clone(),
    };
    let picked = x.gather(1, &index.unsqueeze(1)?)?.squeeze_axes(&[1])?.neg()?;
    let weight = weight.map(|weight| weight.index_select(0, &index)).transpose()?;
    let counts = match (&weight, &kept) {
        (None, None) => None,
        (Some(weight), None) => Some(weight.clone()),
        (None, Some(kept)) => Some(kept.cast(x.dtype())?),
        (Some(weight), Some(kept)) => Some(weight.mul(kept.cast(x.dtype())?)?),
    };
    let loss = counts.as_ref().map_or(Ok(picked.clone()), |counts| picked.mul(counts))?;
    match (reduction, &counts) {
        ("none", _) => Ok(loss),
        ("sum", _) => loss.sum(.., false),
        (_, None) => loss.mean(.., false),
        (_, Some(counts)) => loss.sum(.., false)?.div(counts.sum(.., false)?),
    }
}

/// A scale or zero point over the axis (or the blocks of it) that it is for.
fn spread(t: &Tensor, x: &Tensor, axis: i64, block: i64) -> Result<Tensor> {
    if t.rank() == 0 || (t.numel() == 1 && block == 0) {
        return t.reshape(());
    }
    if block > 0 {
        let axis = x.shape().axis(axis)? as i64;
        let mut wide = t.shape().to_vec();
        wide.insert(axis as usize + 1, Dim::Fixed(block));
        let all = t.unsqueeze(axis + 1)?.expand(&wide)?.flatten(axis, axis + 1)?;
        return all.slice(axis, ..x.dim(axis)?);
    }
    let mut across = vec![1i64; x.rank()];
    across[x.shape().axis(axis)?] = -1;
    t.reshape(&across)
}

fn fit_channels(t: &Tensor, weights: bool) -> Result<Tensor> {
    match (t.numel() == 1, weights) {
        (true, _) => t.reshape(()),
        (false, true) => t.reshape([-1, 1, 1, 1]),
        (false, false) => Ok(t.clone()),
    }
}

/// Integers clamped to an integer type.
fn saturated(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let (low, high) = match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::U16 => (0.0, 65535.0),
        DType::I16 => (-32768.0, 32767.0),
        DType::I32 => (-2147483648.0, 2147483520.0),
        narrow if narrow.is_narrow() => narrow.narrow_limits(),
        other => return Err(DType::not_taken(other)),
    };
    x.clamp(Some(Scalar::Float(low)), Some(Scalar::Float(high)))?.cast(dtype)
}

/// By elimination with pivots, column by column.
fn determinant(x: &Tensor) -> Result<Tensor> {
    let n = x
        .dim(-1)?
        .fixed()
        .filter(|&n| x.dim(-2).is_ok_and(|m| m == n))
        .ok_or_else(|| Error::shape(format!("the determinant needs square matrices, got {}", x.ty())))?;
    if n > 64 {
        return Err(Error::unsupported(format!("the determinant of {n} × {n} matrices is not supported: it is unrolled, up to size 64")));
    }
    if matches!(x.dtype(), DType::F16 | DType::BF16) {
        return determinant(&x.cast(DType::F32)?)?.cast(x.dtype());
    }
    let positions = Tensor::arange(0, n, 1, DType::I64)?;
    let (one, zero) = (Tensor::ones((), x.dtype())?, Tensor::zeros((), x.dtype())?);
    let (mut rest, mut product) = (x.clone(), None::<Tensor>);
    for k in 0..n {
        let column = rest.select(-1, k)?;
        let below = positions.ge(k)?.where_(&column.abs()?, &Tensor::full((), -1.0, x.dtype())?)?;
        let pivot = below.argmax(Some(-1), true)?;
        let moved = pivot.ne(k)?.squeeze_axes(&[-1])?;
        let order = positions.eq(&pivot)?.where_(&Tensor::weak(k).strengthened(), &positions.eq(k)?.where_(&pivot, &positions)?)?;
        rest = rest.gather(-2, &order.unsqueeze(-1)?.expand(rest.shape())?)?;
        let head = rest.select(-2, k)?.select(-1, k)?;
        let sign = moved.where_(&one.neg()?, &one)?;
        let factor = head.mul(sign)?;
        product = Some(product.map_or(Ok(factor.clone()), |product| product.mul(&factor))?);
        let safe = head.eq(0.0)?.where_(&one, &head)?.unsqueeze(-1)?;
        let ratio = positions.gt(k)?.where_(&rest.select(-1, k)?.div(safe)?, &zero)?;
        rest = rest.sub(ratio.unsqueeze(-1)?.mul(rest.narrow(-2, k, 1i64)?)?)?;
    }
    product.map_or_else(|| Tensor::ones(&x.shape()[..x.rank() - 2], x.dtype()), Ok)
}

fn cosines(node: &Node, inputs: &Inputs<Tensor>, parts: &[f64]) -> Result<Vec<Tensor>> {
    let size = inputs.at(0)?;
    if size.rank() != 0 {
        return Err(Error::shape(format!("the window size must be a scalar, got {}", size.ty())));
    }
    let n = super::fixed(size)?
        .first()
        .copied()
        .filter(|n| (0..=1 << 24).contains(n))
        .ok_or_else(|| Error::argument("the window size must be constant"))?;
    let span = if node.int("periodic", 1)? != 0 { n } else { n - 1 }.max(1) as f64;
    let at =
        |i: i64| parts.iter().enumerate().map(|(k, part)| part * (std::f64::consts::TAU * k as f64 * i as f64 / span).cos()).sum::<f64>();
    let values: Vec<f64> = (0..n).map(at).collect();
    let dtype = crate::onnx::tensor::dtype(node.int("output_datatype", 1)? as i32)?;
    Ok(vec![Tensor::from(values.as_slice()).cast(dtype)?])
}

/// Triangles of weights over frequencies, a column a band, whose peaks are as far apart on the scale of mel.
///
/// ONNX [MelWeightMatrix](https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html)
fn mel_bands([bands, length]: [f64; 2], rate: f64, [low, high]: [f64; 2]) -> Result<Tensor> {
    if !(1.0..=4096.0).contains(&bands) || !(1.0..=1e6).contains(&length) || rate <= 0.0 || low < 0.0 || high < low {
        return Err(Error::argument(format!(
            "invalid mel filter bank: {bands} bands from {low} to {high} Hz, {length} points at {rate} Hz"
        )));
    }
    let (bands, bins) = (bands as usize, length as usize / 2 + 1);
    let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / std::f64::consts::LN_10;
    let step = (mel(high) - mel(low)) / (bands + 2) as f64;
    let hertz = |i: usize| 700.0 * ((i as f64 * step + mel(low)) / 2595.0 * std::f64::consts::LN_10).exp_m1();
    let edge = |i: usize| (((length + 1.0) * hertz(i) / rate).floor() as usize).min(bins - 1);
    let mut weights = vec![0f64; bins * bands];
    for band in 0..bands {
        let (left, peak, right) = (edge(band), edge(band + 1), edge(band + 2));
        let mut put = |bin: usize, weight: f64| weights[bin * bands + band] = weight;
        if left == peak {
            put(peak, 1.0);
        }
        (left..=peak).filter(|_| peak > left).for_each(|bin| put(bin, (bin - left) as f64 / (peak - left) as f64));
        (peak..right).for_each(|bin| put(bin, (right - bin) as f64 / (right - peak) as f64));
    }
    Tensor::from(weights.as_slice()).reshape([bins as i64, bands as i64])
}

/// How often each of a list of n-grams occurs in a row, perhaps with values left out between.
///
/// ONNX [TfIdfVectorizer](https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html)
fn grams(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let x = inputs.at(0)?;
    let ints = |name: &str| node.ints(name)?.ok_or_else(|| node.missing(name));
    let pool = node.ints("pool_int64s")?.ok_or_else(|| Error::unsupported("TfIdfVectorizer of strings is not supported"))?;
    let (starts, columns) = (ints("ngram_counts")?, ints("ngram_indexes")?);
    let number = |name: &str| node.find_int(name)?.ok_or_else(|| node.missing(name));
    let (shortest, longest, skips) = (number("min_gram_length")?, number("max_gram_length")?, number("max_skip_count")?);
    let wide = columns.iter().max().map_or(0, |&last| last + 1);
    if !(0..=1 << 24).contains(&wide) || columns.iter().any(|&column| column < 0) || !(0..=1 << 10).contains(&skips) {
        return Err(Error::argument("ngram_indexes or max_skip_count out of range"));
    }
    let rows = if x.rank() == 2 { x.clone() } else { x.reshape([1, -1])? };
    let length = rows.dim(1)?.fixed().ok_or_else(|| Error::size("TfIdfVectorizer needs a fixed size"))?;
    let mut counts = Tensor::zeros([rows.dim(0)?, Dim::Fixed(wide)], DType::F32)?;
    let mut first = 0usize;
    for (i, &start) in starts.iter().enumerate() {
        let n = i as i64 + 1;
        let end = starts.get(i + 1).map_or(pool.len(), |&end| end.max(0) as usize);
        let grams = pool.get(start.max(0) as usize..end).ok_or_else(|| Error::argument("ngram_counts out of range"))?;
        let many = grams.len() / n as usize;
        let targets = columns.get(first..first + many).ok_or_else(|| Error::argument("fewer ngram_indexes than sequences"))?;
        first += many;
        if many == 0 || n < shortest || n > longest {
            continue;
        }
        let grams = Tensor::from(&grams[..many * n as usize]).reshape([many as i64, 1, n])?;
        // A single number is the same however many are left out.
        for distance in 1..=if n == 1 { 1 } else { skips + 1 } {
            let positions = length - distance * (n - 1);
            if positions < 1 {
                continue;
            }
            let index: Vec<i64> = (0..positions).flat_map(|at| (0..n).map(move |k| at + k * distance)).collect();
            let windows = rows.cast(DType::I64)?.index_select(1, &Tensor::from(index.as_slice()))?.unflatten(1, [positions, n])?;
            let found = windows.unsqueeze(1)?.eq(&grams)?.all(-1, false)?.cast(DType::F32)?.sum(-1, false)?;
            let index = Tensor::from(targets).unsqueeze(0)?.expand(found.shape())?;
            counts = counts.scatter(1, &index, &found, super::Reduction::Add)?;
        }
    }
    let weights = node.floats("weights")?.map(Tensor::from);
    let some = || counts.gt(0.0)?.cast(DType::F32);
    let y = match (node.string("mode", "TF")?, &weights) {
        ("TF", _) | ("TFIDF", None) => counts.clone(),
        ("IDF", None) => some()?,
        ("IDF", Some(weights)) => some()?.mul(weights)?,
        ("TFIDF", Some(weights)) => counts.mul(weights)?,
        (other, _) => return Err(Error::argument(format!("unknown mode {other}"))),
    };
    Ok(vec![if x.rank() == 2 { y } else { y.reshape([-1])? }])
}
