//! Sums of products by named axes: `bij,bjk->bik`.

use super::Reader;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// The name of an axis: a letter, or a position in an ellipsis, counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

pub(super) const READS: &[(&str, Reader)] = &[("Einsum", |node, inputs| {
    let operands: Vec<&Tensor> = inputs.iter().collect();
    let y = Tensor::einsum(node.find_string("equation")?.ok_or_else(|| node.missing("equation"))?, &operands)?;
    // Sums of integers keep their dtype.
    Ok(vec![y.cast(inputs.at(0)?.dtype())?])
})];

/// The labels of a term, an ellipsis standing for the axes that it does not name.
fn labels(term: &str, rank: Option<usize>) -> Result<Vec<Label>> {
    let refused = || Error::argument(format!("einsum: invalid term `{term}`"));
    let letters = |text: &str| {
        text.chars().map(|c| if c.is_ascii_alphabetic() { Ok(Label::Letter(c)) } else { Err(refused()) }).collect::<Result<Vec<_>>>()
    };
    let Some((before, after)) = term.split_once("...") else { return letters(term) };
    let (mut all, after) = (letters(before)?, letters(after)?);
    let hidden = match rank {
        Some(rank) => rank.checked_sub(all.len() + after.len()).ok_or_else(refused)?,
        None => return Err(Error::internal("einsum: the ellipsis has no known rank")),
    };
    all.extend((0..hidden).rev().map(Label::Ellipsis));
    all.extend(after);
    Ok(all)
}

/// A tensor whose axes have names.
struct Term {
    tensor: Tensor,
    labels: Vec<Label>,
}

impl Term {
    /// Axes of one name become one: their diagonal.
    fn of(tensor: &Tensor, labels: Vec<Label>) -> Result<Term> {
        if labels.len() != tensor.rank() {
            return Err(Error::argument(format!("einsum: {} labels for the axes of {}", labels.len(), tensor.ty())));
        }
        let mut term = Term { tensor: tensor.clone(), labels };
        while let Some((first, second)) = (0..term.labels.len())
            .flat_map(|i| (i + 1..term.labels.len()).map(move |j| (i, j)))
            .find(|&(i, j)| term.labels[i] == term.labels[j])
        {
            let n = term.tensor.shape()[first].clone();
            if term.tensor.shape()[second] != n {
                return Err(Error::shape(format!("einsum: one label for sizes {n} and {}", term.tensor.shape()[second])));
            }
            let positions = super::constant_where_fixed(&[&n], || Tensor::arange(0, &n, 1, crate::array::DType::I64)?.mul(&(&n + 1i64)))?;
            let mut order: Vec<i64> = (0..term.labels.len() as i64).filter(|&axis| axis != second as i64).collect();
            order.insert(first + 1, second as i64);
            let joined = term.tensor.permute(&order)?.flatten(first as i64, first as i64 + 1)?;
            term.tensor = joined.index_select(first as i64, &positions)?;
            term.labels.remove(second);
        }
        Ok(term)
    }

