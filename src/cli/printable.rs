//! Text from models, files and commands on its way to a terminal: nothing in it may move the cursor, hide, or reorder what is
//! shown.

use std::borrow::Cow;

/// Whether a terminal would do something else with it than show it: controls, bidirectional marks, zero width.
fn dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line: line ends and everything dangerous as escapes (`\n`, `\u{1b}`).
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |c| c.escape_default().to_string())
}

/// Several lines: line ends and tabs stand, everything else that is dangerous is escaped.
pub fn printable_block(text: &str) -> Cow<'_, str> {
    escape(text, |c| if matches!(c, '\n' | '\t') { c.to_string() } else { c.escape_default().to_string() })
}

/// JSON text: what is dangerous stands inside its strings, where an escape means the same.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escape(json, |c| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    })
}

/// The first `most` characters, with a mark where something was cut.
pub fn shortened(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}

fn escape(text: &str, with: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.chars().any(dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if dangerous(c) { out.push_str(&with(c)) } else { out.push(c) }
    }
    Cow::Owned(out)
}
