//! The actor's part in prompt documents: write, open, watch, take what was sent.

use serde_json::{Value, json};
use tower_lsp::{jsonrpc, lsp_types::MessageType};

use super::{
    actor::{Actor, OpenPrompt},
    commands::{Ask, failed},
    documents,
    input::Input,
    task::Asked,
};

impl Actor {
    pub fn open_ask_document(&mut self, ask: Ask, tasks: &[(String, String)]) -> jsonrpc::Result<Value> {
        if self.folders.for_ask(ask.uri.as_ref()).is_none() {
            return Err(failed("no folder is open; open a folder, so that the agent has a workspace"));
        }
        let about = match (&ask.uri, &ask.range) {
            (Some(uri), Some(range)) => {
                format!("Ask the agent about {}, lines {}-{}.", uri.path(), range.start.line + 1, range.end.line + 1)
            }
            (Some(uri), None) => format!("Ask the agent about {}.", uri.path()),
            _ => "Ask the agent.".to_owned(),
        };
        let text = documents::prompt_document(&about, tasks);
        let uri = self
            .open_prompt("ask", &text, OpenPrompt { ask, answer: None, reject: None })
            .map_err(|error| failed(format!("the prompt document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }

    /// Writes, opens and watches a prompt document.
    pub fn open_prompt(&mut self, stem: &str, text: &str, prompt: OpenPrompt) -> std::io::Result<String> {
        self.counter += 1;
        let id = self.counter;
        // Sent documents stay as history, so each has a name of its own.
        let name = format!("{stem}-{}.md", uuid::Uuid::now_v7().simple());
        let (path, uri) = self.documents.write(&name, text)?;
        self.prompts.insert(id, prompt);
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let sent = documents::sent(path).await;
            let _ = mailbox.send(Input::PromptSent { id, sent });
        });
        if self.client.show_document {
            self.out.show_document(uri.clone(), true);
        } else {
            self.out.message(MessageType::INFO, &format!("Write to the agent in {}", uri.path()));
        }
        Ok(uri.to_string())
    }

    /// A prompt document was sent.
    pub fn on_prompt(&mut self, id: u64, sent: Option<documents::Sent>) {
        let Some(prompt) = self.prompts.remove(&id) else { return };
        if let Some(answer) = prompt.answer {
            let _ = answer.send(sent.map(|sent| sent.text));
            return;
        }
        let Some(sent) = sent else { return };
        if let Some(hunks) = prompt.reject {
            let review = super::commands::Review {
                proposal: hunks.proposal,
                hunks: Some(hunks.hunks),
                uri: None,
                reason: Some(sent.text),
            };
            if let Err(error) = self.on_reject(review) {
                self.out.message(MessageType::WARNING, &error.message);
            }
            return;
        }
        let mut ask = prompt.ask;
        let mode = ask.mode;
        ask.prompt = Some(sent.text);
        let prompt_name = sent.task.unwrap_or_else(|| "ask".to_owned());
        if let Err(error) = self.enqueue(Asked { ask, prompt_name, mode, iterations: self.setup.max_iterations }) {
            self.out.message(MessageType::WARNING, &error.message);
        }
    }
}