    fn has(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    /// Summed over the axes that nobody needs.
    fn keeping(self, needed: impl Fn(Label) -> bool) -> Result<Term> {
        let axes: Vec<i64> = (0..self.labels.len()).filter(|&i| !needed(self.labels[i])).map(|i| i as i64).collect();
        if axes.is_empty() {
            return Ok(self);
        }
        Ok(Term { tensor: self.tensor.sum(&axes, false)?, labels: self.labels.into_iter().filter(|&label| needed(label)).collect() })
    }

    /// With the axes in this order; those that it lacks have size 1.
    fn arranged(&self, order: &[Label]) -> Result<Tensor> {
        let present: Vec<i64> =
            order.iter().filter_map(|label| self.labels.iter().position(|own| own == label)).map(|axis| axis as i64).collect();
        let missing: Vec<i64> = (0..order.len()).filter(|&i| !self.has(order[i])).map(|i| i as i64).collect();
        self.tensor.permute(&present)?.unsqueeze_axes(&missing)
    }
}

/// The product of two terms, summed over what both have and nobody needs: a matrix product over what both keep.
fn contracted(a: Term, b: Term, sizes: &BTreeMap<Label, Dim>, needed: impl Fn(Label) -> bool) -> Result<Term> {
    let (a, b) = {
        let a = a.keeping(|label| needed(label) || b.has(label))?;
        let b = b.keeping(|label| needed(label) || a.has(label))?;
        (a, b)
    };
    let shared = |label: &&Label| b.has(**label);
    let inner: Vec<Label> = a.labels.iter().filter(shared).filter(|label| !needed(**label)).copied().collect();
    let batch: Vec<Label> = a.labels.iter().filter(shared).filter(|label| needed(**label)).copied().collect();
    let left: Vec<Label> = a.labels.iter().filter(|label| !b.has(**label)).copied().collect();
    let right: Vec<Label> = b.labels.iter().filter(|label| !a.has(**label)).copied().collect();
    let labels = [batch.clone(), left.clone(), right.clone()].concat();
    if inner.is_empty() {
        let tensor = a.arranged(&labels)?.mul(b.arranged(&labels)?)?;
        return Ok(Term { tensor, labels });
    }
    let dims = |labels: &[Label]| labels.iter().map(|label| sizes[label].clone()).collect::<Vec<Dim>>();
    let total = |labels: &[Label]| dims(labels).into_iter().fold(Dim::Fixed(1), |n, dim| n * dim);
    // A size of 1 stands for any other.
    let shaped = |term: &Term, order: Vec<Label>, rows: Dim, columns: Dim| {
        term.arranged(&order)?.expand(dims(&order))?.reshape([dims(&batch), vec![rows, columns]].concat())
    };
    let x = shaped(&a, [batch.clone(), left.clone(), inner.clone()].concat(), total(&left), total(&inner))?;
    let y = shaped(&b, [batch.clone(), inner.clone(), right.clone()].concat(), total(&inner), total(&right))?;
    Ok(Term { tensor: x.matmul(&y)?.reshape(dims(&labels))?, labels })
}

impl Tensor {
    /// The sum of products that an equation names, two operands at a time from the left.
    ///
    /// Without `->` the result has the axes that are named once, in the order of the alphabet.
    /// [torch.einsum](https://pytorch.org/docs/stable/generated/torch.einsum.html),
    /// [ONNX Einsum](https://onnx.ai/onnx/operators/onnx__Einsum.html)
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?;
    /// assert_eq!(Tensor::einsum("ij,kj->ik", &[&x, &x])?.to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
    /// assert_eq!(Tensor::einsum("ii", &[&x])?.to_vec::<f32>()?, [5.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the equation does not fit the operands, [`Shape`](crate::ErrorCode::Shape) where their sizes
    /// do not fit each other.
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = match equation.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (equation.as_str(), None),
        };
        let terms: Vec<&str> = inputs.split(',').collect();
        if terms.len() != operands.len() {
            return Err(Error::argument(format!("einsum: {} terms for {} operands", terms.len(), operands.len())));
        }
        let named = terms.iter().zip(operands).map(|(term, x)| labels(term, Some(x.rank()))).collect::<Result<Vec<_>>>()?;
        let hidden =
            named.iter().flatten().filter_map(|label| if let Label::Ellipsis(i) = label { Some(i + 1) } else { None }).max().unwrap_or(0);
        let result = match output {
            Some(output) => {
                let letters = output.chars().filter(|&c| c != '.').count();
                labels(output, output.contains("...").then_some(letters + hidden))?
            }
            None => {
                let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
                named.iter().flatten().for_each(|label| *counts.entry(*label).or_default() += 1);
                let once =
                    counts.iter().filter(|(label, count)| matches!(label, Label::Letter(_)) && **count == 1).map(|(label, _)| *label);
                (0..hidden).rev().map(Label::Ellipsis).chain(once).collect()
            }
        };
        let mut sizes: BTreeMap<Label, Dim> = BTreeMap::new();
        for (labels, x) in named.iter().zip(operands) {
            for (label, n) in labels.iter().zip(x.shape().iter()) {
                let known = sizes.entry(*label).or_insert_with(|| n.clone());
                if *known == 1 {
                    *known = n.clone();
                } else if *n != 1 && n != known {
                    return Err(Error::shape(format!("einsum: an axis has sizes {known} and {n}")));
                }
            }
        }
        if let Some(label) = result.iter().find(|label| !sizes.contains_key(label)) {
            return Err(Error::argument(format!("einsum: no operand has the output label {label:?}")));
        }
        let mut rest = named.into_iter().zip(operands).map(|(labels, x)| Term::of(x, labels)).collect::<Result<Vec<_>>>()?.into_iter();
        let mut product = rest.next().ok_or_else(|| Error::argument("einsum: no operands"))?;
        while let Some(next) = rest.next() {
            let later: Vec<Label> = rest.as_slice().iter().flat_map(|term| &term.labels).chain(&result).copied().collect();
            product = contracted(product, next, &sizes, |label| later.contains(&label))?;
        }
        let product = product.keeping(|label| result.contains(&label))?;
        let dims: Vec<Dim> = result.iter().map(|label| sizes[label].clone()).collect();
        product.arranged(&result)?.expand(&dims)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "einsum_diagonal", [floats(&[2, 4, 4])], |x| one(Tensor::einsum("bii->bi", &[&x[0]])?);
        "einsum_trace", [floats(&[4, 3, 4]), floats(&[3])], |x| one(Tensor::einsum("iji,j", &[&x[0], &x[1]])?);
        "einsum_ellipsis", [floats(&[2, 3, 4]), floats(&[5, 4])], |x| one(Tensor::einsum("...j,kj->...k", &[&x[0], &x[1]])?);
        "einsum", [floats(&[2, 3, 4]), floats(&[2, 4, 5])], |x| one(Tensor::einsum("bij,bjk->bik", &[&x[0], &x[1]])?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_equation_is_its_sum() {
        let x = Tensor::new([2, 3], (0..6).map(|i| i as f32).collect()).unwrap();
        let y = Tensor::new([3, 2], (0..6).map(|i| i as f32 - 2.0).collect()).unwrap();
        let v = Tensor::from(&[1.0f32, 2.0, 3.0]);
        let of = |equation: &str, operands: &[&Tensor]| Tensor::einsum(equation, operands).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(of("ij->ji", &[&x]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(of("ij->", &[&x]), [15.0]);
        assert_eq!(of("ij,jk", &[&x, &y]), x.matmul(&y).unwrap().to_vec::<f32>().unwrap());
        assert_eq!(of("ij,ji->", &[&x, &y]), [20.0]);
        assert_eq!(of("...j,j->...", &[&x, &v]), [8.0, 26.0]);
        assert_eq!(of("i,j->ij", &[&v, &v]), [1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 3.0, 6.0, 9.0]);
        assert_eq!(of("ij,jk,k->i", &[&x, &y, &Tensor::from(&[1.0f32, 1.0])]), [11.0, 20.0]);
    }

    #[test]
    fn equations_that_do_not_fit_are_refused() {
        let x = Tensor::from(&[1.0f32, 2.0]);
        for equation in ["ij", "i,i", "i->k", "1->1", ""] {
            assert!(Tensor::einsum(equation, &[&x]).is_err(), "{equation}");
        }
    }
}
