//! `output`: page through a command's output that was too long for its result.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, kept::Kept, lenient};
use crate::policy::Action;

/// Most bytes and lines of one page.
const BYTES: usize = 24 * 1024;
const LINES: usize = 400;
/// Most characters of one line.
const LINE: usize = 2000;
/// Others get their turn after so many lines.
const BREATH: u64 = 4096;
/// How many outputs are kept, and how many bytes of them in files.
const KEPT: usize = 8;
const ON_DISK: u64 = 128 << 20;

/// The outputs of a task's latest long commands.
#[derive(Default)]
pub struct Outputs(Mutex<Latest>);

#[derive(Default)]
struct Latest {
    /// Outputs so far, those that are gone included.
    count: usize,
    /// Id and text, the latest last.
    latest: VecDeque<(String, Arc<Kept>)>,
}

impl Outputs {
    /// Keeps an output and returns the id by which `output` finds it.
    pub(super) fn keep(&self, text: Kept) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.count += 1;
        let id = format!("o{}", kept.count);
        kept.latest.push_back((id.clone(), Arc::new(text)));
        while kept.latest.len() > KEPT
            || kept.latest.len() > 1 && kept.latest.iter().map(|(_, text)| text.on_disk()).sum::<u64>() > ON_DISK
        {
            kept.latest.pop_front();
        }
        id
    }

    fn find(&self, id: &str) -> Result<Arc<Kept>, String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.latest.iter().find(|(other, _)| other == id).map(|(_, text)| text.clone()).ok_or_else(|| {
            let ids: Vec<&str> = kept.latest.iter().map(|(id, _)| id.as_str()).collect();
            match ids.as_slice() {
                [] => "no output is kept; only long outputs of run are".to_owned(),
                ids => format!("there is no output {id:?} (any more); kept are {}", ids.join(", ")),
            }
        })
    }
}

/// Shows more of a long command output, by the id that run told.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    id: String,
    #[serde(default, alias = "start", alias = "offset", deserialize_with = "lenient::number")]
    start_line: Option<u64>,
    #[serde(default, alias = "end", deserialize_with = "lenient::number")]
    end_line: Option<u64>,
    /// Only lines that contain this text.
    #[serde(default)]
    pattern: Option<String>,
}

#[async_trait::async_trait]
impl Tool for Output {
    fn title(&self) -> String {
        format!("reading output {}", self.id)
    }

    fn actions(&self) -> Vec<Action> {
        Vec::new()
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let text = cx.outputs.find(&self.id).map_err(ToolResult::error)?;
        let total = text.lines();
        let start = self.start_line.unwrap_or(1).max(1);
        let end = self.end_line.map_or(total, |end| end.min(total));
        if start > total {
            return Err(ToolResult::error(format!("{} has {total} lines; line {start} is beyond its end", self.id)));
        }
        let pattern = self.pattern.as_deref().unwrap_or_default().to_lowercase();
        let mut out = format!("{}: {total} lines\n", self.id);
        let (mut shown, mut unsearched) = (0, false);
        let mut lines = text.from(start - 1);
        for number in start..=end {
            if number % BREATH == 0 {
                breath().await;
            }
            let line =
                lines.next().map_err(|error| ToolResult::error(format!("{} cannot be read any more: {error}", self.id)))?;
            let Some(line) = line.filter(|_| !cx.cancel.is_cancelled()) else { break };
            if !pattern.is_empty() && !line.text.to_lowercase().contains(&pattern) {
                unsearched |= line.more > 0;
                continue;
            }
            if shown == LINES || out.len() > BYTES {
                let _ = write!(out, "[cut; go on with start_line {number}]");
                return Ok(ToolResult::ok(out));
            }
            let (text, rest) = line.text.split_at(line.text.char_indices().nth(LINE).map_or(line.text.len(), |(cut, _)| cut));
            let _ = write!(out, "{number}|{text}");
            match rest.len() as u64 + line.more {
                0 => out.push('\n'),
                more => _ = writeln!(out, "[{more} more bytes in this line; `| fold -w 1000` behind the command breaks such up]"),
            }
            shown += 1;
        }
        if shown == 0 {
            out.push_str("no line matches");
            if unsearched {
                out.push_str("; of very long lines the start was searched only");
            }
        }
        Ok(ToolResult::ok(out))
    }
}

/// Lets others have their turn.
async fn breath() {
    let mut breathed = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut breathed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
