//! What the user did meanwhile, in sentences for a task's model: decisions one by one, typing summed up by file.

use std::{collections::BTreeMap, ops::Range};

use super::Desk;
use crate::{
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{HunkKind, Landed, Why},
    text::{self, Edit, Text, grow},
};

/// More separate stretches of a file than this are not told apart.
const MOST_SPANS: usize = 8;

/// What one task has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Watch {
    told: Vec<News>,
    /// Files that the task knows, with what changed in them.
    files: BTreeMap<WsPath, Changed>,
}

/// One sentence; about a hunk's state when it can be taken back.
#[derive(Debug)]
pub(super) struct News {
    text: String,
    stale: Option<HunkId>,
    revived: Option<HunkId>,
}

#[derive(Debug, Default)]
struct Changed {
    /// Byte ranges of the present text.
    spans: Vec<Range<usize>>,
    /// Changed as a whole, nobody knows where.
    whole: bool,
    gone: bool,
    /// What the disk held when it was last told; `Some(None)` when there was no file.
    last: Option<Option<Text>>,
}

impl Watch {
    pub(super) fn tell(&mut self, news: News) {
        let before = self.told.len();
        self.told.retain(|told| told.stale.is_none() || told.stale != news.revived);
        if self.told.len() == before {
            self.told.push(news);
        }
    }

    /// The files that the task knows.
    pub(super) fn paths(&self) -> impl Iterator<Item = &WsPath> {
        self.files.keys()
    }

    pub(super) fn knows(&mut self, path: &WsPath) {
        self.files.entry(path.clone()).or_default();
    }
}

impl Changed {
    fn note(&mut self, edit: &Edit, by_user: bool) {
        let touched = |span: &Range<usize>| edit.range.start <= span.end && span.start <= edit.range.end;
        let known = self.spans.iter().any(touched);
        for span in &mut self.spans {
            *span = grow(span, edit);
        }
        if by_user && !known {
            self.spans.push(edit.range.start..edit.range.start + edit.new.len());
        }
        self.spans.sort_by_key(|span| span.start);
        self.spans.dedup_by(|next, span| {
            let overlap = next.start <= span.end;
            if overlap {
                span.end = span.end.max(next.end);
            }
            overlap
        });
        while self.spans.len() > MOST_SPANS {
            let gap = |at: &usize| self.spans[at + 1].start - self.spans[*at].end;
            let Some(nearest) = (0..self.spans.len() - 1).min_by_key(gap) else { break };
            let next = self.spans.remove(nearest + 1);
            self.spans[nearest].end = next.end;
        }
    }

    fn sentence(&self, path: &WsPath, text: Option<&Text>) -> Option<String> {
        if self.gone {
            return Some(format!("{path} was deleted outside this task"));
        }
        match text {
            Some(text) if !self.whole && !self.spans.is_empty() => {
                Some(format!("the user changed {} of {path}", lines(text, &self.spans)))
            }
            _ => (self.whole || !self.spans.is_empty()).then(|| format!("{path} was changed outside this task")),
        }
    }
}

impl Desk {
    /// The task has read this file and wants to hear of changes in it.
    pub fn note_read(&mut self, task: &TaskId, path: &WsPath) {
        self.watches.entry(task.clone()).or_default().knows(path);
    }

    /// What the user did to the task's files and hunks since the last call, a sentence each.
    pub fn news(&mut self, task: &TaskId) -> Vec<String> {
        let proposal = self.tasks.get(task).and_then(|id| self.proposals.get(id));
        let Some(watch) = self.watches.get_mut(task) else { return Vec::new() };
        let mut news: Vec<String> = watch.told.drain(..).map(|news| news.text).collect();
        for (path, changed) in &mut watch.files {
            let buffer = self.buffers.get(path).map(|buffer| &buffer.text);
            let base = || proposal.and_then(|proposal| proposal.files.get(path)).map(|file| &file.base);
            news.extend(changed.sentence(path, buffer.or_else(base)));
            (changed.spans, changed.whole, changed.gone) = (Vec::new(), false, false);
        }
        news
    }

    pub(super) fn is_watched(&self, path: &WsPath) -> bool {
        self.watches.values().any(|watch| watch.files.contains_key(path))
    }

