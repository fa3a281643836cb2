//! Sequences of different lengths, as torch packs them: all first elements, all second ones, and so on.
//!
//! What a program packs is remembered as it was, padded and with the lengths: a recurrent network then runs over that, as ONNX's do. Only what
//! looks into the packed numbers themselves makes them.

use super::value::{Sequence, Value, View};
use super::{Args, Row, one, value};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::Padding;
use crate::tensor::Tensor;
use std::rc::Rc;

pub(super) const ROWS: &[Row] = &[
    value("_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)", |a| {
        let (x, lengths) = (a.tensor(0)?, a.tensor(1)?.cast(DType::I64)?);
        let padded = if a.flag(2)? { x.transpose(0, 1)? } else { x };
        if padded.rank() < 2 || lengths.rank() != 1 {
            return Err(Error::shape(format!("sequences {} of lengths {}", padded.ty(), lengths.ty())));
        }
        let packed = Packed { padded, lengths };
        let (data, sizes) = (packed.data()?, packed.sizes()?);
        let packed = Rc::new(packed);
        Ok(Value::tuple(vec![
            Value::Tensor(View::sequenced(data, Sequence::Data(packed.clone()))),
            Value::Tensor(View::sequenced(sizes, Sequence::Sizes(packed))),
        ]))
    }),
    value(
        "_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, SymInt total_length) -> (Tensor, Tensor)",
        |a| {
            let packed = Packed::of(a, None)?;
            let total = a.dim(4)?;
            let inside = packed.inside()?;
            let behind: Vec<i64> = (2..packed.padded.rank() as i64).collect();
            let filler = Tensor::full((), a.number(3)?, packed.padded.dtype())?;
            let padded = inside.unsqueeze_axes(&behind)?.where_(&packed.padded, &filler)?;
            let longest = a.tensor(1)?.dim(0)?;
            let padded = if total == longest || total.fixed().is_some_and(|n| n < 1) {
                padded.slice(0, ..longest)?
            } else {
                let mut more = padded.shape().to_vec();
                more[0] = total.clone();
                Tensor::cat(&[&padded, &filler.expand(&more)?], 0)?.slice(0, ..total)?
            };
            let padded = if a.flag(2)? { padded.transpose(0, 1)? } else { padded };
            Ok(Value::tuple(vec![padded.into(), packed.lengths.clone().into()]))
        },
    ),
    one("pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0.0, str padding_side=\"right\") -> Tensor", |a| {
        let (sequences, left) = (a.tensors(0)?, a.opt_str(3)? == Some("left"));
        let longest = sequences.iter().try_fold(Dim::Fixed(0), |n, x| Ok::<_, Error>(n.max(x.dim(0)?)))?;
        let filler = Padding::Constant(Scalar::Float(a.float(2)?));
        let padded = |x: &Tensor| {
            let mut widths = vec![Dim::Fixed(0); 2 * x.rank()];
            let side = widths.len() - if left { 2 } else { 1 };
            widths[side] = &longest - &x.dim(0)?;
            x.pad(&widths, filler)
        };
        let padded = sequences.iter().map(padded).collect::<Result<Vec<_>>>()?;
        Tensor::stack(&padded.iter().collect::<Vec<_>>(), i64::from(!a.flag(1)?))
    }),
];

/// Sequences one beside the other, and how long each is.
pub(crate) struct Packed {
    /// (steps, batch, …), with anything at all behind the end of a sequence.
    pub(super) padded: Tensor,
    /// (batch)
    pub(super) lengths: Tensor,
}

/// Where a vector is true.
fn places(truth: &Tensor) -> Result<Tensor> {
    truth.nonzero()?.reshape(&[-1])
}

