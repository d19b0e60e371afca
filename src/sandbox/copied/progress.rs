//! How far the copy is, told from the thread that makes it to whoever waits, and the other way: that nobody does any more.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::seams::Copying;

/// Shared by both sides.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Progress {
    done: AtomicU64,
    all: AtomicU64,
    given_up: AtomicBool,
}

impl Progress {
    /// So many files are to be copied.
    pub(super) fn begin(&self, all: usize) {
        self.all.store(all as u64, Ordering::Relaxed);
    }

    /// One more is done.
    pub(super) fn one(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// # Errors
    /// When nobody waits for it any more. To be asked often: whoever stops a task waits for no file.
    pub(super) fn wanted(&self) -> io::Result<()> {
        if self.is_given_up() { Err(io::Error::other("it was given up")) } else { Ok(()) }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    pub(in crate::sandbox) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    pub(in crate::sandbox) fn now(&self) -> Copying {
        Copying { done: self.done.load(Ordering::Relaxed), all: self.all.load(Ordering::Relaxed) }
    }
}
