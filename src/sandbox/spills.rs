//! Outputs that are too long for memory: files without a name beside the shadow, 0600, which commands cannot see. The kernel
//! frees them with the last descriptor, so that not even a killed server leaves one behind.
//!
//! It owns these files, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::seams::{Spill, Spills};

/// Makes files in one folder.
#[derive(Debug)]
pub(super) struct Unnamed(pub PathBuf);

impl Spills for Unnamed {
    fn create(&self) -> io::Result<Box<dyn Spill>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(CWD, &self.0, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Box::new(Output { file: file.into(), length: 0 }))
    }
}

struct Output {
    file: File,
    length: u64,
}

impl Spill for Output {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let room = self.length.saturating_sub(at).min(most as u64) as usize;
        let mut bytes = vec![0; room];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}
