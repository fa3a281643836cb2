//! Operations that do the same to the same.

use super::{Agreement, Graph, Node, Operator, Source, ValueId};

/// How far back two values are followed to what they are made of.
const DEEPEST: usize = 16;

/// Numbers of a constant that are compared one by one; larger ones are the same where they stand in one place.
const SMALL: usize = 64;

impl Graph {
    /// An operation of the record that does to the same values what this one does to these: what it gives has the same numbers at every call.
    pub(crate) fn twin(&self, op: &dyn Operator, inputs: &[Option<ValueId>]) -> Option<&Node> {
        self.nodes.iter().rev().find(|node| self.does(node, op, inputs, 0))
    }

    fn does(&self, node: &Node, op: &dyn Operator, inputs: &[Option<ValueId>], depth: usize) -> bool {
        // What is drawn differs from one time to the next; what a user's operator holds may not show.
        let certain = op.agreement() != Agreement::Random && op.domain().is_empty() && op.graphs().is_empty();
        let same = |(a, b): (&Option<ValueId>, &Option<ValueId>)| match (a, b) {
            (Some(a), Some(b)) => self.equals(*a, *b, depth),
            (None, None) => true,
            _ => false,
        };
        certain
            && node.op.name() == op.name()
            && node.inputs.len() == inputs.len()
            && format!("{:?}", node.op) == format!("{op:?}")
            && node.inputs.iter().zip(inputs).all(same)
    }

    /// Whether two values are known to be equal at every call.
    fn equals(&self, a: ValueId, b: ValueId, depth: usize) -> bool {
        if a == b {
            return true;
        }
        match (&self.value(a).source, &self.value(b).source) {
            (Source::Constant(x, _), Source::Constant(y, _)) => x.is_same(y) || x.len() <= SMALL && x.dtype() == y.dtype() && x == y,
            (Source::Node, Source::Node) if depth < DEEPEST => {
                let maker = |id| self.nodes.iter().find_map(|node| Some((node, node.outputs.iter().position(|output| *output == id)?)));
                let (Some((x, i)), Some((y, j))) = (maker(a), maker(b)) else { return false };
                i == j && self.does(x, &*y.op, &y.inputs, depth + 1)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, DType, Tensor, trace_fn};

    #[test]
    fn what_is_found_twice_has_one_length() {
        let x = Tensor::from(&[1.0f32, -2.0, 3.0]);
        let twice = |x: Tensor| {
            let found = || x.index_select(0, &x.gt(0.0)?.nonzero()?.reshape(&[-1])?);
            found()?.add(found()?)
        };
        let traced = trace_fn(twice, &x).unwrap();
        let sum = traced.graph().replay(&[Array::vector(vec![5.0f32, 6.0, -1.0])]).unwrap();
        assert_eq!(sum[0].to_vec::<f32>().unwrap(), [10.0, 12.0]);
    }

    #[test]
    fn what_is_drawn_twice_has_two() {
        let drawn = |x: Tensor| {
            let length = || Tensor::rand(x.shape(), DType::F32)?.gt(0.5)?.nonzero()?.dim(0);
            let (first, second) = (length()?, length()?);
            assert!(!first.is_symbolic() || first != second, "{first}");
            x.add(1.0)
        };
        trace_fn(drawn, &Tensor::from(&[0.0f32; 64])).unwrap();
    }
}
