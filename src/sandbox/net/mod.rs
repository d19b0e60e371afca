//! The only way out of the walls: a proxy in the server for commands that have a network list.
//!
//! No process stands between. The keeper makes a socket inside the network namespace of a command and hands it to the server
//! ([`door`]); a socket belongs to the namespace that it was made in, so what the server listens on and accepts there comes
//! from that command and from nowhere else. It is closed when the command ends, and with it everything that went through.
//!
//! | file | what it does |
//! | --- | --- |
//! | `door` | the socket comes out of the namespace |
//! | `proxy` | accepts, counts, ends |
//! | `exchange` | one connection: understood, judged, dialled, passed on |
//! | `head`, `hello`, `address` | what a request, a TLS hello and an address mean; pure |
//! | `resolve` | names to addresses |
//! | `relay` | bytes both ways, under caps |
//! | `answer` | what the proxy itself says |
//! | `variables` | how programs find it |

pub mod address;
mod answer;
mod door;
mod exchange;
pub mod head;
pub mod hello;
mod proxy;
mod relay;
mod resolve;
pub(super) mod variables;

use std::{sync::Arc, time::Duration};

pub(super) use self::door::{Doorway, take};
pub(super) use self::proxy::{News, Proxy};
pub use self::resolve::{Resolve, System};

/// Bounds of one command's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes that a command may send in all, and receive.
    pub sent: u64,
    pub received: u64,
    /// Connections at the same time (more wait), and in all.
    pub at_once: usize,
    pub in_all: u32,
    /// How long a connection may carry nothing.
    pub idle: Duration,
    /// How long a request, a TLS hello, a name and a server may each take.
    pub patience: Duration,
}

impl Default for Caps {
    fn default() -> Self {
        Caps {
            sent: 64 << 20,
            received: 4 << 30,
            at_once: 64,
            in_all: 10_000,
            idle: Duration::from_secs(120),
            patience: Duration::from_secs(10),
        }
    }
}

/// What every proxy of a sandbox works with.
#[derive(Clone)]
pub struct Network {
    pub resolver: Arc<dyn Resolve>,
    pub caps: Caps,
}

impl Default for Network {
    fn default() -> Self {
        Network { resolver: Arc::new(System), caps: Caps::default() }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("caps", &self.caps).finish_non_exhaustive()
    }
}
