//! Commit, push and new branches: planned to exact ids, shown to the person, planned again right before the effect, and done only
//! if nothing moved (law 5). The intent is on disk before, the outcome after.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    budget::Budget,
    gate::{Gate, Wanted, denied, digest, fence},
    shown::{brief, plain},
    task::Ending,
};
use crate::{
    event::{Actor, Event, Scope},
    policy::{Action, Decision, PushKind, Verdict},
    seams::{CommitPlan, CommitSpec, JournalError, PushPlan, PushSpec, Question, QuestionKind, Vcs, VcsError},
    tools::{Publication, ToolResult},
};

/// Most bytes of a diff in a question's document; its digest covers all of it.
const DIFF: usize = 256 * 1024;
/// Most characters of a name, of the reason for a branch, and of the message, in a question; its document holds all.
const NAME: usize = 48;
const WHY: usize = 64;
const SUBJECT: usize = 72;

/// Who publishes, and through what. The server's own commands use it as the model's tool does.
pub struct Publisher<'a> {
    pub gate: &'a mut Gate,
    pub budget: &'a mut Budget,
    pub vcs: &'a dyn Vcs,
    pub scope: &'a Scope,
    pub cancel: &'a CancellationToken,
}

/// Why nothing was published: a result for the caller, or the end of the task.
enum No {
    Told(ToolResult),
    Ends(Ending),
}

impl From<VcsError> for No {
    fn from(error: VcsError) -> Self {
        let hint = error.hint.map_or_else(String::new, |hint| format!("; {hint}"));
        No::Told(ToolResult::error(format!("{}{hint}", error.message)))
    }
}

impl From<Ending> for No {
    fn from(ending: Ending) -> Self {
        No::Ends(ending)
    }
}

impl From<JournalError> for No {
    fn from(error: JournalError) -> Self {
        No::Ends(error.into())
    }
}

