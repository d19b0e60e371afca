//! The calls of one answer: arguments, guard, policy, intent, effect, result. Looking calls run beside each other, all others
//! in the model's order; every call gets exactly one result.

use std::time::Duration;

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use serde_json::json;

use super::{
    checks,
    gate::Permit,
    guard::Repeat,
    history::{OpenCall, note, said, unmarked},
    iteration::Stumbles,
    publish::Publisher,
    registries,
    task::{Ending, Task},
};
use crate::{
    event::{Actor, Event, Scope, StopReason, ToolCallStatus},
    policy::{Action, Verdict},
    seams::{Block, UpdateKind},
    tools::{Context, Effect, Publication, Tool, ToolResult},
};

/// Most looking calls that run at the same time.
const BESIDE: usize = 4;

/// A call that may run.
struct Admitted {
    index: usize,
    open: OpenCall,
    scope: Scope,
    tool: Box<dyn Tool>,
    apart: bool,
}

/// A call that has run or was answered without running.
pub(super) struct Settled {
    index: usize,
    pub(super) open: OpenCall,
    pub(super) result: ToolResult,
    took: Duration,
    /// What the user is told at the end, when the call ends the task.
    pub(super) summary: Option<String>,
}

/// Runs all open calls of the latest answer. `cut` says that the answer hit the length limit inside its last block.
pub(super) async fn run_all(task: &mut Task, cut: bool) -> Result<(), Ending> {
    task.stumbles = Stumbles::default();
    let calls = task.history.open_calls();
    let count = calls.len();
    let (mut looking, mut settled) = (Vec::new(), Settling { count, last: None, summary: None, failed: false });
    for (index, open) in calls.into_iter().enumerate() {
        if task.cancel.is_cancelled() {
            break;
        }
        match admit(task, index, open, cut && index + 1 == count).await? {
            Ok(call) if call.tool.effect() == Effect::Reads => looking.push(call),
            Ok(call) => {
                let looked = look(task, std::mem::take(&mut looking)).await;
                settled.take(task, looked);
                let done = perform(task, call).await?;
                settled.take(task, vec![done]);
            }
            Err(refused) => settled.take(task, vec![refused]),
        }
    }
    let looked = look(task, looking).await;
    settled.take(task, looked);
    if task.cancel.is_cancelled() {
        settled.record_last(task, Vec::new());
        return Err(Ending::cancelled());
    }
    let (mut notes, heard) = notes(task).await;
    let mut finished = settled.summary.take();
    let open = match (heard, settled.failed) {
        (true, _) => Some("the user said something, see below"),
        (_, true) => Some("a call of the same answer failed. Look at its result, then call finish alone"),
        _ => None,
    };
    if let Some(why) = open.filter(|_| finished.take().is_some()) {
        notes.insert(0, note(&format!("the task is not finished: {why}")));
    }
    settled.record_last(task, notes);
    match finished {
        Some(summary) => Err(Ending::new(StopReason::EndTurn, summary)),
        None => Ok(()),
    }
}

/// Puts results on record as they come, and holds back the last call's, which carries the notes.
struct Settling {
    count: usize,
    last: Option<Settled>,
    summary: Option<String>,
    /// A call did not do what the model wanted.
    failed: bool,
}

impl Settling {
    fn take(&mut self, task: &mut Task, done: Vec<Settled>) {
        for mut call in done {
            self.failed |= call.result.status != ToolCallStatus::Ok;
            self.summary = call.summary.take().or(self.summary.take());
            if call.index + 1 == self.count { self.last = Some(call) } else { record(task, call, Vec::new()) }
        }
    }

    fn record_last(&mut self, task: &mut Task, notes: Vec<String>) {
        if let Some(call) = self.last.take() {
            record(task, call, notes);
        }
    }
}

