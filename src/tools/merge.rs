//! What a command changed in the shadow becomes hunks of the proposal: each path judged as if the model had written it, what
//! cannot or may not be proposed named.

use std::fmt::Write as _;

use super::Context;
use crate::{
    path::{WsPath, hidden},
    policy::Action,
    seams::{Merge, Merges, Moment, Outcome, StageOp, StageRequest},
};

/// The most files that one command's changes may become hunks of; more is a build, or a mistake.
const FILES: usize = 500;
/// Largest file whose change is proposed, bytes.
const BYTES: u64 = 2 << 20;
/// Most files that a result names, and those that stay as they are.
const NAMES: usize = 40;
const KEPT: usize = 20;

/// What came of a command's changes.
#[derive(Default)]
struct Merged {
    /// A line of the result each.
    proposed: Vec<String>,
    kept: Vec<(String, String)>,
}

/// Proposes what stands changed in the shadow since the task saw `began`; the words for the result, empty when nothing new is.
pub(super) async fn propose(cx: &Context<'_>, began: Moment, outcome: &Outcome) -> String {
    let mut words = proposed(cx, began, outcome.changed.clone()).await;
    if outcome.unlisted && cx.shell.untold_bound() {
        words.push_str(
            "\n[so many files stand changed in the shadow that those in deeper folders are not listed, and so not proposed: delete \
             what is not needed]",
        );
    }
    words
}

async fn proposed(cx: &Context<'_>, began: Moment, changed: Vec<String>) -> String {
    let changed = cx.workspace.unignored(changed).await;
    let fresh = cx.shell.fresh(changed).await;
    if fresh.is_empty() {
        return String::new();
    }
    if fresh.len() > FILES {
        let some = fresh.iter().take(3).map(|path| named(path)).collect::<Vec<_>>().join(", ");
        return format!(
            "\n[the command changed {} files ({some}...), more than the {FILES} that are proposed at once: all of it stays in the \
             shadow, for later commands only]",
            fresh.len()
        );
    }
    let written = cx.shell.written(fresh, BYTES).await;
    let Merges { merges, kept, dropped } = match cx.workspace.merges(began, written).await {
        Ok(merges) => merges,
        Err(error) => return format!("\n[what the command changed stays in the shadow, not proposed: {error}]"),
    };
    let kept = kept.into_iter().map(|(path, why)| (named(path.as_str()), why)).collect();
    let (mut merged, mut taken) = (Merged { kept, ..Merged::default() }, dropped);
    for merge in merges {
        stage(cx, &merge, &mut merged, &mut taken).await;
    }
    if let Err(error) = cx.shell.take(taken).await {
        merged.kept.push(("the shadow".to_owned(), error.to_string()));
    }
    merged.words()
}

/// Judges one change and puts it into the proposal.
async fn stage(cx: &Context<'_>, merge: &Merge, merged: &mut Merged, taken: &mut Vec<WsPath>) {
    let mut apart = false;
    for action in actions(merge) {
        match (cx.may_stage)(&action) {
            Ok(alone) => apart |= alone,
            Err(why) => return merged.kept.push((title(merge), why)),
        }
    }
    let (mut hunks, mut stale) = (Vec::new(), Vec::new());
    for (at, (path, op)) in merge.ops.iter().enumerate() {
        let request = StageRequest { path: path.clone(), op: op.clone(), call: cx.call.clone(), apart };
        match cx.workspace.stage(request).await {
            Ok(staged) => {
                hunks = staged.hunks;
                stale.extend(staged.stale);
                if at == 0 {
                    taken.extend(merge.takes.iter().cloned());
                }
            }
            Err(error) => {
                merged.kept.push((title(merge), error.to_string()));
                if at == 0 {
                    return;
                }
            }
        }
    }
    let ids = |hunks: &[crate::event::HunkId]| hunks.iter().map(|hunk| hunk.0.as_str()).collect::<Vec<_>>().join(" ");
    let mut line = format!("{}{}", title(merge), what(merge));
    if !hunks.is_empty() {
        let _ = write!(line, " {}", ids(&hunks));
    }
    if !stale.is_empty() {
        let _ = write!(line, " (stale, since the user edited the same lines meanwhile: {})", ids(&stale));
    } else if hunks.is_empty() {
        line.push_str(" (nothing is left to propose: the user's text is that already)");
    }
    if apart {
        line.push_str(" (one by one: the policy asks)");
    }
    merged.proposed.push(line);
}

/// What the policy must allow. Under its new name a moved file could be read.
fn actions(merge: &Merge) -> Vec<Action> {
    let mut actions = Vec::new();
    for (path, op) in &merge.ops {
        let path = path.as_str().to_owned();
        let action = match op {
            StageOp::Move { to } => {
                actions.extend([Action::Read(path.clone()), Action::Delete(path)]);
                Action::Write(to.as_str().to_owned())
            }
            StageOp::Delete => Action::Delete(path),
            _ => Action::Write(path),
        };
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

fn title(merge: &Merge) -> String {
    let target = merge.ops.iter().find_map(|(_, op)| if let StageOp::Move { to } = op { Some(to) } else { None });
    let path = named(merge.path.as_str());
    target.map_or_else(|| path.clone(), |to| format!("{path} -> {}", named(to.as_str())))
}

/// `-2 +3`, `new, +40`, `deleted`, `moved`, `executable`.
fn what(merge: &Merge) -> String {
    let (minus, plus) = merge.lines;
    let words = merge.ops.iter().map(|(_, op)| match op {
        StageOp::Create { .. } => format!("new +{plus}"),
        StageOp::Delete => format!("deleted -{minus}"),
        StageOp::Move { .. } => "moved".to_owned(),
        StageOp::Mode { executable: true } => "executable".to_owned(),
        StageOp::Mode { executable: false } => "not executable".to_owned(),
        StageOp::Modify { .. } | StageOp::Merge { .. } => format!("-{minus} +{plus}"),
    });
    format!(" ({})", words.collect::<Vec<_>>().join(", "))
}

impl Merged {
    fn words(&self) -> String {
        let mut out = String::new();
        if !self.proposed.is_empty() {
            let _ =
                write!(out, "\n[what the command changed is proposed, pending review: {}]", some(&self.proposed, NAMES, "; "));
        }
        if !self.kept.is_empty() {
            let kept: Vec<String> = self.kept.iter().map(|(path, why)| format!("{path}: {why}")).collect();
            let _ = write!(out, "\n[stays in the shadow, not proposed: {}]", some(&kept, KEPT, "; "));
        }
        out
    }
}

/// The first of them, and how many more there are.
pub(super) fn some(all: &[String], most: usize, between: &str) -> String {
    let shown = all.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(between);
    if all.len() > most { format!("{shown} and {} more", all.len() - most) } else { shown }
}

/// A path as it can be shown in a line.
fn named(path: &str) -> String {
    if path.chars().any(hidden) { format!("{path:?}") } else { path.to_owned() }
}
