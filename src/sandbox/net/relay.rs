//! Bytes both ways between a command and a server, counted, under caps.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

const BUFFER: usize = 32 << 10;

/// Counts bytes of one direction, and stops at a cap.
#[derive(Debug)]
pub(super) struct Meter {
    used: AtomicU64,
    most: u64,
}

impl Meter {
    pub(super) fn new(most: u64) -> Self {
        Meter { used: AtomicU64::new(0), most }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether that many more may pass.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.most
    }
}

/// Why bytes stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The sender had no more.
    End,
    /// One of them hung up.
    Broken,
    /// Nothing came for too long.
    Idle,
    /// The cap of this direction.
    Cap,
}

/// One direction: the command's meter, the connection's, and whether the receiver is told when there is no more.
pub(super) struct Lane<'a> {
    pub all: &'a Meter,
    pub own: &'a Meter,
    pub hang_up: bool,
}

/// Passes bytes on until the sender has no more. `busy` counts in both directions: one that is
/// silent while the other works is not idle.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    lane: Lane<'_>,
    busy: &AtomicU64,
    idle: Duration,
) -> Halt {
    let mut buffer = vec![0u8; BUFFER];
    loop {
        let before = busy.load(Ordering::Relaxed);
        let length = match timeout(idle, from.read(&mut buffer)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(length)) => length,
            Ok(Err(_)) => return Halt::Broken,
            Err(_) if busy.load(Ordering::Relaxed) == before => return Halt::Idle,
            Err(_) => continue,
        };
        busy.fetch_add(1, Ordering::Relaxed);
        if !lane.all.takes(length) {
            return Halt::Cap;
        }
        lane.own.takes(length);
        match timeout(idle, to.write_all(&buffer[..length])).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Halt::Broken,
            Err(_) => return Halt::Idle,
        }
        busy.fetch_add(1, Ordering::Relaxed);
    }
    if lane.hang_up && to.shutdown().await.is_err() {
        return Halt::Broken;
    }
    Halt::End
}
