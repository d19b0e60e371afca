//! One journal record as one line for people. What came from outside is escaped and shortened; `audit show --full` has it whole.

use super::{
    Out,
    printable::{printable, shortened},
};
use crate::{
    event::{Actor, Event, PermissionOutcome, StopReason, ToolCallStatus},
    journal::Record,
};

/// Most characters of a quoted text.
const QUOTE: usize = 100;

/// The line: time, actor, kind, and what matters of the event.
pub fn line(record: &Record, out: &Out) -> String {
    let time = record.ts.get(11..23).unwrap_or(&record.ts);
    let who = match record.actor {
        Actor::Human => "you",
        Actor::Model => "model",
        Actor::Server => "server",
    };
    let (kind, text) = describe(&record.event);
    let text = match tone(&record.event) {
        Tone::Plain => text,
        Tone::Good => out.good(text),
        Tone::Warn => out.warn(text),
        Tone::Bad => out.bad(text),
    };
    let at = record.scope.iteration.map_or_else(String::new, |n| format!("#{n}"));
    format!("  {}  {who:<6} {at:>3} {}  {text}", out.dim(printable(time)), out.bold(format_args!("{kind:<17}")))
}

enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

fn tone(event: &Event) -> Tone {
    match event {
        Event::HunkAccepted { .. } | Event::GitCommit { .. } | Event::GitPush { .. } => Tone::Good,
        Event::ApprovalDecision { outcome: PermissionOutcome::Approved, .. } => Tone::Good,
        Event::ApprovalRequest { .. } | Event::HunkStale { .. } | Event::BudgetStop { .. } => Tone::Warn,
        Event::RecoveryUnknown { .. } | Event::EffectResult { ok: false, .. } | Event::LlmResponse { error: Some(_), .. } => {
            Tone::Bad
        }
        Event::ToolResult { status: ToolCallStatus::Denied, .. } => Tone::Bad,
        Event::PolicyDecision { verdict, .. } if verdict == "deny" => Tone::Bad,
        Event::PolicyLoaded { problems, .. } if !problems.is_empty() => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// The event's contract name and one line about it.
fn describe(event: &Event) -> (&'static str, String) {
    match event {
        Event::ServerStart { version, pid, client } => {
            ("server.start", format!("version {}, process {pid}, {}", short(version), maybe(client)))
        }
        Event::ServerStop { reason } => ("server.stop", short(reason)),
        Event::SessionStart { version, model, client } => {
            ("session.start", format!("{}, version {}, {}", short(model), short(version), maybe(client)))
        }
        Event::TaskStart { title, mode, prompt, .. } => {
            ("task.start", format!("{} ({}): {}", short(title), short(mode), quote(prompt)))
        }
        Event::TaskEnd { stop, summary, iterations, usage } => (
            "task.end",
            format!(
                "{} after {iterations} iterations, {} tokens{}",
                stop_reason(*stop),
                usage.prompt() + usage.output,
                if summary.is_empty() { String::new() } else { format!(": {}", quote(summary)) }
            ),
        ),
        Event::TrustChanged { folder, trusted, by } => (
            "trust.changed",
            format!("{} {} (by {})", if *trusted { "trusted" } else { "no longer trusted" }, short(folder), short(by)),
        ),
        Event::PolicyLoaded { sha, layers, problems } => {
            let problems =
                if problems.is_empty() { String::new() } else { format!("; problems: {}", quote(&problems.join("; "))) };
            let layers = if layers.is_empty() { "the built-in default".to_owned() } else { short(&layers.join(", ")) };
            ("policy.loaded", format!("{} from {layers}{problems}", start(sha)))
        }
        Event::GrantAdded { pattern } => ("grant.added", quote(pattern)),
        Event::GrantUsed { pattern } => ("grant.used", quote(pattern)),
        Event::GrantRevoked { pattern } => ("grant.revoked", quote(pattern)),
        Event::SandboxLevel { level, detail } => ("sandbox.level", format!("{} {}", short(level), short(detail))),
        Event::LlmRequest { model, messages, bytes, tools_off, .. } => (
            "llm.request",
            format!("{}, {messages} messages, {bytes} bytes{}", short(model), if *tools_off { ", without tools" } else { "" }),
        ),
        Event::LlmResponse { stop, usage, ms, error, content, .. } => (
            "llm.response",
            match error {
                Some(error) => format!("failed after {ms} ms: {}", quote(error)),
                None => format!("{} in {ms} ms, {} + {} tokens{}", short(stop), usage.prompt(), usage.output, said(content)),
            },
        ),
        Event::ToolIntent { tool, input } => ("tool.intent", format!("{} {}", short(tool), quote(&input.to_string()))),
        Event::ToolResult { tool, status, content, ms, .. } => {
            ("tool.result", format!("{} {} in {ms} ms: {}", short(tool), call_status(*status), quote(content)))
        }
        Event::PolicyDecision { action, target, verdict, rule, layer, reason } => {
            let why = if reason.is_empty() { String::new() } else { format!(": {}", short(reason)) };
            (
                "policy.decision",
                format!("{} {} -> {} by {} of {}{why}", short(action), quote(target), short(verdict), short(rule), short(layer)),
            )
        }
        Event::ApprovalRequest { approval, question, digest, .. } => {
            ("approval.request", format!("{} {} [{}]", short(&approval.0), quote(question), start(digest)))
        }
        Event::ApprovalDecision { approval, outcome, by, ms, digest } => {
            let after = format!("{}.{} s", ms / 1000, ms % 1000 / 100);
            (
                "approval.decision",
                format!("{} {} by {} after {after} [{}]", short(&approval.0), permission(*outcome), short(by), start(digest)),
            )
        }
        Event::EffectStart { effect, digest, .. } => ("effect.start", format!("{} [{}]", short(effect), start(digest))),
        Event::EffectResult { effect, digest, ok, .. } => {
            ("effect.result", format!("{} {} [{}]", short(effect), if *ok { "done" } else { "FAILED" }, start(digest)))
        }
        Event::NetConnect { host, port, allowed, address, why, .. } => {
            let word = if *allowed { "allowed" } else { "denied" };
            let more = address.as_deref().map(|address| format!(" at {}", short(address)));
            let more = more.or_else(|| why.as_deref().map(|why| format!(": {}", quote(why)))).unwrap_or_default();
            ("net.connect", format!("{}:{port} {word}{more}", short(host)))
        }
        Event::NetClose { host, port, sent, received, why, .. } => {
            let why = why.as_deref().map_or_else(String::new, |why| format!(": {}", quote(why)));
            ("net.close", format!("{}:{port} {sent} bytes sent, {received} received{why}", short(host)))
        }
        Event::ProposalCreated { proposal, path, hunks, .. } => {
            ("proposal.created", format!("{} {} ({} hunks)", short(&proposal.0), short(path), hunks.len()))
        }
        Event::HunkAccepted { proposal, hunk, path, old, new } => {
            let (gone, come) = (old.lines().count(), new.lines().count());
            ("hunk.accepted", format!("{}/{} {} -{gone} +{come}", short(&proposal.0), short(&hunk.0), short(path)))
        }
        Event::HunkRejected { proposal, hunk, path, reason } => {
            let why = reason.as_deref().map_or_else(String::new, |reason| format!(": {}", quote(reason)));
            ("hunk.rejected", format!("{}/{} {}{why}", short(&proposal.0), short(&hunk.0), short(path)))
        }
        Event::HunkStale { proposal, hunk, path, why } => {
            ("hunk.stale", format!("{}/{} {}: {}", short(&proposal.0), short(&hunk.0), short(path), short(why)))
        }
        Event::CheckResult { command, exit, ms, .. } => (
            "check.result",
            format!("{} {} in {ms} ms", quote(command), exit.map_or("was ended".to_owned(), |code| format!("exit {code}"))),
        ),
        Event::UserSteer { message } => ("user.steer", quote(message)),
        Event::GitCommit { commit, branch, message, .. } => {
            ("git.commit", format!("{} on {}: {}", start(commit), short(branch), quote(message)))
        }
        Event::GitPush { url, branch, old, new } => {
            ("git.push", format!("{} {}: {} -> {}", short(url), short(branch), start(old), start(new)))
        }
        Event::BudgetStop { budget, limit, used } => ("budget.stop", format!("{}: {used} of {limit}", short(budget))),
        Event::Redaction { rule, count } => ("redaction", format!("{} ({count})", short(rule))),
        Event::JournalPurged { before, files } => ("journal.purged", format!("{files} files before {}", short(before))),
        Event::IntegrityCheckpoint { count, head } => ("integrity.checkpoint", format!("{count} lines, head {}", start(head))),
        Event::RecoveryUnknown { what, digest } => {
            ("recovery.unknown", format!("interrupted, outcome unknown: {} [{}]", short(what), start(digest)))
        }
    }
}

/// The model's first words of a reply, and how many tools it called.
fn said(content: &[serde_json::Value]) -> String {
    let text = content.iter().find_map(|block| block.get("text").and_then(|text| text.as_str()));
    let calls: Vec<&str> = content
        .iter()
        .filter(|block| block.get("type").is_some_and(|kind| kind == "tool_use"))
        .filter_map(|block| block.get("name").and_then(|name| name.as_str()))
        .collect();
    let mut said = text.map_or_else(String::new, |text| format!(": {}", quote(text)));
    if !calls.is_empty() {
        said.push_str(&format!(", calls {}", short(&calls.join(", "))));
    }
    said
}

fn short(text: &str) -> String {
    shortened(&printable(text), QUOTE)
}

fn quote(text: &str) -> String {
    format!("\"{}\"", shortened(&printable(text.trim()), QUOTE))
}

/// The beginning of a digest or commit.
fn start(digest: &str) -> String {
    printable(digest).chars().take(12).collect()
}

fn maybe(client: &Option<String>) -> String {
    client.as_deref().map_or("no client".to_owned(), short)
}

fn stop_reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn => "finished",
        StopReason::MaxIterations => "stopped at the iteration limit",
        StopReason::Budget => "stopped by a budget",
        StopReason::Cancelled => "cancelled",
        StopReason::Refusal => "refused by the model",
        StopReason::NoProgress => "stopped without progress",
        StopReason::Error => "failed",
    }
}

fn call_status(status: ToolCallStatus) -> &'static str {
    match status {
        ToolCallStatus::Ok => "ok",
        ToolCallStatus::Error => "error",
        ToolCallStatus::Denied => "DENIED",
        ToolCallStatus::Cancelled => "cancelled",
        ToolCallStatus::Interrupted => "interrupted",
    }
}

fn permission(outcome: PermissionOutcome) -> &'static str {
    match outcome {
        PermissionOutcome::Approved => "approved",
        PermissionOutcome::Rejected => "rejected",
        PermissionOutcome::Dismissed => "not decided",
        PermissionOutcome::Expired => "expired",
    }
}
