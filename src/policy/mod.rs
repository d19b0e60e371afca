//! The policy: which actions are allowed, asked about or denied, and why. Pure: layers come in as text, facts through
//! [`Surroundings`], and nothing is touched.
//!
//! The algebra is small on purpose. Verdicts are ordered `allow < ask < deny`; the strictest of all matching rules of all
//! layers wins; where none matches, the strictest default does. There is no order and there are no priorities, so a reader
//! can answer "why" by looking at one rule. `docs/policy.md` tells it to users.
//!
//! | file | what it does |
//! | --- | --- |
//! | `file`, `rule`, `paths`, `settings`, `layers`, `lint` | text to one effective policy |
//! | `decide`, `run`, `folders` | an action to findings, findings to a decision |
//! | `shell/` | the text of a command to what it would run |
//! | `render`, `explain` | the policy and its decisions as text |

mod action;
mod decide;
mod explain;
mod file;
mod folders;
mod globs;
mod hosts;
mod layers;
mod level;
mod lint;
mod net;
mod paths;
mod render;
mod rule;
mod run;
mod settings;
pub mod shell;
mod surroundings;
mod verdict;

pub use action::{Action, ActionKind, PushKind};
pub use explain::{Explanation, Report, check, explain};
pub use hosts::{host_and_port, of_address as host_of_address};
pub use layers::Policy;
pub use level::Level;
pub use net::NetTerms;
pub use paths::{PathClass, Secret};
pub use settings::{Approval, Branches, Budget, REGISTRIES, RunSettings};
pub use surroundings::{Lexical, Resolved, Surroundings};
pub use verdict::{Decision, Finding, LayerKind, LayerText, PolicyError, Verdict};

/// The policy that serves a user who has none; `countersign init` copies it.
pub const DEFAULT: &str = include_str!("../../policies/default.toml");
/// For work where every command outside a plain, listed subset is asked about.
pub const STRICT: &str = include_str!("../../policies/strict.toml");
/// Looking only; serves when a policy file is broken.
pub const READ_ONLY: &str = include_str!("../../policies/readonly.toml");
/// What no policy can switch off.
const FLOOR: &str = include_str!("floor.toml");
