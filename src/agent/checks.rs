//! Checks before the end: when the model says that it is done, the user's own commands run on exactly what it proposes.
//!
//! Each runs in walls of its own, over buffers and hunks alone, so that nothing of what the model's commands wrote (and
//! nothing of what another check wrote) can help it. What fails goes back to the model, but not for ever.

use std::time::Duration;

use serde_json::json;

use super::{
    call::Settled,
    gate::{Permit, digest},
    task::{Ending, Task},
};
use crate::{
    event::{Actor, CallId, Event, ToolCallStatus},
    path::WsPath,
    policy::Action,
    proposal::{self, Receipt},
    seams::{Command, Copying, Editor, Outcome, OutputSink, SandboxSpec, Shadow, Stopped, Update, UpdateKind},
    tools::{Effect, Mode, Shell, ToolResult, denial, terminal},
};

/// How often failing checks send the model back to work.
const ROUNDS: u32 = 2;
/// What is kept of a check's output: its end.
const KEEP: usize = 256 * 1024;
/// What the model is shown of the output of a check that failed.
const SHOWN: usize = 6 * 1024;

/// What came of one check.
struct Checked {
    receipt: Receipt,
    /// The end of what it printed.
    output: String,
    /// What the walls refused.
    refused: Option<String>,
}

/// Runs the task's checks and puts what they say into the result of `finish`; when one fails, the task goes on.
pub(super) async fn before_the_end(task: &mut Task, finish: &mut Settled) -> Result<(), Ending> {
    if task.spec.mode != Mode::Edit || task.spec.checks.is_empty() {
        return Ok(());
    }
    let checkable = match task.seams.workspace.checkable().await {
        Ok(Some(checkable)) => checkable,
        Ok(None) => {
            finish.result = ToolResult::ok("finished; nothing is proposed, so no checks were run");
            return Ok(());
        }
        Err(error) => {
            finish.result = ToolResult::ok(format!("finished; no checks could be run: {error}"));
            return Ok(());
        }
    };
    let mut all = Vec::new();
    for (at, command) in task.spec.checks.clone().into_iter().enumerate() {
        let id = CallId(format!("{}.{}", finish.open.call, at + 1));
        let title = format!("checking {}", proposal::shortened(&command));
        task.show(UpdateKind::ToolCall, json!({"call": id, "tool": "check", "title": title, "status": "running"}));
        let checked = match check(task, &finish.open.call, command, &checkable.shadow, &checkable.digest).await {
            Ok(checked) => checked,
            Err(ending) => {
                let data = json!({"call": id, "tool": "check", "status": ToolCallStatus::Cancelled, "result": "stopped"});
                task.show(UpdateKind::ToolCall, data);
                return Err(ending);
            }
        };
        let Receipt { command, exit, ms, digest, .. } = checked.receipt.clone();
        task.record(Actor::Server, Some(&finish.open.call), Event::CheckResult { command, exit, ms, digest });
        let status = if checked.receipt.passed() { ToolCallStatus::Ok } else { ToolCallStatus::Error };
        let words = checked.receipt.words(true);
        let mut data = json!({"call": id, "tool": "check", "status": status, "result": words});
        if let Some(refused) = &checked.refused {
            data["refused"] = json!(refused);
        }
        task.show(UpdateKind::ToolCall, data);
        task.seams.workspace.checked(checked.receipt.clone()).await;
        all.push(checked);
    }
    conclude(task, finish, &all);
    Ok(())
}

/// The result of `finish`, and whether the task goes on.
fn conclude(task: &mut Task, finish: &mut Settled, all: &[Checked]) {
    let lines: Vec<String> = all.iter().map(|one| format!("- {}", one.receipt.words(true))).collect();
    let lines = lines.join("\n");
    // What could not run is nothing that the model can mend.
    let failed: Vec<&Checked> = all.iter().filter(|one| one.receipt.exit.is_some_and(|code| code != 0)).collect();
    if failed.is_empty() {
        finish.result =
            ToolResult::ok(format!("finished; the checks on exactly this text:\n{lines}\nThe user reviews the proposal now"));
        return;
    }
    if task.sent_back == ROUNDS {
        let text = format!("finished with failing checks, which the user is told:\n{lines}\nThe user reviews the proposal now");
        finish.result = ToolResult::ok(text);
        return;
    }
    task.sent_back += 1;
    task.guard.forget();
    finish.summary = None;
    let mut text = format!(
        "not finished: checks fail on what you propose (they see your hunks and the user's unsaved text, nothing that your \
         commands wrote):\n{lines}"
    );
    for one in &failed {
        let (_, between, last) = terminal::ends(&one.output, 0, SHOWN);
        let shown = if between.is_some() { last } else { one.output.as_str() };
        let cut = if between.is_some() { ", its end" } else { "" };
        text += &format!("\n\n[output of {}{cut}]\n{}", one.receipt.command, shown.trim_end());
    }
    text += match ROUNDS - task.sent_back {
        0 => "\n\nMend it and call finish again; after that the task ends in any case, with what fails told to the user.",
        _ => "\n\nMend it and call finish again. What you cannot mend, name in finish as left.",
    };
    finish.result = ToolResult::error(text);
}