impl Publisher<'_> {
    /// Does what is asked, or says why not.
    ///
    /// # Errors
    /// [`Ending`] when the task ends here: cancelled, no record can be kept, or no question is left in the budget.
    pub async fn publish(&mut self, what: Publication) -> Result<ToolResult, Ending> {
        let done = match what {
            Publication::Branch(name) => self.branch(&name).await,
            Publication::Commit { message, branch } => self.commit(message, branch).await,
            Publication::Push { remote, branch } => self.push(PushSpec { remote, branch }).await,
        };
        match done {
            Ok(result) | Err(No::Told(result)) => Ok(result),
            Err(No::Ends(ending)) => Err(ending),
        }
    }

    async fn branch(&mut self, name: &str) -> Result<ToolResult, No> {
        let action = Action::GitBranch(name.to_owned());
        let head = self.vcs.branch().await?;
        let digest = digest(&json!([action, head]));
        let from = brief(head.name.as_deref().unwrap_or("a detached HEAD"), NAME);
        let text = format!("Commit branch: make {} at {from} and switch to it?", brief(name, NAME));
        let question =
            self.question(QuestionKind::Commit, "Create branch", text.clone(), format!("# {text}\n\n`{digest}`\n"), &digest);
        self.permit(&[action], question, digest.clone()).await?;
        if self.vcs.branch().await? != head {
            return Err(moved("HEAD"));
        }
        self.start("git.branch", &digest, json!({"branch": name, "at": head.head})).await?;
        let made = self.vcs.create_branch(name).await;
        self.result("git.branch", &digest, made.as_ref().err(), Value::Null);
        made?;
        Ok(ToolResult::ok(format!("on the new branch {name}")))
    }

    async fn commit(&mut self, message: String, branch: Option<String>) -> Result<ToolResult, No> {
        let plan = self.plan_commit(&message, branch.clone()).await?;
        let mut actions = vec![Action::GitCommit { branch: plan.branch.clone() }];
        if plan.creates_branch {
            actions.push(Action::GitBranch(plan.branch.clone()));
        }
        let question = self.question(QuestionKind::Commit, "Commit", commit_text(&plan), commit_document(&plan), &plan.digest);
        self.permit(&actions, question, plan.digest.clone()).await?;
        if self.plan_commit(&message, branch).await?.digest != plan.digest {
            return Err(moved("the branch or what is accepted"));
        }
        let detail = json!({"branch": plan.branch, "parent": plan.parent, "tree": plan.tree, "files": plan.files});
        self.start("git.commit", &plan.digest, detail).await?;
        let made = self.vcs.commit(&plan).await;
        self.result("git.commit", &plan.digest, made.as_ref().err(), json!({"commit": made.as_ref().ok()}));
        let commit = made?;
        let CommitPlan { branch, tree, files, refused, .. } = plan;
        let event = Event::GitCommit { commit: commit.clone(), branch: branch.clone(), tree, message };
        self.gate.journal.append(Actor::Server, self.scope, event);
        let mut text = format!("committed {} on {branch}: {}", short(&commit), files.join(", "));
        for (path, why) in refused {
            text += &format!("\nleft out {path}: {why}");
        }
        Ok(ToolResult::ok(text))
    }

    async fn plan_commit(&self, message: &str, branch: Option<String>) -> Result<CommitPlan, No> {
        // The seam knows what is accepted; the model has no say in it.
        let spec = CommitSpec { accepted: Vec::new(), message: message.to_owned(), branch };
        Ok(self.vcs.plan_commit(spec).await?)
    }

    async fn push(&mut self, spec: PushSpec) -> Result<ToolResult, No> {
        // A push that the policy denies in every case does not even ask the remote what it has.
        if let Some(branch) = match &spec.branch {
            Some(branch) => Some(branch.clone()),
            None => self.vcs.branch().await?.name,
        } {
            let first = self.gate.decide(self.scope, &Action::GitPush { branch, kind: PushKind::Ff });
            if first.verdict == Verdict::Deny {
                return Err(No::Told(ToolResult::denied(denied(&first))));
            }
        }
        let plan = self.vcs.plan_push(spec.clone()).await?;
        let kind = match (&plan.old, plan.fast_forward) {
            (None, _) => PushKind::New,
            (Some(_), true) => PushKind::Ff,
            (Some(_), false) => PushKind::Force,
        };
        let action = Action::GitPush { branch: plan.branch.clone(), kind };
        let question = self.question(QuestionKind::Push, "Push", push_text(&plan), push_document(&plan), &plan.digest);
        // A no to this push is a no to every push there, whatever commits it holds.
        let bar = digest(&json!(["push", plan.url, plan.branch]));
        self.permit(&[action], question, bar).await?;
        if self.vcs.plan_push(spec).await?.digest != plan.digest {
            return Err(moved("the branch or the remote"));
        }
        let detail = json!({"url": plan.url, "branch": plan.branch, "old": plan.old, "new": plan.new});
        self.start("git.push", &plan.digest, detail).await?;
        let done = self.vcs.push(&plan).await;
        self.result("git.push", &plan.digest, done.as_ref().err(), Value::Null);
        done?;
        let PushPlan { url, branch, old, new, remote, .. } = plan;
        let text = format!("pushed {} to {branch} of {remote} ({url})", short(&new));
        let event = Event::GitPush { url, branch, old: old.unwrap_or_default(), new };
        self.gate.journal.append(Actor::Server, self.scope, event);
        Ok(ToolResult::ok(text))
    }

    /// The policy's verdict on all actions, and the person's where one of them is "ask". `bar` is what a no stands for.
    async fn permit(&mut self, actions: &[Action], question: Question, bar: String) -> Result<(), No> {
        let decisions: Vec<Decision> = actions.iter().map(|action| self.gate.decide(self.scope, action)).collect();
        if let Some(no) = decisions.iter().find(|decision| decision.verdict == Verdict::Deny) {
            return Err(No::Told(ToolResult::denied(denied(no))));
        }
        if decisions.iter().any(|decision| decision.verdict == Verdict::Ask) {
            let wanted = Wanted { question, bar };
            if let Some(no) = self.gate.ask(self.scope, wanted, self.budget, self.cancel).await? {
                return Err(No::Told(ToolResult::denied(no)));
            }
        }
        Ok(())
    }

    fn question(&self, kind: QuestionKind, title: &str, text: String, document: String, digest: &str) -> Question {
        let (timeout, reading) = (self.gate.policy.approval().timeout(), self.gate.policy.approval().reading());
        Question { kind, text, titles: vec![title.to_owned()], document, digest: digest.to_owned(), timeout, reading }
    }

    async fn start(&self, effect: &str, digest: &str, detail: Value) -> Result<(), JournalError> {
        let event = Event::EffectStart { effect: effect.to_owned(), digest: digest.to_owned(), detail };
        self.gate.journal.append_durable(Actor::Server, self.scope, event).await
    }

    fn result(&self, effect: &str, digest: &str, error: Option<&VcsError>, detail: Value) {
        let detail = error.map_or(detail, |error| json!({"error": error.message}));
        let event = Event::EffectResult { effect: effect.to_owned(), digest: digest.to_owned(), ok: error.is_none(), detail };
        self.gate.journal.append(Actor::Server, self.scope, event);
    }
}

