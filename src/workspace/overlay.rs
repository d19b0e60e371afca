//! What lies over the disk for one task: unsaved buffers and pending hunks, as plain values.

use std::collections::BTreeMap;

use crate::{path::WsPath, text::Text};

/// One path whose text is not that of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// The text that stands in place of the disk's.
    Text {
        text: Text,
        /// How a listing marks it: `new`, `changed`, `unsaved`.
        note: &'static str,
    },
    /// The task deleted it, or moved it away.
    Gone,
}

/// The paths whose text is not that of the disk.
pub type Overlay = BTreeMap<WsPath, Over>;
