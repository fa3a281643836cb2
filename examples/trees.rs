//! A network whose input and output are structs: their fields name the inputs and outputs of the file.
//!
//! Run it with `cargo run --example trees`.

use ontrace::nn::{Embedding, Linear, Lstm, RecurrentOptions, Weights};
use ontrace::{DType, Example, Module, Result, Tensor, trace, tree};

struct Input {
    tokens: Tensor,
    mask: Tensor,
}
tree!(Input { tokens, mask });

struct Output {
    scores: Tensor,
    state: Tensor,
}
tree!(Output { scores, state });

/// A tagger: an embedding, a recurrent layer, and scores for each token.
struct Tagger(Embedding, Lstm, Linear);

impl Module<Input, Output> for Tagger {
    fn forward(&self, input: &Input) -> Result<Output> {
        let x = self.0.forward(&input.tokens)?;
        let (x, (state, _)) = self.1.forward(&x)?;
        let scores = self.2.forward(&x)?.mul(input.mask.unsqueeze(-1)?)?;
        Ok(Output { scores, state })
    }
}

pub(crate) fn main() -> Result<()> {
    let weights = Weights::seeded(0);
    let options = RecurrentOptions { batch_first: true, ..RecurrentOptions::default() };
    let tagger = Tagger(
        Embedding::new(&weights.at("embedding"), 100, 8)?,
        Lstm::new(&weights.at("lstm"), 8, 16, options)?,
        Linear::new(&weights.at("scores"), 16, 5)?,
    );

    let input = Input { tokens: Tensor::new([1, 3], vec![7i64, 0, 42])?, mask: Tensor::ones([1, 3], DType::F32)? };
    let example = Example::of(&input).symbolic("tokens", 1, "length")?.symbolic("mask", 1, "length")?;
    let traced = trace(&tagger, example)?;
    let declaration = "main(tokens: i64[1,length], mask: f32[1,length]) -> (scores: f32[1,length,5], state: f32[1,1,16])";
    assert_eq!(traced.declaration().to_string(), declaration);

    // The traced graph takes and returns the same structs.
    let output: Output = traced.call_tree(&input)?;
    assert_eq!(output.scores.to_vec::<f32>()?, tagger.forward(&input)?.scores.to_vec::<f32>()?);
    println!("{declaration}");
    Ok(())
}
