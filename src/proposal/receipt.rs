//! What a check said about exactly one state of a task's text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest summary, characters.
const LONGEST: usize = 80;

/// One check that the server itself ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The command line of the user's configuration.
    pub command: String,
    /// Exit code; `None` when it did not run to its end.
    pub exit: Option<i32>,
    pub ms: u64,
    /// SHA-256 over the paths and texts that it ran on.
    pub digest: String,
    /// The line of its output that tells the result, or why it did not run; at most 80 characters.
    pub summary: String,
    /// The check found packages that the task's commands had fetched: it is no better than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fetched: bool,
}

impl Receipt {
    /// Whether the check ran and found nothing.
    pub fn passed(&self) -> bool {
        self.exit == Some(0)
    }

    /// For people: `cargo test: ok in 3.1 s on exactly this text`. `fresh` says whether the text is still the one that it
    /// ran on.
    pub fn words(&self, fresh: bool) -> String {
        let seconds = Duration::from_millis(self.ms).as_secs_f64();
        let how = match self.exit {
            Some(0) => format!("ok in {seconds:.1} s"),
            Some(code) => format!("failed with exit code {code} in {seconds:.1} s"),
            None => return format!("{}: no result ({})", self.command, self.summary),
        };
        let on = match (fresh, self.fetched) {
            (true, false) => "on exactly this text",
            (true, true) => "on exactly this text, with packages that the task fetched",
            (false, _) => "(older than the text)",
        };
        format!("{}: {how} {on}", self.command)
    }
}

/// The last line of an output that reads like a result, else its last line; at most 80 characters.
pub fn result_line(output: &str) -> String {
    const WORDS: [&str; 9] = ["test result", " passed", " failed", "FAILED", "error:", "errors", "warning", "Finished", "tests"];
    // Runs without a single test say nothing about those before them.
    let empty = |line: &&str| line.contains("0 passed; 0 failed") || *line == "running 0 tests";
    let lines = || output.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let result = |line: &&str| WORDS.iter().any(|word| line.contains(word));
    let found = lines().find(|line| result(line) && !empty(line)).or_else(|| lines().find(result)).or_else(|| lines().next());
    shortened(found.unwrap_or_default())
}

/// At most as many characters as a summary may have.
pub fn shortened(line: &str) -> String {
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST - 1).chain(['…']).collect() }
}
