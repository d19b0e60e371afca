//! A text cut into words, as a person compares lines.

/// Words, runs of blanks, line ends, and other signs one by one. Together they are the text.
pub fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        '\n' => 0,
        c if c.is_whitespace() => 1,
        c if is_word(c) => 2,
        _ => 3,
    };
    let (mut out, mut start, mut last) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        let now = kind(c);
        if last.is_some_and(|last| last != now || matches!(now, 0 | 3)) {
            out.push(&text[start..at]);
            start = at;
        }
        last = Some(now);
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

/// Letters and digits of names and numbers.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
