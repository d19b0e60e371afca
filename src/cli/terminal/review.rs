//! The review of a proposal in the terminal, with the keys of `git add -p`. Each decision takes effect at once.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::{
    external, hunk, patch,
    person::Moment,
    screen::Tone,
    session::{Ended, Session},
    shown::{Checked, File, Hunk, Proposal},
};
use crate::{
    cli::printable::printable,
    event::{HunkId, ProposalId},
    proposal::HunkState,
};

/// Longest wait for the server to tell the proposal after a decision; what is shown then may be a line off.
const SETTLING: Duration = Duration::from_millis(500);

/// Who decides about the proposal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Accept {
    /// You, change by change
    #[default]
    Ask,
    /// Everything except changes to files that steer tools
    All,
    /// Nothing: the changes are only shown
    None,
}

/// What came of a review.
#[derive(Clone, Debug, Default)]
pub struct Reviewed {
    pub accepted: Vec<HunkId>,
    pub rejected: Vec<HunkId>,
    /// Accepted by the person, but not taken over, and why.
    pub refused: Vec<(HunkId, String)>,
    /// Nobody decided about them.
    pub left: usize,
    pub interrupted: bool,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Yes,
    No,
    Quit,
    /// This one and the rest of the file.
    AllOfFile,
    NoneOfFile,
    Edit,
    Print,
    Help,
}

const HELP: &str = "\
y  accept this change: it is written to the file now
n  reject it; words after the n are the reason, as in `n keep the old name`
e  edit it in $EDITOR, then write your version
a  accept this change and all later ones in this file
d  reject this change and all later ones in this file
p  print the whole change
q  quit; this change and the rest stay undecided
?  this help";

impl Session {
    /// Reviews the task's proposal.
    pub async fn review(&mut self, ended: &Ended, accept: Accept) -> Reviewed {
        let mut reviewed = Reviewed::default();
        let Some(proposal) = self.proposal(ended).filter(|proposal| proposal.pending() > 0) else { return reviewed };
        self.show_receipts(&proposal);
        match accept {
            Accept::Ask if self.person.is_there() => self.one_by_one(&proposal, &mut reviewed).await,
            Accept::All => self.all(&proposal, &mut reviewed).await,
            Accept::Ask | Accept::None => self.only_show(&proposal),
        }
        let decided = reviewed.accepted.len() + reviewed.rejected.len();
        reviewed.left = proposal.pending().saturating_sub(decided);
        reviewed
    }

    fn show_receipts(&mut self, proposal: &Proposal) {
        for Checked { receipt, fresh } in &proposal.receipts {
            let said = if receipt.exit.is_none() { "" } else { receipt.summary.as_str() };
            let said = if said.is_empty() { String::new() } else { format!(" [{said}]") };
            let tone = if receipt.passed() && *fresh { Tone::Good } else { Tone::Warn };
            self.screen.paragraph("  ", tone, &printable(&format!("{}{said}", receipt.words(*fresh))));
        }
    }

    fn only_show(&mut self, proposal: &Proposal) {
        for file in &proposal.files {
            for hunk in file.pending() {
                self.show(file, hunk, false);
            }
        }
    }

    async fn all(&mut self, proposal: &Proposal, reviewed: &mut Reviewed) {
        let ids: Vec<HunkId> =
            proposal.files.iter().flat_map(File::pending).filter(|hunk| !hunk.steering).map(|hunk| hunk.id.clone()).collect();
        if !ids.is_empty() {
            self.accept(&proposal.proposal, &ids, reviewed).await;
        }
        for file in &proposal.files {
            let name = printable(file.path.as_str()).into_owned();
            let count = |chosen: &dyn Fn(&Hunk) -> bool| file.pending().filter(|hunk| chosen(hunk)).count();
            let taken = count(&|hunk| reviewed.accepted.contains(&hunk.id));
            if taken > 0 {
                self.screen.say(Tone::Good, &format!("  accepted {}: {name}", changes(taken)));
            }
            if count(&|hunk| hunk.steering) > 0 {
                self.screen.say(Tone::Warn, &format!("  left out: {name} steers tools and is only accepted by hand"));
                for hunk in file.pending().filter(|hunk| hunk.steering) {
                    self.show(file, hunk, false);
                }
            }
        }
    }

