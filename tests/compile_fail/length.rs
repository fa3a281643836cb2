//! A symbolic size is no number: a number would be that of the example.

use ontrace::{Result, Tensor};

fn f(x: Tensor) -> Result<usize> {
    let n: usize = x.dim(0)?;
    Ok(n)
}

fn main() {}
