//! Neural network layers with named weights, each a [`Module`](crate::Module).
//!
//! A layer takes [`Weights`], a scope of named parameters, and asks it for torch's names: `Linear::new(&weights.at("fc"), 16, 10)`
//! has `fc.weight` and `fc.bias`, whether they are initialised from a seed or read from a checkpoint. The ONNX file has the same names for its
//! initializers and scopes. Layers compute what torch's compute in evaluation mode.
//!
//! ```
//! use ontrace::nn::{Activation, BatchNorm, Sequential, Conv2d, ConvOptions, GlobalAveragePool, Linear, MaxPool2d, Weights};
//! use ontrace::{DType, DynModule, Example, Module, Tensor, trace};
//!
//! let weights = Weights::seeded(0); // or Weights::open("net.safetensors")?
//! let same = ConvOptions { padding: [1, 1], ..ConvOptions::default() };
//! let net = Sequential::new()
//!     .push(Conv2d::new(&weights.at("conv1"), 3, 8, [3, 3], same)?)
//!     .push(BatchNorm::new(&weights.at("bn1"), 8)?)
//!     .push(Activation::Relu)
//!     .push(MaxPool2d::new([2, 2]))
//!     .push(Conv2d::new(&weights.at("conv2"), 8, 16, [3, 3], same)?)
//!     .push(GlobalAveragePool)
//!     .push(Linear::new(&weights.at("fc"), 16, 10)?);
//!
//! let image = Tensor::zeros([2, 3, 32, 32], DType::F32)?;
//! let example = Example::new().input("image", &image).symbolic("image", 0, "batch")?;
//! let traced = trace(&net, example)?;
//! traced.save(std::env::temp_dir().join("ontrace_net.onnx"))?;
//!
//! let images = Tensor::ones([5, 3, 32, 32], DType::F32)?;
//! let scores = traced.call(&images)?;
//! assert_eq!(scores.shape().example(), Some(vec![5, 10]));
//! assert_eq!(scores.to_vec::<f32>()?, net.forward(&images)?.to_vec::<f32>()?);
//! # Ok::<(), ontrace::Error>(())
//! ```

mod activation;
mod attention;
mod batch_norm;
mod conv;
mod dropout;
mod embedding;
mod flatten;
mod group_norm;
mod layer_norm;
mod linear;
mod pool;
mod recurrent;
mod sequential;
mod weights;

pub use activation::Activation;
pub use attention::MultiHeadAttention;
pub use batch_norm::BatchNorm;
pub use conv::{Conv, Conv1d, Conv2d, Conv3d, ConvOptions};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use group_norm::GroupNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use pool::{AdaptiveAvgPool, AdaptiveAvgPool2d, AvgPool, AvgPool1d, AvgPool2d, GlobalAveragePool, MaxPool, MaxPool1d, MaxPool2d};
pub use recurrent::{Gru, Lstm, RecurrentOptions, Rnn};
pub use sequential::Sequential;
pub use weights::{Init, Weights};

use crate::error::{Result, ResultExt};
use crate::tensor::{Tensor, location};

/// Runs a layer in the scope of one of its parameters, so that its nodes and its errors say where they belong.
fn within(parameter: &Tensor, run: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    let path = parameter.parameter().and_then(|name| name.rsplit_once('.')).map_or("", |(path, _)| path);
    let _scope = location::absolute_scope(path);
    run().at(path)
}
