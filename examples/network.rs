//! A network of one's own, exported with a symbolic batch size and run by tract.
//!
//! Run it with `cargo run --example network`.

use ontrace::nn::{Conv2d, ConvOptions, GlobalAveragePool, Linear, Weights};
use ontrace::{DType, DynModule, Example, Module, Result, Tensor, trace};

/// Two convolutions with a residual connection, and a classifier.
struct Net {
    stem: Conv2d,
    block: Conv2d,
    head: Linear,
}

impl Net {
    /// The names of the scopes are those of the parameters in a checkpoint: `stem.weight`, `stem.bias`, and so on.
    fn new(weights: &Weights) -> Result<Net> {
        let same = ConvOptions { padding: [1, 1], ..ConvOptions::default() };
        Ok(Net {
            stem: Conv2d::new(&weights.at("stem"), 3, 8, [3, 3], same)?,
            block: Conv2d::new(&weights.at("block"), 8, 8, [3, 3], same)?,
            head: Linear::new(&weights.at("head"), 8, 10)?,
        })
    }
}

impl Module for Net {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.stem.forward(x)?.relu()?;
        let x = self.block.forward(&x)?.add(&x)?.relu()?;
        self.head.forward(&GlobalAveragePool.forward(&x)?)
    }
}

pub(crate) fn main() -> Result<()> {
    // `Weights::open("net.safetensors")` reads a checkpoint instead.
    let net = Net::new(&Weights::seeded(0))?;

    // Axis 0 of the input may have any size. The check of the trace tries several.
    let image = Tensor::ones([2, 3, 16, 16], DType::F32)?;
    let example = Example::new().input("image", &image).symbolic("image", 0, "batch")?;
    let traced = trace(&net, example)?;
    assert_eq!(traced.declaration().to_string(), "main(image: f32[batch,3,16,16]) -> (y: f32[batch,10])");

    // A session is the graph compiled by tract. Compare one call with the network itself.
    let session = traced.session()?;
    let images = Tensor::ones([5, 3, 16, 16], DType::F32)?;
    let (expected, got) = (net.forward(&images)?.to_vec::<f32>()?, session.call(&images)?.to_vec::<f32>()?);
    assert!(expected.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-5));
    println!("{} scores for a batch of 5", got.len());
    Ok(())
}
