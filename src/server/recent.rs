//! What the user typed last: lines, followed through later edits, for a model that asks what the user is working on.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    path::WsPath,
    seams::{Line, Lines, RecentEdit},
    workspace::desk::DocChange,
};

/// Edits that are remembered; the oldest is forgotten first.
const MOST: usize = 40;
/// Edits of one file that are this many lines apart are told as one.
const NEAR: usize = 3;
/// Longest time that an edit counts as recent.
const RECENT: Duration = Duration::from_secs(3600);

struct Typed {
    folder: usize,
    path: WsPath,
    /// First and last line, from 0.
    first: usize,
    last: usize,
    at: Instant,
}

/// The latest edits of all folders, the latest last.
#[derive(Default)]
pub struct Recent(VecDeque<Typed>);

impl Recent {
    /// A document changed by these changes. Those that are not the user's only move the lines of earlier ones.
    pub fn changed(&mut self, folder: usize, path: &WsPath, changes: &[DocChange], by_user: bool) {
        for change in changes {
            let Some((start, end)) = change.range else {
                // The whole text is another one: nothing is known of its lines.
                self.closed(folder, path);
                continue;
            };
            let (start, end) = (start.line as usize, end.line as usize);
            let added = change.text.matches('\n').count();
            for typed in self.0.iter_mut().filter(|typed| typed.folder == folder && typed.path == *path) {
                typed.first = moved(typed.first, start, end, added);
                typed.last = moved(typed.last, start, end, added).max(typed.first);
            }
            if by_user {
                self.note(folder, path, start, start + added);
            }
        }
    }

    fn note(&mut self, folder: usize, path: &WsPath, mut first: usize, mut last: usize) {
        let near = |typed: &Typed| {
            let apart = typed.first > last + NEAR || first > typed.last + NEAR;
            typed.folder == folder && typed.path == *path && !apart
        };
        if let Some(known) = self.0.iter().position(near).and_then(|at| self.0.remove(at)) {
            (first, last) = (first.min(known.first), last.max(known.last));
        }
        self.0.push_back(Typed { folder, path: path.clone(), first, last, at: Instant::now() });
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// A document was closed or replaced: what was typed there may be gone.
    pub fn closed(&mut self, folder: usize, path: &WsPath) {
        self.0.retain(|typed| typed.folder != folder || typed.path != *path);
    }

    /// The edits in one folder, the latest first, in lines of the user's text.
    pub fn of(&self, folder: usize) -> Vec<RecentEdit> {
        let fresh = |typed: &&Typed| typed.folder == folder && typed.at.elapsed() < RECENT;
        let told = |typed: &Typed| RecentEdit {
            path: typed.path.clone(),
            lines: Lines { first: Line::At(typed.first + 1), last: Line::At(typed.last + 1) },
            ago: typed.at.elapsed(),
        };
        self.0.iter().rev().filter(fresh).map(told).collect()
    }
}

/// Where a line is after the lines `start` to `end` were replaced by text with `added` line breaks.
fn moved(line: usize, start: usize, end: usize, added: usize) -> usize {
    if line > end { line - (end - start) + added } else { line.min(start + added) }
}
