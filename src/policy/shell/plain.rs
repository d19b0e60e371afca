//! The plain subset of the shell, read exactly: bare words, quoted words without expansion, `&&`, `||`, `|`, `;`, newlines,
//! and redirects to `/dev/null` or of one descriptor to another. Whatever bash and dash could read in another way is
//! refused, and the caller treats it as not understood.

use super::{Join, Part, Word};

/// Why a text is not plain; a clause for a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPlain(pub &'static str);

/// Words that begin or continue a compound command when they stand unquoted where a program would.
const RESERVED: [&str; 22] = [
    "!", "[[", "]]", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select",
    "then", "time", "until", "while", "{", "}",
];

/// Reads a text of the plain subset.
///
/// # Errors
/// What makes it not plain.
pub fn parse(text: &str) -> Result<Vec<Part>, NotPlain> {
    let mut reader = Reader { rest: text, parts: Vec::new(), part: Part::default(), started: false, awaited: false };
    reader.all()?;
    Ok(reader.parts)
}

struct Reader<'a> {
    rest: &'a str,
    parts: Vec<Part>,
    part: Part,
    /// The current part holds something.
    started: bool,
    /// An operator such as `&&` stands before the current part.
    awaited: bool,
}

struct Piece {
    text: String,
    /// Everything was bare, so that the word can be reserved, an assignment or a descriptor.
    bare: bool,
    /// Length of the bare run that it begins with.
    bare_head: usize,
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./:=@%+,^-".contains(c)
}

impl Reader<'_> {
    fn all(&mut self) -> Result<(), NotPlain> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            let Some(c) = self.rest.chars().next() else { break };
            match c {
                '\n' => {
                    self.take(1);
                    if self.started {
                        self.end_part(Join::Other);
                    } else if self.awaited {
                        return Err(NotPlain("it breaks a line after an operator"));
                    }
                }
                ';' => {
                    self.take(1);
                    self.operator(Join::Other, false)?;
                }
                '&' if self.rest.starts_with("&&") => {
                    self.take(2);
                    self.operator(Join::AndThen, true)?;
                }
                '&' => return Err(NotPlain("it runs something in the background")),
                '|' if self.rest.starts_with("||") => {
                    self.take(2);
                    self.operator(Join::Other, true)?;
                }
                '|' if self.rest.starts_with("|&") => return Err(NotPlain("it joins outputs with |&")),
                '|' => {
                    self.take(1);
                    self.operator(Join::Other, true)?;
                }
                '<' | '>' => self.redirect(None)?,
                _ => self.word()?,
            }
        }
        if self.started {
            self.end_part(Join::Other);
        } else if self.awaited {
            return Err(NotPlain("it ends after an operator"));
        }
        if self.parts.is_empty() {
            return Err(NotPlain("it is empty"));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn operator(&mut self, join: Join, needs_next: bool) -> Result<(), NotPlain> {
        if !self.started {
            return Err(NotPlain("an operator stands where a command should"));
        }
        self.end_part(join);
        self.awaited = needs_next;
        Ok(())
    }

    fn end_part(&mut self, next: Join) {
        self.parts.push(std::mem::take(&mut self.part));
        self.part.join = next;
        self.started = false;
        self.awaited = false;
    }

    fn word(&mut self) -> Result<(), NotPlain> {
        let piece = self.piece()?;
        let digits = piece.bare && piece.text.bytes().all(|b| b.is_ascii_digit());
        if self.rest.starts_with(['<', '>']) && digits {
            return self.redirect(Some(&piece.text));
        }
        self.started = true;
        if self.part.words.is_empty() {
            if piece.bare && RESERVED.contains(&piece.text.as_str()) {
                return Err(NotPlain("it is a compound command"));
            }
            if piece.text.starts_with('%') {
                return Err(NotPlain("it names a job"));
            }
            if let Some((name, value)) = piece.text.split_once('=') {
                let mut letters = name.chars();
                let fine = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
                if name.len() < piece.bare_head && fine && letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.part.assignments.push((name.to_owned(), value.to_owned()));
                    return Ok(());
                }
                if name.ends_with('+') {
                    return Err(NotPlain("it appends to a variable"));
                }
            }
        }
        self.part.words.push(Word::literal(piece.text));
        Ok(())
    }

    fn piece(&mut self) -> Result<Piece, NotPlain> {
        let mut piece = Piece { text: String::new(), bare: true, bare_head: 0 };
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' => break,
                '\'' | '"' => {
                    let inner = self.rest.get(1..).unwrap_or_default();
                    let end = inner.find(c).ok_or(NotPlain("a quote is not closed"))?;
                    let quoted = &inner[..end];
                    if c == '"' && quoted.contains(['$', '`', '\\']) {
                        return Err(NotPlain("it holds an expansion or an escape"));
                    }
                    if quoted.contains('\n') {
                        return Err(NotPlain("a quoted text goes over several lines"));
                    }
                    piece.text.push_str(quoted);
                    piece.bare = false;
                    self.take(end + 2);
                }
                _ if is_bare(c) => {
                    piece.text.push(c);
                    if piece.bare {
                        piece.bare_head = piece.text.len();
                    }
                    self.take(1);
                }
                '$' | '`' => return Err(NotPlain("it holds an expansion")),
                '#' => return Err(NotPlain("it holds a comment sign")),
                '\\' => return Err(NotPlain("it holds an escape")),
                '(' | ')' | '{' | '}' => return Err(NotPlain("it groups commands")),
                '*' | '?' | '[' | ']' | '~' => return Err(NotPlain("it holds a pattern that the shell expands")),
                _ => return Err(NotPlain("it holds a sign that is plain only in quotes")),
            }
        }
        Ok(piece)
    }

    fn redirect(&mut self, descriptor: Option<&str>) -> Result<(), NotPlain> {
        let not_plain = NotPlain("it redirects to or from a file");
        if descriptor.is_some_and(|digits| digits.len() > 1) {
            return Err(not_plain);
        }
        let writes = self.rest.starts_with('>');
        self.take(1);
        if self.rest.starts_with('&') {
            self.take(1);
            let piece = self.piece()?;
            let one_digit = piece.bare && piece.text.len() == 1 && piece.text.bytes().all(|b| b.is_ascii_digit());
            if !one_digit || !writes || self.rest.starts_with(['<', '>']) {
                return Err(not_plain);
            }
        } else {
            if self.rest.starts_with(['<', '>', '|']) {
                return Err(not_plain);
            }
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            let piece = self.piece()?;
            if !piece.bare || piece.text != "/dev/null" {
                return Err(not_plain);
            }
        }
        self.started = true;
        Ok(())
    }
}
