//! Recurrent networks of f32 by weights that stay: one product for the inputs of all steps, then one a step for the state, both with weights laid out once.

use super::packed_gemm::Panels;
use super::real::{Real, sigmoid};
use super::recurrent::Cell;
use super::vector::vectorised;
use crate::array::{count, room};
use crate::error::{Error, Result};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

/// One direction of a recurrent network with its weights laid out, the functions of whose gates are the usual ones.
#[derive(Debug)]
pub struct PackedRecurrent {
    cell: Cell,
    /// From the end to the start.
    reverse: bool,
    inputs: usize,
    hidden: usize,
    from_inputs: Panels,
    from_state: Panels,
    /// What is added to the share of the inputs, and to that of the state.
    biases: (Vec<f32>, Option<Vec<f32>>),
}

/// What a direction reads and writes.
pub struct RecurrentRun<'a> {
    /// (steps, batch, inputs)
    pub x: &'a [f32],
    pub steps: usize,
    pub batch: usize,
    /// The state, (batch, hidden): the first one before, and the last one after.
    pub h: &'a mut [f32],
    /// The second state of an LSTM; else empty.
    pub c: &'a mut [f32],
    /// The states after each step; those of a step lie together.
    pub y: &'a mut [f32],
    /// How far the states of a step lie behind those of the step before.
    pub apart: usize,
}

impl PackedRecurrent {
    /// Whether units of this kind are laid out here.
    pub fn suits(cell: Cell) -> bool {
        matches!(cell, Cell::Rnn | Cell::Gru { reset_after: true } | Cell::Lstm { coupled: false })
    }

    /// Lays out weights: (gates · hidden, inputs), (gates · hidden, hidden), and (2 · gates · hidden) for the bias.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where they do not fit or the cell is of a kind that is not [laid out](PackedRecurrent::suits),
    /// [`TooBig`](crate::ErrorCode::TooBig) where there is no room.
    pub fn new(
        cell: Cell,
        reverse: bool,
        (w, r): (ArrayView2<f32>, ArrayView2<f32>),
        bias: Option<ArrayView1<f32>>,
    ) -> Result<PackedRecurrent> {
        let ((rows, inputs), (own, hidden)) = (w.dim(), r.dim());
        let fits = PackedRecurrent::suits(cell) && rows == cell.gates() * hidden && own == rows && inputs > 0 && hidden > 0;
        if !fits || bias.is_some_and(|bias| bias.len() != 2 * rows) {
            return Err(Error::shape(format!("weights of shapes {:?} and {:?} are not laid out", w.shape(), r.shape())));
        }
        let bias = bias.map_or(vec![0.0; 2 * rows], |bias| bias.to_vec());
        let (mut input, state) = (bias[..rows].to_vec(), &bias[rows..]);
        // The reset gate multiplies what the candidate has from the state, its bias included.
        let apart = if matches!(cell, Cell::Gru { .. }) { 2 * hidden } else { rows };
        input[..apart].iter_mut().zip(state).for_each(|(input, state)| *input += state);
        let candidate = (apart < rows).then(|| (0..rows).map(|i| if i < apart { 0.0 } else { state[i] }).collect());
        let (from_inputs, from_state) = (Panels::new(w.t())?, Panels::new(r.t())?);
        Ok(PackedRecurrent { cell, reverse, inputs, hidden, from_inputs, from_state, biases: (input, candidate) })
    }

    /// The elements of an input, and of a state.
    pub fn dim(&self) -> (usize, usize) {
        (self.inputs, self.hidden)
    }

    /// Whether there is a second state.
    pub fn is_lstm(&self) -> bool {
        matches!(self.cell, Cell::Lstm { .. })
    }

    /// Runs over a sequence.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes, [`TooBig`](crate::ErrorCode::TooBig) where there is no room
    /// for the gates of all steps.
    pub fn run(&self, run: RecurrentRun) -> Result<()> {
        let RecurrentRun { x, steps, batch, h, c, y, apart } = run;
        let (hidden, width) = (self.hidden, self.cell.gates() * self.hidden);
        let state = batch * hidden;
        let second = if self.is_lstm() { state } else { 0 };
        let enough = steps == 0 || (steps - 1) * apart + state <= y.len();
        if x.len() != count(&[steps, batch, self.inputs])? || h.len() != state || c.len() != second || !enough {
            return Err(Error::shape("slices do not have the sizes of their shapes"));
        }
        let misfit = |error: ndarray::ShapeError| Error::internal(error.to_string());
        let rows = steps * batch;
        room::<f32>(count(&[rows + batch, width])?)?;
        let mut gates = vec![0f32; rows * width];
        let inputs = ArrayView2::from_shape((rows, self.inputs), x).map_err(misfit)?;
        let results = ArrayViewMut2::from_shape((rows, width), &mut gates[..]).map_err(misfit)?;
        self.from_inputs.multiply(inputs, Some(&self.biases.0), None, results);
        let mut product = vec![0f32; batch * width];
        for step in 0..steps {
            let at = if self.reverse { steps - 1 - step } else { step };
            let old = ArrayView2::from_shape((batch, hidden), &*h).map_err(misfit)?;
            let results = ArrayViewMut2::from_shape((batch, width), &mut product[..]).map_err(misfit)?;
            self.from_state.multiply(old, self.biases.1.as_deref(), None, results);
            let gates = &gates[at * batch * width..][..batch * width];
            for (element, h) in h.chunks_exact_mut(hidden).enumerate() {
                let of = |all: &[f32]| -> std::ops::Range<usize> { element * width..((element + 1) * width).min(all.len()) };
                let (gates, product) = (&gates[of(gates)], &product[of(&product)]);
                match self.cell {
                    Cell::Rnn => rnn(gates, product, h),
                    Cell::Gru { .. } => gru(gates, product, h),
                    Cell::Lstm { .. } => lstm(gates, product, &mut c[element * hidden..][..hidden], h),
                }
            }
            y[at * apart..][..state].copy_from_slice(h);
        }
        Ok(())
    }
}