fn record(task: &mut Task, call: Settled, notes: Vec<String>) {
    let mut content = unmarked(call.result.text);
    if content.trim().is_empty() {
        content = "(nothing)".to_owned();
    }
    notes.iter().for_each(|note| content += &format!("\n{note}"));
    let status = call.result.status;
    let mut data = json!({"call": call.open.call, "tool": call.open.name, "status": status, "result": content});
    if let Some(refused) = call.result.refused {
        data["refused"] = json!(refused);
    }
    task.show(UpdateKind::ToolCall, data);
    let ms = call.took.as_millis() as u64;
    let event = Event::ToolResult { tool: call.open.name, model_id: call.open.model_id, status, content, ms };
    task.record(Actor::Server, Some(&call.open.call), event);
}

/// From the model's words to a call that may run, or to its result if it may not.
async fn admit(task: &mut Task, index: usize, open: OpenCall, cut: bool) -> Result<Result<Admitted, Settled>, Ending> {
    let refuse =
        |open: OpenCall, result: ToolResult| Ok(Err(Settled { index, open, result, took: Duration::ZERO, summary: None }));
    if cut || open.input.get(Block::CUT_ARGUMENTS).is_some() {
        let why =
            "the arguments were cut, so nothing was run: give them whole, as a JSON object, and long texts in smaller parts";
        return refuse(open, ToolResult::error(why));
    }
    let revision = task.seams.workspace.revision().await;
    match task.guard.count(&open.name, &open.input, revision) {
        Repeat::Fine => {}
        Repeat::Refuse(times) => {
            let time = if times == 3 { "third" } else { "fourth" };
            let why = format!(
                "not run: this is the same call for the {time} time and nothing has changed since, so its result is the same. Do \
                 something else"
            );
            return refuse(open, ToolResult::error(why));
        }
        Repeat::Stop => {
            return Err(Ending::new(
                StopReason::NoProgress,
                format!("The model repeated the same {} call without progress.", open.name),
            ));
        }
    }
    let mut tool = match task.registry.parse(&open.name, open.input.clone()) {
        Ok(tool) => tool,
        Err(why) => return refuse(open, ToolResult::error(why)),
    };
    if let Some(why) = tool.refusal() {
        return refuse(open, ToolResult::error(why));
    }
    if let Some(hosts) = tool.network() {
        let cancel = task.cancel.clone();
        // A package manager that is asked may take its time; nobody who stops the task waits for it.
        match select(Box::pin(registries::resolve(task, hosts)), Box::pin(cancel.cancelled())).await {
            Either::Left((Ok(()), _)) => {}
            Either::Left((Err(why), _)) => return refuse(open, ToolResult::error(why)),
            Either::Right(_) => return Err(Ending::cancelled()),
        }
    }
    let actions = tool.actions();
    if let Err(why) = task.gate.grounds().check(&actions) {
        return refuse(open, ToolResult::error(why.to_string()));
    }
    let scope = task.scope(Some(&open.call));
    show_start(task, &open, &tool.title());
    let permit = task.gate.permit(&scope, &actions, tool.effect(), &mut task.budget, &task.cancel).await?;
    Ok(match permit {
        Permit::Go { apart } => Ok(Admitted { index, open, scope, tool, apart }),
        Permit::Denied(why) => return refuse(open, ToolResult::denied(why)),
    })
}

fn show_start(task: &Task, open: &OpenCall, title: &str) {
    let data = json!({"call": open.call, "tool": open.name, "title": title, "status": "running"});
    task.show(UpdateKind::ToolCall, data);
    task.show(UpdateKind::State, json!({"state": "running", "message": task.progress(title)}));
}

/// Runs calls that only look, beside each other.
async fn look(task: &mut Task, calls: Vec<Admitted>) -> Vec<Settled> {
    for call in &calls {
        let event = Event::ToolIntent { tool: call.open.name.clone(), input: call.open.input.clone() };
        task.record(Actor::Model, Some(&call.open.call), event);
    }
    let task = &*task;
    stream::iter(calls).map(|call| execute(task, call)).buffered(BESIDE).collect().await
}

