//! Recurrent networks: one matrix product for all inputs, then one a step for the state.

use super::matmul::matmul;
use super::real::Real;
use crate::array::{Array, Element};
use crate::each_dtype;
use crate::error::{Error, Result};

/// What a unit computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// One state, one function.
    Rnn,
    /// Gates z, r, h; whether the reset gate comes after the product with the state.
    Gru {
        /// `linear_before_reset`
        reset_after: bool,
    },
    /// Gates i, o, f, c, and a second state.
    Lstm {
        /// Whether the forget gate is 1 less the input gate.
        coupled: bool,
    },
}

impl Cell {
    /// How many gates the weights hold.
    pub fn gates(self) -> usize {
        match self {
            Cell::Rnn => 1,
            Cell::Gru { .. } => 3,
            Cell::Lstm { .. } => 4,
        }
    }

    /// How many functions a direction has.
    pub fn functions(self) -> usize {
        match self {
            Cell::Rnn => 1,
            Cell::Gru { .. } => 2,
            Cell::Lstm { .. } => 3,
        }
    }
}

/// A function of a gate, with the numbers that some have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function {
    /// Its name in ONNX.
    pub name: &'static str,
    /// α
    pub alpha: f64,
    /// β
    pub beta: f64,
}

impl Function {
    /// Whether it has an α and a β.
    pub fn takes(self) -> (bool, bool) {
        match self.name {
            "Affine" | "ScaledTanh" | "HardSigmoid" => (true, true),
            "LeakyRelu" | "ThresholdedRelu" | "Elu" => (true, false),
            _ => (false, false),
        }
    }
}

/// The functions that ONNX names, with their numbers where none are given.
pub const FUNCTIONS: &[(&str, f64, f64)] = &[
    ("Relu", 0.0, 0.0),
    ("Tanh", 0.0, 0.0),
    ("Sigmoid", 0.0, 0.0),
    ("Affine", 1.0, 0.0),
    ("LeakyRelu", 0.01, 0.0),
    ("ThresholdedRelu", 1.0, 0.0),
    ("ScaledTanh", 1.0, 1.0),
    ("HardSigmoid", 0.2, 0.5),
    ("Elu", 1.0, 0.0),
    ("Softsign", 0.0, 0.0),
    ("Softplus", 0.0, 0.0),
];

impl Function {
    fn of<T: Real>(self, x: T) -> T {
        let (a, b, zero, one) = (T::of(self.alpha), T::of(self.beta), T::of(0.0), T::of(1.0));
        match self.name {
            "Tanh" => x.tanh(),
            "Sigmoid" => one / (one + (-x).exp()),
            "Relu" => {
                if x < zero {
                    zero
                } else {
                    x
                }
            }
            "Affine" => a * x + b,
            "LeakyRelu" => {
                if x < zero {
                    a * x
                } else {
                    x
                }
            }
            "ThresholdedRelu" => {
                if x > a {
                    x
                } else {
                    zero
                }
            }
            "ScaledTanh" => a * (b * x).tanh(),
            "HardSigmoid" => {
                let y = a * x + b;
                if y < zero {
                    zero
                } else if y > one {
                    one
                } else {
                    y
                }
            }
            "Elu" => {
                if x < zero {
                    a * (x.exp() - one)
                } else {
                    x
                }
            }
            "Softsign" => x / (one + if x < zero { -x } else { x }),
            _ => (one + x.exp()).ln(),
        }
    }
}

/// How one direction runs.
pub struct Direction<'a> {
    /// What a unit computes.
    pub cell: Cell,
    /// From the end to the start.
    pub reverse: bool,
    /// The functions of the gates.
    pub functions: &'a [Function],
    /// The bound on what goes into them.
    pub clip: Option<f64>,
}

/// The operands of one direction, without its axis.
pub struct Operands<'a> {
    /// (steps, batch, inputs)
    pub x: &'a Array,
    /// (gates · hidden, inputs)
    pub w: &'a Array,
    /// (gates · hidden, hidden)
    pub r: &'a Array,
    /// (2 · gates · hidden)
    pub bias: Option<&'a Array>,
    /// How many steps each element of the batch has.
    pub lengths: Option<&'a [i64]>,
    /// (batch, hidden)
    pub h: Option<&'a Array>,
    /// (batch, hidden)
    pub c: Option<&'a Array>,
    /// (3 · hidden), for the gates i, o, f.
    pub peepholes: Option<&'a Array>,
}

/// Runs one direction: the states after every step (steps, batch, hidden), and the last ones (batch, hidden), the second for LSTM only.
///
/// [RNN](https://onnx.ai/onnx/operators/onnx__RNN.html), [GRU](https://onnx.ai/onnx/operators/onnx__GRU.html),
/// [LSTM](https://onnx.ai/onnx/operators/onnx__LSTM.html). After the end of a shorter element its outputs are 0 and its state stays.
///
/// # Errors
/// [`Shape`](crate::Code::Shape) where the operands do not fit; [`DType`](crate::Code::DType) unless f32 or f64.
pub fn run(direction: &Direction, operands: &Operands) -> Result<(Array, Array, Array)> {
    each_dtype!(operands.x.dtype(), T: float => steps::<T>(direction, operands))
}

