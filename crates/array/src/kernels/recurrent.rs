//! Recurrent networks: one matrix product for all inputs, then one a step for the state.

use super::conv_layer::matrix;
use super::matmul::{block, matmul, matrix_of};
use super::product::CopiedMatrix;
use super::real::{Real, sigmoid};
use super::threads::{threads, together, try_each};
use super::vector::vectorised;
use crate::array::Array;
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

/// An activation function of a gate, with the parameters that some have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationFunction {
    /// Its name in ONNX.
    pub name: &'static str,
    /// α
    pub alpha: f64,
    /// β
    pub beta: f64,
}

impl ActivationFunction {
    /// Whether it has an α and a β.
    pub fn takes(self) -> (bool, bool) {
        match self.name {
            "Affine" | "ScaledTanh" | "HardSigmoid" => (true, true),
            "LeakyRelu" | "ThresholdedRelu" | "Elu" => (true, false),
            _ => (false, false),
        }
    }
}

/// The functions that ONNX names, with their default parameters.
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

impl ActivationFunction {
    /// Every element by its value.
    fn over<T: Real>(self, xs: &mut [T]) {
        // What networks use has a loop of its own.
        match self.name {
            "Tanh" => each(xs, T::tanh),
            "Sigmoid" => each(xs, sigmoid),
            _ => each(xs, |x| self.of(x)),
        }
    }

