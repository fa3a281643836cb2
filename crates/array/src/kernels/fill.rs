//! The parallel loop: a result is split into tasks of whole units, none of which depends on another.

use super::threads::run_items;
use super::threads::{run_tasks, threads};
use crate::array::{Element, room};
use crate::error::{Error, Result};
use std::mem::MaybeUninit;

/// Elements that one task works on: few enough that they are still in a core's first cache when they are written after they were cleared.
const TASK: usize = 1 << 12;
/// Elements that are worth a thread of their own.
const GRAIN: usize = 1 << 14;

/// `n` zeros.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where memory does not suffice.
pub fn zeros<T: Element>(n: usize) -> Result<Vec<T>> {
    room::<T>(n)?;
    Ok(vec![T::default(); n])
}

/// An empty vector with capacity for `n` elements.
fn room_for<T: Element>(n: usize) -> Result<Vec<T>> {
    room::<T>(n)?;
    Ok(Vec::with_capacity(n))
}

/// The uninitialised elements of a result, which tasks write in disjoint parts.
struct Parts<T> {
    start: *mut MaybeUninit<T>,
    len: usize,
    /// The elements of a part; the last may be shorter.
    each: usize,
}

// SAFETY: a part is handed out once, to the task of its number, so that no two threads reach one element; and elements may be sent.
unsafe impl<T: Element> Sync for Parts<T> {}

impl<T: Element> Parts<T> {
    fn new(elements: &mut [MaybeUninit<T>], each: usize) -> Parts<T> {
        Parts { start: elements.as_mut_ptr(), len: elements.len(), each }
    }

    fn count(&self) -> usize {
        self.len.div_ceil(self.each)
    }

    /// Part `i`, of which nothing is written.
    ///
    /// # Safety
    /// The elements outlive the part, and no other part `i` is alive.
    unsafe fn take(&self, i: usize) -> Output<'_, T> {
        let first = (i * self.each).min(self.len);
        // SAFETY: `first` is within the elements, and parts of different indices do not overlap; the caller vouches for the rest.
        let elements = unsafe { std::slice::from_raw_parts_mut(self.start.add(first), self.each.min(self.len - first)) };
        Output { elements, written: 0 }
    }
}

/// Elements of a result that are written one after the other: those that were not written cannot be read.
pub struct Output<'a, T> {
    elements: &'a mut [MaybeUninit<T>],
    /// How many are written, from the first on.
    written: usize,
}

impl<T: Element> Output<'_, T> {
    /// How many elements are not written yet.
    pub fn rest(&self) -> usize {
        self.elements.len() - self.written
    }

    /// Writes the next `n` elements, of which `f` gives each by its index from 0, and gives them.
    ///
    /// # Panics
    /// Where fewer than `n` are left.
    #[inline(always)]
    pub fn write(&mut self, n: usize, f: impl Fn(usize) -> T) -> &mut [T] {
        let next = &mut self.elements[self.written..][..n];
        next.iter_mut().enumerate().for_each(|(i, element)| _ = element.write(f(i)));
        self.written += n;
        // SAFETY: every element was written just now, and MaybeUninit<T> lies in memory as T does.
        unsafe { &mut *(std::ptr::from_mut(next) as *mut [T]) }
    }

    /// Writes the next `n` elements as zeros, and gives them.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn zeros(&mut self, n: usize) -> &mut [T] {
        self.write(n, |_| T::default())
    }
}

/// `units` units of `unit` elements each, in parallel where it pays: `write` gets the number of the first unit and the elements of
/// some whole units, all zero. `work` is how many elements are read for one unit.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig).
pub fn fill<T: Element>(units: usize, unit: usize, work: usize, write: impl Fn(usize, &mut [T]) + Sync) -> Result<Vec<T>> {
    fill_with(units, unit, work, &write)
}

/// [`fill`], compiled once for each element type and not for each kernel.
pub fn fill_with<T: Element>(units: usize, unit: usize, work: usize, write: &(dyn Fn(usize, &mut [T]) + Sync)) -> Result<Vec<T>> {
    // Cleared where it is written, so that it is still in the cache then.
    write_with(units, unit, work, &|first, out| write(first, out.zeros(out.rest())))
}

/// As [`fill_with`], without zeros: `write` writes every element of the units that it is given.
///
/// # Errors
/// As [`fill`].
///
/// # Panics
/// Where an element was not written.
pub fn write_with<T: Element>(units: usize, unit: usize, work: usize, write: &(dyn Fn(usize, &mut Output<T>) + Sync)) -> Result<Vec<T>> {
    let n = elements(units, unit)?;
    let mut out = room_for::<T>(n)?;
    if n > 0 {
        let (task, parallel) = task(units, work);
        let parts = Parts::new(&mut out.spare_capacity_mut()[..n], task * unit);
        run_tasks(parts.count(), parallel, &|i| {
            // SAFETY: `out` outlives the tasks, each of which takes the part of its own number.
            let mut part = unsafe { parts.take(i) };
            write(i * task, &mut part);
            assert_eq!(part.rest(), 0, "every element of a result is written");
        });
        // SAFETY: there is room for n elements, and every part of them was written.
        unsafe { out.set_len(n) };
    }
    Ok(out)
}

