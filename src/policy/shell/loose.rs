//! A second deep reading, by hand: it only follows quotes, operators, groups and here-documents, and so it finds commands
//! that the grammar of `tree` glues together or loses. It too may only make a verdict stricter.

use std::{collections::VecDeque, iter::Peekable, str::Chars};

use super::{Join, Part, Word, word};

/// Words that stand before a command without being one.
const LEADING: [&str; 11] = ["!", "do", "elif", "else", "if", "then", "time", "until", "while", "{", "}"];
/// Words that begin something whose next words are no command.
const HEADS: [&str; 4] = ["case", "for", "function", "select"];

/// Every command of a text at any depth.
pub fn read(text: &str) -> Vec<Part> {
    let mut reader = Reader {
        chars: text.chars().peekable(),
        parts: Vec::new(),
        here: Command::default(),
        groups: Vec::new(),
        documents: VecDeque::new(),
        cases: 0,
        pattern: false,
    };
    reader.all();
    reader.parts
}

/// The command that is being read.
#[derive(Default)]
struct Command {
    join: Join,
    words: Vec<Word>,
    /// The current word as it is written.
    raw: String,
    /// The next word is a redirect's target.
    target: bool,
    /// Inside double quotes.
    quoted: bool,
}

/// What a group goes back to when it ends.
struct Group {
    closes: char,
    around: Command,
    /// It holds words, not commands: an array.
    words_only: bool,
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    parts: Vec<Part>,
    here: Command,
    groups: Vec<Group>,
    /// Ends of here-documents that begin at the next line; whether their tabs are dropped.
    documents: VecDeque<(String, bool)>,
    /// Depth of `case`.
    cases: usize,
    /// A pattern of `case` is being read.
    pattern: bool,
}

