//! One word of shell text with its quotes removed, as the deep reading needs it.

use std::{iter::Peekable, str::Chars};

use super::Word;

/// Removes quotes and escapes. Expansions stay as they are written and make the word computed.
pub fn read(source: &str) -> Word {
    let mut word = Word {
        home: ["~", "$HOME", "${HOME", "\"$HOME", "\"${HOME"].iter().any(|home| source.starts_with(home)),
        ..Word::default()
    };
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => word.text.extend(chars.by_ref().take_while(|c| *c != '\'')),
            '"' => double_quoted(&mut chars, &mut word),
            '\\' => word.text.extend(chars.next()),
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                ansi_c(&mut chars, &mut word.text);
            }
            '$' if chars.peek() == Some(&'"') => {}
            '*' | '?' | '[' | '{' => {
                word.glob = true;
                word.text.push(c);
            }
            '$' | '`' => {
                word.computed = true;
                word.text.push(c);
            }
            '<' | '>' if chars.peek() == Some(&'(') => {
                word.computed = true;
                word.text.push(c);
            }
            _ => word.text.push(c),
        }
    }
    word
}

fn double_quoted(chars: &mut Peekable<Chars>, word: &mut Word) {
    while let Some(c) = chars.next() {
        match c {
            '"' => return,
            '\\' => match chars.next() {
                Some(next) if "$`\"\\".contains(next) => word.text.push(next),
                Some(next) => word.text.extend(['\\', next]),
                None => {}
            },
            '$' | '`' => {
                word.computed = true;
                word.text.push(c);
            }
            _ => word.text.push(c),
        }
    }
}

/// The rest of `$'...'`.
fn ansi_c(chars: &mut Peekable<Chars>, out: &mut String) {
    while let Some(c) = chars.next() {
        match c {
            '\'' => return,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('x') => out.extend(number(chars, 16, 2, String::new())),
                Some('u') => out.extend(number(chars, 16, 4, String::new())),
                Some('U') => out.extend(number(chars, 16, 8, String::new())),
                Some(digit @ '0'..='7') => out.extend(number(chars, 8, 2, digit.to_string())),
                Some('a' | 'b' | 'e' | 'E' | 'f' | 'v') => out.push(' '),
                Some(other) => out.push(other),
                None => {}
            },
            _ => out.push(c),
        }
    }
}

fn number(chars: &mut Peekable<Chars>, radix: u32, most: usize, mut digits: String) -> Option<char> {
    let end = digits.len() + most;
    while digits.len() < end {
        match chars.next_if(|c| c.is_digit(radix)) {
            Some(digit) => digits.push(digit),
            None => break,
        }
    }
    u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32)
}

/// Joins lines that end in a backslash, as the shell does before it reads words (but not inside single quotes).
pub fn join_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let (mut single, mut double) = (false, false);
    while let Some(c) = chars.next() {
        match c {
            '\\' if !single => {
                if chars.next_if_eq(&'\n').is_none() {
                    out.push(c);
                    out.extend(chars.next());
                }
            }
            '\'' if !double => {
                single = !single;
                out.push(c);
            }
            '"' if !single => {
                double = !double;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// What `a{b,c}d` stands for, the text itself included; at most `most` texts.
pub fn braces(text: &str, most: usize) -> Vec<String> {
    let mut found = vec![text.to_owned()];
    let mut at = 0;
    while let Some(next) = found.get(at).cloned() {
        at += 1;
        let Some(choices) = innermost(&next) else { continue };
        for choice in choices {
            if found.len() >= most {
                return found;
            }
            found.push(choice);
        }
    }
    found
}

/// The texts that the first innermost list of choices gives.
fn innermost(text: &str) -> Option<Vec<String>> {
    let close = text.find('}')?;
    let open = text.get(..close)?.rfind('{')?;
    let (head, body, tail) = (text.get(..open)?, text.get(open + 1..close)?, text.get(close + 1..)?);
    Some(body.split(',').map(|choice| format!("{head}{choice}{tail}")).collect())
}
