//! A tensor of truths is no truth.

use ontrace::{Result, Tensor};

fn f(x: Tensor, y: Tensor) -> Result<Tensor> {
    if x.eq(&y)? { Ok(x) } else { Ok(y) }
}

fn main() {}
