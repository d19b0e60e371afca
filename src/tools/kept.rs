//! The text of a long output, to be paged through: in memory, or in a file of the session with an index of its lines.

use std::io;

use crate::seams::Spill;

/// Every so many lines the index has a mark.
const STRIDE: u64 = 1024;
/// What is read from a file at once, bytes.
const PIECE: usize = 64 << 10;
/// A line is read up to here, bytes; a reader is shown less.
const LONGEST: usize = 8 << 10;

/// A text with an index.
pub(super) struct Kept {
    source: Source,
    length: u64,
    lines: u64,
    /// Where the lines `STRIDE`, `2 * STRIDE`, ... (from 0) begin.
    marks: Vec<u64>,
}

enum Source {
    Memory(String),
    File(Box<dyn Spill>),
}

impl Kept {
    /// A text in memory.
    pub(super) fn text(text: String) -> Kept {
        let mut index = Index::default();
        index.add(&text);
        Kept { length: text.len() as u64, lines: index.lines(), marks: index.marks, source: Source::Memory(text) }
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes in a file; 0 where it is kept in memory.
    pub(super) fn on_disk(&self) -> u64 {
        if let Source::File(_) = self.source { self.length } else { 0 }
    }

    /// The lines from number `first` (from 0) on.
    pub(super) fn from(&self, first: u64) -> Reader<'_> {
        let mark = (first / STRIDE).min(self.marks.len() as u64);
        let at = mark.checked_sub(1).and_then(|mark| self.marks.get(mark as usize)).copied().unwrap_or(0);
        Reader { kept: self, at, piece: Vec::new(), used: 0, skip: first - mark * STRIDE }
    }

    fn read(&self, at: u64) -> io::Result<Vec<u8>> {
        match &self.source {
            Source::Memory(text) => {
                let rest = &text.as_bytes()[(at as usize).min(text.len())..];
                Ok(rest[..rest.len().min(PIECE)].to_vec())
            }
            Source::File(file) => file.read(at, PIECE),
        }
    }
}

/// Reads a text line by line, a piece at a time.
pub(super) struct Reader<'a> {
    kept: &'a Kept,
    /// Where the next piece begins.
    at: u64,
    piece: Vec<u8>,
    used: usize,
    /// Lines before the first one wanted.
    skip: u64,
}

/// A line without its end.
pub(super) struct Line {
    pub text: String,
    /// Bytes at its end that `text` does not have, since it is very long.
    pub more: u64,
}

impl Reader<'_> {
    /// The next line; `None` at the end of the text.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let line = self.line()?;
            match self.skip {
                0 => return Ok(line),
                _ if line.is_none() => return Ok(None),
                _ => self.skip -= 1,
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut more, mut any) = (Vec::new(), 0, false);
        let whole = |line: &[u8], more| Some(Line { text: String::from_utf8_lossy(line).into_owned(), more });
        loop {
            if self.used == self.piece.len() {
                self.piece = self.kept.read(self.at)?;
                self.at += self.piece.len() as u64;
                self.used = 0;
                if self.piece.is_empty() {
                    return Ok(whole(&line, more).filter(|_| any));
                }
            }
            any = true;
            let rest = &self.piece[self.used..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = &rest[..end.unwrap_or(rest.len())];
            let (kept, left) = part.split_at(part.len().min(LONGEST.saturating_sub(line.len())));
            line.extend_from_slice(kept);
            more += left.len() as u64;
            self.used += part.len() + usize::from(end.is_some());
            if end.is_some() {
                return Ok(whole(&line, more));
            }
        }
    }
}

#[derive(Default)]
struct Index {
    at: u64,
    ends: u64,
    open: bool,
    marks: Vec<u64>,
}

impl Index {
    fn add(&mut self, text: &str) {
        for (at, _) in text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n') {
            self.ends += 1;
            if self.ends.is_multiple_of(STRIDE) {
                self.marks.push(self.at + at as u64 + 1);
            }
        }
        self.at += text.len() as u64;
        if !text.is_empty() {
            self.open = !text.ends_with('\n');
        }
    }

    fn lines(&self) -> u64 {
        self.ends + u64::from(self.open)
    }
}

/// A file that is being filled up to a bound.
pub(super) struct Writing {
    file: Box<dyn Spill>,
    index: Index,
    largest: u64,
    missed: u64,
}

impl Writing {
    pub(super) fn new(file: Box<dyn Spill>, largest: u64) -> Writing {
        Writing { file, index: Index::default(), largest, missed: 0 }
    }

    /// Appends as much as there is room for; what comes later is only counted.
    pub(super) fn add(&mut self, text: &str) -> io::Result<()> {
        let room = if self.missed > 0 { 0 } else { self.largest.saturating_sub(self.index.at) };
        let (fits, missed) = text.split_at(text.floor_char_boundary(room.min(text.len() as u64) as usize));
        self.missed += missed.len() as u64;
        if fits.is_empty() { Ok(()) } else { self.write(fits) }
    }

    /// Bytes that found no room.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// Ends it with what is known of the missed text: a word, and its end. `None` when it cannot be written.
    pub(super) fn end(mut self, between: &str, end: &str) -> Option<Kept> {
        if self.missed > 0 {
            self.write(between).and_then(|()| self.write(end)).ok()?;
        }
        let Writing { file, index, .. } = self;
        Some(Kept { length: index.at, lines: index.lines(), marks: index.marks, source: Source::File(file) })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.append(text.as_bytes())?;
        self.index.add(text);
        Ok(())
    }
}
