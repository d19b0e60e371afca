//! `renew`: a stale hunk proposed anew on the lines as the user has them, where both changes go together.

use serde_json::{Value, json};
use tower_lsp::{jsonrpc, lsp_types::MessageType};

use super::{
    actor::{Actor, unknown},
    commands::Explainable,
};

impl Actor {
    /// `renew`
    pub fn on_renew(&mut self, args: Explainable) -> jsonrpc::Result<Value> {
        let index = self
            .folders
            .iter()
            .find(|(_, folder)| folder.desk.proposal(&args.proposal).is_some())
            .map(|(index, _)| index)
            .ok_or_else(|| unknown("proposal", &args.proposal))?;
        let (mut renewed, mut refused) = (Vec::new(), Vec::<Value>::new());
        if let Some(folder) = self.folders.get_mut(index) {
            for hunk in args.hunks {
                match folder.desk.renew(&args.proposal, &hunk) {
                    Ok(new) => renewed.push(json!({"hunk": hunk, "new": new})),
                    Err(why) => refused.push(json!({"hunk": hunk, "why": why.to_string()})),
                }
            }
        }
        if let Some(why) = refused.first().and_then(|row| row["why"].as_str()).filter(|_| !self.client.rich) {
            self.out.message(MessageType::WARNING, &format!("Not proposed again: {why}."));
        }
        self.after_text(index);
        self.schedule_refresh();
        Ok(json!({"renewed": renewed, "refused": refused}))
    }
}