/// Runs a call that may change something: its intent is on record first, on disk if the effect leaves the task.
async fn perform(task: &mut Task, call: Admitted) -> Result<Settled, Ending> {
    let event = Event::ToolIntent { tool: call.open.name.clone(), input: call.open.input.clone() };
    match call.tool.effect() {
        Effect::Runs => {
            task.budget.command()?;
            task.record_durable(Actor::Model, Some(&call.open.call), event).await?;
        }
        Effect::Publishes => task.record_durable(Actor::Model, Some(&call.open.call), event).await?,
        Effect::Asks => {
            task.budget.ask()?;
            task.record(Actor::Model, Some(&call.open.call), event);
        }
        Effect::Reads | Effect::Stages | Effect::Ends => task.record(Actor::Model, Some(&call.open.call), event),
    }
    if let Some(what) = call.tool.publication() {
        return publish(task, call, what).await;
    }
    let asks = call.tool.effect() == Effect::Asks;
    let mut done = execute(task, call).await;
    if asks {
        task.budget.waited(done.took);
    }
    if done.summary.is_some() {
        checks::before_the_end(task, &mut done).await?;
    }
    Ok(done)
}

async fn publish(task: &mut Task, call: Admitted, what: Publication) -> Result<Settled, Ending> {
    let started = task.seams.clock.now();
    let result = match task.seams.vcs.clone() {
        Some(vcs) => {
            let mut publisher = Publisher {
                gate: &mut task.gate,
                budget: &mut task.budget,
                vcs: &*vcs,
                scope: &call.scope,
                cancel: &task.cancel,
            };
            publisher.publish(what).await?
        }
        None => ToolResult::error("this folder is in no git repository"),
    };
    // What git answers may differ now, whatever the workspace's revision says.
    task.guard.forget();
    let took = task.seams.clock.now().saturating_sub(started);
    Ok(Settled { index: call.index, open: call.open, result, took, summary: None })
}

async fn execute(task: &Task, call: Admitted) -> Settled {
    let Admitted { index, open, scope, tool, apart } = call;
    let started = task.seams.clock.now();
    let may_read = |path: &str| task.gate.judge(&Action::Read(path.to_owned())).verdict == Verdict::Allow;
    let may_stage = |action: &Action| {
        task.gate.grounds().check(std::slice::from_ref(action)).map_err(|why| why.to_string())?;
        task.gate.may_stage(&scope, action)
    };
    let record = |event: Event| task.seams.journal.append(Actor::Server, &scope, event);
    let cx = Context {
        call: &open.call,
        scope: &scope,
        workspace: &*task.seams.workspace,
        editor: &*task.seams.editor,
        shell: &task.shell,
        outputs: &task.outputs,
        vcs: task.seams.vcs.as_deref(),
        may_read: &may_read,
        may_stage: &may_stage,
        record: &record,
        roots: task.gate.grounds().roots(),
        apart,
        usual: Duration::from_secs(task.policy().run().timeout_s),
        longest: Duration::from_secs(task.policy().run().max_timeout_s),
        cancel: &task.cancel,
    };
    let result = if tool.effect() == Effect::Runs {
        // The walls end the command themselves and tell what it said until then.
        tool.run(&cx).await
    } else {
        match select(tool.run(&cx), Box::pin(task.cancel.cancelled())).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(ToolResult::cancelled("cancelled by the user while it ran")),
        }
    };
    let result = result.unwrap_or_else(|error| error);
    let summary = if result.status == ToolCallStatus::Ok { tool.summary() } else { None };
    let took = task.seams.clock.now().saturating_sub(started);
    Settled { index, open, result, took, summary }
}

/// What the last result tells besides its own: what the user did and said meanwhile, and how many iterations are left. The
/// second value says whether the user said anything.
async fn notes(task: &mut Task) -> (Vec<String>, bool) {
    let mut notes: Vec<String> = task.seams.workspace.news().await.iter().map(|news| note(news)).collect();
    match task.iterations - task.iteration {
        left @ (5 | 2) => notes.push(note(&format!("{left} iterations are left; bring the work to an end in time"))),
        0 => notes.push(note(
            "the iteration limit is reached: this is your last answer and no tool can be called. Tell the user in a few sentences \
             what is done, what is pending review and what is left",
        )),
        _ => {}
    }
    let heard = task.seams.editor.steering();
    let spoke = !heard.is_empty();
    for message in heard {
        notes.push(said(&message));
        task.record(Actor::Human, None, Event::UserSteer { message });
    }
    (notes, spoke)
}
