//! Random choices from a seed: the same on every machine.

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where there is none.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    pub fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Numbers at which sizes, offsets and axes go wrong.
pub const INTERESTING: &[i64] = &[
    0,
    1,
    -1,
    2,
    -2,
    3,
    7,
    127,
    255,
    1000,
    65_535,
    100_000,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    -(1 << 31),
    1 << 32,
    1_000_000_000_000,
    1 << 53,
    i64::MAX,
    i64::MIN,
];