/// One check: policy, intent on disk, walls, outcome.
async fn check(task: &mut Task, call: &CallId, command: String, shadow: &Shadow, text: &str) -> Result<Checked, Ending> {
    let mut receipt = Receipt { command, exit: None, ms: 0, digest: text.to_owned(), summary: String::new(), fetched: false };
    let action = Action::Run { command: receipt.command.clone(), cwd: WsPath::root() };
    let scope = task.scope(Some(call));
    match task.gate.permit(&scope, &[action], Effect::Runs, &mut task.budget, &task.cancel).await? {
        Permit::Go { .. } => {}
        Permit::Denied(why) => {
            // The rest of the sentence is advice to the model.
            let why = why.split(". Do not ").next().unwrap_or_default();
            receipt.summary = proposal::shortened(&format!("not run: {why}"));
            return Ok(Checked { receipt, output: String::new(), refused: None });
        }
    }
    let detail = json!({"command": receipt.command, "text": text});
    let (effect, sha) = ("check".to_owned(), digest(&detail));
    let start = Event::EffectStart { effect: effect.clone(), digest: sha.clone(), detail };
    task.record_durable(Actor::Server, Some(call), start).await?;
    // A changed lockfile can only be tried with the packages that it names: so the check finds what commands with network put
    // into the package caches, and the receipt says that it did.
    let packages = task.shell.packages().await;
    receipt.fetched = packages.is_some();
    let spec = SandboxSpec { packages, ..SandboxSpec::under(task.spec.folder.clone(), task.policy().run()) };
    let timeout = Duration::from_secs(task.policy().run().max_timeout_s);
    let mut end = End { kept: Vec::new(), editor: &*task.seams.editor };
    let run = Command { text: receipt.command.clone(), cwd: WsPath::root(), timeout, network: Vec::new() };
    let walls = Shell::new(task.seams.sandbox.clone(), spec);
    let ran = walls.run(run, shadow, &mut end, &task.cancel).await;
    let mut output = terminal::clean(&end.kept);
    let mut refused = None;
    let cancelled = task.cancel.is_cancelled();
    match ran {
        Ok(outcome) => {
            receipt.ms = outcome.duration.as_millis() as u64;
            (receipt.exit, receipt.summary) = result(&outcome, &output, timeout);
            refused = walls.explained(&receipt.command, &output, &outcome).await;
            if let Some(reasons) = &refused {
                output = format!("{}\n[refused by the walls]\n{reasons}", output.trim_end());
            }
            refused = refused.as_deref().and_then(denial::for_the_person);
        }
        Err(error) => receipt.summary = proposal::shortened(&format!("not run: {error}")),
    }
    let ok = receipt.passed();
    let detail = json!({"exit": receipt.exit, "ms": receipt.ms, "summary": receipt.summary});
    task.record(Actor::Server, Some(call), Event::EffectResult { effect, digest: sha, ok, detail });
    if cancelled { Err(Ending::cancelled()) } else { Ok(Checked { receipt, output, refused }) }
}

/// Exit code and summary. A check that ran out of time or was killed has failed, with the shells' code for it.
fn result(outcome: &Outcome, output: &str, timeout: Duration) -> (Option<i32>, String) {
    match (outcome.stopped, outcome.exit, outcome.signal) {
        (Some(Stopped::Timeout), ..) => (Some(124), format!("ended by the time limit of {} s", timeout.as_secs())),
        (Some(Stopped::Cancelled), ..) => (None, "stopped by the user".to_owned()),
        (Some(_), ..) => (Some(137), denial::ended(outcome).unwrap_or_default()),
        (None, Some(code), _) => (Some(code), proposal::result_line(output)),
        (None, None, Some(signal)) => (Some(128 + signal), format!("ended by signal {signal}")),
        (None, None, None) => (None, "ended without an exit code".to_owned()),
    }
}

/// Keeps the end of an output.
struct End<'a> {
    kept: Vec<u8>,
    editor: &'a dyn Editor,
}

impl OutputSink for End<'_> {
    fn output(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * KEEP {
            self.kept.drain(..self.kept.len() - KEEP);
        }
    }

    fn copying(&mut self, copying: Copying) {
        let words = copying.to_string();
        self.editor.show(Update { kind: UpdateKind::State, data: json!({"state": "running", "doing": words, "message": words}) });
    }
}