/// The shares of the inputs and of the state become the new state.
fn rnn(gates: &[f32], product: &[f32], h: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || h.iter_mut().zip(gates).zip(product).for_each(|((h, x), y)| *h = (x + y).tanh()),
    );
}

/// Of gates z, r and the candidate.
fn gru(gates: &[f32], product: &[f32], h: &mut [f32]) {
    let n = h.len();
    let ([x0, x1, x2], [y0, y1, y2]) = (parts(gates, n), parts(product, n));
    vectorised(
        #[inline(always)]
        || {
            for i in 0..n {
                let (update, reset) = (sigmoid(x0[i] + y0[i]), sigmoid(x1[i] + y1[i]));
                let candidate = Real::tanh(x2[i] + reset * y2[i]);
                h[i] = (1.0 - update) * candidate + update * h[i];
            }
        },
    );
}

/// Of gates i, o, f and the candidate.
fn lstm(gates: &[f32], product: &[f32], c: &mut [f32], h: &mut [f32]) {
    let n = h.len();
    let ([x0, x1, x2, x3], [y0, y1, y2, y3], c) = (parts(gates, n), parts(product, n), &mut c[..n]);
    vectorised(
        #[inline(always)]
        || {
            for i in 0..n {
                let (input, forget) = (sigmoid(x0[i] + y0[i]), sigmoid(x2[i] + y2[i]));
                c[i] = forget * c[i] + input * Real::tanh(x3[i] + y3[i]);
            }
            for i in 0..n {
                h[i] = sigmoid(x1[i] + y1[i]) * Real::tanh(c[i]);
            }
        },
    );
}

/// Parts of so many elements.
fn parts<const N: usize>(all: &[f32], n: usize) -> [&[f32]; N] {
    std::array::from_fn(|i| &all[i * n..][..n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::kernels::recurrent::{self, ActivationFunction, Direction, Operands};

    /// Elements without pattern between −1 and 1.
    fn noise(shape: &[usize], seed: usize) -> Array {
        let n = shape.iter().product();
        Array::new(shape, (0..n).map(|i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()).unwrap()
    }

    #[test]
    fn every_cell_gives_what_the_kernel_for_all_of_them_gives() {
        let function = |name| ActivationFunction { name, alpha: 0.0, beta: 0.0 };
        let all = [function("Sigmoid"), function("Tanh"), function("Tanh")];
        let cells: [(Cell, &[ActivationFunction]); 3] =
            [(Cell::Rnn, &all[1..2]), (Cell::Gru { reset_after: true }, &all[..2]), (Cell::Lstm { coupled: false }, &all)];
        let (steps, batch, inputs, hidden) = (5, 3, 4, 21);
        for (cell, functions) in cells {
            for reverse in [false, true] {
                let rows = cell.gates() * hidden;
                let (x, w, r) = (noise(&[steps, batch, inputs], 1), noise(&[rows, inputs], 2), noise(&[rows, hidden], 3));
                let (bias, h, c) = (noise(&[2 * rows], 4), noise(&[batch, hidden], 5), noise(&[batch, hidden], 6));
                let direction = Direction { cell, reverse, functions, clip: None };
                let operands =
                    Operands { x: &x, w: &w, r: &r, bias: Some(&bias), lengths: None, h: Some(&h), c: Some(&c), peepholes: None };
                let (y, last, cells) = recurrent::run(&direction, &operands).unwrap();
                let matrix =
                    |array: &Array| ndarray::Array2::from_shape_vec((array.shape()[0], array.shape()[1]), array.to_vec().unwrap()).unwrap();
                let (w, r, b) = (matrix(&w), matrix(&r), ndarray::Array1::from(bias.to_vec::<f32>().unwrap()));
                let packed = PackedRecurrent::new(cell, reverse, (w.view(), r.view()), Some(b.view())).unwrap();
                let values = |array: &Array| array.to_vec::<f32>().unwrap();
                let (mut h, mut c, mut got) = (values(&h), if packed.is_lstm() { values(&c) } else { vec![] }, vec![0.0; y.len()]);
                let apart = batch * hidden;
                packed.run(RecurrentRun { x: &values(&x), steps, batch, h: &mut h, c: &mut c, y: &mut got, apart }).unwrap();
                let close =
                    |got: &[f32], expected: &Array| got.iter().zip(values(expected)).all(|(got, expected)| (got - expected).abs() <= 3e-6);
                assert!(close(&got, &y) && close(&h, &last) && close(&c, &cells), "{cell:?}, reverse {reverse}");
            }
        }
    }
}
