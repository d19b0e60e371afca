//! What commands must see in place of the disk, and what they must not see.

use crate::{
    path::WsPath,
    policy::{Secret, Surroundings},
    seams::{Shadow, ShadowFile, WorkspaceError},
};

use super::{decode::BOM, desk, surroundings::World};

/// Permission bits of a file that the disk does not have yet.
const NEW_FILE: u32 = 0o644;

/// The files whose text is not the disk's, byte for byte, and the secret files to hide. The text of a secret file is not
/// among them: an unsaved `.env` is as secret as a saved one.
///
/// # Errors
/// [`WorkspaceError`] when it cannot be said where the secret files are.
pub(super) fn shadow(
    world: &World,
    overlay: Vec<desk::Overlay>,
    secrecy: &dyn Fn(&WsPath, bool) -> Option<Secret>,
) -> Result<Shadow, WorkspaceError> {
    let files = overlay.iter().filter_map(|over| file(world, over, secrecy)).collect();
    Ok(Shadow { files, masked: world.masked(secrecy)? })
}

/// One file of the shadow; `None` when the disk holds the same, or nothing can stand there.
fn file(world: &World, over: &desk::Overlay, secrecy: &dyn Fn(&WsPath, bool) -> Option<Secret>) -> Option<ShadowFile> {
    let path = world.disk().resolve(&over.path).ok()?;
    if secrecy(&path, world.tracked(&path)).or_else(|| secrecy(&over.path, false)).is_some_and(|secret| secret.hide_from_commands)
    {
        return None;
    }
    let exists = world.disk().stat(&path).ok()?.is_some();
    // A file that is too big to be read has another text than any buffer.
    let disk = world.disk().read(&path).ok();
    let content = match &over.at {
        Some(at) if over.text.is_some() => Some(world.disk().read(at).ok()?.bytes),
        _ => over.bytes(disk.as_ref().is_some_and(|disk| disk.bytes.starts_with(BOM))),
    };
    let mode = over.executable.map(|executable| {
        let now = disk.as_ref().map_or(NEW_FILE, |disk| disk.mode);
        if executable { now | (now & 0o444) >> 2 } else { now & !0o111 }
    });
    let mode = mode.filter(|mode| disk.as_ref().is_none_or(|disk| disk.mode != *mode));
    let same = match (&content, &disk) {
        (Some(content), Some(disk)) => *content == disk.bytes && mode.is_none(),
        (None, None) => !exists,
        _ => false,
    };
    (!same).then(|| ShadowFile { path, content, mode: mode.or((!exists).then_some(NEW_FILE)) })
}
