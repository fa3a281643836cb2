//! Recurrent networks: LSTM, GRU and RNN.

use super::{Init, Weights};
use crate::error::{Error, Result, ResultExt};
use crate::module::{Module, Outputs};
use crate::ops::{Cell, Recurrent, RecurrentWeights, layered};
use crate::tensor::{Tensor, location};
use crate::tree::Tree;

/// The options of a recurrent network. The defaults are torch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecurrentOptions {
    /// The number of layers, each over the outputs of the one before; 1 by default.
    pub layers: usize,
    /// Whether each layer also runs over the sequence in reverse; `false` by default.
    pub bidirectional: bool,
    /// Whether the first axis is the batch and the second the sequence; `false` by default, which is the other way round.
    pub batch_first: bool,
    /// Whether there are biases; `true` by default.
    pub bias: bool,
}

impl Default for RecurrentOptions {
    fn default() -> RecurrentOptions {
        RecurrentOptions { layers: 1, bidirectional: false, batch_first: false, bias: true }
    }
}

/// The implementation that the three networks share.
#[derive(Clone, Debug)]
struct Layers {
    cell: Cell,
    /// The weights of each direction of each layer.
    sets: Vec<Vec<RecurrentWeights>>,
    path: String,
    batch_first: bool,
}

impl Layers {
    fn new(cell: Cell, weights: &Weights, inputs: usize, hidden: usize, options: RecurrentOptions) -> Result<Layers> {
        if options.layers == 0 || hidden == 0 {
            return Err(Error::argument(format!("{} layers of {hidden} units are not a valid recurrent network", options.layers)))
                .at(weights.path());
        }
        let directions: &[&str] = if options.bidirectional { &["", "_reverse"] } else { &[""] };
        let rows = cell.gates() * hidden;
        let layer = |layer: usize| -> Result<Vec<RecurrentWeights>> {
            let inputs = if layer == 0 { inputs } else { directions.len() * hidden };
            let set = |direction: &&str| {
                let get = |name: &str, shape: &[usize]| weights.get(&format!("{name}_l{layer}{direction}"), shape, Init::fan_in(hidden));
                let biases = match options.bias {
                    true => Some((get("bias_ih", &[rows])?, get("bias_hh", &[rows])?)),
                    false => None,
                };
                Ok(RecurrentWeights { input: get("weight_ih", &[rows, inputs])?, state: get("weight_hh", &[rows, hidden])?, biases })
            };
            directions.iter().map(set).collect()
        };
        let sets = (0..options.layers).map(layer).collect::<Result<_>>()?;
        Ok(Layers { cell, sets, path: weights.path().to_string(), batch_first: options.batch_first })
    }

    /// The outputs of every step, and the last states of every layer and direction. `states` are the first states, or empty for zeros.
    fn run<O: Tree>(&self, x: &Tensor, states: &[Tensor]) -> Result<O> {
        let _scope = location::absolute_scope(&self.path);
        self.layers(x, states).and_then(|outputs| Outputs::from(outputs).into_tree()).at(&self.path)
    }

    fn layers(&self, x: &Tensor, states: &[Tensor]) -> Result<Vec<Tensor>> {
        let directions = self.sets.first().map_or(1, Vec::len);
        layered(x, (self.sets.len(), directions), self.batch_first, states, |layer, x, first| {
            let reverse = (0..directions).map(|direction| direction == 1).collect();
            x.recurrent(Recurrent::new(self.cell, reverse)?, &self.sets[layer], None, first)
        })
    }
}