impl Packed {
    /// The sequences that the first two arguments of a call are, packed and how many there are at each step. How many there are in all is said
    /// by the first states of a network, where no record says it.
    pub(super) fn of(a: &Args, batch: Option<Dim>) -> Result<Rc<Packed>> {
        let (data, sizes) = (a.view(0)?, a.view(1)?);
        let known = match sizes.sequence() {
            Some(Sequence::Sizes(packed)) => Some(packed),
            _ => None,
        };
        if let (Some(Sequence::Data(packed)), Some(known)) = (data.sequence(), known)
            && packed.is_of(known)
        {
            return Ok(packed.clone());
        }
        let (data, sizes) = (data.read()?, sizes.read()?.cast(DType::I64)?);
        let (sizes, batch, lengths) = match known {
            Some(known) => (known.inside()?.sum(1, false)?, known.batch()?, Some(known.lengths.clone())),
            None => {
                let batch = match batch {
                    Some(batch) => batch,
                    None => Dim::Fixed(sizes.select(0, 0i64)?.item()?.to_i64()),
                };
                (sizes, batch, None)
            }
        };
        // Each element stands behind all those of the steps before, and those of its own step before it.
        let (column, row) = (sizes.unsqueeze(1)?, Tensor::arange(0, &batch, 1, DType::I64)?);
        let inside = row.lt(&column)?;
        let before = column.cumsum(0)?.sub(&column)?;
        let index = before.add(&row)?.mul(inside.cast(DType::I64)?)?;
        let lengths = match lengths {
            Some(lengths) => lengths,
            None => inside.sum(0, false)?,
        };
        Ok(Rc::new(Packed { padded: data.index_select(0, &index)?, lengths }))
    }

    /// The same lengths around other numbers, as the two tensors of a packed sequence that a network gives.
    pub(super) fn holding(&self, padded: Tensor) -> Result<Value> {
        let packed = Packed { padded, lengths: self.lengths.clone() };
        Ok(Value::Tensor(View::sequenced(packed.data()?, Sequence::Data(Rc::new(packed)))))
    }

    fn is_of(&self, other: &Packed) -> bool {
        self.lengths.is_same(&other.lengths)
    }

    /// How many sequences there are.
    pub(super) fn batch(&self) -> Result<Dim> {
        self.padded.dim(1)
    }

    /// Which places (steps, batch) are in a sequence.
    fn inside(&self) -> Result<Tensor> {
        Tensor::arange(0, &self.padded.dim(0)?, 1, DType::I64)?.unsqueeze(1)?.lt(self.lengths.unsqueeze(0)?)
    }

    /// The numbers of all sequences, step by step.
    fn data(&self) -> Result<Tensor> {
        self.padded.flatten(0, 1)?.index_select(0, &places(&self.inside()?.reshape(&[-1])?)?)
    }

    /// How many sequences reach each step that any reaches.
    fn sizes(&self) -> Result<Tensor> {
        let sizes = self.inside()?.sum(1, false)?;
        sizes.index_select(0, &places(&sizes.gt(0)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn numbers(value: &Value) -> Vec<i64> {
        value.view().unwrap().read().unwrap().to_array().unwrap().to_i64s()
    }

    #[test]
    fn packing_goes_step_by_step_and_comes_back() {
        // (batch, steps): 1 2 3 and 4 5, padded by 9.
        let x: Value = Tensor::new([2, 4], vec![1i64, 2, 3, 9, 4, 5, 9, 9]).unwrap().into();
        let lengths: Value = Tensor::from(&[3i64, 2]).into();
        let packed = call("_pack_padded_sequence", &[x, lengths, Value::Bool(true)], &[]).unwrap().elements().unwrap();
        assert_eq!((numbers(&packed[0]), numbers(&packed[1])), (vec![1, 4, 2, 5, 3], vec![2, 2, 1]));
        // The same where nothing is remembered, and to more steps.
        let bare: Vec<Value> = packed.iter().map(|value| value.view().unwrap().read().unwrap().into()).collect();
        for pair in [packed, bare] {
            let rest = [Value::Bool(true), Value::Int(Dim::Fixed(-7)), Value::Int(Dim::Fixed(-1))];
            let padded = call("_pad_packed_sequence", &[pair.clone(), rest.to_vec()].concat(), &[]).unwrap().elements().unwrap();
            assert_eq!((numbers(&padded[0]), numbers(&padded[1])), (vec![1, 2, 3, 4, 5, -7], vec![3, 2]));
            let rest = [Value::Bool(false), Value::Int(Dim::Fixed(0)), Value::Int(Dim::Fixed(5))];
            let padded = call("_pad_packed_sequence", &[pair, rest.to_vec()].concat(), &[]).unwrap().elements().unwrap();
            assert_eq!(numbers(&padded[0]), [1, 4, 2, 5, 3, 0, 0, 0, 0, 0]);
        }
    }
}
