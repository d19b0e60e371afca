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

impl Level {
    /// For the person: what is weaker than it could be, in one sentence. Nothing at the highest level, and where no command runs.
    pub fn for_the_user(self) -> Option<&'static str> {
        match self {
            Level::L3 | Level::L0 => None,
            Level::L2 => Some(
                "Commands run at level L2: without a network of their own, so tests that open a port fail; `countersign doctor` tells \
                 how to raise it.",
            ),
            Level::L1 => Some(
                "Commands run at level L1, on a copy of the folder: they could change modes and times of your own files, and tests that \
                 open a port fail; `countersign doctor` tells how to raise it.",
            ),
            Level::L1Weak => Some(
                "Commands run at level L1-weak, on a copy of the folder: they may signal your other programs, could change modes and \
                 times of your own files, and tests that open a port fail; `countersign doctor` tells how to raise it.",
            ),
        }
    }

    /// For the model: what commands find otherwise than elsewhere, in one sentence.
    pub fn for_the_model(self) -> Option<&'static str> {
        match self {
            Level::L3 | Level::L0 => None,
            Level::L2 => Some(
                "commands here can open no port, not even on the loopback: a test that needs one fails for that reason, so leave it to the \
                 user and name it in finish",
            ),
            Level::L1 | Level::L1Weak => Some(
                "commands here run in a copy of the workspace at another path ($PWD; do not name the workspace by its absolute path), with \
                 $TMPDIR in place of /tmp, ignored folders such as node_modules read-only, build outputs started from nothing, and no \
                 ports, Unix sockets, shared memory or terminals: a test that needs one of these fails for that reason, so leave it to \
                 the user and name it in finish",
            ),
        }
    }
}
