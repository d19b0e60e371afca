//! What stands in the editor while hunks are pending: diagnostics and lenses for plain clients, `countersign/proposal` for rich
//! ones. Typing only marks that something moved; one refresh a moment later shows it, so the typing path stays short.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::{Value, json};
use tower_lsp::lsp_types::{
    CodeLens, Command as LspCommand, Diagnostic, DiagnosticSeverity, NumberOrString, Range, Url, request::CodeLensRefresh,
};

use super::{actor::Actor, input::Input, outbox::Weight, position, receipts};
use crate::{
    config,
    event::{ProposalId, TaskId},
    path::WsPath,
    proposal::{FileOp, FileProposal, Hunk, HunkKind, HunkState, Proposal},
    text::Encoding,
    workspace::desk::Desk,
};

/// Pause between a change and its refresh: typing comes in bursts.
const PAUSE: Duration = Duration::from_millis(40);
/// Diagnostics a file at most, beside one that sums up the rest.
const MOST: usize = 20;
/// Source of our diagnostics; the agent never sees it.
pub const SOURCE: &str = "countersign";

/// What is shown now, so that only differences are sent.
#[derive(Default)]
pub struct Display {
    scheduled: bool,
    /// With the version of the text that they were sent for, if the editor shows it.
    diagnostics: HashMap<Url, (Vec<Diagnostic>, Option<i32>)>,
    revisions: BTreeMap<ProposalId, u64>,
}

impl Display {
    /// Everything is looked at again at the next refresh.
    pub fn touch_all(&mut self) {
        self.revisions.clear();
    }
}

impl Actor {
    /// The diagnostics that a file shows now.
    pub fn shown_diagnostics(&self, uri: &Url) -> &[Diagnostic] {
        self.display.diagnostics.get(uri).map(|(shown, _)| shown.as_slice()).unwrap_or_default()
    }

    /// The editor shows a file from now on. Eglot keeps what came before for its lists only: the text gets its marks when they come
    /// again.
    pub fn show_opened(&mut self, uri: &Url) {
        if let Some((_, version)) = self.display.diagnostics.get_mut(uri) {
            *version = None;
            self.schedule_refresh();
        }
    }

