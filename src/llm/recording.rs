//! `--record FILE`: writes each answer of a model down as a script line, so that a recording is a fixture.
//!
//! The line carries the SHA-256 of the request that it answered. A request that failed is recorded as its failure; a cancelled
//! one is not. The file may hold what the model saw of the workspace: it is made for its owner only (0600).

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{answer, failure, retrying::On};
use crate::seams::{ErrorClass, Model, ModelError, ModelRequest, Reply};

/// Another model, with its answers written down.
pub(super) struct Recording {
    inner: Arc<dyn Model>,
    file: Mutex<File>,
}

impl Recording {
    /// Opens `path` for appending, making it if need be.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(inner: Arc<dyn Model>, path: &Path) -> Result<Self, ModelError> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|error| {
            failure::error(ErrorClass::BadRequest, format!("The recording {} cannot be opened: {error}.", path.display()))
        })?;
        Ok(Recording { inner, file: Mutex::new(file) })
    }

    fn write(&self, mut line: Map<String, Value>, request: &ModelRequest) {
        let digest: String = Sha256::digest(self.inner.body(request)).iter().map(|byte| format!("{byte:02x}")).collect();
        line.insert("request_sha256".to_owned(), json!(digest));
        let text = format!("{}\n", Value::Object(line));
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(text.as_bytes()) {
            // The answer itself is worth more than its copy.
            tracing::error!(%error, "an answer could not be recorded; the recording is not whole");
        }
    }
}

#[async_trait::async_trait]
impl Model for Recording {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        self.inner.body(request)
    }

    async fn reply(&self, request: &ModelRequest, on: On<'_>, cancel: &CancellationToken) -> Result<Reply, ModelError> {
        let outcome = self.inner.reply(request, on, cancel).await;
        match &outcome {
            Ok(reply) => self.write(answer::write(reply), request),
            Err(error) => {
                if let Some(line) = failed(error) {
                    self.write(line, request);
                }
            }
        }
        outcome
    }
}

/// The script line that fails in the same way.
fn failed(error: &ModelError) -> Option<Map<String, Value>> {
    let kind = match error.class {
        ErrorClass::RateLimited => json!(429),
        ErrorClass::Overloaded => json!(529),
        ErrorClass::Unavailable => json!(503),
        ErrorClass::Cut | ErrorClass::Protocol => json!("cut"),
        ErrorClass::ContextTooLong => json!(413),
        ErrorClass::Auth => json!(401),
        ErrorClass::Billing => json!(402),
        ErrorClass::BadRequest => json!(400),
        ErrorClass::Cancelled | ErrorClass::ScriptEnded => return None,
    };
    let mut line = Map::new();
    line.insert("error".to_owned(), kind);
    line.insert("message".to_owned(), json!(error.message));
    if let Some(wait) = error.retry_after {
        line.insert("retry_after".to_owned(), json!(wait.as_secs_f64()));
    }
    Some(line)
}
