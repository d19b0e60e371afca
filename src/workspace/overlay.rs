//! What lies over the disk for one task: unsaved buffers and pending hunks, as plain values.

use std::collections::BTreeMap;

use crate::{path::WsPath, seams::Source, text::Text};

use super::{desk, disk::Folder};

/// One path whose text is not, or may not be, that of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// The text that stands in place of the disk's.
    Text {
        text: Text,
        /// How a listing marks it: `new`, `changed`, `unsaved`.
        note: Option<&'static str>,
    },
    /// The task deleted it, or moved it away.
    Gone,
}

/// The paths whose text is not that of the disk.
pub type Overlay = BTreeMap<WsPath, Over>;

/// The desk's answer as an overlay of this folder. A link inside the folder stands for the file that it leads to, which is
/// how walks find it; a path that leads out is left out.
pub(super) fn overlay(folder: &Folder, desk: Vec<desk::Overlay>) -> Overlay {
    let over = |desk: desk::Overlay| {
        let real = folder.resolve(&desk.path).ok()?;
        let on_disk = || folder.stat(&real).is_ok_and(|stat| stat.is_some());
        let Some(text) = desk.text else { return Some((real, Over::Gone)) };
        let note = match desk.source {
            Source::Proposed if on_disk() => Some("changed"),
            Source::Proposed => Some("new"),
            Source::Buffer { unsaved: true, .. } => Some("unsaved"),
            Source::Buffer { .. } | Source::Disk => None,
        };
        Some((real, Over::Text { text, note }))
    };
    desk.into_iter().filter_map(over).collect()
}
