//! `script:FILE`: answers that somebody wrote or recorded, served in order; the demo, tests and pilots run on them.
//!
//! A line is a Messages response body, or `{"error": STATUS}` for a request that fails for good (`"error": "cut"` for a broken
//! stream; `"retry_after"` in seconds is passed on). Fields that are not known are comments. Blank lines do not count.
#![allow(clippy::disallowed_methods, reason = "a script is the user's own file, named in the model SPEC")]

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{answer, body, failure, retrying::On, settings::Thinking};
use crate::seams::{ErrorClass, Model, ModelError, ModelRequest, Reply};

const LARGEST: u64 = 64 << 20;

/// A model that reads its answers from a file.
pub(super) struct Script {
    name: String,
    file: String,
    max_tokens: u32,
    answers: Vec<Result<Reply, ModelError>>,
    next: AtomicUsize,
}

impl Script {
    /// Reads the whole script.
    ///
    /// # Errors
    /// A file that cannot be read or is over 64 MiB, or a line that is no answer: file, line and what is wrong.
    pub(super) fn load(path: &Path, max_tokens: u32) -> Result<Self, ModelError> {
        let file = path.display().to_string();
        let text = read(path).map_err(|what| bad(format!("The script {file} cannot be read: {what}.")))?;
        let answers = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(at, line)| {
                let place = format!("The script {file}, line {}", at + 1);
                let value: Value = serde_json::from_str(line).map_err(|error| bad(format!("{place} is not JSON: {error}.")))?;
                answer_of(&value, &format!("script-{}", at + 1), &place)
            })
            .collect::<Result<_, _>>()?;
        Ok(Script { name: format!("script:{file}"), file, max_tokens, answers, next: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl Model for Script {
    fn name(&self) -> &str {
        &self.name
    }

    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        body::messages_body("script", self.max_tokens, Thinking::Unsaid, request)
    }

    async fn reply(&self, request: &ModelRequest, on: On<'_>, cancel: &CancellationToken) -> Result<Reply, ModelError> {
        if cancel.is_cancelled() {
            return Err(failure::cancelled());
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = self.answers.get(at) else {
            let message = format!("The script {} has no more answers: it holds {}.", self.file, self.answers.len());
            return Err(failure::error(ErrorClass::ScriptEnded, message));
        };
        let reply = answer::settle(answer.clone()?, request);
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(failure::cancelled()),
            () = answer::tell(&reply, on) => {}
        }
        Ok(reply)
    }
}

/// What one line, or one answer of a manual model, means: a reply or the failure that it asks for.
///
/// # Errors
/// The value is neither; `place` begins the sentence.
pub(super) fn answer_of(value: &Value, default_id: &str, place: &str) -> Result<Result<Reply, ModelError>, ModelError> {
    let Some(error) = value.get("error").filter(|_| value.get("content").is_none()) else {
        return answer::read(value, default_id).map(Ok).map_err(|what| bad(format!("{place} is no answer: {what}.")));
    };
    let detail = value["message"].as_str().unwrap_or_default();
    let mut failed = match (error.as_u64(), error.as_str()) {
        (Some(status @ 300..=599), _) => failure::of_status(status as u16, place, detail).error,
        (None, Some("cut")) => failure::error(ErrorClass::Cut, format!("{place} broke off its answer.")),
        _ => return Err(bad(format!("{place} is no answer: `error` is a status from 300 to 599, or \"cut\"."))),
    };
    failed.retry_after = value["retry_after"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Err(failed))
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it has {size} bytes, more than {LARGEST}"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

fn bad(message: String) -> ModelError {
    failure::error(ErrorClass::BadRequest, message)
}