/// The three networks differ in their cell and in its state.
macro_rules! networks {
    ($($(#[$doc:meta])* $name:ident, $cell:expr, $State:ty;)*) => { $(
        $(#[$doc])*
        ///
        /// Parameters, with torch's names: `weight_ih_l0` (gates · hidden, inputs), `weight_hh_l0` (gates · hidden, hidden), `bias_ih_l0` and
        /// `bias_hh_l0` (gates · hidden), the same for `l1` …, and with `_reverse` for the other direction.
        ///
        /// Shapes: a sequence (steps, batch, inputs) → (steps, batch, directions · hidden), and the last states
        /// (layers · directions, batch, hidden). Each layer is one node of the graph.
        #[derive(Clone, Debug)]
        pub struct $name(Layers);

        impl $name {
            /// A network of `inputs` features and `hidden` units.
            ///
            /// # Errors
            /// [`Argument`](crate::ErrorCode::Argument) without layers or units, and those of [`Weights::get`].
            pub fn new(weights: &Weights, inputs: usize, hidden: usize, options: RecurrentOptions) -> Result<$name> {
                Layers::new($cell, weights, inputs, hidden, options).map($name)
            }

            /// As [`forward`](Module::forward), but from these first states instead of zeros.
            ///
            /// # Errors
            /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not fit.
            pub fn forward_from(&self, x: &Tensor, states: &$State) -> Result<(Tensor, $State)> {
                self.0.run(x, &states.leaves())
            }
        }

        impl Module<Tensor, (Tensor, $State)> for $name {
            fn forward(&self, x: &Tensor) -> Result<(Tensor, $State)> {
                self.0.run(x, &[])
            }
        }
    )* };
}

networks! {
    /// A long short-term memory network. Its states are the hidden state and the cell state.
    /// [torch.nn.LSTM](https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html)
    ///
    /// ```
    /// use ontrace::nn::{Lstm, RecurrentOptions, Weights};
    /// use ontrace::{DType, Module, Tensor};
    /// let options = RecurrentOptions { layers: 2, bidirectional: true, batch_first: true, ..RecurrentOptions::default() };
    /// let lstm = Lstm::new(&Weights::seeded(0).at("lstm"), 8, 16, options)?;
    /// let (y, (h, c)) = lstm.forward(&Tensor::ones([3, 5, 8], DType::F32)?)?;
    /// let shapes = [y, h, c].map(|tensor| tensor.shape().to_string());
    /// assert_eq!(shapes, ["[3,5,32]", "[4,3,16]", "[4,3,16]"]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    Lstm, Cell::Lstm { coupled: false }, (Tensor, Tensor);
    /// A network of gated recurrent units.
    /// [torch.nn.GRU](https://pytorch.org/docs/stable/generated/torch.nn.GRU.html)
    ///
    /// ```
    /// use ontrace::nn::{Gru, RecurrentOptions, Weights};
    /// use ontrace::{DType, Module, Tensor};
    /// let gru = Gru::new(&Weights::seeded(0), 8, 16, RecurrentOptions::default())?;
    /// let (y, h) = gru.forward(&Tensor::ones([5, 3, 8], DType::F32)?)?;
    /// assert_eq!((y.shape().to_string(), h.shape().to_string()), ("[5,3,16]".into(), "[1,3,16]".into()));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    Gru, Cell::Gru { reset_after: true }, Tensor;
    /// An Elman network: the hidden state is a hyperbolic tangent.
    /// [torch.nn.RNN](https://pytorch.org/docs/stable/generated/torch.nn.RNN.html)
    ///
    /// ```
    /// use ontrace::nn::{RecurrentOptions, Rnn, Weights};
    /// use ontrace::{DType, Module, Tensor};
    /// let rnn = Rnn::new(&Weights::seeded(0), 8, 16, RecurrentOptions::default())?;
    /// let (y, h) = rnn.forward(&Tensor::ones([5, 3, 8], DType::F32)?)?;
    /// assert_eq!((y.shape().to_string(), h.shape().to_string()), ("[5,3,16]".into(), "[1,3,16]".into()));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    Rnn, Cell::Rnn, Tensor;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, DType, DynModule, Example, trace};

    fn parameters(entries: &[(&str, &[usize], &[f32])]) -> Weights {
        let array = |(name, shape, values): &(&str, &[usize], &[f32])| (name.to_string(), Array::new(shape, values.to_vec()).unwrap());
        Weights::from_map(entries.iter().map(array))
    }

    #[test]
    fn one_unit_follows_torch_s_formulas() {
        let weights = parameters(&[
            ("weight_ih_l0", &[4, 1], &[0.1, 0.2, 0.3, 0.4]),
            ("weight_hh_l0", &[4, 1], &[0.5, 0.6, 0.7, 0.8]),
            ("bias_ih_l0", &[4], &[0.01, 0.02, 0.03, 0.04]),
            ("bias_hh_l0", &[4], &[0.0; 4]),
        ]);
        let lstm = Lstm::new(&weights, 1, 1, RecurrentOptions::default()).unwrap();
        let (_, (last_h, last_c)) = lstm.forward(&Tensor::new([2, 1, 1], vec![1.0f32, -1.0]).unwrap()).unwrap();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let (mut h, mut c) = (0f32, 0f32);
        for x in [1f32, -1.0] {
            // Gates i f g o, by rows.
            let gate = |k: usize| [0.1, 0.2, 0.3, 0.4][k] * x + [0.5, 0.6, 0.7, 0.8][k] * h + [0.01, 0.02, 0.03, 0.04][k];
            c = sigmoid(gate(1)) * c + sigmoid(gate(0)) * gate(2).tanh();
            h = sigmoid(gate(3)) * c.tanh();
        }
        assert!((last_h.to_vec::<f32>().unwrap()[0] - h).abs() < 1e-6);
        assert!((last_c.to_vec::<f32>().unwrap()[0] - c).abs() < 1e-6);
    }

    #[test]
    fn a_network_is_traced_with_a_symbolic_batch_and_size() {
        let options = RecurrentOptions { layers: 2, bidirectional: true, batch_first: true, bias: true };
        let gru = Gru::new(&Weights::seeded(1).at("rnn"), 3, 4, options).unwrap();
        let x = Tensor::ones([2, 5, 3], DType::F32).unwrap();
        let example = Example::new().input("x", &x).symbolic("x", 0, "batch").unwrap().symbolic("x", 1, "steps").unwrap();
        let traced = trace(&gru, example).unwrap();
        let model = traced.to_model().unwrap();
        let nodes = model.proto.graph.unwrap().node;
        assert_eq!(nodes.iter().filter(|node| node.op_type == "GRU").count(), 2);
        let y = traced.forward(&[Tensor::ones([3, 7, 3], DType::F32).unwrap()]).unwrap();
        assert_eq!(y[0].shape().example(), Some(vec![3, 7, 8]));
    }

    #[test]
    fn wrong_arguments_say_where() {
        let weights = Weights::seeded(0).at("lstm");
        let none = RecurrentOptions { layers: 0, ..RecurrentOptions::default() };
        assert_eq!(Lstm::new(&weights, 1, 1, none).unwrap_err().locations().next(), Some("lstm"));
        let lstm = Lstm::new(&weights, 2, 3, RecurrentOptions::default()).unwrap();
        let x = Tensor::ones([4, 1, 2], DType::F32).unwrap();
        let h = Tensor::zeros([1, 1, 3], DType::F32).unwrap();
        assert!(lstm.forward_from(&x, &(h.clone(), h)).is_ok());
        assert_eq!(lstm.forward(&Tensor::ones([4, 1, 5], DType::F32).unwrap()).unwrap_err().locations().next(), Some("lstm"));
    }
}
