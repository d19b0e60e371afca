//! One consistent map from the indentation that the model wrote to the file's.

use std::collections::BTreeMap;

use super::Source;

/// What one step of indentation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Tab,
    Spaces(usize),
}

const UNITS: [Unit; 5] = [Unit::Tab, Unit::Spaces(2), Unit::Spaces(3), Unit::Spaces(4), Unit::Spaces(8)];

impl Unit {
    /// How many steps an indentation is; `None` when it is not made of whole steps.
    fn level(self, indent: &str) -> Option<i64> {
        let (unit, width) = match self {
            Unit::Tab => (b'\t', 1),
            Unit::Spaces(width) => (b' ', width),
        };
        (indent.bytes().all(|byte| byte == unit) && indent.len().is_multiple_of(width)).then_some((indent.len() / width) as i64)
    }

    fn write(self, level: i64) -> Option<String> {
        let level = usize::try_from(level).ok()?;
        Some(match self {
            Unit::Tab => "\t".repeat(level),
            Unit::Spaces(width) => " ".repeat(level * width),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// The file has this more at the front.
    Add(String),
    /// The file has this less at the front.
    Strip(String),
    /// Steps of one kind became steps of another, all moved by the same number of levels. All readings that fit.
    Units(Vec<(Unit, Unit, i64)>),
}

/// The map of one block: what was seen, and the rule that explains all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndentMap {
    seen: BTreeMap<String, String>,
    rule: Rule,
    /// Width of one step of the file in bytes, when the file shows one.
    step: Option<usize>,
}

impl IndentMap {
    /// The map under which every pair (the model's line, the file's line) agrees; `None` when there is no single one.
    pub(super) fn between<'l>(pairs: impl Iterator<Item = (&'l str, &'l str)>, source: &Source) -> Option<Self> {
        let mut seen = BTreeMap::new();
        for (mine, file) in pairs {
            if mine.trim().is_empty() {
                continue;
            }
            let ((mine, my_rest), (file, file_rest)) = (split(mine), split(file));
            if my_rest.trim_end() != file_rest.trim_end() {
                return None;
            }
            if seen.insert(mine.to_owned(), file.to_owned()).is_some_and(|before| before != file) {
                return None;
            }
        }
        let rule = rule(&seen)?;
        Some(IndentMap { seen, rule, step: step(source) })
    }

    /// A line of `new` with the file's indentation; `None` when that does not follow from what was seen.
    pub(super) fn reindent(&self, line: &str) -> Option<String> {
        if line.trim().is_empty() {
            return Some(line.to_owned());
        }
        let (indent, rest) = split(line);
        Some(self.apply(indent)? + rest)
    }

    fn apply(&self, indent: &str) -> Option<String> {
        if let Some(seen) = self.seen.get(indent) {
            return Some(seen.clone());
        }
        match &self.rule {
            Rule::Add(more) => {
                let result = format!("{more}{indent}");
                (self.step_fits(indent) && !mixed(&result)).then_some(result)
            }
            Rule::Strip(less) => indent.strip_prefix(less.as_str()).filter(|_| self.step_fits(indent)).map(str::to_owned),
            Rule::Units(readings) => {
                let mut results = readings.iter().map(|(from, to, moved)| to.write(from.level(indent)? + moved));
                let first = results.next()??;
                results.all(|other| other.as_ref() == Some(&first)).then_some(first)
            }
        }
    }

    /// One seen level does not tell how wide the model's steps are; then a new level must be whole steps of the file away.
    fn step_fits(&self, indent: &str) -> bool {
        let (Some(step), Some(known), 1) = (self.step, self.seen.keys().next(), self.seen.len()) else { return true };
        indent.len().abs_diff(known.len()).is_multiple_of(step)
    }
}

fn split(line: &str) -> (&str, &str) {
    line.split_at(line.len() - line.trim_start_matches([' ', '\t']).len())
}

fn mixed(indent: &str) -> bool {
    indent.contains(' ') && indent.contains('\t')
}

fn rule(seen: &BTreeMap<String, String>) -> Option<Rule> {
    let (mine, file) = seen.iter().next()?;
    if let Some(more) = file.strip_suffix(mine.as_str()).filter(|more| seen.iter().all(|(m, f)| *f == format!("{more}{m}"))) {
        return Some(Rule::Add(more.to_owned()));
    }
    if let Some(less) = mine.strip_suffix(file.as_str()).filter(|less| seen.iter().all(|(m, f)| *m == format!("{less}{f}"))) {
        return Some(Rule::Strip(less.to_owned()));
    }
    let moved = |from: Unit, to: Unit| -> Option<i64> {
        let by = to.level(file)? - from.level(mine)?;
        seen.iter().all(|(m, f)| from.level(m).zip(to.level(f)).is_some_and(|(m, f)| f - m == by)).then_some(by)
    };
    let mut readings: Vec<(Unit, Unit, i64)> = UNITS
        .iter()
        .flat_map(|from| UNITS.iter().map(move |to| (*from, *to)))
        .filter(|(from, to)| from != to)
        .filter_map(|(from, to)| Some((from, to, moved(from, to)?)))
        .collect();
    // Other steps at the same depth is the plain reading; a moved depth on top of it counts only where nothing else fits.
    if readings.iter().any(|reading| reading.2 == 0) {
        readings.retain(|reading| reading.2 == 0);
    }
    (!readings.is_empty()).then_some(Rule::Units(readings))
}

/// The most frequent increase of indentation from one line to the next.
fn step(source: &Source) -> Option<usize> {
    let (mut counts, mut before) = (BTreeMap::<usize, usize>::new(), 0);
    for index in 0..source.len() {
        let line = source.line(index);
        if line.trim().is_empty() {
            continue;
        }
        let indent = split(line).0.len();
        if indent > before {
            *counts.entry(indent - before).or_default() += 1;
        }
        before = indent;
    }
    counts.into_iter().max_by_key(|(width, count)| (*count, std::cmp::Reverse(*width))).map(|(width, _)| width)
}
