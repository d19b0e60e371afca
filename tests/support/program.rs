//! Programs that a test writes and then runs.
//!
//! Never by this process: what another test starts holds every open file of it for a moment, between fork and exec, and the kernel
//! runs no program that somebody may write to ("Text file busy").
#![allow(dead_code, reason = "each ring uses what it needs")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Writes a program, and the folders above it.
pub fn program(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = Command::new("/bin/sh");
    writer.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path);
    let mut writer = writer.stdin(Stdio::piped()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(bytes.as_ref()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// Copies a program with its mode.
pub fn copied(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-p").args([from, to]).status().unwrap();
    assert!(copied.success(), "{}", to.display());
}