    /// Shows soon what has changed.
    pub fn schedule_refresh(&mut self) {
        if std::mem::replace(&mut self.display.scheduled, true) {
            return;
        }
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            tokio::time::timeout(PAUSE, std::future::pending::<()>()).await.ok();
            let _ = mailbox.send(Input::Refresh);
        });
    }

    /// Shows what has changed.
    pub fn refresh(&mut self) {
        self.display.scheduled = false;
        let revisions: BTreeMap<ProposalId, u64> = self
            .folders
            .iter()
            .flat_map(|(_, folder)| folder.desk.proposals().map(|proposal| (proposal.id.clone(), proposal.revision)))
            .collect();
        if self.client.rich {
            self.send_proposals(&revisions);
        }
        let show = match self.setup.config.now().review.diagnostics {
            config::Diagnostics::Auto => !self.client.rich,
            config::Diagnostics::Always => true,
            config::Diagnostics::Never => false,
        };
        if show {
            self.publish();
        }
        if self.client.refresh_lenses && revisions != self.display.revisions {
            drop(self.out.request::<CodeLensRefresh>(()));
        }
        self.display.revisions = revisions;
        self.refresh_contents();
    }

    fn publish(&mut self) {
        let mut now: HashMap<Url, (Vec<Diagnostic>, Option<i32>)> = HashMap::new();
        for (_, folder) in self.folders.iter() {
            for proposal in folder.desk.proposals() {
                for (path, file) in &proposal.files {
                    let Some(uri) = folder.uri(path) else { continue };
                    let version = folder.desk.buffer(path).map(|buffer| buffer.version);
                    now.entry(uri).or_insert_with(|| (Vec::new(), version)).0.extend(self.diagnose(proposal, file));
                }
            }
        }
        for uri in self.display.diagnostics.keys() {
            now.entry(uri.clone()).or_default();
        }
        for (uri, (diagnostics, version)) in now {
            if diagnostics.is_empty() {
                if self.display.diagnostics.remove(&uri).is_some() {
                    self.out.diagnostics(uri, diagnostics, version);
                }
                continue;
            }
            // The same lines of another text may be other characters: Eglot counts characters.
            let now = (diagnostics, version);
            if self.display.diagnostics.get(&uri) != Some(&now) {
                self.out.diagnostics(uri.clone(), now.0.clone(), version);
                self.display.diagnostics.insert(uri, now);
            }
        }
    }

    fn diagnose(&self, proposal: &Proposal, file: &FileProposal) -> Vec<Diagnostic> {
        let all: Vec<&Hunk> = file.all().collect();
        let mut out: Vec<Diagnostic> =
            all.iter().take(MOST).map(|hunk| self.diagnostic(file, hunk, title(file, hunk), &proposal.id)).collect();
        if let (true, Some(hunk)) = (all.len() > MOST, all.get(MOST)) {
            let words = format!("agent: {} more changes below", all.len() - MOST);
            out.push(self.diagnostic(file, hunk, words, &proposal.id));
        }
        out
    }

    fn diagnostic(&self, file: &FileProposal, hunk: &Hunk, message: String, proposal: &ProposalId) -> Diagnostic {
        let start = position(file.base.point(hunk.range.start, self.client.encoding));
        let line = file.base.line_of(hunk.range.start);
        let end_offset = file.base.line_start(line + 1);
        let mut end = position(file.base.point(end_offset, self.client.encoding));
        if end.line > start.line {
            // The first line without its break; a line's end clamps.
            end = tower_lsp::lsp_types::Position { line: start.line, character: line_length(file, line, self.client.encoding) };
        }
        Diagnostic {
            range: Range { start, end },
            severity: Some(DiagnosticSeverity::INFORMATION),
            code: Some(NumberOrString::String("proposal".to_owned())),
            source: Some(SOURCE.to_owned()),
            message,
            data: Some(json!({"proposal": proposal, "hunk": hunk.id})),
            ..Default::default()
        }
    }

    fn send_proposals(&mut self, revisions: &BTreeMap<ProposalId, u64>) {
        for (_, folder) in self.folders.iter() {
            for proposal in folder.desk.proposals() {
                if self.display.revisions.get(&proposal.id) == revisions.get(&proposal.id) {
                    continue;
                }
                let files: Vec<Value> = proposal
                    .files
                    .iter()
                    .filter_map(|(path, file)| {
                        let to = if let FileOp::Move { to } = &file.op { folder.uri(to) } else { None };
                        let version = folder.desk.buffer(path).map(|buffer| buffer.version);
                        let mut row = self.file_row(&folder.uri(path)?, path, file, &proposal.task);
                        row["version"] = json!(version);
                        if let Some(to) = to {
                            row["to"] = json!(to);
                        }
                        Some(row)
                    })
                    .collect();
                let params = json!({
                    "proposal": proposal.id, "task": proposal.task, "folder": folder.name, "revision": proposal.revision,
                    "files": files,
                    "receipts": receipts::rows(&folder.desk, &proposal.id),
                });
                self.out.own("countersign/proposal", params, Weight::Needed);
            }
        }
    }

    fn file_row(&self, uri: &Url, path: &WsPath, file: &FileProposal, task: &TaskId) -> Value {
        let words = self.tasks.get(task).map(|task| &task.words);
        let hunks: Vec<Value> = file
            .all()
            .map(|hunk| {
                let (start, end) = (
                    file.base.point(hunk.range.start, self.client.encoding),
                    file.base.point(hunk.range.end, self.client.encoding),
                );
                let mode = hunk.kind == HunkKind::Mode;
                let text = |text: &str| if mode { String::new() } else { text.to_owned() };
                let mut row = json!({
                    "id": hunk.id, "kind": kind(hunk.kind), "range": {"start": start, "end": end}, "old_text": text(&hunk.old),
                    "new_text": text(&hunk.new), "state": hunk.state, "steering": hunk.apart, "call": hunk.call,
                });
                if mode {
                    row["mode"] = json!({"old": hunk.old, "new": hunk.new});
                }
                if let Some(why) = hunk.why {
                    row["why"] = json!(why.to_string());
                }
                if let Some(reason) = words.and_then(|words| words.reason(&hunk.call)) {
                    row["reason"] = json!(reason);
                }
                row
            })
            .collect();
        let op = match &file.op {
            FileOp::Edit => "edit",
            FileOp::Create => "create",
            FileOp::Delete => "delete",
            FileOp::Move { .. } => "move",
        };
        let mut row = json!({"uri": uri, "path": path, "op": op, "hunks": hunks});
        if let Some(blob) = &file.blob {
            row["binary"] = json!({"size": blob.size, "sha256": blob.sha256, "words": blob.to_string()});
        }
        row
    }

    /// Lenses over the hunks of one file.
    pub fn lenses(&self, uri: &Url) -> Vec<CodeLens> {
        let places = if self.client.rich { Vec::new() } else { self.folders.find_all(uri) };
        let mut out = Vec::new();
        let folders = places.iter().filter_map(|(index, path)| Some((self.folders.get(*index)?, path)));
        for (folder, path, proposal) in
            folders.flat_map(|(folder, path)| folder.desk.proposals().map(move |one| (folder, path, one)))
        {
            let Some(file) = proposal.files.get(path) else { continue };
            out.extend(checks_lens(&folder.desk, proposal, path, self.client.encoding));
            for hunk in file.all().filter(|hunk| hunk.state != HunkState::Applying) {
                let at = position(file.base.point(hunk.range.start, self.client.encoding));
                let argument = json!({"proposal": proposal.id, "hunks": [hunk.id]});
                let lens = |title: &str, command: &str| CodeLens {
                    range: Range { start: at, end: at },
                    command: Some(LspCommand {
                        title: title.to_owned(),
                        command: format!("{}{command}", super::commands::PREFIX),
                        arguments: Some(vec![argument.clone()]),
                    }),
                    data: None,
                };
                if hunk.state == HunkState::Pending {
                    out.push(lens(&format!("Accept {}", size(hunk)), "accept"));
                }
                out.push(lens("Reject", "reject"));
            }
        }
        out
    }
}

