//! Room for intermediate values that a thread keeps from call to call: other room would be fetched from the system, and cleared, at each of them.

use super::vector::CacheLine;
use bytemuck::{Pod, Zeroable};
use std::cell::RefCell;

/// The most bytes of a room that a thread keeps.
const KEPT: usize = 1 << 24;

thread_local! {
    static ROOMS: RefCell<Vec<Vec<CacheLine>>> = const { RefCell::new(Vec::new()) };
}

/// Runs with room for so many elements, at the start of a line of the cache, which hold any values. Inside, a second call gets another room.
pub fn with_room<T: Pod, R>(elements: usize, run: impl FnOnce(&mut [T]) -> R) -> R {
    let mut room = ROOMS.with_borrow_mut(Vec::pop).unwrap_or_default();
    let lines = lines::<T>(elements);
    if room.len() < lines {
        room.resize(lines, CacheLine::zeroed());
    }
    let result = run(&mut bytemuck::cast_slice_mut(&mut room)[..elements]);
    let kept = KEPT / size_of::<CacheLine>();
    room.truncate(kept);
    room.shrink_to(kept);
    ROOMS.with_borrow_mut(|rooms| rooms.push(room));
    result
}

/// The lines of the cache that so many elements lie in.
pub fn lines<T>(elements: usize) -> usize {
    (elements * size_of::<T>()).div_ceil(size_of::<CacheLine>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_inside_of_room_is_another() {
        let sums = with_room(5, |outer: &mut [f32]| {
            outer.fill(1.0);
            with_room(100, |inner: &mut [f64]| inner.fill(2.0));
            with_room(3, |inner: &mut [f32]| inner.fill(3.0));
            (outer.len(), outer.iter().sum::<f32>())
        });
        assert_eq!(sums, (5, 5.0));
        let large = KEPT / 4 + 1000;
        assert_eq!(with_room(large, |room: &mut [f32]| room.len()), large);
        assert!(ROOMS.with_borrow(|rooms| rooms.iter().all(|room| size_of_val(&room[..]) <= KEPT)));
    }
}
