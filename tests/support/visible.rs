//! A place where commands behind the walls can see what a test leaves.

use std::path::PathBuf;

/// Not below /tmp, a home or another disk, as far as this user may choose: those are private to each command. Where the build
/// lies there, it is a folder of the system.
pub fn place() -> PathBuf {
    const PRIVATE: [&str; 8] = ["/tmp", "/var/tmp", "/run", "/home", "/root", "/mnt", "/media", "/var/mail"];
    let built = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let others = ["/var/lib", "/srv", "/opt"].map(PathBuf::from);
    let other = || others.into_iter().find(|place| tempfile::tempdir_in(place).is_ok());
    PRIVATE.iter().any(|private| built.starts_with(private)).then(other).flatten().unwrap_or(built)
}
