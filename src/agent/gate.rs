//! Between a call and its effect: the policy's verdict, and where that is "ask", the person's.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::{Either, select};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    budget::Budget,
    grounds::Grounds,
    shown::{brief, plain},
    task::Ending,
};
use crate::{
    event::{Actor, Event, PermissionOutcome, Scope},
    policy::{Action, Approval, Decision, Policy, Surroundings, Verdict},
    seams::{Answer, AnswerKind, Clock, Editor, Grants, Journal, Question, QuestionKind},
    tools::Effect,
};

/// Whether a call may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may; staged hunks stand `apart` when the policy wants them looked at one by one.
    Go { apart: bool },
    /// It may not; the sentence is for the model.
    Denied(String),
}

/// A question, and the digest for which a no stands in this task.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub question: Question,
    pub bar: String,
}

/// The gate of one task. It remembers every no, so that nobody is asked twice.
pub struct Gate {
    pub policy: Arc<Policy>,
    pub around: Arc<dyn Surroundings + Send + Sync>,
    pub editor: Arc<dyn Editor>,
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    /// Digests of what ended without a yes, and how.
    refused: HashMap<String, PermissionOutcome>,
    grants: Option<Arc<dyn Grants>>,
    /// What holds for paths where the workspace has several folders.
    grounds: Grounds,
    /// The task proposes changes of files that steer tools: what a remembered command would do now is not what was granted.
    steered: AtomicBool,
}

/// Most characters of a command, so that its start, its end and its folder stand in the first 150 of a question.
const ESSENTIALS: usize = 90;

/// The same of a command beside which its hosts stand.
const ESSENTIALS_WITH_HOSTS: usize = 60;

/// The title of a yes that is remembered.
const ALWAYS: &str = "Always";

impl Gate {
    /// A gate that has asked nobody yet.
    pub fn new(
        policy: Arc<Policy>,
        around: Arc<dyn Surroundings + Send + Sync>,
        editor: Arc<dyn Editor>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (refused, grounds) = Default::default();
        Gate { policy, around, editor, journal, clock, refused, grants: None, grounds, steered: AtomicBool::new(false) }
    }

    /// The same gate with these remembered answers.
    #[must_use]
    pub fn with_grants(self, grants: Option<Arc<dyn Grants>>) -> Self {
        Gate { grants, ..self }
    }

    /// The same gate over these folders.
    #[must_use]
    pub fn with_grounds(self, grounds: Grounds) -> Self {
        Gate { grounds, ..self }
    }

    /// The folders of the task.
    pub fn grounds(&self) -> &Grounds {
        &self.grounds
    }

    /// The policy's verdict, off the record.
    pub fn judge(&self, action: &Action) -> Decision {
        self.grounds.judge(&self.policy, &*self.around, action)
    }

    /// Judges all actions of a call; the strictest verdict decides.
    ///
    /// # Errors
    /// [`Ending`] when the task ends here: cancelled, or the budget of questions is used up.
    pub async fn permit(
        &mut self,
        scope: &Scope,
        actions: &[Action],
        effect: Effect,
        budget: &mut Budget,
        cancel: &CancellationToken,
    ) -> Result<Permit, Ending> {
        let mut apart = false;
        for action in actions {
            let decision = self.decide(scope, action);
            let stages = effect == Effect::Stages && matches!(action, Action::Write(_) | Action::Delete(_));
            match decision.verdict {
                Verdict::Deny => return Ok(Permit::Denied(denied(&decision))),
                // Staging asks nobody: accepting is always the user's.
                Verdict::Allow | Verdict::Ask if stages => {
                    apart |= decision.steering || decision.verdict == Verdict::Ask;
                    self.note_steering(&decision);
                }
                Verdict::Allow => {}
                Verdict::Ask => {
                    let grants = self.grants.clone().filter(|_| decision.grantable && !self.steered.load(Ordering::Relaxed));
                    if let Some(grants) = &grants
                        && let Some(pattern) = grants.covers(action).await
                    {
                        self.journal.append(Actor::Human, scope, Event::GrantUsed { pattern });
                        continue;
                    }
                    let mut question = question(action, &decision, self.policy.approval());
                    if grants.is_some() {
                        question.titles.push(ALWAYS.to_owned());
                        question.document.push_str(ALWAYS_COVERS);
                    }
                    let bar = question.digest.clone();
                    match self.decide_by_person(scope, Wanted { question, bar }, budget, cancel).await? {
                        Err(no) => return Ok(Permit::Denied(no)),
                        Ok(title) if title == ALWAYS => {
                            if let Some(Ok(pattern)) = match &grants {
                                Some(grants) => Some(grants.remember(action).await),
                                None => None,
                            } {
                                self.journal.append(Actor::Human, scope, Event::GrantAdded { pattern });
                            }
                        }
                        Ok(_) => {}
                    }
                }
            }
        }
        Ok(Permit::Go { apart })
    }

    /// Judges a change that a command made, on record: whether its hunks stand apart.
    ///
    /// # Errors
    /// The rule that denies it.
    pub fn may_stage(&self, scope: &Scope, action: &Action) -> Result<bool, String> {
        let decision = self.decide(scope, action);
        if decision.verdict == Verdict::Deny {
            let reason = decision.reason.trim_end_matches('.');
            return Err(format!("denied by the policy, rule {} ({}): {reason}", decision.rule, decision.layer));
        }
        self.note_steering(&decision);
        Ok(decision.steering || decision.verdict == Verdict::Ask)
    }

    fn note_steering(&self, decision: &Decision) {
        self.steered.fetch_or(decision.steering, Ordering::Relaxed);
    }

