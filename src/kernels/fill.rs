//! Results filled in parallel: units of the result are handed out, and none depends on another.

use super::threads::threads;
use crate::array::{Element, room};
use crate::error::{Error, Result};
use rayon::prelude::*;

/// Elements that one task of a parallel loop works on: less would cost more in handing out than it wins.
const GRAIN: usize = 1 << 14;

/// Room for `n` elements, all zero.
///
/// # Errors
/// [`TooBig`](crate::Code::TooBig) where the machine has no such room.
pub fn zeros<T: Element>(n: usize) -> Result<Vec<T>> {
    room::<T>(n)?;
    Ok(vec![T::default(); n])
}

/// Writes `units` units of `unit` elements each, in parallel where it pays: `f` gets the number of the first unit and some
/// whole units to write. `work` is how many elements are looked at for one unit.
pub fn fill<T: Element>(units: usize, unit: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) -> Result<Vec<T>> {
    let mut out = zeros::<T>(units.checked_mul(unit).ok_or_else(|| Error::too_big(format!("{units} times {unit} elements")))?)?;
    match task(units, work) {
        _ if out.is_empty() => {}
        None => f(0, &mut out),
        Some(task) => out.par_chunks_mut(task * unit).enumerate().for_each(|(i, out)| f(i * task, out)),
    }
    Ok(out)
}

/// As [`fill`], two results of `unit` elements a unit each.
pub fn fill_two<T: Element, U: Element>(
    units: usize,
    unit: usize,
    work: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) -> Result<(Vec<T>, Vec<U>)> {
    let n = units.checked_mul(unit).ok_or_else(|| Error::too_big(format!("{units} times {unit} elements")))?;
    let (mut a, mut b) = (zeros::<T>(n)?, zeros::<U>(n)?);
    match task(units, work) {
        _ if n == 0 => {}
        None => f(0, &mut a, &mut b),
        Some(task) => {
            let chunks = a.par_chunks_mut(task * unit).zip(b.par_chunks_mut(task * unit));
            chunks.enumerate().for_each(|(i, (a, b))| f(i * task, a, b));
        }
    }
    Ok((a, b))
}

/// How many units make a task; `None` where there is work for one only.
fn task(units: usize, work: usize) -> Option<usize> {
    let task = GRAIN.div_ceil(work.max(1));
    (threads() > 1 && (units >= 2 * task || (units > 1 && work >= GRAIN))).then_some(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_beyond_the_machine_is_an_error() {
        assert_eq!(zeros::<f64>(1 << 58).unwrap_err().code(), crate::Code::TooBig);
        assert_eq!(fill::<u8>(1 << 40, 1 << 40, 1, |_, _| {}).unwrap_err().code(), crate::Code::TooBig);
    }
}
