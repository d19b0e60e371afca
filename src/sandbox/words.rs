//! The lines that a wall process sends, as they come.
//!
//! Tokio's readers take a read that fills less than its buffer for a sign that the socket holds no more, and wait for news. A
//! message with a descriptor beside it ends a read before what stands behind it, so that this is not true of a process 1: on
//! a busy machine the word that its walls stand would lie unread until the next one, which is the end of the command. Here
//! it is read until the kernel says that there is nothing.

use std::io;

use tokio::net::{UnixStream, unix::OwnedReadHalf};

/// What is read at once, and the longest line; bytes.
const PIECE: usize = 8 << 10;
const LONGEST: usize = 1 << 20;

/// Reads lines.
pub(super) struct Words {
    from: OwnedReadHalf,
    /// What was read of lines that nobody took yet.
    read: Vec<u8>,
}

impl Words {
    pub(super) fn new(from: OwnedReadHalf) -> Words {
        Words { from, read: Vec::new() }
    }

    /// Where they come from.
    pub(super) fn channel(&self) -> &UnixStream {
        self.from.as_ref()
    }

    /// The next line without its end; `None` when the other side has hung up. Nothing is lost when this is given up half-way.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                let line = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.read.len() > LONGEST {
                return None;
            }
            self.from.readable().await.ok()?;
            let mut piece = [0u8; PIECE];
            match self.from.try_read(&mut piece) {
                Ok(0) => return None,
                Ok(length) => self.read.extend_from_slice(&piece[..length]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => return None,
            }
        }
    }
}
