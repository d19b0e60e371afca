//! What the server sent to the client of a test.

use serde_json::Value;

/// What the server sent so far.
#[derive(Clone, Debug)]
pub struct Seen {
    pub notifications: Vec<(String, Value)>,
    pub questions: Vec<String>,
    pub documents: Vec<String>,
    pub edits: Vec<Value>,
    /// Method and parameters of every request of the server.
    pub requests: Vec<(String, Value)>,
}

impl Seen {
    /// The newest diagnostics of a file.
    pub fn diagnostics(&self, uri: &str) -> Vec<Value> {
        self.notifications
            .iter()
            .rev()
            .find(|(method, params)| method == "textDocument/publishDiagnostics" && params["uri"] == uri)
            .and_then(|(_, params)| params["diagnostics"].as_array().cloned())
            .unwrap_or_default()
    }

    /// The messages shown so far.
    pub fn messages(&self) -> Vec<String> {
        self.notifications
            .iter()
            .filter(|(method, _)| method == "window/showMessage")
            .map(|(_, params)| params["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The first notification of this method that fits.
    pub fn find(&self, method: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        self.notifications.iter().find(|(name, params)| name == method && fits(params)).map(|(_, params)| params.clone())
    }
}
