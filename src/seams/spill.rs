//! Room for outputs that are too long to be kept in memory.

use std::io;

/// Makes files for one session.
pub trait Spills: Send + Sync {
    /// An empty file that nobody but this process can find.
    ///
    /// # Errors
    /// There is no room, or no such place.
    fn create(&self) -> io::Result<Box<dyn Spill>>;
}

/// A file that is written once and read at random; gone when it is dropped, and with its process in any case.
pub trait Spill: Send + Sync {
    /// Appends all of it.
    ///
    /// # Errors
    /// The disk is full or fails.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Up to `most` bytes from byte `at` on; none at the end.
    ///
    /// # Errors
    /// The disk fails.
    fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>>;
}

/// No room at all: what is too long is lost, and told to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSpills;

impl Spills for NoSpills {
    fn create(&self) -> io::Result<Box<dyn Spill>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