fn steps<T: Real + Element>(direction: &Direction, operands: &Operands) -> Result<(Array, Array, Array)> {
    let (gates, hidden) = (direction.cell.gates(), operands.r.shape().last().copied().unwrap_or(0));
    let misfit =
        || Error::shape(format!("weights {:?} and {:?} for inputs {:?}", operands.w.shape(), operands.r.shape(), operands.x.shape()));
    let (&[steps, batch, inputs], &[rows, columns], &[own, _]) = (operands.x.shape(), operands.w.shape(), operands.r.shape()) else {
        return Err(misfit());
    };
    if rows != gates * hidden || own != rows || columns != inputs || direction.functions.len() != direction.cell.functions() {
        return Err(misfit());
    }
    let numbers = |array: Option<&Array>, n: usize| match array {
        Some(array) if array.len() == n => array.to_vec::<T>(),
        Some(array) => Err(Error::shape(format!("{:?} where {n} numbers belong", array.shape()))),
        None => Ok(vec![T::of(0.0); n]),
    };
    let bias = numbers(operands.bias, 2 * rows)?;
    let peepholes = numbers(operands.peepholes, 3 * hidden)?;
    let (mut h, mut c) = (numbers(operands.h, batch * hidden)?, numbers(operands.c, batch * hidden)?);
    let inputs = matmul(&operands.x.reshape(&[steps * batch, inputs])?, &operands.w.permute(&[1, 0])?)?.to_vec::<T>()?;
    let state = operands.r.permute(&[1, 0])?.contiguous();
    let clip = direction.clip.map(T::of);
    let clipped = |x: T| match clip {
        Some(most) if x > most => most,
        Some(most) if x < -most => -most,
        _ => x,
    };
    let mut y = vec![T::of(0.0); steps * batch * hidden];
    let one = T::of(1.0);
    let f = direction.functions;
    for step in 0..steps {
        let product = matmul(&Array::new(&[batch, hidden], h.clone())?, &state)?;
        let (product, _) = product.span::<T>()?;
        let product = product.into_owned();
        // The candidate of a GRU whose reset comes first needs a product of its own.
        let reset_first = matches!(direction.cell, Cell::Gru { reset_after: false });
        let mut gate = vec![T::of(0.0); if reset_first { batch * hidden } else { 0 }];
        let place = |element: usize| {
            let length = operands.lengths.map_or(steps, |lengths| lengths[element].clamp(0, steps as i64) as usize);
            (step < length).then(|| if direction.reverse { length - 1 - step } else { step })
        };
        let sum = |element: usize, at: usize, g: usize, j: usize| {
            let k = g * hidden + j;
            inputs[(at * batch + element) * rows + k] + product[element * rows + k] + bias[k] + bias[rows + k]
        };
        if reset_first {
            for element in 0..batch {
                let Some(at) = place(element) else { continue };
                for j in 0..hidden {
                    gate[element * hidden + j] = f[0].of(clipped(sum(element, at, 1, j))) * h[element * hidden + j];
                }
            }
            gate = matmul(&Array::new(&[batch, hidden], gate)?, &operands.r.slice(0, 2 * hidden, hidden, 1)?.permute(&[1, 0])?)?
                .to_vec::<T>()?;
        }
        for element in 0..batch {
            let Some(at) = place(element) else { continue };
            for j in 0..hidden {
                let i = element * hidden + j;
                let sum = |g: usize| sum(element, at, g, j);
                let new = match direction.cell {
                    Cell::Rnn => f[0].of(clipped(sum(0))),
                    Cell::Gru { reset_after } => {
                        let z = f[0].of(clipped(sum(0)));
                        let k = 2 * hidden + j;
                        let own = inputs[(at * batch + element) * rows + k] + bias[k];
                        let state = if reset_after {
                            f[0].of(clipped(sum(1))) * (product[element * rows + k] + bias[rows + k])
                        } else {
                            gate[i] + bias[rows + k]
                        };
                        let candidate = f[1].of(clipped(own + state));
                        (one - z) * candidate + z * h[i]
                    }
                    Cell::Lstm { coupled } => {
                        let input = f[0].of(clipped(sum(0) + peepholes[j] * c[i]));
                        let forget = if coupled { one - input } else { f[0].of(clipped(sum(2) + peepholes[2 * hidden + j] * c[i])) };
                        let candidate = f[1].of(clipped(sum(3)));
                        c[i] = forget * c[i] + input * candidate;
                        let output = f[0].of(clipped(sum(1) + peepholes[hidden + j] * c[i]));
                        output * f[2].of(c[i])
                    }
                };
                y[(at * batch + element) * hidden + j] = new;
                // All gates of this step were read from the product: the state may change now.
                h[i] = new;
            }
        }
    }
    Ok((Array::new(&[steps, batch, hidden], y)?, Array::new(&[batch, hidden], h)?, Array::new(&[batch, hidden], c)?))
}
