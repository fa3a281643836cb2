//! Tensors have no order that a branch could ask for.

use ontrace::{Result, Tensor};

fn f(x: Tensor, y: Tensor) -> Result<Tensor> {
    if x < y { Ok(x) } else { Ok(y) }
}

fn main() {}
