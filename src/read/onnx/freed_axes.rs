//! Free sizes in a file that declares them fixed: a batch that an exporter fixed at 1, and that a trace makes symbolic.
//!
//! Most nodes do not know the size. A Reshape does: its shape is a constant with the batch in it, `[1, 512]`. That element is made to follow
//! the axis. What cannot follow (a constant added to every row, an initial state) is refused by the operators themselves, since the sizes differ.

use super::value::{Declared, Value};
use crate::dim::{Dim, Expr, Shape};
use std::sync::Arc;

/// A symbolic size in the position of a declared one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FreedAxis {
    pub(super) symbol: Arc<str>,
    /// The declared size.
    pub(super) declared: i64,
    /// The input and its axis, for messages.
    pub(super) input: String,
    pub(super) axis: usize,
}

/// The axes that the file declares with a fixed size and a call gives with a symbolic one.
pub(super) fn find(inputs: &[(String, Declared)], values: &[Value]) -> Vec<FreedAxis> {
    let mut found: Vec<FreedAxis> = Vec::new();
    for ((name, declared), value) in inputs.iter().zip(values) {
        let (Some(shape), Ok(tensor)) = (declared.shape(), value.tensor()) else { continue };
        for (axis, (declared, given)) in shape.iter().zip(tensor.shape().iter()).enumerate() {
            if let (Some(n), Some(symbol)) = (declared.fixed(), given.expr().as_symbol())
                && n > 0
                && found.iter().all(|freed| freed.symbol != *symbol)
            {
                found.push(FreedAxis { symbol: symbol.clone(), declared: n, input: name.clone(), axis });
            }
        }
    }
    found
}

/// The shape that a Reshape of `x` to a constant shape takes where sizes are free; `None` where the constant is right as it is.
///
/// The element of the shape that stands at the same position in row-major order as the free axis is multiplied by how much the axis grew.
pub(super) fn reshaped(x: &Shape, target: &[i64], freed: &[FreedAxis]) -> Option<Vec<Dim>> {
    let mut dims: Vec<Dim> = target.iter().map(|&n| Dim::Fixed(n)).collect();
    let mut is_changed = false;
    for FreedAxis { symbol, declared, .. } in freed {
        let Some(axis) = x.iter().position(|dim| dim.expr().symbols().contains(symbol)) else { continue };
        let before: Dim = x[..axis].iter().cloned().product();
        let mut prefix = Dim::Fixed(1);
        for (i, dim) in dims.iter_mut().enumerate() {
            let here = if *dim == 0 { x.get(i).cloned().unwrap_or(Dim::Fixed(0)) } else { dim.clone() };
            if prefix.expr() == before.expr() {
                if let Some(n) = here.fixed().filter(|n| *n > 0 && n % declared == 0 && *dim != 0) {
                    *dim = Dim::new(Expr::symbol(symbol), Some(*declared)) * (n / declared);
                    is_changed = true;
                }
                // What is copied (0) or left over (-1) follows the axis already.
                break;
            }
            prefix = prefix * here;
        }
    }
    is_changed.then_some(dims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freed(declared: i64) -> Vec<FreedAxis> {
        vec![FreedAxis { symbol: "n".into(), declared, input: "x".into(), axis: 0 }]
    }

    fn shape(dims: &[&str]) -> Shape {
        let dim = |text: &&str| match text.parse() {
            Ok(n) => Dim::Fixed(n),
            Err(_) => Dim::new(Expr::parse(text).unwrap(), Some(1)),
        };
        dims.iter().map(dim).collect()
    }

    #[test]
    fn the_element_at_the_position_of_the_axis_follows_it() {
        for (x, target, declared, expected) in [
            (&["n", "512", "1", "1"][..], &[1, 512][..], 1, Some("[n,512]")),
            (&["n", "512", "1", "1"], &[1, -1], 1, Some("[n,-1]")),
            (&["n", "12", "64"], &[1, 12, 8, 8], 1, Some("[n,12,8,8]")),
            (&["n", "10", "32"], &[4, 10, 8], 1, Some("[4*n,10,8]")),
            (&["n", "10", "32"], &[8, 10, 8], 2, Some("[4*n,10,8]")),
            (&["7", "n", "32"], &[7, 4, 8], 1, Some("[7,4*n,8]")),
            (&["n", "512"], &[-1, 512], 1, None),
            (&["n", "512"], &[0, -1], 1, None),
            (&["3", "4"], &[12], 1, None),
            (&["n", "6"], &[3, 2], 2, None),
        ] {
            let found = reshaped(&shape(x), target, &freed(declared)).map(|dims| dims.into_iter().collect::<Shape>().to_string());
            assert_eq!(found.as_deref(), expected, "{x:?} {target:?}");
        }
    }
}
