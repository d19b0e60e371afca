//! What the policy must know of the world, asked through a trait so that the policy itself touches nothing.

use crate::path::WsPath;

/// Where a path really leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Below the workspace folder, after following symbolic links.
    Inside(WsPath),
    /// A link or magic link on the way leads out of the workspace.
    Outside,
}

/// The world as far as verdicts depend on it. The workspace implements it; all answers are for one moment.
pub trait Surroundings {
    /// Follows symbolic links, also for names that do not exist yet (their deepest existing folder counts).
    fn resolve(&self, path: &WsPath) -> Resolved;

    /// Whether git knows the file.
    fn tracked(&self, path: &WsPath) -> bool;

    /// The text of a git alias, `!` included; `None` where there is none of that name.
    fn git_alias(&self, name: &str) -> Option<String>;

    /// What a shell glob in an operand names, bounded by the implementer.
    fn glob(&self, pattern: &str, cwd: &WsPath) -> Vec<WsPath>;

    /// The canonical absolute path of the workspace folder, so that absolute operands below it are known as its own.
    /// Empty where it is not known: every absolute path then leads outside.
    fn folder(&self) -> &str {
        ""
    }
}

/// A world without files, links or git: paths are what they read like. For a rule's examples and for `policy explain`
/// outside of a workspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lexical;

impl Surroundings for Lexical {
    fn resolve(&self, path: &WsPath) -> Resolved {
        Resolved::Inside(path.clone())
    }

    fn tracked(&self, _: &WsPath) -> bool {
        false
    }

    fn git_alias(&self, _: &str) -> Option<String> {
        None
    }

    fn glob(&self, _: &str, _: &WsPath) -> Vec<WsPath> {
        Vec::new()
    }
}
