//! What a search keeps: the hits of one file, and of all files the first ones in the order of their paths, so that memory
//! stays small however much matches.

use std::{collections::BTreeMap, io, ops::Range};

use grep_matcher::Matcher;
use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkFinish, SinkMatch};

use crate::seams::{Hit, SearchMode};

use super::listing::shown;

/// Longer lines are cut around the match, characters.
const LINE: usize = 400;
/// How much of a cut line stands before its match, characters.
const LEAD: usize = 100;

/// How much of what to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub mode: SearchMode,
    /// Hits from the first on, skipped ones included.
    pub lines: usize,
    /// Lines of context on each side.
    pub context: usize,
}

/// A line that is kept.
#[derive(Debug)]
struct Line {
    number: u64,
    text: String,
    is_match: bool,
}

/// What was found in one file.
#[derive(Debug, Default)]
pub(super) struct Found {
    lines: Vec<Line>,
    /// Matching lines, also those not kept.
    count: u64,
}

/// Collects the hits of one file.
pub(super) struct FileHits<'a> {
    want: &'a Want,
    matcher: &'a RegexMatcher,
    found: Found,
    kept: usize,
    binary: bool,
}

impl<'a> FileHits<'a> {
    pub(super) fn new(want: &'a Want, matcher: &'a RegexMatcher) -> Self {
        FileHits { want, matcher, found: Found::default(), kept: 0, binary: false }
    }

    /// The hits; `None` without any, and for a binary file.
    pub(super) fn found(self) -> Option<Found> {
        (self.found.count > 0 && !self.binary).then_some(self.found)
    }

    fn keep(&mut self, number: u64, bytes: &[u8], is_match: bool) {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        // Looking for the match a second time is for long lines only.
        let at = match is_match && bytes.len() > LINE {
            true => self.matcher.find(bytes).ok().flatten().map_or(0, |found| found.start()),
            false => 0,
        };
        let text = cut(bytes, at);
        self.found.lines.push(Line { number, text, is_match });
    }
}

impl Sink for FileHits<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let first = found.line_number().unwrap_or_default();
        for (number, line) in (first..).zip(found.lines()) {
            self.found.count += 1;
            if self.want.mode == SearchMode::Lines && self.kept < self.want.lines {
                self.kept += 1;
                self.keep(number, line, true);
            }
        }
        Ok(true)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        let number = context.line_number().unwrap_or_default();
        // Behind the last hit that is kept its own context still belongs to it.
        let follows = || self.found.lines.last().is_some_and(|last| last.number + 1 == number);
        if self.want.mode == SearchMode::Lines && (self.kept < self.want.lines || follows()) {
            self.keep(number, context.bytes(), false);
        }
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> io::Result<bool> {
        self.binary = true;
        Ok(false)
    }

    fn finish(&mut self, _: &Searcher, finish: &SinkFinish) -> io::Result<()> {
        self.binary |= finish.binary_byte_offset().is_some();
        Ok(())
    }
}

/// The hits of all files, the first ones by path.
#[derive(Default)]
pub(super) struct Keeper {
    files: BTreeMap<String, Found>,
    /// Hits that `files` holds, in the unit of the mode.
    kept: usize,
    total: u64,
}

impl Keeper {
    /// Adds a file's hits, and lets go of the last files when the first ones hold enough.
    pub(super) fn add(&mut self, path: &str, found: Found, want: &Want) {
        self.total += weight(&found, want.mode);
        self.kept += weight(&found, want.mode) as usize;
        self.files.insert(path.to_owned(), found);
        while let Some(last) = self.files.last_entry() {
            let without = self.kept - weight(last.get(), want.mode) as usize;
            if without < want.lines {
                break;
            }
            self.kept = without;
            last.remove();
        }
    }

    /// `limit` hits after `offset`, each with its context, and the number of all.
    pub(super) fn page(self, want: &Want, offset: usize, limit: usize) -> (Vec<Hit>, u64) {
        let mut hits = Vec::new();
        let mut at = 0;
        for (path, found) in self.files {
            let path = shown(&path);
            if want.mode != SearchMode::Lines {
                if (offset..offset.saturating_add(limit)).contains(&at) {
                    hits.push(Hit { path, line: 0, text: String::new(), is_match: true, count: found.count });
                }
                at += 1;
                continue;
            }
            for line in page_of(&found.lines, &mut at, offset..offset.saturating_add(limit), want.context) {
                let text = line.text.clone();
                hits.push(Hit { path: path.clone(), line: line.number, text, is_match: line.is_match, count: found.count });
            }
        }
        (hits, self.total)
    }
}

/// How many hits a file counts for: its lines, or one.
fn weight(found: &Found, mode: SearchMode) -> u64 {
    if mode == SearchMode::Lines { found.count } else { 1 }
}

/// The lines of one file that belong to the page; `at` counts matches over all files. Context stays with a match that is
/// on the page.
fn page_of<'a>(lines: &'a [Line], at: &mut usize, page: Range<usize>, context: usize) -> Vec<&'a Line> {
    let wanted: Vec<bool> = lines
        .iter()
        .map(|line| {
            let on = line.is_match && page.contains(at);
            *at += usize::from(line.is_match);
            on
        })
        .collect();
    let beside = |index: usize| {
        let around = index.saturating_sub(context)..(index + context + 1).min(lines.len());
        around.into_iter().any(|other| wanted[other] && lines[other].number.abs_diff(lines[index].number) <= context as u64)
    };
    (0..lines.len()).filter(|&at| wanted[at] || (!lines[at].is_match && beside(at))).map(|at| &lines[at]).collect()
}

/// A line of at most [`LINE`] characters around byte `at`, with marks where something was left out.
fn cut(bytes: &[u8], at: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.len() <= LINE || text.chars().nth(LINE).is_none() {
        return text.into_owned();
    }
    let length = text.chars().count();
    let before = String::from_utf8_lossy(&bytes[..at.min(bytes.len())]).chars().count();
    let start = if before + LEAD < LINE { 0 } else { before.saturating_sub(LEAD).min(length - LINE) };
    let kept: String = text.chars().skip(start).take(LINE).collect();
    let (head, tail) = (if start > 0 { "..." } else { "" }, if start + LINE < length { "..." } else { "" });
    format!("{head}{kept}{tail} [{LINE} of {length} characters]")
}
