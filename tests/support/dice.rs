//! A small generator of random numbers (xorshift) that are the same in every run, so that a failure can be seen again.
#![allow(dead_code, reason = "each ring uses what it needs")]

/// Seeded with anything but 0.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `below`; 0 where that is 0.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }
}
