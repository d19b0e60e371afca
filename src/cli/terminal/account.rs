//! The account of a running task: the model's words, one line a tool call, the end of a command's output, what it cost so far.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::screen::{Flow, Screen, Tone};
use crate::{
    agent::progress_line,
    cli::printable::{printable, shortened},
    event::Usage,
};

/// Lines of one command's output that are shown as they come, and how many of its last ones at its end.
const FIRST: usize = 12;
const LAST: usize = 6;
/// Characters of a line of output, of a result, and of one that is an error.
const WIDE: usize = 160;
const ROW: usize = 76;
const MISTAKE: usize = 400;

/// What the account remembers between two updates.
pub struct Account {
    words: Flow,
    /// The call whose line was written last.
    latest: Option<String>,
    titles: HashMap<String, String>,
    output: Output,
    /// What the model said since its last call.
    said: String,
}

/// The output of the command that runs.
#[derive(Default)]
struct Output {
    /// The piece after the last line end.
    partial: String,
    lines: usize,
    /// The latest lines that were not shown.
    held: VecDeque<String>,
}

impl Default for Account {
    fn default() -> Self {
        Account { words: Flow::new("  "), latest: None, titles: HashMap::new(), output: Output::default(), said: String::new() }
    }
}

impl Account {
    /// Tells one update.
    pub fn tell(&mut self, screen: &mut Screen, update: &Value) {
        let text = |field: &str| update[field].as_str().unwrap_or_default();
        match text("kind") {
            "text" => {
                self.words.push(screen, Tone::Plain, text("text"));
                self.said.push_str(text("text"));
                self.latest = None;
            }
            "tool_call" => {
                self.words.end(screen, Tone::Plain);
                let call = text("call").to_owned();
                match update["result"].as_str() {
                    // The task's own last words say it.
                    _ if text("tool") == "finish" && matches!(text("status"), "running" | "ok") => {}
                    None => self.started(screen, call, text("title")),
                    Some(result) => self.ended(screen, &call, text("tool"), text("status"), result),
                }
                // Why it was refused is never cut.
                for why in text("refused").lines() {
                    screen.paragraph("    ", Tone::Warn, &printable(why));
                }
            }
            "tool_output" => self.output.push(screen, text("text")),
            "usage" => {
                self.words.end(screen, Tone::Plain);
                screen.say(Tone::Quiet, &format!("  {}", usage_line(update)));
                self.latest = None;
            }
            "state" if text("state") == "retrying" => {
                self.pause(screen);
                screen.paragraph("  ", Tone::Warn, text("doing"));
            }
            _ => {}
        }
    }

    /// Ends what is half written.
    pub fn pause(&mut self, screen: &mut Screen) {
        self.words.end(screen, Tone::Plain);
        screen.end_line();
    }

    /// Shows a task's last words, if it has any and the model has not just said exactly them.
    pub fn last_words(&mut self, screen: &mut Screen, summary: &str) {
        if !summary.trim().is_empty() && self.said.trim() != summary.trim() {
            screen.gap();
            screen.paragraph("  ", Tone::Plain, summary);
        }
        self.said.clear();
    }

    fn started(&mut self, screen: &mut Screen, call: String, title: &str) {
        screen.line(&format!("  {} {}", screen.paint(Tone::Key, "›"), screen.paint(Tone::Strong, &printable(title))));
        self.titles.insert(call.clone(), title.to_owned());
        self.said.clear();
        self.latest = Some(call);
        self.output = Output::default();
    }

