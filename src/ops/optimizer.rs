//! Steps of optimisers, from ONNX's domain for training: each is a composition of other operators.

use super::Reader;
use crate::error::{Error, Result};
use crate::graph::Inputs;
use crate::onnx::Node;
use crate::tensor::Tensor;

pub(super) const READS: &[(&str, Reader)] = &[("Adagrad", adagrad), ("Adam", adam), ("Momentum", momentum)];

/// The inputs: a learning rate, how often a step was made, then values, their gradients and so on, each in a group for all values.
struct OptimizerStep<'a> {
    rate: &'a Tensor,
    count: &'a Tensor,
    /// The members of each group by value.
    groups: Vec<Vec<&'a Tensor>>,
}

impl<'a> OptimizerStep<'a> {
    fn new(inputs: &Inputs<'a, Tensor>, groups: usize) -> Result<OptimizerStep<'a>> {
        let values = (inputs.len().saturating_sub(2)) / groups;
        if inputs.len() != 2 + values * groups || values == 0 {
            return Err(Error::argument(format!(
                "expected a rate, a count and {groups} tensors for each value, got {} inputs",
                inputs.len()
            )));
        }
        let member = |i: usize, group: usize| inputs.at(2 + group * values + i);
        let groups = (0..values).map(|i| (0..groups).map(|group| member(i, group)).collect()).collect::<Result<_>>()?;
        Ok(OptimizerStep { rate: inputs.at(0)?, count: inputs.at(1)?, groups })
    }

    /// What comes out: a list of new tensors for each value, as the groups follow each other.
    fn outputs(&self, each: impl Fn(&[&Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        let lists = self.groups.iter().map(|members| each(members)).collect::<Result<Vec<_>>>()?;
        let count = lists.first().map_or(0, Vec::len);
        Ok((0..count).flat_map(|k| lists.iter().map(move |list| list[k].clone())).collect())
    }

    /// One of two numbers: for the first step, or for later ones.
    fn later(&self, later: &Tensor, first: &Tensor) -> Result<Tensor> {
        self.count.gt(0)?.where_(later, first)
    }
}

fn regularised(node: &Node, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    match f64::from(node.float("norm_coefficient", 0.0)?) {
        0.0 => Ok(gradient.clone()),
        norm => x.mul(norm)?.add(gradient),
    }
}

/// [Adagrad](https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html)
fn adagrad(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let step = OptimizerStep::new(inputs, 3)?;
    let (decay, epsilon) = (f64::from(node.float("decay_factor", 0.0)?), f64::from(node.float("epsilon", 1e-6)?));
    let rate = step.rate.div(step.count.cast(step.rate.dtype())?.mul(decay)?.add(1.0)?)?;
    step.outputs(|members| {
        let (x, squares) = (members[0], members[2]);
        let gradient = regularised(node, x, members[1])?;
        let squares = squares.add(gradient.mul(&gradient)?)?;
        let moved = x.sub(rate.mul(gradient)?.div(squares.sqrt()?.add(epsilon)?)?)?;
        Ok(vec![moved.cast(x.dtype())?, squares])
    })
}

/// [Adam](https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html)
fn adam(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let step = OptimizerStep::new(inputs, 4)?;
    let (alpha, beta) = (f64::from(node.float("alpha", 0.9)?), f64::from(node.float("beta", 0.999)?));
    let (epsilon, after) = (f64::from(node.float("epsilon", 1e-6)?), f64::from(node.float("norm_coefficient_post", 0.0)?));
    let count = step.count.cast(step.rate.dtype())?;
    let rest = |base: f64| Tensor::full((), base, step.rate.dtype())?.pow(&count)?.neg()?.add(1.0);
    let later = step.rate.mul(rest(beta)?.sqrt()?)?.div(rest(alpha)?)?;
    let rate = step.later(&later, step.rate)?;
    step.outputs(|members| {
        let x = members[0];
        let gradient = regularised(node, x, members[1])?;
        let mean = members[2].mul(alpha)?.add(gradient.mul(1.0 - alpha)?)?;
        let squares = members[3].mul(beta)?.add(gradient.mul(&gradient)?.mul(1.0 - beta)?)?;
        let moved = x.sub(rate.mul(mean.div(squares.sqrt()?.add(epsilon)?)?)?)?.mul(1.0 - after)?;
        Ok(vec![moved.cast(x.dtype())?, mean, squares])
    })
}

/// [Momentum](https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html)
fn momentum(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let step = OptimizerStep::new(inputs, 3)?;
    let (alpha, beta) = (f64::from(node.float("alpha", 0.0)?), f64::from(node.float("beta", 1.0)?));
    let nesterov = match node.string("mode", "standard")? {
        "standard" => false,
        "nesterov" => true,
        other => return Err(Error::argument(format!("unknown mode {other}"))),
    };
    let number = |number: f64| Tensor::full((), number, step.rate.dtype());
    let share = step.later(&number(beta)?, &number(1.0)?)?;
    step.outputs(|members| {
        let x = members[0];
        let gradient = regularised(node, x, members[1])?;
        let velocity = members[2].mul(alpha)?.add(share.mul(&gradient)?)?;
        let direction = if nesterov { gradient.add(velocity.mul(alpha)?)? } else { velocity.clone() };
        Ok(vec![x.sub(step.rate.mul(direction)?)?.cast(x.dtype())?, velocity])
    })
}