    /// The functions that [`ActivationFunction::over`] has no loop for.
    fn of<T: Real>(self, x: T) -> T {
        let (a, b, zero, one) = (T::of(self.alpha), T::of(self.beta), T::of(0.0), T::of(1.0));
        match self.name {
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
    pub functions: &'a [ActivationFunction],
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
/// [`Shape`](crate::ErrorCode::Shape) where the operands do not fit; [`DType`](crate::ErrorCode::DType) unless f32 or f64.
pub fn run(direction: &Direction, operands: &Operands) -> Result<(Array, Array, Array)> {
    together(|| each_dtype!(operands.x.dtype(), T: float => steps::<T>(direction, operands)))
}

fn steps<T: Real>(direction: &Direction, operands: &Operands) -> Result<(Array, Array, Array)> {
    let (gates, hidden) = (direction.cell.gates(), operands.r.shape().last().copied().unwrap_or(0));
    let misfit = || {
        Error::shape(format!(
            "weights of shapes {:?} and {:?} do not fit an input of shape {:?}",
            operands.w.shape(),
            operands.r.shape(),
            operands.x.shape()
        ))
    };
    let (&[steps, batch, inputs], &[rows, columns], &[own, _]) = (operands.x.shape(), operands.w.shape(), operands.r.shape()) else {
        return Err(misfit());
    };
    if rows != gates * hidden || own != rows || columns != inputs || direction.functions.len() != direction.cell.functions() {
        return Err(misfit());
    }
    let values = |array: Option<&Array>, n: usize| match array {
        Some(array) if array.len() == n => array.to_vec::<T>(),
        Some(array) => Err(Error::shape(format!("shape {:?}, expected {n} elements", array.shape()))),
        None => Ok(vec![T::of(0.0); n]),
    };
    let bias = values(operands.bias, 2 * rows)?;
    let peepholes = operands.peepholes.map(|peepholes| values(Some(peepholes), 3 * hidden)).transpose()?;
    let (mut h, mut c) = (values(operands.h, batch * hidden)?, values(operands.c, batch * hidden)?);
    let inputs = matmul(&operands.x.reshape(&[steps * batch, inputs])?, &operands.w.permute(&[1, 0])?)?.to_vec::<T>()?;
    let transposed = |from: usize| -> Result<CopiedMatrix<T>> {
        CopiedMatrix::new(matrix_of(operands.r.slice(0, from, rows - from, 1)?.permute(&[1, 0])?.view::<T>()?.view())?)
    };
    let both = bias[..rows].iter().zip(&bias[rows..]).map(|(&b, &own)| b + own).collect();
    let candidate = if direction.cell == (Cell::Gru { reset_after: false }) { Some(transposed(2 * hidden)?) } else { None };
    let layer = RecurrentLayer {
        direction,
        steps,
        batch,
        hidden,
        inputs,
        state: transposed(0)?,
        candidate,
        bias,
        both,
        peepholes,
        lengths: operands.lengths,
    };
    let mut y = vec![T::ZERO; steps * batch * hidden];
    if batch * hidden > 0 {
        // The elements of a batch do not know of each other.
        let parts = (steps.saturating_mul(rows).saturating_mul(batch * hidden) / GRAIN).clamp(1, threads().min(batch));
        let part = batch.div_ceil(parts);
        let states = h.chunks_mut(part * hidden).zip(c.chunks_mut(part * hidden));
        let mut results = vec![Vec::new(); batch.div_ceil(part)];
        let items = states.zip(&mut results).enumerate().map(|(i, ((h, c), result))| (i * part, h, c, result)).collect();
        try_each(
            items,
            || (),
            |_, (first, h, c, result): (_, _, _, &mut Vec<T>)| {
                *result = layer.run(first, h, c)?;
                Ok(())
            },
        )?;
        for (i, result) in results.iter().enumerate() {
            let width = result.len().checked_div(steps).unwrap_or(0).max(1);
            for (y, own) in y.chunks_exact_mut(batch * hidden).zip(result.chunks_exact(width)) {
                y[i * part * hidden..][..width].copy_from_slice(own);
            }
        }
    }
    Ok((Array::new(&[steps, batch, hidden], y)?, Array::new(&[batch, hidden], h)?, Array::new(&[batch, hidden], c)?))
}

/// Multiplications that are worth a thread of their own.
const GRAIN: usize = 1 << 20;

/// One direction with its weights, and the share of the inputs in every gate.
struct RecurrentLayer<'a, T> {
    direction: &'a Direction<'a>,
    steps: usize,
    batch: usize,
    hidden: usize,
    /// (steps, batch, gates · hidden)
    inputs: Vec<T>,
    /// (hidden, gates · hidden)
    state: CopiedMatrix<T>,
    /// (hidden, hidden), of the candidate of a GRU whose state is reset before the product.
    candidate: Option<CopiedMatrix<T>>,
    bias: Vec<T>,
    /// The sums of both biases.
    both: Vec<T>,
    peepholes: Option<Vec<T>>,
    lengths: Option<&'a [i64]>,
}

impl<T: Real> RecurrentLayer<'_, T> {
    /// Runs over the elements of the batch from this one on, as many as these states are of: their states after every step.
    fn run(&self, from: usize, h: &mut [T], c: &mut [T]) -> Result<Vec<T>> {
        let RecurrentLayer { direction, steps, hidden, .. } = *self;
        let (batch, rows, f) = (h.len() / hidden, direction.cell.gates() * hidden, direction.functions);
        let position = |step: usize, element: usize| {
            let length = self.lengths.map_or(steps, |lengths| lengths[from + element].clamp(0, steps as i64) as usize);
            (step < length).then(|| if direction.reverse { length - 1 - step } else { step })
        };
        let own_inputs = |element: usize, at: usize| &self.inputs[(at * self.batch + from + element) * rows..][..rows];
        let mut y = vec![T::ZERO; steps * batch * hidden];
        let (mut sums, mut product) = (vec![T::ZERO; batch * rows], vec![T::ZERO; batch * rows]);
        for step in 0..steps {
            self.state.multiply(matrix(batch, hidden, h)?, false, block(batch, rows, &mut product)?);
            let present: Vec<(usize, usize)> = (0..batch).filter_map(|element| Some((element, position(step, element)?))).collect();
            for &(element, at) in &present {
                let (own, product) = (own_inputs(element, at), &product[element * rows..][..rows]);
                let sums = &mut sums[element * rows..][..rows];
                sums.iter_mut().zip(own).zip(product).zip(&self.both).for_each(|(((sum, &x), &y), &b)| *sum = x + y + b);
            }
            if let Cell::Gru { reset_after } = direction.cell {
                // The candidate's share of the state: reset after the product, or before a product of its own.
                let mut candidate = vec![T::ZERO; batch * hidden];
                for &(element, _) in &present {
                    let (sums, candidate) = (&mut sums[element * rows..][..rows], &mut candidate[element * hidden..][..hidden]);
                    self.gate(f[0], &mut sums[..2 * hidden]);
                    let (own, product) = (&self.bias[rows + 2 * hidden..], &product[element * rows + 2 * hidden..][..hidden]);
                    let reset = &sums[hidden..2 * hidden];
                    if reset_after {
                        let state = product.iter().zip(own).map(|(&x, &b)| x + b);
                        candidate.iter_mut().zip(reset).zip(state).for_each(|((to, &r), x)| *to = r * x);
                    } else {
                        candidate.iter_mut().zip(reset).zip(&h[element * hidden..]).for_each(|((to, &r), &h)| *to = r * h);
                    }
                }
                if let Some(weights) = &self.candidate {
                    let reset = std::mem::replace(&mut candidate, vec![T::ZERO; batch * hidden]);
                    weights.multiply(matrix(batch, hidden, &reset)?, false, block(batch, hidden, &mut candidate)?);
                }
                for &(element, at) in &present {
                    let own = &own_inputs(element, at)[2 * hidden..];
                    let bias = if reset_after { &self.bias[2 * hidden..rows] } else { &self.both[2 * hidden..] };
                    let sums = &mut sums[element * rows + 2 * hidden..][..hidden];
                    let parts = own.iter().zip(bias).zip(&candidate[element * hidden..]);
                    sums.iter_mut().zip(parts).for_each(|(sum, ((&x, &b), &state))| *sum = x + b + state);
                }
            }
            for &(element, at) in &present {
                let sums = &mut sums[element * rows..][..rows];
                let state = element * hidden..(element + 1) * hidden;
                self.finish(sums, &mut h[state.clone()], &mut c[state]);
                y[(at * batch + element) * hidden..][..hidden].copy_from_slice(&h[element * hidden..][..hidden]);
            }
        }
        Ok(y)
    }

    /// The new states of an element, from the sums that go into its gates.
    fn finish(&self, sums: &mut [T], h: &mut [T], c: &mut [T]) {
        let (f, hidden) = (self.direction.functions, self.hidden);
        match self.direction.cell {
            Cell::Rnn => {
                self.gate(f[0], sums);
                h.copy_from_slice(sums);
            }
            Cell::Gru { .. } => {
                let (z, candidate) = sums.split_at_mut(2 * hidden);
                self.gate(f[1], candidate);
                h.iter_mut().zip(z).zip(candidate).for_each(|((h, &mut z), &mut new)| *h = (T::ONE - z) * new + z * *h);
            }
            Cell::Lstm { coupled } => {
                let [input, output, forget, candidate] = quarters(sums, hidden);
                // What the second state adds to a gate, where there are weights for that.
                let peep = |gate: &mut [T], c: &[T], i: usize| {
                    if let Some(peepholes) = &self.peepholes {
                        gate.iter_mut().zip(c).zip(&peepholes[i * hidden..]).for_each(|((gate, &c), &p)| *gate += p * c);
                    }
                };
                peep(input, c, 0);
                self.gate(f[0], input);
                if coupled {
                    forget.iter_mut().zip(&*input).for_each(|(forget, &input)| *forget = T::ONE - input);
                } else {
                    peep(forget, c, 2);
                    self.gate(f[0], forget);
                }
                self.gate(f[1], candidate);
                let parts = forget.iter().zip(&*input).zip(&*candidate);
                c.iter_mut().zip(parts).for_each(|(c, ((&forget, &input), &new))| *c = forget * *c + input * new);
                peep(output, c, 1);
                self.gate(f[0], output);
                h.copy_from_slice(c);
                f[2].over(h);
                h.iter_mut().zip(&*output).for_each(|(h, &output)| *h *= output);
            }
        }
    }

    /// A function of what goes into a gate, within its bound.
    fn gate(&self, f: ActivationFunction, xs: &mut [T]) {
        if let Some(most) = self.direction.clip.map(T::of) {
            each(xs, |x| {
                if x > most {
                    most
                } else if x < -most {
                    -most
                } else {
                    x
                }
            });
        }
        f.over(xs);
    }
}

/// `f` of each element.
fn each<T: Real>(xs: &mut [T], f: impl Fn(T) -> T) {
    vectorised(
        #[inline(always)]
        || {
            for x in xs {
                *x = f(*x);
            }
        },
    );
}

/// Four gates of so many elements.
fn quarters<T>(gates: &mut [T], hidden: usize) -> [&mut [T]; 4] {
    let (first, second) = gates.split_at_mut(2 * hidden);
    let ((a, b), (c, d)) = (first.split_at_mut(hidden), second.split_at_mut(hidden));
    [a, b, c, d]
}
