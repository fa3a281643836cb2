//! A layer of a convolutional network as one node of tract's plan, on images whose channels lie together.

use super::packed_matmul::room;
use super::panic::from_ours;
use crate::array::count;
use crate::error::Result;
use crate::kernels::channel_selection::ChannelSelection;
use crate::kernels::channels_last::{ChannelsLastPool, Normalisation, SpatialReduction, normalised, reduced, scaled, to_channels_last};
use crate::kernels::conv::Window;
use crate::kernels::packed_conv::PackedConv;
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// A layer with its weights laid out.
#[derive(Clone, Debug)]
pub(super) enum LayerKernel {
    Conv(Arc<PackedConv>),
    Pool(Arc<ChannelsLastPool>),
    /// The product of images and a number for each channel of each.
    Scale,
    /// A number for each channel of each image.
    Reduce(SpatialReduction),
    /// Images whose channels come before the positions.
    Move,
    Normalise(Arc<Normalisation>),
    /// Channels of several images.
    Select(Arc<ChannelSelection>),
}

/// A layer as it stands in tract's plan. The second operand of a convolution, where it has one, is added before the activation.
#[derive(Clone, Debug)]
pub(super) struct LayerOp(pub(super) LayerKernel);

impl PartialEq for LayerOp {
    fn eq(&self, other: &LayerOp) -> bool {
        match (&self.0, &other.0) {
            (LayerKernel::Conv(a), LayerKernel::Conv(b)) => Arc::ptr_eq(a, b),
            (LayerKernel::Pool(a), LayerKernel::Pool(b)) => Arc::ptr_eq(a, b),
            (LayerKernel::Normalise(a), LayerKernel::Normalise(b)) => Arc::ptr_eq(a, b),
            (LayerKernel::Select(a), LayerKernel::Select(b)) => a == b,
            (LayerKernel::Scale, LayerKernel::Scale) | (LayerKernel::Move, LayerKernel::Move) => true,
            (LayerKernel::Reduce(a), LayerKernel::Reduce(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for LayerOp {}

impl LayerOp {
    /// The shape for images of this one.
    fn shape(&self, images: &[TDim]) -> TractResult<TVec<TDim>> {
        let fixed: Option<Vec<usize>> = images[1..].iter().map(|n| n.to_usize().ok()).collect();
        if let Some(fixed) = fixed {
            let whole = self.fixed_shape(&[&[1], &fixed[..]].concat()).map_err(from_ours)?;
            return Ok(images[..1].iter().cloned().chain(whole[1..].iter().map(|n| n.to_dim())).collect());
        }
        let (kernel, window, filters) = match &self.0 {
            LayerKernel::Conv(conv) => (conv.kernel(), conv.window(), conv.filters().to_dim()),
            LayerKernel::Pool(pool) => (&pool.kernel[..], &pool.window, images[images.len() - 1].clone()),
            LayerKernel::Scale | LayerKernel::Normalise(_) => return Ok(images.into()),
            LayerKernel::Move => return Ok(moved(images)),
            LayerKernel::Reduce(_) => return Ok(one_per_channel(images)),
            LayerKernel::Select(selection) => return Ok(with_channels(images, selection.channels())),
        };
        let ceil = matches!(&self.0, LayerKernel::Pool(pool) if pool.ceil);
        ensure!(images.len() == kernel.len() + 2 && !ceil, "images of unknown sizes");
        let step = |axis: usize| {
            let Window { strides, pads_begin, pads_end, .. } = window;
            let room = images[axis + 1].clone() + (pads_begin[axis] + pads_end[axis]) as i64 - window.span(axis, kernel[axis]) as i64;
            room / strides[axis] as u64 + 1
        };
        Ok(images[..1].iter().cloned().chain((0..kernel.len()).map(step)).chain([filters]).collect())
    }

    fn fixed_shape(&self, images: &[usize]) -> Result<Vec<usize>> {
        match &self.0 {
            LayerKernel::Conv(conv) => conv.shape(images),
            LayerKernel::Pool(pool) => pool.shape(images),
            LayerKernel::Scale | LayerKernel::Normalise(_) => Ok(images.to_vec()),
            LayerKernel::Move => Ok(moved(images).to_vec()),
            LayerKernel::Reduce(_) => Ok(one_per_channel(images).to_vec()),
            LayerKernel::Select(selection) => Ok(with_channels(images, selection.channels()).to_vec()),
        }
    }
}

/// The shape with channels last.
fn moved<T: Clone>(images: &[T]) -> TVec<T> {
    images[..1].iter().chain(&images[2..]).chain(&images[1..2]).cloned().collect()
}

/// The shape of a number for each channel of each image.
fn one_per_channel<T: Clone + From<usize>>(images: &[T]) -> TVec<T> {
    let ends = [0, images.len() - 1];
    (0..images.len()).map(|axis| if ends.contains(&axis) { images[axis].clone() } else { T::from(1) }).collect()
}

/// The shape of images of so many channels.
fn with_channels<T: Clone + From<usize>>(images: &[T], channels: usize) -> TVec<T> {
    images[..images.len() - 1].iter().cloned().chain([T::from(channels)]).collect()
}

impl Expansion for LayerOp {
    fn name(&self) -> StaticName {
        Op::name(self)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(&'s self, s: &mut Solver<'r>, inputs: &'p [TensorProxy], outputs: &'p [TensorProxy]) -> InferenceResult {
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.given(&inputs[0].shape, |s, shape| s.equals(&outputs[0].shape, self.shape(&shape)?))
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for LayerOp {
    fn name(&self) -> StaticName {
        match &self.0 {
            LayerKernel::Conv(_) => "ontrace.Conv".into(),
            LayerKernel::Pool(_) => "ontrace.Pool".into(),
            LayerKernel::Scale => "ontrace.Scale".into(),
            LayerKernel::Reduce(_) => "ontrace.Reduce".into(),
            LayerKernel::Move => "ontrace.ChannelsLast".into(),
            LayerKernel::Normalise(_) => "ontrace.Normalise".into(),
            LayerKernel::Select(_) => "ontrace.SelectChannels".into(),
        }
    }

    op_as_typed_op!();
}

impl EvalOp for LayerOp {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = &inputs[0];
        let shape = self.fixed_shape(x.shape()).map_err(from_ours)?;
        let plain = inputs.iter().map(|x| x.try_as_plain_ram()).collect::<TractResult<TVec<_>>>()?;
        let all = plain.iter().map(|x| x.as_slice::<f32>()).collect::<TractResult<TVec<_>>>()?;
        let (images, other) = ((x.shape(), all[0]), all.get(1).copied());
        crate::array::room::<f32>(count(&shape).map_err(from_ours)?).map_err(from_ours)?;
        let mut y = room(&shape)?;
        let mut plain = y.try_as_plain_ram_mut()?;
        let out = plain.as_slice_mut::<f32>()?;
        match &self.0 {
            LayerKernel::Conv(conv) => conv.run(images, other, out),
            LayerKernel::Pool(pool) => pool.run(images, out),
            LayerKernel::Reduce(reduction) => reduced(*reduction, shape[0], shape[shape.len() - 1], images.1, out),
            LayerKernel::Normalise(normalisation) => normalised(normalisation, images.1, out),
            LayerKernel::Move => to_channels_last(shape[0], shape[shape.len() - 1], images.1, out),
            LayerKernel::Select(selection) => selection.run(&all, out),
            LayerKernel::Scale => scaled(shape[0], shape[shape.len() - 1], images.1, other.unwrap_or_default(), out),
        }
        .map_err(from_ours)?;
        Ok(tvec![y.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for LayerOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(self.shape(&inputs[0].shape.to_tvec())?)])
    }

    as_op!();
}