fn moved(what: &str) -> No {
    No::Told(ToolResult::error(format!(
        "{what} changed while the question was open, so the approval is void and nothing was done. Look again before you repeat it"
    )))
}

fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

fn commit_text(plan: &CommitPlan) -> String {
    let files = match plan.files.as_slice() {
        [one] => brief(one, NAME),
        files => format!("{} files", files.len()),
    };
    let out = match plan.refused.len() {
        0 => String::new(),
        count => format!(" ({count} more left out, see Show)"),
    };
    let new = if plan.creates_branch { "the new branch" } else { "branch" };
    let why = plan.why_branch.as_ref().map_or_else(String::new, |why| format!(" ({})", brief(why, WHY)));
    let subject = brief(plan.message.lines().next().unwrap_or_default(), SUBJECT);
    format!("Commit {files}{out} to {new} {}{why}? Message: {subject:?}", brief(&plan.branch, NAME))
}

fn commit_document(plan: &CommitPlan) -> String {
    let mut out = format!(
        "# Commit to `{}`?\n\n- parent: `{}`\n- tree: `{}`\n- digest: `{}`\n",
        plan.branch,
        plan.parent.as_deref().unwrap_or("none"),
        plan.tree,
        plan.digest
    );
    if plan.creates_branch {
        let why = plan.why_branch.as_ref().map_or_else(String::new, |why| format!(" because {}", plain(why)));
        out += &format!("- new branch{why}: you are switched to it, and no file changes by that\n");
    }
    plan.files.iter().for_each(|file| out += &format!("- file: {file}\n"));
    plan.refused.iter().for_each(|(file, why)| out += &format!("- left out: {file}: {why}\n"));
    plan.warnings.iter().for_each(|warning| out += &format!("- note: {warning}\n"));
    out + &block("The message", "", &plan.message) + &block("Diff", "diff", &plan.diff)
}

fn push_text(plan: &PushPlan) -> String {
    let commits = match plan.commits.len() {
        1 => "1 commit".to_owned(),
        count => format!("{count} commits"),
    };
    let old = plan.old.as_deref().map_or("new branch", short);
    let force = if plan.old.is_some() && !plan.fast_forward { ", LOSING commits there," } else { "" };
    format!(
        "Push {commits}{force} to branch {} of {} ({}), {old} to {}?",
        brief(&plan.branch, NAME),
        brief(&plan.remote, NAME / 2),
        brief(&plan.url, NAME),
        short(&plan.new)
    )
}

fn push_document(plan: &PushPlan) -> String {
    let mut out = format!(
        "# Push to `{}`?\n\n- remote: {} `{}`\n- there now: `{}`\n- after: `{}`\n- digest: `{}`\n",
        plan.branch,
        plan.remote,
        plan.url,
        plan.old.as_deref().unwrap_or("no such branch"),
        plan.new,
        plan.digest
    );
    plan.commits.iter().for_each(|commit| out += &format!("- commit: {commit}\n"));
    let refs = format!("{}:refs/heads/{}", plan.new, plan.branch);
    out += &format!("\nThe same by hand:\n\n    git push {} {}\n", quoted(&plan.remote), quoted(&refs));
    out + &block("Diff", "diff", &plan.diff)
}

/// A word that can be pasted into a shell: names of branches may hold anything.
fn quoted(word: &str) -> String {
    if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte)) {
        return word.to_owned();
    }
    format!("'{}'", plain(word).replace('\'', "'\\''"))
}

fn block(title: &str, language: &str, text: &str) -> String {
    let mut end = text.len().min(DIFF);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { format!("\n[{} more bytes]\n", text.len() - end) } else { String::new() };
    let fence = fence(text);
    format!("\n## {title}\n\n{fence}{language}\n{}\n{fence}\n{cut}", text[..end].trim_end())
}
