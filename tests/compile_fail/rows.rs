//! A tensor has no rows to walk: how many would be fixed by the example.

use ontrace::{Result, Tensor};

fn f(x: Tensor) -> Result<()> {
    for _row in &x {}
    Ok(())
}

fn main() {}
