//! Content search with ripgrep's own parts, in process: what the task sees in place of the disk where the two differ,
//! secret files never opened, hits in the order of their paths.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use grep_regex::{ErrorKind, RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};
use ignore::WalkState;
use rustix::fs::{OFlags, ResolveFlags};

use crate::{
    path::WsPath,
    seams::{SearchQuery, SearchResult, WorkspaceError},
};

use super::{
    decode::encode,
    disk::{Folder, open_at},
    hits::{FileHits, Keeper, Want},
    overlay::{Over, Overlay},
    walk::{Deadline, Glob, below, walk},
};

/// After this a search answers with what it has.
const TIME: Duration = Duration::from_secs(15);
/// Lines of context on each side at most.
const CONTEXT: usize = 5;
/// Compiled size of a pattern, bytes; beyond it the pattern is refused.
const PATTERN_SIZE: usize = 10 << 20;

/// Says whether a file is kept from the model.
pub type Hidden<'a> = &'a (dyn Fn(&WsPath) -> bool + Sync);

/// Searches what is below a folder, or one file. Files that `hidden` names are not opened. `stop` ends it early.
///
/// # Errors
/// `BadPattern` with the place in the pattern or glob; [`WorkspaceError`] when `under` does not exist in the workspace.
pub fn search(
    folder: &Folder,
    overlay: &Overlay,
    hidden: Hidden<'_>,
    query: &SearchQuery,
    stop: &AtomicBool,
) -> Result<SearchResult, WorkspaceError> {
    let under = folder.resolve(&query.under)?;
    let run = Run {
        folder,
        overlay,
        hidden,
        glob: query.glob.as_deref().map(|glob| Glob::new(glob, &under)).transpose()?,
        pattern: Pattern::new(query)?,
        want: Want { mode: query.mode, lines: query.offset.saturating_add(query.limit), context: query.context.min(CONTEXT) },
        deadline: Deadline::after(TIME),
        stop,
        searched: AtomicU64::new(0),
        early: AtomicBool::new(false),
        keeper: Mutex::new(Keeper::default()),
    };
    run.overlaid(&under);
    match folder.stat(&under)? {
        Some(_) => run.disk(&under),
        None if overlay.keys().any(|path| path.is_within(&under)) => {}
        None => return Err(WorkspaceError::NotFound { path: query.under.clone(), near: Vec::new() }),
    }
    let keeper = run.keeper.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (hits, total) = keeper.page(&run.want, query.offset, query.limit);
    Ok(SearchResult { hits, total, files_searched: run.searched.into_inner(), truncated: run.early.into_inner() })
}

/// One search under way.
struct Run<'a> {
    folder: &'a Folder,
    overlay: &'a Overlay,
    hidden: Hidden<'a>,
    glob: Option<Glob>,
    pattern: Pattern,
    want: Want,
    deadline: Deadline,
    stop: &'a AtomicBool,
    searched: AtomicU64,
    early: AtomicBool,
    keeper: Mutex<Keeper>,
}

impl Run<'_> {
    /// The texts that lie over the disk.
    fn overlaid(&self, under: &WsPath) {
        let mut searcher = self.pattern.searcher(&self.want);
        for (path, over) in self.overlay.iter().filter(|(path, _)| path.is_within(under)) {
            if let Over::Text { text, .. } = over
                && self.selects(Path::new(path.as_str()))
                && !(self.hidden)(path)
            {
                let mut hits = FileHits::new(&self.want, &self.pattern.matcher);
                // Texts in memory do not fail to read.
                let _ = searcher.search_slice(&self.pattern.matcher, &encode(text, false), &mut hits);
                self.keep(path.as_str(), hits);
            }
        }
    }

    /// The files of the disk that nothing lies over.
    fn disk(&self, under: &WsPath) {
        walk(self.folder, under, None).run(|| {
            let mut searcher = self.pattern.searcher(&self.want);
            Box::new(move |entry| {
                if self.over() {
                    return WalkState::Quit;
                }
                let Ok(entry) = entry else { return WalkState::Continue };
                // A path that is not UTF-8 is searched too; rules that name such a file cannot be written.
                if entry.file_type().is_some_and(|kind| kind.is_file())
                    && let Some(path) = below(self.folder, entry.path())
                    && self.selects(path)
                {
                    self.file(&mut searcher, path);
                }
                WalkState::Continue
            })
        });
    }

    fn file(&self, searcher: &mut Searcher, path: &Path) {
        let shown = path.to_string_lossy();
        let Some(name) = WsPath::from_disk(&shown) else { return };
        if self.overlay.contains_key(&name) || (self.hidden)(&name) {
            return;
        }
        // Only names that are UTF-8 can be opened; others could not be told to the model anyway.
        let Some(utf8) = path.to_str() else { return };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(fd) = open_at(self.folder.dir(), utf8, flags, ResolveFlags::NO_SYMLINKS) else { return };
        let mut hits = FileHits::new(&self.want, &self.pattern.matcher);
        // A file that cannot be read on has the hits up to there.
        let _ = searcher.search_reader(&self.pattern.matcher, Bounded { file: File::from(fd), run: self }, &mut hits);
        self.keep(name.as_str(), hits);
    }

    fn keep(&self, path: &str, hits: FileHits<'_>) {
        self.searched.fetch_add(1, Ordering::Relaxed);
        if let Some(found) = hits.found() {
            self.keeper.lock().unwrap_or_else(PoisonError::into_inner).add(path, found, &self.want);
        }
    }

    fn selects(&self, path: &Path) -> bool {
        self.glob.as_ref().is_none_or(|glob| glob.selects(path))
    }

    fn over(&self) -> bool {
        let over = self.stop.load(Ordering::Relaxed) || self.deadline.passed();
        if over {
            self.early.store(true, Ordering::Relaxed);
        }
        over
    }
}

/// A file whose reading ends with the search.
struct Bounded<'a> {
    file: File,
    run: &'a Run<'a>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.run.over() { Ok(0) } else { self.file.read(into) }
    }
}

/// A compiled pattern and how lines are taken.
struct Pattern {
    matcher: RegexMatcher,
    across_lines: bool,
}

impl Pattern {
    fn new(query: &SearchQuery) -> Result<Self, WorkspaceError> {
        let build = |across_lines: bool| {
            let mut builder = RegexMatcherBuilder::new();
            builder
                .multi_line(true)
                .case_insensitive(!query.case_sensitive)
                .fixed_strings(query.literal)
                .size_limit(PATTERN_SIZE)
                .crlf(true);
            // A pattern that cannot match a line end is searched line by line, which is much faster.
            builder.line_terminator((!across_lines).then_some(b'\n'));
            builder.build(&query.pattern)
        };
        let (built, across_lines) = match build(false) {
            Err(error) if matches!(error.kind(), ErrorKind::NotAllowed(_)) => (build(true), true),
            other => (other, false),
        };
        let matcher = built.map_err(|error| WorkspaceError::BadPattern(explain(&error, query.literal)))?;
        Ok(Pattern { matcher, across_lines })
    }

    fn searcher(&self, want: &Want) -> Searcher {
        SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .line_number(true)
            .multi_line(self.across_lines)
            .before_context(want.context)
            .after_context(want.context)
            .build()
    }
}

fn explain(error: &grep_regex::Error, literal: bool) -> String {
    let hint = if literal { "" } else { "\nto search for these characters as they stand, set literal to true" };
    format!("the pattern cannot be used: {}{hint}", error.to_string().trim_end())
}