    /// Notes an edit for all tasks that know the file; it is not news for the task whose proposal it comes from.
    pub(super) fn note(&mut self, path: &WsPath, edit: &Edit, from: Option<&ProposalId>) {
        for (task, watch) in &mut self.watches {
            if let Some(changed) = watch.files.get_mut(path) {
                let own = from.is_some() && self.tasks.get(task) == from;
                changed.note(edit, !own);
            }
        }
    }

    /// Notes that a file has another text as a whole. `before` is what was there (`Some(None)`: no file) as far as the desk
    /// knows; `quiet` when not knowing it says nothing about a change.
    pub(super) fn note_whole(&mut self, path: &WsPath, before: Option<Option<Text>>, now: Option<&Text>, quiet: bool) {
        for changed in self.watches.values_mut().filter_map(|watch| watch.files.get_mut(path)) {
            let last = changed.last.replace(now.cloned());
            match (before.clone().or(last), now) {
                (Some(before), now) if before.as_ref() == now => {}
                (Some(Some(before)), Some(now)) => {
                    text::changes(&before, now).iter().rev().for_each(|edit| changed.note(edit, true));
                }
                (_, None) => (changed.spans, changed.whole, changed.gone) = (Vec::new(), false, true),
                (None, Some(_)) if quiet => {}
                (_, Some(_)) => (changed.whole, changed.gone) = (true, false),
            }
        }
    }

    /// Remembers for the next [`Desk::note_whole`] what a closing document held.
    pub(super) fn note_closed(&mut self, path: &WsPath, text: &Text) {
        for changed in self.watches.values_mut().filter_map(|watch| watch.files.get_mut(path)) {
            changed.last = Some(Some(text.clone()));
        }
    }
}

fn plain(text: String) -> News {
    News { text, stale: None, revived: None }
}

pub(super) fn accepted(path: &WsPath, landed: &Landed) -> News {
    let hunk = &landed.hunk;
    plain(match hunk.kind {
        HunkKind::Create => format!("the user accepted hunk {}: {path} is created", hunk.id),
        HunkKind::Delete => format!("the user accepted hunk {}: {path} is deleted", hunk.id),
        HunkKind::Move => format!("the user accepted hunk {}: {path} is moved", hunk.id),
        HunkKind::Mode => {
            let what = if hunk.executable() == Some(true) { "executable" } else { "not executable" };
            format!("the user accepted hunk {}: {path} is {what}", hunk.id)
        }
        HunkKind::Lines => {
            let start = hunk.range.start.min(landed.after.len());
            let place = lines(&landed.after, std::slice::from_ref(&(start..start + hunk.new.len())));
            format!("the user accepted hunk {} of {path} ({place})", hunk.id)
        }
    })
}

pub(super) fn rejected(path: &WsPath, hunk: &HunkId, reason: Option<&str>) -> News {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    plain(format!("the user rejected hunk {hunk} of {path}{reason}"))
}

pub(super) fn undone(path: &WsPath, hunk: &HunkId) -> News {
    plain(format!("the user took the accepted hunk {hunk} of {path} back"))
}

pub(super) fn stale(path: &WsPath, hunk: &HunkId, why: Why) -> News {
    News { stale: Some(hunk.clone()), ..plain(format!("hunk {hunk} of {path} is stale: {why}")) }
}

pub(super) fn revived(path: &WsPath, hunk: &HunkId) -> News {
    News { revived: Some(hunk.clone()), ..plain(format!("hunk {hunk} of {path} is pending again: its lines are as they were")) }
}

pub(super) fn renewed(path: &WsPath, stale: &HunkId, hunk: &HunkId) -> News {
    plain(format!("the stale hunk {stale} of {path} is pending again as {hunk}, on the lines as the user has them"))
}

/// `line 3` or `lines 3-5, 9`, one-based.
fn lines(text: &Text, spans: &[Range<usize>]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for span in spans {
        let (first, last) = (text.line_of(span.start) + 1, text.line_of(span.end.saturating_sub(1).max(span.start)) + 1);
        match parts.last_mut() {
            Some(part) if first <= part.1 + 1 => part.1 = part.1.max(last),
            _ => parts.push((first, last)),
        }
    }
    let one = matches!(parts[..], [(first, last)] if first == last);
    let parts: Vec<String> =
        parts.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") }).collect();
    format!("{} {}", if one { "line" } else { "lines" }, parts.join(", "))
}
