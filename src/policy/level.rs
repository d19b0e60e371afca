//! How strong the walls round a command are. The policy asks for a strength; the sandbox proves one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How strong the walls are (docs/sandbox.md). The order is the strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Level {
    #[default]
    L0,
    #[serde(rename = "L1-weak")]
    L1Weak,
    L1,
    L2,
    L3,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::L0 => "L0",
            Level::L1Weak => "L1-weak",
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
        })
    }
}
