//! Changes made by a seeded program: what agents and people do to a file, and what makes texts hard.

use super::Pair;
use crate::support::dice::Dice;

/// The same on every machine and in every run.
const SEED: u64 = 0x5EED_0F4D_1FF5_0001;

/// `count` changes of these texts.
pub fn pairs(texts: &[String], count: usize) -> Vec<Pair> {
    assert!(!texts.is_empty(), "there are no sources to be changed");
    let mut dice = Dice(SEED);
    (0..count)
        .map(|at| {
            let source = &texts[dice.roll(texts.len())];
            let old = dressed(source, &mut dice);
            let mut new = old.clone();
            for _ in 0..1 + dice.roll(6) {
                new = changed(&new, &mut dice);
            }
            Pair { name: format!("change {at}"), old, new }
        })
        .collect()
}

/// The text with the things that are rare in it.
fn dressed(text: &str, dice: &mut Dice) -> String {
    let mut text = text.to_owned();
    match dice.roll(12) {
        0 | 1 => text = text.replace("\r\n", "\n").replace('\n', "\r\n"),
        2 => text = text.replacen('\n', "\r\n", 5),
        3 => text = text.replacen('\n', "\r", 3),
        4 => text.insert(0, '\u{FEFF}'),
        5 => text.truncate(text.trim_end().len()),
        6 => text = text.replace("    ", "\t"),
        7 => text = text.replace('e', "é").replace("in", "𝒾𝓃"),
        8 => text = text.replace("a", "a\u{0301}").replace('(', "👩‍💻("),
        9 if dice.one_in(8) => text.clear(),
        10 if dice.one_in(2) => text.push_str("\n\n\n"),
        _ => {}
    }
    text
}

/// One change.
fn changed(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let span = |lines: &[String], dice: &mut Dice| {
        let start = dice.roll(lines.len() + 1);
        start..(start + 1 + dice.roll(12)).min(lines.len())
    };
    let (here, there) = (span(&lines, dice), span(&lines, dice));
    match dice.roll(14) {
        // A copy of other lines.
        0 => {
            let copy = lines[there].to_vec();
            lines.splice(here.start..here.start, copy);
        }
        1 => _ = lines.drain(here),
        // Moved lines.
        2 => {
            let moved: Vec<String> = lines.drain(here).collect();
            let at = dice.roll(lines.len() + 1);
            lines.splice(at..at, moved);
        }
        // Deeper, with something around.
        3 => {
            let inner =
                lines[here.clone()].iter().map(|line| if line.trim().is_empty() { line.clone() } else { format!("    {line}") });
            let block: Vec<String> = std::iter::once("if x {\n".to_owned()).chain(inner).chain(["}\n".to_owned()]).collect();
            lines.splice(here, block);
        }
        4 => lines[here].iter_mut().for_each(|line| *line = line.strip_prefix("    ").unwrap_or(line).to_owned()),
        // A name, everywhere.
        5 => {
            let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3).collect();
            if let Some(word) = words.get(dice.roll(words.len())) {
                return text.replace(word, &format!("{word}_𝓃ew"));
            }
        }
        6 => lines[here].iter_mut().for_each(|line| *line = line.replacen(' ', "  ", 1)),
        7 => lines[here].iter_mut().for_each(|line| *line = line.replacen('(', "(𝒳, ", 1)),
        8 => _ = lines.splice(here.start..here.start, ["\n".to_owned(), "fn añadida() {\n".to_owned(), "}\n".to_owned()]).count(),
        9 => lines.retain(|line| !line.trim().is_empty() || dice.one_in(2)),
        10 => lines[here].reverse(),
        // The end.
        11 => match dice.roll(4) {
            0 => return text.trim_end().to_owned(),
            1 => return format!("{text}\n"),
            2 => return format!("{text}// the end"),
            _ => return format!("{text}{}", lines.get(here.start).map_or("x\n", String::as_str)),
        },
        12 if dice.one_in(6) => match dice.roll(4) {
            0 => return text.replace("\r\n", "\n"),
            1 => return text.replace("\r\n", "\n").replace('\n', "\r\n"),
            2 => return text.strip_prefix('\u{FEFF}').map_or_else(|| format!("\u{FEFF}{text}"), str::to_owned),
            _ => return String::new(),
        },
        _ => {
            for line in &mut lines[here] {
                let at = line.char_indices().map(|(at, _)| at).nth(dice.roll(line.chars().count())).unwrap_or(0);
                line.insert_str(at, ["é", "𝒳", "x", "\t", "👩‍💻"][dice.roll(5)]);
            }
        }
    }
    let mut new = lines.concat();
    // What was put in follows the text's own line break.
    if text.contains("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']) {
        new = new.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    new
}
