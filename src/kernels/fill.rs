//! Results filled in parallel: units of the result are handed out, and none depends on another.

use super::threads::threads;
use crate::array::{Element, room};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Elements that one task of a parallel loop works on: less would cost more in handing out than it wins.
const GRAIN: usize = 1 << 14;

/// Room for `n` elements, all zero.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where the machine has no such room.
pub fn zeros<T: Element>(n: usize) -> Result<Vec<T>> {
    room::<T>(n)?;
    Ok(vec![T::default(); n])
}

/// Room for `n` elements that are not there yet.
fn room_for<T: Element>(n: usize) -> Result<Vec<T>> {
    room::<T>(n)?;
    Ok(Vec::with_capacity(n))
}

/// Room as elements, all zero. A part at a time, so that it is still in the cache when it is written to.
fn cleared<T: Element>(part: &mut [MaybeUninit<T>]) -> &mut [T] {
    part.fill(MaybeUninit::new(T::default()));
    // SAFETY: every element was written just now, and MaybeUninit<T> lies in memory as T does.
    unsafe { &mut *(std::ptr::from_mut(part) as *mut [T]) }
}

/// Writes `units` units of `unit` elements each, in parallel where it pays: `f` gets the number of the first unit and some
/// whole units to write, all zero. `work` is how many elements are looked at for one unit.
pub fn fill<T: Element>(units: usize, unit: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) -> Result<Vec<T>> {
    let n = units.checked_mul(unit).ok_or_else(|| Error::too_big(format!("{units} times {unit} elements")))?;
    let mut out = room_for::<T>(n)?;
    if n > 0 {
        let (task, parallel) = task(units, work);
        let room = &mut out.spare_capacity_mut()[..n];
        let write = |(i, part): (usize, &mut [MaybeUninit<T>])| f(i * task, cleared(part));
        match parallel {
            true => room.par_chunks_mut(task * unit).enumerate().for_each(write),
            false => room.chunks_mut(task * unit).enumerate().for_each(write),
        }
        // SAFETY: there is room for n elements, and every chunk of it was written.
        unsafe { out.set_len(n) };
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
        (_, false) => f(0, &mut a, &mut b),
        (task, true) => {
            let chunks = a.par_chunks_mut(task * unit).zip(b.par_chunks_mut(task * unit));
            chunks.enumerate().for_each(|(i, (a, b))| f(i * task, a, b));
        }
    }
    Ok((a, b))
}

/// How many units make a task, and whether tasks are worth threads of their own.
fn task(units: usize, work: usize) -> (usize, bool) {
    let task = GRAIN.div_ceil(work.max(1));
    (task, threads() > 1 && (units >= 2 * task || (units > 1 && work >= GRAIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_beyond_the_machine_is_an_error() {
        assert_eq!(zeros::<f64>(1 << 58).unwrap_err().code(), crate::ErrorCode::TooBig);
        assert_eq!(fill::<u8>(1 << 40, 1 << 40, 1, |_, _| {}).unwrap_err().code(), crate::ErrorCode::TooBig);
    }
}
