//! What checks said about a proposal, as editors show it: rows for rich clients, words for all others.

use serde_json::{Value, json};

use crate::{event::ProposalId, proposal::Receipt, workspace::desk::Desk};

/// The receipts of `countersign/proposal`: each with whether it is about the present text.
pub fn rows(desk: &Desk, proposal: &ProposalId) -> Vec<Value> {
    let (receipts, fresh) = desk.receipts(proposal);
    let row = |receipt: &Receipt| {
        let mut row = json!(receipt);
        row["fresh"] = json!(fresh);
        row
    };
    receipts.iter().map(row).collect()
}

/// One line a receipt: `cargo test: ok in 3.1 s on exactly this text`.
pub fn words(desk: &Desk, proposal: &ProposalId) -> Vec<String> {
    let (receipts, fresh) = desk.receipts(proposal);
    receipts.iter().map(|receipt| receipt.words(fresh)).collect()
}

/// The head of a diff document: a line a receipt, with the result as the check told it.
pub fn head(desk: &Desk, proposal: &ProposalId) -> String {
    let (receipts, fresh) = desk.receipts(proposal);
    let line = |receipt: &Receipt| {
        let said = match (receipt.exit, receipt.summary.as_str()) {
            (None, _) | (_, "") => String::new(),
            (_, summary) => format!(" [{summary}]"),
        };
        format!("# {}{said}\n", receipt.words(fresh))
    };
    receipts.iter().map(line).collect()
}