    /// Asks the person. `None` is a yes; else the sentence for the model.
    ///
    /// # Errors
    /// [`Ending`] when the task ends here.
    pub async fn ask(
        &mut self,
        scope: &Scope,
        wanted: Wanted,
        budget: &mut Budget,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, Ending> {
        Ok(self.decide_by_person(scope, wanted, budget, cancel).await?.err())
    }

    /// Asks the person; the title that was chosen, or the sentence for the model.
    async fn decide_by_person(
        &mut self,
        scope: &Scope,
        wanted: Wanted,
        budget: &mut Budget,
        cancel: &CancellationToken,
    ) -> Result<Result<String, String>, Ending> {
        let Wanted { question, bar } = wanted;
        if let Some(before) = self.refused.get(&bar) {
            return Ok(Err(refusal(*before, true)));
        }
        budget.ask()?;
        let asked = self.clock.now();
        let answer = {
            let asking = self.editor.ask(scope, question);
            match select(asking, Box::pin(cancel.cancelled())).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => return Err(Ending::cancelled()),
            }
        };
        budget.waited(self.clock.now().saturating_sub(asked));
        Ok(self.remember(bar, &answer))
    }

    fn remember(&mut self, bar: String, answer: &Answer) -> Result<String, String> {
        let outcome = answer.kind.outcome();
        match &answer.kind {
            AnswerKind::Approved(title) => Ok(title.clone()),
            _ => {
                self.refused.insert(bar, outcome);
                Err(refusal(outcome, false))
            }
        }
    }

    /// The policy's verdict, put on record.
    pub fn decide(&self, scope: &Scope, action: &Action) -> Decision {
        let decision = self.judge(action);
        let event = Event::PolicyDecision {
            action: action.kind().to_string(),
            target: action.target().to_owned(),
            verdict: decision.verdict.to_string(),
            rule: decision.rule.clone(),
            layer: decision.layer.clone(),
            reason: decision.reason.clone(),
        };
        self.journal.append(Actor::Server, scope, event);
        decision
    }
}

pub(super) fn denied(decision: &Decision) -> String {
    let part = decision.part.as_ref().map_or_else(String::new, |part| format!(" (the part {part:?})"));
    format!(
        "denied by the policy, rule {} ({}){part}: {}{AFTER_DENIAL}",
        decision.rule,
        decision.layer,
        decision.reason.trim_end_matches('.')
    )
}

fn refusal(outcome: PermissionOutcome, again: bool) -> String {
    let what = match outcome {
        PermissionOutcome::Rejected => "the user rejected this",
        PermissionOutcome::Expired => "nobody answered the question in time",
        PermissionOutcome::Approved | PermissionOutcome::Dismissed => "the user did not decide",
    };
    let again = if again { " before and was not asked again" } else { "" };
    format!("{what}{again}; nothing was done{AFTER_REFUSAL}")
}

/// What a denial and a refusal tell the model to do.
const AFTER_DENIAL: &str = ". Do not try it in another form: do what the reason says, or go on without it and name it in finish";
const AFTER_REFUSAL: &str = ". Do not ask again and do not try it in another form; go on without it, or name it in finish";

/// A denial or refusal as the user reads it, whose own wish it was: without what the model is told to do.
pub fn for_the_user(text: &str) -> String {
    let text = [AFTER_DENIAL, AFTER_REFUSAL].iter().find_map(|advice| text.strip_suffix(advice)).unwrap_or(text);
    text.strip_prefix("the user ").map_or_else(|| text.to_owned(), |rest| format!("you {rest}"))
}

/// What stands in the document where a yes can be remembered.
const ALWAYS_COVERS: &str = "\n\"Always\" remembers the yes for exactly this command in this folder, as long as the files that it names hold what they \
    hold now. `countersign grants list` shows it, `countersign grants revoke` takes it back.\n";

/// The question to the person, from the action's own bytes.
fn question(action: &Action, decision: &Decision, approval: &Approval) -> Question {
    let (kind, word) = match action {
        Action::Run { .. } => (QuestionKind::Run, "Run"),
        Action::RunNet { .. } | Action::Net(_) => (QuestionKind::Network, "Network"),
        Action::Fetch(_) | Action::Ticket(_) | Action::Mcp(_) => (QuestionKind::Fetch, "Fetch"),
        _ => (QuestionKind::Ask, "Allow"),
    };
    let (essentials, hosts) = match action {
        Action::RunNet { command, hosts, .. } => {
            (format!("{} to {}", brief(command, ESSENTIALS_WITH_HOSTS), brief(&hosts.join(", "), ESSENTIALS)), hosts.as_slice())
        }
        _ => (brief(action.target(), ESSENTIALS), [].as_slice()),
    };
    let hosts: String = hosts.iter().map(|host| format!("- may reach `{host}`\n")).collect();
    let cwd = match action {
        Action::Run { cwd, .. } | Action::RunNet { cwd, .. } if !cwd.is_root() => format!(" in {}", brief(cwd.as_str(), 40)),
        _ => String::new(),
    };
    let titles = vec![word.to_owned()];
    let digest = digest(&json!(action));
    let document = format!(
        "# {word}?\n\n{}\n{}\n{}\n\n{hosts}\nAction: {action_kind}{cwd}  \nRule: {} ({}): {}  \nSHA-256 of the action: `{digest}`\n",
        fence(action.target()),
        action.target(),
        fence(action.target()),
        decision.rule,
        decision.layer,
        decision.reason,
        action_kind = action.kind(),
    );
    let text = format!("{word} {essentials}{cwd}? ({})", plain(&decision.reason));
    Question { kind, text, titles, document, digest, timeout: approval.timeout(), reading: approval.reading() }
}

/// SHA-256 of everything that an action is.
pub(super) fn digest(action: &Value) -> String {
    Sha256::digest(action.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A Markdown fence that the text cannot close.
pub(super) fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}