    fn ended(&mut self, screen: &mut Screen, call: &str, tool: &str, status: &str, result: &str) {
        self.output.end(screen);
        let title = self.titles.remove(call);
        let tone = match status {
            "ok" => Tone::Quiet,
            "denied" | "cancelled" | "interrupted" => Tone::Bad,
            _ => Tone::Warn,
        };
        let first = result.lines().find(|line| !line.trim().is_empty()).unwrap_or("(nothing)");
        if status == "denied" {
            // Why something was denied is never cut; what follows is advice to the model.
            let why =
                [". Do not try it", ". Do not ask again"].iter().fold(first, |why, tail| why.split(tail).next().unwrap_or(why));
            let mark = if first.starts_with("denied") { "" } else { "denied: " };
            return screen.paragraph("    ", tone, &format!("{mark}{}", printable(why)));
        }
        let counted = match tool {
            "search" => hits(result),
            "list_files" if status == "ok" => entries(result),
            _ => None,
        };
        let shown = counted.unwrap_or_else(|| first.to_owned());
        // Calls that look run beside each other, so that results may stand apart from their titles.
        let about = match title {
            Some(title) if self.latest.as_deref() != Some(call) && !says(&shown, &title) => format!("{title}: "),
            // A call that never began has no title.
            None if status != "ok" => format!("{tool}: "),
            _ => String::new(),
        };
        let most = if status == "ok" { ROW } else { MISTAKE };
        screen.paragraph("    ", tone, &shortened(&printable(&format!("{about}{shown}")), most));
    }
}

/// Whether a result names what its title is about: `src/lib.rs: 80 lines` after `reading src/lib.rs`.
fn says(result: &str, title: &str) -> bool {
    result.starts_with(title)
        || title.split_once(' ').is_some_and(|(_, what)| result.starts_with(what.split(':').next().unwrap_or(what)))
}

/// `4 hits in 2 files` of a search that shows lines (`12|text` below a line with the file's name).
fn hits(result: &str) -> Option<String> {
    let number =
        |line: &str, sign| line.split_once(sign).is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let hits = result.lines().filter(|line| number(line, '|')).count();
    let files = result.lines().filter(|line| !line.starts_with('[') && !number(line, '|') && !number(line, '-')).count();
    let plural = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    (hits > 0).then(|| format!("{} in {}", plural(hits, "hit"), plural(files, "file")))
}

/// `14 names` of a listing.
fn entries(result: &str) -> Option<String> {
    let names = result.lines().filter(|line| !line.starts_with('[')).count();
    (names > 1).then(|| format!("{names} names"))
}

impl Output {
    fn push(&mut self, screen: &mut Screen, text: &str) {
        self.partial.push_str(text);
        while let Some(at) = self.partial.find('\n') {
            let rest = self.partial.split_off(at + 1);
            let line = std::mem::replace(&mut self.partial, rest);
            self.line(screen, line.trim_end());
        }
    }

    fn line(&mut self, screen: &mut Screen, line: &str) {
        self.lines += 1;
        if self.lines <= FIRST {
            return show(screen, line);
        }
        self.held.push_back(line.to_owned());
        if self.held.len() > LAST {
            self.held.pop_front();
        }
    }

    fn end(&mut self, screen: &mut Screen) {
        let rest = std::mem::take(&mut self.partial);
        if !rest.trim().is_empty() {
            self.line(screen, rest.trim_end());
        }
        let hidden = self.lines.saturating_sub(FIRST + self.held.len());
        if hidden > 0 {
            show(screen, &format!("… {hidden} lines …"));
        }
        self.held.drain(..).for_each(|line| show(screen, &line));
        *self = Output::default();
    }
}

fn show(screen: &mut Screen, line: &str) {
    let line = line.rsplit('\r').next().unwrap_or(line);
    screen.say(Tone::Quiet, &format!("    │ {}", shortened(&printable(&line.replace('\t', "    ")), WIDE)));
}

/// `3/20 · 12.4k tok · $0.04`
pub fn usage_line(update: &Value) -> String {
    let usage: Usage = serde_json::from_value(update["usage"].clone()).unwrap_or_default();
    let number = |field: &str| u32::try_from(update[field].as_u64().unwrap_or_default()).unwrap_or_default();
    progress_line(number("iteration"), number("iterations"), "", usage, update["cost_usd"].as_f64()).replace("  ", " ")
}