/// What checks said, once: over the first hunk of the proposal's first file.
fn checks_lens(desk: &Desk, proposal: &Proposal, path: &WsPath, encoding: Encoding) -> Option<CodeLens> {
    let (first, file) = proposal.files.iter().find(|(_, file)| file.all().next().is_some())?;
    let words = receipts::words(desk, &proposal.id);
    let hunk = file.all().next().filter(|_| first == path && !words.is_empty())?;
    let at = position(file.base.point(hunk.range.start, encoding));
    let command = LspCommand {
        title: words.join(" · "),
        command: format!("{}showDiff", super::commands::PREFIX),
        arguments: Some(vec![json!({"proposal": proposal.id})]),
    };
    Some(CodeLens { range: Range { start: at, end: at }, command: Some(command), data: None })
}

fn kind(kind: HunkKind) -> &'static str {
    match kind {
        HunkKind::Lines => "lines",
        HunkKind::Create => "create",
        HunkKind::Delete => "delete",
        HunkKind::Move => "move",
        HunkKind::Mode => "mode",
    }
}

/// `-2 +5`
pub fn size(hunk: &Hunk) -> String {
    if hunk.kind == HunkKind::Mode {
        return format!("{} -> {}", hunk.old, hunk.new);
    }
    format!("-{} +{}", hunk.old.lines().count(), hunk.new.lines().count())
}

/// What a hunk's diagnostic says: at most 60 characters.
fn title(file: &FileProposal, hunk: &Hunk) -> String {
    let binary = file.blob.as_ref().map(|blob| format!(", {}", blob.short()));
    match (hunk.state, hunk.kind) {
        (HunkState::Stale, _) => {
            let why = hunk.why.map(|why| why.to_string()).unwrap_or_default();
            format!("agent: stale, {why}").chars().take(60).collect()
        }
        (HunkState::Applying, _) => format!("agent {}: being applied", size(hunk)),
        (_, HunkKind::Create) => format!("agent: new file, +{}: accept or reject by code action", hunk.new.lines().count()),
        (_, HunkKind::Delete | HunkKind::Move) if binary.is_some() => {
            let what = if hunk.kind == HunkKind::Delete { "delete" } else { "move" };
            format!("agent: {what} this{}", binary.unwrap_or_default())
        }
        (_, HunkKind::Mode) => format!("agent: old mode {} / new mode {}", hunk.old, hunk.new),
        (_, HunkKind::Delete) => "agent: delete this file: accept or reject by action".to_owned(),
        (_, HunkKind::Move) => "agent: move this file: accept or reject by action".to_owned(),
        _ if hunk.apart => format!("agent {}: steers tools, accept on its own", size(hunk)),
        _ => format!("agent {}: accept or reject by code action", size(hunk)),
    }
}

fn line_length(file: &FileProposal, line: usize, encoding: Encoding) -> u32 {
    let (start, end) = (file.base.line_start(line), file.base.line_start(line + 1));
    let text = file.base.slice(start..end);
    let body = text.trim_end_matches(['\n', '\r']).len();
    file.base.point(start + body, encoding).character
}
