//! `run`: one command inside the walls, on a shadow of what the user sees.

use std::{fmt::Write as _, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Effect, Tool, ToolResult,
    collector::{Collected, Collector},
    denial,
    kept::Kept,
    lenient,
    merge::{self, some},
    terminal,
};
use crate::{
    event::ToolCallStatus,
    path::WsPath,
    policy::{Action, host_and_port, host_of_address},
    seams::{CWD, Command, Outcome, SandboxError, Stopped},
};

/// What the model sees of an output: its start and its end.
const HEAD: usize = 4 * 1024;
const TAIL: usize = 12 * 1024;
/// Most hidden files that a result names.
const NAMES: usize = 20;
/// Most hosts of one command: so many that a person reads them.
const HOSTS: usize = 16;

/// Runs a bash command on the sealed shadow. No network but to the hosts in `network`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    #[serde(alias = "cmd", alias = "script", alias = "commandLine")]
    command: String,
    #[serde(default, alias = "workdir", alias = "working_directory", deserialize_with = "lenient::maybe_path")]
    #[schemars(with = "Option<String>")]
    cwd: Option<WsPath>,
    #[serde(default, alias = "timeout", deserialize_with = "lenient::number")]
    timeout_s: Option<u64>,
    #[serde(default, deserialize_with = "lenient::sentences")]
    #[schemars(description = "host:port each, or one of the policy's `registries`; asks the user")]
    network: Vec<String>,
}

#[async_trait::async_trait]
impl Tool for Run {
    fn title(&self) -> String {
        let line = self.command.trim().lines().next().unwrap_or_default();
        match line.char_indices().nth(60) {
            Some((cut, _)) => format!("running {}...", &line[..cut]),
            None => format!("running {line}"),
        }
    }

    fn actions(&self) -> Vec<Action> {
        let (command, cwd) = (self.command.clone(), self.cwd.clone().unwrap_or_else(WsPath::root));
        match self.hosts() {
            hosts if hosts.is_empty() => vec![Action::Run { command, cwd }],
            hosts => vec![Action::RunNet { command, cwd, hosts }],
        }
    }

    fn effect(&self) -> Effect {
        Effect::Runs
    }

    fn network(&mut self) -> Option<&mut Vec<String>> {
        Some(&mut self.network)
    }

    fn refusal(&self) -> Option<String> {
        if self.command.trim().is_empty() {
            return Some("command is empty".into());
        }
        let hosts = self.hosts().len();
        (hosts > HOSTS).then(|| format!("network names {hosts} hosts; name those that the command needs, {HOSTS} at most"))
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let timeout = self.timeout_s.map_or(cx.usual, |s| Duration::from_secs(s.max(1))).min(cx.longest);
        let command = Command {
            text: self.command.clone(),
            cwd: self.cwd.clone().unwrap_or_else(WsPath::root),
            timeout,
            network: self.hosts(),
        };
        let began = cx.workspace.moment().await?;
        let shadow = cx.workspace.shadow().await?;
        let spills = cx.shell.spills().await.map_err(|error| unrun(&error))?;
        let mut collector = Collector::new(cx, spills);
        let ended = cx.shell.run(command, &shadow, &mut collector, cx.cancel).await;
        let outcome = ended.map_err(|error| unrun(&error))?;
        let collected = collector.finish();
        let reasons = cx.shell.explained(&self.command, &collected.text, &outcome).await;
        let walls = reasons.as_deref().and_then(denial::for_the_person);
        let refused: Vec<&str> = walls.iter().chain(&collected.closed).map(String::as_str).collect();
        let refused = (!refused.is_empty()).then(|| refused.join("\n"));
        // Whoever stops a task wants nothing more of it.
        let changes = match outcome.stopped {
            Some(Stopped::Cancelled) => String::new(),
            _ => merge::propose(cx, began, &outcome).await,
        };
        let piped = denial::ends_in_pipe(&self.command);
        let mut text = report(&outcome, &changes, reasons, piped, timeout, collected, cx);
        if let Some(words) = cx.shell.untold_differences().await {
            let _ = write!(text, "\n[{words}]");
        }
        let status = match outcome.stopped {
            Some(Stopped::Cancelled) => ToolCallStatus::Cancelled,
            _ if outcome.exit == Some(0) => ToolCallStatus::Ok,
            _ => ToolCallStatus::Error,
        };
        Ok(ToolResult { status, text, refused })
    }
}