    async fn one_by_one(&mut self, proposal: &Proposal, reviewed: &mut Reviewed) {
        let ids: Vec<HunkId> = proposal.files.iter().flat_map(File::pending).map(|hunk| hunk.id.clone()).collect();
        let mut rest_of_file: Option<(String, Key)> = None;
        for (at, id) in ids.iter().enumerate() {
            let now = self.client.texts().proposal(&proposal.proposal).cloned();
            let Some((file, hunk)) = now.as_ref().and_then(|now| now.find(id)) else { continue };
            if hunk.state != HunkState::Pending {
                self.screen.say(Tone::Warn, &format!("  {}: its lines changed meanwhile; left out", file.path));
                continue;
            }
            let decided = rest_of_file.as_ref().filter(|(uri, _)| *uri == file.uri).map(|(_, key)| *key);
            let steers = hunk.steering && decided == Some(Key::AllOfFile);
            let (key, words) = match decided.filter(|_| !steers) {
                Some(key) => (key, String::new()),
                None => {
                    self.show(file, hunk, false);
                    match self.decide(file, hunk, (at + 1, ids.len())).await {
                        Some(decision) => decision,
                        None => {
                            reviewed.interrupted = self.interrupts.did_come();
                            return;
                        }
                    }
                }
            };
            match key {
                Key::Quit | Key::Help | Key::Print => return,
                Key::Yes | Key::AllOfFile => self.accept(&proposal.proposal, std::slice::from_ref(id), reviewed).await,
                Key::No | Key::NoneOfFile => self.reject(&proposal.proposal, id, &words, reviewed).await,
                Key::Edit => self.edit(proposal, file, hunk, reviewed).await,
            }
            if matches!(key, Key::AllOfFile | Key::NoneOfFile) {
                rest_of_file = Some((file.uri.clone(), key));
            }
            if at + 1 < ids.len() {
                let _ = tokio::time::timeout(SETTLING, self.told(&proposal.proposal, id)).await;
            }
        }
    }

    fn show(&mut self, file: &File, hunk: &Hunk, all: bool) {
        self.screen.gap();
        hunk::show(&mut self.screen, &self.client.texts(), file, hunk, all);
        if hunk.steering {
            self.screen.say(Tone::Warn, "  this file steers tools that run later: look twice");
        }
    }

    /// The person's decision about a change; `None` at the end of the input or an interrupt.
    async fn decide(&mut self, file: &File, hunk: &Hunk, (number, of): (usize, usize)) -> Option<(Key, String)> {
        let question = format!("({number}/{of}) accept this change [y,n,e,a,d,p,q,?]? ");
        loop {
            let prompt = self.screen.paint(Tone::Key, &question);
            let moment = Moment::Change(hunk);
            let answer = tokio::select! {
                answer = self.person.ask(&mut self.screen, &prompt, &moment) => answer?,
                () = self.interrupts.came() => {
                    self.screen.end_line();
                    self.screen.line("");
                    return None;
                }
            };
            match key(&answer) {
                Some((Key::Help, _)) => self.screen.paragraph("  ", Tone::Quiet, HELP),
                Some((Key::Print, _)) => self.show(file, hunk, true),
                Some((Key::Edit, _)) if hunk.is_whole() => {
                    self.screen.say(Tone::Quiet, "  only changed lines can be edited here; accept the file and edit it then");
                }
                Some(decision) => return Some(decision),
                None => self.screen.say(Tone::Quiet, "  y accepts, n rejects, ? lists all keys"),
            }
        }
    }

    async fn accept(&mut self, proposal: &ProposalId, hunks: &[HunkId], reviewed: &mut Reviewed) {
        let asked = json!({"proposal": proposal, "hunks": hunks});
        match self.client.peer.command("accept", asked).await {
            Ok(answer) => {
                reviewed.accepted.extend(ids(&answer["accepted"]));
                for row in answer["refused"].as_array().into_iter().flatten() {
                    let why = row["why"].as_str().unwrap_or("no reason was given").to_owned();
                    self.refused(ids(&json!([row["hunk"]])).first(), why, reviewed);
                }
            }
            Err(error) => self.refused(hunks.first(), error.message, reviewed),
        }
    }

    fn refused(&mut self, hunk: Option<&HunkId>, why: String, reviewed: &mut Reviewed) {
        self.screen.say(Tone::Bad, &format!("  not accepted: {}", printable(&why)));
        reviewed.refused.extend(hunk.map(|hunk| (hunk.clone(), why)));
    }

    async fn reject(&mut self, proposal: &ProposalId, hunk: &HunkId, why: &str, reviewed: &mut Reviewed) {
        let mut asked = json!({"proposal": proposal, "hunks": [hunk]});
        if !why.is_empty() {
            asked["reason"] = json!(why);
        }
        match self.client.peer.command("reject", asked).await {
            Ok(answer) => reviewed.rejected.extend(ids(&answer["rejected"])),
            Err(error) => self.screen.say(Tone::Bad, &format!("  not rejected: {}", printable(&error.message))),
        }
    }