/// Hands out a result that is there, line by line of so many elements, to several threads where asked: `write` gets the number of the first line
/// and some whole lines.
pub fn write_lines(out: &mut [f32], length: usize, parallel: bool, write: impl Fn(usize, &mut [f32]) + Sync) {
    if out.is_empty() {
        return;
    }
    let lines = out.len() / length;
    let parts = if parallel { lines.min(2 * threads()) } else { 1 };
    let start = |part: usize| part * lines / parts;
    let mut rest = out;
    let chunk = |part: usize| {
        let (chunk, after) = std::mem::take(&mut rest).split_at_mut((start(part + 1) - start(part)) * length);
        rest = after;
        (start(part), chunk)
    };
    run_items((0..parts).map(chunk).collect(), |(first, chunk)| write(first, chunk));
}

/// As [`fill`], two results of `unit` elements a unit each.
///
/// # Errors
/// As [`fill`].
pub fn fill_two<T: Element, U: Element>(
    units: usize,
    unit: usize,
    work: usize,
    write: &(dyn Fn(usize, &mut [T], &mut [U]) + Sync),
) -> Result<(Vec<T>, Vec<U>)> {
    let n = elements(units, unit)?;
    let (mut a, mut b) = (room_for::<T>(n)?, room_for::<U>(n)?);
    if n > 0 {
        let (task, parallel) = task(units, work);
        let first = Parts::new(&mut a.spare_capacity_mut()[..n], task * unit);
        let second = Parts::new(&mut b.spare_capacity_mut()[..n], task * unit);
        run_tasks(first.count(), parallel, &|i| {
            // SAFETY: as in `write_with`.
            let (mut first, mut second) = unsafe { (first.take(i), second.take(i)) };
            write(i * task, first.zeros(first.rest()), second.zeros(second.rest()));
        });
        // SAFETY: as in `write_with`.
        unsafe { a.set_len(n) };
        // SAFETY: as in `write_with`.
        unsafe { b.set_len(n) };
    }
    Ok((a, b))
}

fn elements(units: usize, unit: usize) -> Result<usize> {
    units.checked_mul(unit).ok_or_else(|| Error::too_big(format!("{units} times {unit} elements")))
}

/// How many units make a task, and whether tasks are worth threads of their own.
fn task(units: usize, work: usize) -> (usize, bool) {
    let of = |elements: usize| elements.div_ceil(work.max(1));
    (of(TASK), threads() > 1 && (units >= 2 * of(GRAIN) || (units > 1 && work >= GRAIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_written_by_its_task() {
        // Tasks of one unit on several threads; on one thread; and tasks of many units, the last of fewer, which are too many for Miri.
        let many = if cfg!(miri) { 7 } else { 2 * GRAIN + 1 };
        for (units, unit, work) in [(5, 3, GRAIN), (5, 3, 1), (many, 1, 1)] {
            let number = |first: usize, i: usize| (first * unit + i) as f32;
            let write = |first: usize, part: &mut [f32]| part.iter_mut().enumerate().for_each(|(i, x)| *x += number(first, i));
            let expected: Vec<f32> = (0..units * unit).map(|i| i as f32).collect();
            assert_eq!(fill(units, unit, work, write).unwrap(), expected);
            let both = |first: usize, part: &mut [f32], signs: &mut [i8]| {
                write(first, part);
                signs.fill(-1);
            };
            assert_eq!(fill_two(units, unit, work, &both).unwrap(), (expected, vec![-1; units * unit]));
        }
    }

    #[test]
    #[should_panic(expected = "every element of a result is written")]
    fn an_element_that_was_not_written_is_not_read() {
        let _ = write_with::<f32>(3, 1, 1, &|_, out| _ = out.write(2, |i| i as f32));
    }

    #[test]
    fn what_was_written_can_be_read_and_changed() {
        let write = |first: usize, out: &mut Output<f32>| {
            out.write(1, |_| first as f32)[0] += 0.5;
            assert_eq!(out.zeros(2), [0.0; 2]);
            let rest = out.rest();
            out.write(rest, |i| i as f32);
        };
        assert_eq!(write_with(5, 1, 1, &write).unwrap(), [0.5, 0.0, 0.0, 0.0, 1.0]);
    }

    // Miri ends where memory does not suffice.
    #[cfg_attr(miri, ignore)]
    #[test]
    fn room_beyond_the_machine_is_an_error() {
        assert_eq!(zeros::<f64>(1 << 58).unwrap_err().code(), crate::ErrorCode::TooBig);
        assert_eq!(fill::<u8>(1 << 40, 1 << 40, 1, |_, _| {}).unwrap_err().code(), crate::ErrorCode::TooBig);
    }

    #[test]
    fn nothing_has_no_lines() {
        for parallel in [false, true] {
            write_lines(&mut [], 7, parallel, |_, _| panic!("a line of nothing"));
        }
    }
}