impl Reader<'_> {
    fn all(&mut self) {
        while let Some(c) = self.chars.next() {
            if self.here.quoted { self.inside_quotes(c) } else { self.outside_quotes(c) }
        }
        self.end_command(Join::Other, true);
        while let Some(group) = self.groups.pop() {
            self.here = group.around;
            self.end_command(Join::Other, true);
        }
    }

    fn inside_quotes(&mut self, c: char) {
        match c {
            '"' => {
                self.here.raw.push(c);
                self.here.quoted = false;
            }
            '\\' => self.escaped(c),
            '$' if self.chars.peek() == Some(&'(') => self.substitution(c),
            '`' => self.backtick(),
            _ => self.here.raw.push(c),
        }
    }

    fn outside_quotes(&mut self, c: char) {
        match c {
            '\\' => self.escaped(c),
            '\'' => {
                let ansi = self.here.raw.ends_with('$');
                self.here.raw.push(c);
                while let Some(inner) = self.chars.next() {
                    self.here.raw.push(inner);
                    match inner {
                        '\'' => break,
                        '\\' if ansi => self.here.raw.extend(self.chars.next()),
                        _ => {}
                    }
                }
            }
            '"' => {
                self.here.raw.push(c);
                self.here.quoted = true;
            }
            '$' | '<' | '>' if self.chars.peek() == Some(&'(') => self.substitution(c),
            '`' => self.backtick(),
            '#' if self.here.raw.is_empty() => while self.chars.next_if(|c| *c != '\n').is_some() {},
            '(' => self.group(),
            ')' => self.end_group(c),
            '\n' => {
                self.end_command(Join::Other, true);
                self.skip_documents();
            }
            '&' if self.chars.peek() == Some(&'>') => self.end_word(),
            '&' if self.chars.next_if_eq(&'&').is_some() => self.end_command(Join::AndThen, true),
            '|' if self.pattern || self.begins("case") => self.end_word(),
            ';' if self.cases > 0 && self.chars.peek() == Some(&';') => {
                self.end_command(Join::Other, true);
                self.pattern = true;
            }
            ';' | '&' | '|' => self.end_command(Join::Other, true),
            '<' | '>' => self.redirect(c),
            ' ' | '\t' => self.end_word(),
            _ => self.here.raw.push(c),
        }
    }

    fn escaped(&mut self, c: char) {
        self.here.raw.push(c);
        self.here.raw.extend(self.chars.next());
    }

    fn substitution(&mut self, c: char) {
        self.chars.next();
        self.here.raw.push(c);
        self.open(')', false);
    }

    fn backtick(&mut self) {
        if self.groups.iter().any(|group| group.closes == '`') {
            self.end_group('`');
        } else {
            self.here.raw.push('`');
            self.open('`', false);
        }
    }

    fn group(&mut self) {
        if !self.here.raw.is_empty() && self.chars.next_if_eq(&')').is_some() {
            // The name of a function stands before its body.
            self.here.raw.clear();
            return;
        }
        let words_only = self.here.raw.ends_with('=');
        if !words_only {
            self.end_command(Join::AndThen, true);
        }
        self.open(')', words_only);
    }

    fn open(&mut self, closes: char, words_only: bool) {
        let inner = Command { join: Join::AndThen, ..Command::default() };
        let around = std::mem::replace(&mut self.here, inner);
        self.groups.push(Group { closes, around, words_only });
    }

    /// Ends the innermost group of this kind and all that it left open; a `)` of nothing ends a pattern of `case`.
    fn end_group(&mut self, closes: char) {
        let ours = self.groups.iter().rposition(|group| group.closes == closes);
        let Some(ours) = ours else {
            self.cases += usize::from(self.begins("case"));
            self.pattern = false;
            self.end_command(Join::Other, false);
            return;
        };
        while self.groups.len() > ours {
            let Some(group) = self.groups.pop() else { return };
            self.end_command(Join::Other, !group.words_only);
            self.here = group.around;
        }
    }

    fn redirect(&mut self, c: char) {
        if self.here.raw.bytes().all(|b| b.is_ascii_digit()) {
            self.here.raw.clear();
        }
        self.end_word();
        let mut operator = String::from(c);
        while let Some(next) = self.chars.next_if(|c| "<>&|".contains(*c)) {
            operator.push(next);
        }
        if operator == "<<" {
            let dashed = self.chars.next_if_eq(&'-').is_some();
            while self.chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
            let mut end = String::new();
            while let Some(next) = self.chars.next_if(|c| !c.is_whitespace() && !";|&<>()".contains(*c)) {
                end.push(next);
            }
            self.documents.push_back((word::read(&end).text, dashed));
        } else {
            self.here.target = true;
        }
    }

    fn skip_documents(&mut self) {
        while let Some((end, dashed)) = self.documents.pop_front() {
            loop {
                let mut line = String::new();
                while let Some(c) = self.chars.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                let ended = if dashed { line.trim_start_matches('\t') == end } else { line == end };
                if self.chars.next().is_none() || ended {
                    break;
                }
            }
        }
    }

    fn end_word(&mut self) {
        let raw = std::mem::take(&mut self.here.raw);
        if raw.is_empty() {
            return;
        }
        if std::mem::take(&mut self.here.target) {
            return;
        }
        if raw == "esac" && self.pattern {
            self.pattern = false;
            self.cases = self.cases.saturating_sub(1);
        }
        let unneeded = self.here.words.is_empty() && (LEADING.contains(&raw.as_str()) || is_assignment(&raw));
        if !unneeded {
            self.here.words.push(word::read(&raw));
        }
    }

    fn begins(&self, head: &str) -> bool {
        self.here.words.first().is_some_and(|word| word.text == head)
    }

    fn end_command(&mut self, next: Join, keep: bool) {
        self.end_word();
        let command = std::mem::take(&mut self.here);
        let head = command.words.first().is_some_and(|word| HEADS.contains(&word.text.as_str()));
        if keep && !head && !command.words.is_empty() {
            self.parts.push(Part { join: command.join, words: command.words, ..Part::default() });
        }
        self.here.join = next;
    }
}

fn is_assignment(raw: &str) -> bool {
    let Some((name, _)) = raw.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    let letters = name.split('[').next().unwrap_or_default();
    letters.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && letters.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
