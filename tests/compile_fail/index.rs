//! A symbolic size is no index into a Rust array.

use ontrace::{Result, Tensor};

fn f(x: Tensor, table: Vec<f32>) -> Result<f32> {
    let n = x.dim(0)?;
    Ok(table[n])
}

fn main() {}