/// Why no command ran, for the model and through it for the user.
fn unrun(error: &SandboxError) -> ToolResult {
    // The walls can be had; it is the call that is wrong.
    if error.step == CWD {
        return ToolResult::error(format!("{}. Nothing ran; name a folder of the workspace as cwd", error.why));
    }
    let hint = if error.hint.is_empty() { String::new() } else { format!(" (for the user: {})", error.hint) };
    ToolResult::error(format!("{error}{hint}. Nothing ran. Go on without commands and say in finish what was not checked"))
}

impl Run {
    /// The hosts in the form of the policy, each once. What cannot be brought into it stays as it is, for the policy to deny.
    fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for written in &self.network {
            let lower = written.trim().to_ascii_lowercase();
            let host = host_of_address(&lower).ok().filter(|host| host_and_port(host).is_some());
            let secure = format!("{lower}:443");
            let host = host.or_else(|| host_and_port(&secure).is_some().then_some(secure)).unwrap_or_else(|| written.clone());
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

fn report(
    outcome: &Outcome,
    changes: &str,
    reasons: Option<String>,
    piped: bool,
    timeout: Duration,
    collected: Collected,
    cx: &Context<'_>,
) -> String {
    let mut out = match (outcome.stopped, outcome.exit, outcome.signal) {
        (Some(Stopped::Timeout), ..) if timeout < cx.longest => {
            format!("ended by the time limit of {} s; timeout_s sets it, up to {}", timeout.as_secs(), cx.longest.as_secs())
        }
        (Some(Stopped::Timeout), ..) => {
            format!("ended by the time limit of {} s, the longest ([run] max_timeout_s in policy.toml)", timeout.as_secs())
        }
        (Some(_), ..) => denial::ended(outcome).unwrap_or_default(),
        (None, Some(0), _) if piped => "exit code 0 of the last command in the pipe".to_owned(),
        (None, Some(code), _) => format!("exit code {code}"),
        (None, None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None, None) => "ended without an exit code".to_owned(),
    };
    let _ = writeln!(out, " ({:.1} s)", outcome.duration.as_secs_f64());
    let Collected { total, text, whole, lost, closed } = collected;
    let (first, between, last) = terminal::ends(&text, HEAD, TAIL);
    out.push_str(first);
    if let Some((lines, _)) = between {
        let shown = lines_of(first) + lines_of(last);
        let lines = whole.as_ref().map_or(lines as u64, |whole| whole.lines().saturating_sub(shown));
        let last = last.to_owned();
        let id = cx.outputs.keep(whole.unwrap_or_else(|| Kept::text(text)));
        let lost = if lost > 0 { format!(", {lost} bytes of the middle are lost") } else { String::new() };
        let _ = write!(
            out,
            "\n[{lines} lines left out of {total} bytes in all{lost}; output {{\"id\": \"{id}\"}} shows them]\n{last}"
        );
    } else if text.trim().is_empty() {
        out.push_str("(no output)");
    }
    out.push_str(changes);
    if let Some(reasons) = &reasons {
        let _ = write!(out, "\n[refused by the walls]\n{reasons}");
    }
    if !closed.is_empty() {
        let _ = write!(out, "\n[network: {}; there is no other way out]", closed.join("; "));
    }
    if outcome.git {
        out.push_str(
            "\n[what the command did in .git stays in the shadow and vanishes with it: the user's repository is as it was]",
        );
    }
    if outcome.exit != Some(0) {
        let hidden = cx.shell.untold_secrets(&outcome.hidden);
        if !hidden.is_empty() {
            let _ =
                write!(out, "\n[hidden from commands as secrets: {}; what needs them fails here]", some(&hidden, NAMES, ", "));
        }
    }
    out
}

fn lines_of(text: &str) -> u64 {
    text.lines().count() as u64
}
