//! Which walls this machine can have: found out by putting them up and running a command behind them, best first.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{LinuxSandbox, hints::refusal, level, make_private, removals};
use crate::{
    path::WsPath,
    seams::{Command, Level, OutputSink, SandboxError, SandboxSession, SandboxSpec, Shadow},
};

/// Best first.
const LEVELS: [Level; 4] = [Level::L3, Level::L2, Level::L1, Level::L1Weak];

/// What was found out.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub level: Level,
    /// What stands, and why nothing better does.
    pub detail: String,
    /// Why there is none, at `L0`.
    pub refusal: Option<SandboxError>,
}

/// What a level consists of.
fn walls(level: Level) -> &'static str {
    match level {
        Level::L3 => "namespaces, private network, overlay, Landlock and seccomp",
        Level::L2 => "namespaces, no sockets but Unix ones, overlay, Landlock and seccomp",
        Level::L1 => "Landlock and seccomp, on a copy of the workspace",
        Level::L1Weak => "Landlock and seccomp, on a copy of the workspace; commands may signal your other programs",
        Level::L0 => "none",
    }
}

impl LinuxSandbox {
    /// Tries one level after the other, and notes what it finds for the next server.
    pub(super) async fn find_out(&self) -> Proof {
        let mut failures: Vec<(Level, SandboxError)> = Vec::new();
        for level in LEVELS {
            match self.prove(level).await {
                Ok(()) => {
                    let stands = format!("{}, proved by running a command", walls(level));
                    let why = failures
                        .first()
                        .map(|(best, error)| format!("; not {best}: {}: {}. {}", error.step, error.why, error.hint));
                    let proof = Proof { level, detail: stands + &why.unwrap_or_default(), refusal: None };
                    if let Some(memory) = self.memory() {
                        memory.note(level, &proof.detail);
                    }
                    return proof;
                }
                // No other level would do better.
                Err(error) if !is_of_a_level(&error.step) => {
                    failures.insert(0, (level, error));
                    break;
                }
                Err(error) => failures.push((level, error)),
            }
        }
        level::forget(&self.paths.cache);
        let least = failures.last().filter(|_| failures.len() > 1);
        let least = least.map(|(level, error)| format!(" (and for {level}: {}: {})", error.step, error.why)).unwrap_or_default();
        let refusal = failures.into_iter().next().map(|(_, error)| SandboxError { why: error.why + &least, ..error });
        let detail = refusal.as_ref().map(|error| format!("{}: {}. {}", error.step, error.why, error.hint)).unwrap_or_default();
        Proof { level: Level::L0, detail, refusal }
    }

    /// Runs a command behind every wall of a level, over a folder of our own.
    async fn prove(&self, level: Level) -> Result<(), SandboxError> {
        let folder = self.paths.cache.join(format!("probe-{}", uuid::Uuid::now_v7()));
        make_private(&self.paths.cache)?;
        // Held like a shadow's, so that a probe that is cut short is swept like one.
        let lock = removals::lock(&folder).ok();
        make_private(&folder)?;
        let proved = async {
            let session = self.open_at(&SandboxSpec::bare(folder.clone()), level)?;
            let timeout = Duration::from_secs(10);
            let command = Command { text: "exit 42".into(), cwd: WsPath::root(), timeout, network: Vec::new() };
            session.run(command, &Shadow::default(), &mut Silent, &CancellationToken::new()).await
        };
        let outcome = proved.await;
        self.removals.start(folder, lock);
        match outcome?.exit {
            Some(42) => Ok(()),
            other => Err(refusal("probe", &format!("a test command ended with {other:?} instead of 42"))),
        }
    }
}

/// Whether a step that failed may stand at a weaker level.
fn is_of_a_level(step: &str) -> bool {
    !matches!(step, "start" | "plan" | "shell" | "workspace folder" | "workspace owner")
}

/// Output that nobody wants.
struct Silent;

impl OutputSink for Silent {
    fn output(&mut self, _: &[u8]) {}
}
