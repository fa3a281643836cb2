//! The system's allocator with a count, thread by thread, of the bytes in use: tests that run at once don't disturb each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn grow(bytes: usize) {
    // A thread that is ending has no counters left.
    let _ = IN_USE.try_with(|in_use| {
        in_use.set(in_use.get() + bytes as isize);
        PEAK.with(|peak| peak.set(peak.get().max(in_use.get())));
    });
}

fn shrink(bytes: usize) {
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() - bytes as isize));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        shrink(layout.size());
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Large blocks are moved by the kernel without a second copy.
        shrink(layout.size());
        grow(size);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the work gives, and the most bytes that it held at a time on this thread.
pub fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = IN_USE.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before) as usize)
}