    /// The person's own version goes into the file as their own typing would; the agent's is rejected.
    async fn edit(&mut self, proposal: &Proposal, file: &File, hunk: &Hunk, reviewed: &mut Reviewed) {
        self.interrupts.away(true);
        let edited = external::edit(&self.environment, &self.state, file.path.file_name(), &hunk.new_text).await;
        self.interrupts.away(false);
        let text = match edited {
            Ok(text) => text,
            Err(why) => return self.screen.say(Tone::Warn, &format!("  {}", printable(&why))),
        };
        if text == hunk.new_text {
            return self.accept(&proposal.proposal, std::slice::from_ref(&hunk.id), reviewed).await;
        }
        let written = self.client.texts().replace(&file.path, hunk.range, &hunk.old_text, &text);
        if let Err(why) = written {
            return self.refused(Some(&hunk.id), why, reviewed);
        }
        self.screen.say(Tone::Good, "  your version is in the file");
        let why = "the user wrote a version of their own in its place";
        self.reject(&proposal.proposal, &hunk.id, why, reviewed).await;
        let changed = json!({"changes": [{"uri": file.uri, "type": 2}]});
        self.client.peer.notify("workspace/didChangeWatchedFiles", changed);
    }

    /// Waits until the server has told that this hunk waits no more.
    async fn told(&mut self, proposal: &ProposalId, hunk: &HunkId) {
        let mut nothing = Ended::default();
        loop {
            let waits = self
                .client
                .texts()
                .proposal(proposal)
                .and_then(|proposal| proposal.find(hunk))
                .is_some_and(|(_, hunk)| matches!(hunk.state, HunkState::Pending | HunkState::Applying));
            if !waits {
                return;
            }
            let Some(happening) = self.next().await else { return };
            self.take(happening, &mut nothing).await;
        }
    }

    /// What the review came to, in a line.
    pub fn tell_review(&mut self, reviewed: &Reviewed) {
        let mut parts = Vec::new();
        for (count, word) in [
            (reviewed.accepted.len(), "accepted"),
            (reviewed.rejected.len(), "rejected"),
            (reviewed.refused.len(), "not taken over"),
            (reviewed.left.saturating_sub(reviewed.refused.len()), "left undecided"),
        ] {
            if count > 0 {
                parts.push(format!("{} {word}", changes(count)));
            }
        }
        if !parts.is_empty() {
            self.screen.gap();
            self.screen.say(Tone::Strong, &parts.join(", "));
        }
    }

    /// Keeps what nobody decided about as a patch below the state folder, and says where.
    pub async fn keep_undecided(&mut self, ended: &Ended, reviewed: &Reviewed) -> Option<PathBuf> {
        if reviewed.left == 0 {
            return None;
        }
        let _ = tokio::time::timeout(SETTLING, self.decided(ended, reviewed.left)).await;
        let (patch, mut missing) = patch::of_what_fits(&self.proposal(ended)?, self.client.texts().folder());
        let mut kept = None;
        if !patch.is_empty() {
            match external::keep_undecided(&self.state, &ended.session, &patch) {
                Ok(file) => {
                    let shown = printable(&file.display().to_string()).into_owned();
                    self.screen.say(Tone::Quiet, &format!("kept as a patch, should you want it after all: git apply {shown}"));
                    kept = Some(file);
                }
                Err(error) => missing.push(error.to_string()),
            }
        }
        for why in missing {
            self.screen.say(Tone::Warn, &format!("not kept as a patch: {}", printable(&why)));
        }
        kept
    }

    /// Waits until no more than so many hunks of the proposal wait for a decision.
    async fn decided(&mut self, ended: &Ended, left: usize) {
        let mut nothing = Ended::default();
        while self.proposal(ended).is_some_and(|proposal| proposal.pending() > left) {
            let Some(happening) = self.next().await else { return };
            self.take(happening, &mut nothing).await;
        }
    }
}

/// `1 change`, `3 changes`
pub fn changes(count: usize) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

fn key(answer: &str) -> Option<(Key, String)> {
    let (word, rest) = answer.trim().split_once(char::is_whitespace).unwrap_or((answer.trim(), ""));
    let key = match word {
        "y" | "yes" => Key::Yes,
        "n" | "no" => Key::No,
        "q" => Key::Quit,
        "a" => Key::AllOfFile,
        "d" => Key::NoneOfFile,
        "e" => Key::Edit,
        "p" => Key::Print,
        "?" | "h" => Key::Help,
        _ => return None,
    };
    // Only a rejection has a reason; with other keys more words are a slip.
    (rest.is_empty() || matches!(key, Key::No | Key::NoneOfFile)).then(|| (key, rest.trim().to_owned()))
}

fn ids(array: &Value) -> Vec<HunkId> {
    serde_json::from_value(array.clone()).unwrap_or_default()
}
