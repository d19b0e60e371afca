//! `manual:DIR`: a person or another program plays the model through two files a request.
//!
//! `N.request.json` holds the body of a Messages request; `N.answer.json` appears by rename and holds a response body, or
//! what a script line may hold instead. N goes on after the largest that is there.
#![allow(clippy::disallowed_methods, reason = "the folder is the user's own, named in the model SPEC")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{answer, body, failure, retrying::On, script, settings::Thinking};
use crate::seams::{Clock, ErrorClass, Model, ModelError, ModelRequest, Reply};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const LARGEST: u64 = 32 << 20;

/// A model that is played by hand.
pub(super) struct Manual {
    name: String,
    folder: PathBuf,
    max_tokens: u32,
    last: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Manual {
    /// Makes the folder if need be, and finds the first free number.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub(super) fn open(folder: &Path, max_tokens: u32, clock: Arc<dyn Clock>) -> Result<Self, ModelError> {
        let last = last_number(folder).map_err(|error| fault(folder, "cannot be used", &error))?;
        let name = format!("manual:{}", folder.display());
        Ok(Manual { name, folder: folder.to_owned(), max_tokens, last: AtomicU64::new(last), clock })
    }

    fn ask(&self, number: u64, body: &[u8]) -> io::Result<()> {
        let unfinished = self.folder.join(format!(".{number}.request.json.new"));
        fs::write(&unfinished, body)?;
        fs::rename(unfinished, self.folder.join(format!("{number}.request.json")))
    }

    async fn answer(&self, file: &Path, number: u64) -> Result<Reply, ModelError> {
        let size = loop {
            match fs::metadata(file) {
                Ok(found) => break found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.clock.sleep(LOOK_EVERY).await,
                Err(error) => return Err(fault(file, "cannot be read", &error)),
            }
        };
        if size > LARGEST {
            let message = format!("The answer {} has {size} bytes, more than {LARGEST}.", file.display());
            return Err(failure::error(ErrorClass::Protocol, message));
        }
        let text = fs::read(file).map_err(|error| fault(file, "cannot be read", &error))?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| {
            let mut wrong = failure::error(ErrorClass::Protocol, format!("The answer {} is not JSON: {error}.", file.display()));
            wrong.hint = Some("Write it under another name, then rename it; continue the task for a new request.".to_owned());
            wrong
        })?;
        script::answer_of(&value, &format!("manual-{number}"), &format!("The answer {}", file.display()))?
    }
}

#[async_trait::async_trait]
impl Model for Manual {
    fn name(&self) -> &str {
        &self.name
    }

    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        body::messages_body("manual", self.max_tokens, Thinking::Unsaid, request)
    }

    async fn reply(&self, request: &ModelRequest, on: On<'_>, cancel: &CancellationToken) -> Result<Reply, ModelError> {
        if cancel.is_cancelled() {
            return Err(failure::cancelled());
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.ask(number, &self.body(request)).map_err(|error| fault(&self.folder, "cannot be written to", &error))?;
        let file = self.folder.join(format!("{number}.answer.json"));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(failure::cancelled()),
            reply = self.answer(&file, number) => {
                let reply = answer::settle(reply?, request);
                answer::tell(&reply, on).await;
                Ok(reply)
            }
        }
    }
}

fn last_number(folder: &Path) -> io::Result<u64> {
    fs::create_dir_all(folder)?;
    let mut last = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".request.json")).and_then(|number| number.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}

fn fault(path: &Path, what: &str, error: &io::Error) -> ModelError {
    failure::error(ErrorClass::Unavailable, format!("{} {what}: {error}.", path.display()))
}
