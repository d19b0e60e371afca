//! A fast hash for lines: eight bytes a step, keyed anew in every process, so that no text can be made to collide.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
};

/// Builds the hashers of one process: all with the same secret key.
#[derive(Clone, Copy)]
pub(super) struct LineHash {
    key: (u64, u64),
}

impl Default for LineHash {
    fn default() -> Self {
        static KEY: OnceLock<(u64, u64)> = OnceLock::new();
        let key = KEY.get_or_init(|| {
            let random = RandomState::new();
            (random.hash_one(0u8), random.hash_one(1u8) | 1)
        });
        LineHash { key: *key }
    }
}

impl BuildHasher for LineHash {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.key.0, key: self.key.1 }
    }
}

/// Multiplies to 128 bits and folds the halves together.
pub(super) struct Folding {
    state: u64,
    key: u64,
}

impl Folding {
    fn step(&mut self, word: u64) {
        let full = u128::from(self.state ^ word).wrapping_mul(u128::from(self.key));
        self.state = (full as u64) ^ ((full >> 64) as u64) ^ word.rotate_left(32);
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.step(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.step(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, _: u8) {
        // The mark that ends a str; lengths are hashed already.
    }

    fn finish(&self) -> u64 {
        let full = u128::from(self.state).wrapping_mul(u128::from(self.key));
        (full as u64) ^ ((full >> 64) as u64)
    }
}
