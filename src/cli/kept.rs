//! What a command changed on its shadow, kept as a patch for `git apply`.

use crate::{
    path::WsPath,
    policy::{Action, Policy, Surroundings, Verdict},
    seams::{Merge, Merges, StageOp},
    text::{self, Side, unified},
    workspace::Folder,
};

/// The patch of these changes on the files as they are on the disk, and what is not in it with the reason.
pub fn patch(
    merges: &Merges,
    folder: &Folder,
    policy: &Policy,
    around: &dyn Surroundings,
) -> Result<(Vec<u8>, Vec<String>), String> {
    let (mut patch, mut left) = (Vec::new(), Vec::new());
    for merge in &merges.merges {
        match denied(merge, policy, around) {
            Some(why) => left.push(format!("{}: {why}", merge.path)),
            None => patch.extend(part(merge, folder)?),
        }
    }
    left.extend(merges.kept.iter().map(|(path, why)| format!("{path}: {why}")));
    Ok((patch, left))
}

/// Why the policy lets nobody's program write it, if so.
fn denied(merge: &Merge, policy: &Policy, around: &dyn Surroundings) -> Option<String> {
    let paths = merge.takes.iter().map(|path| Action::Write(path.as_str().to_owned()));
    let mut decisions = paths.map(|action| policy.decide(&action, around));
    let denial = decisions.find(|decision| decision.verdict == Verdict::Deny);
    denial.map(|decision| format!("rule {} ({}): {}", decision.rule, decision.layer, decision.reason))
}

fn part(merge: &Merge, folder: &Folder) -> Result<Vec<u8>, String> {
    let path = merge.path.as_str();
    let mode = merge.ops.iter().find_map(|(_, op)| if let StageOp::Mode { executable } = op { Some(*executable) } else { None });
    let target = merge.ops.iter().find_map(|(_, op)| if let StageOp::Move { to } = op { Some(to) } else { None });
    let text = merge.ops.iter().find_map(|(_, op)| match op {
        StageOp::Create { text } | StageOp::Merge { to: text, .. } => Some(text.to_string()),
        _ => None,
    });
    if matches!(merge.ops.first(), Some((_, StageOp::Create { .. }))) {
        let text = text.unwrap_or_default();
        return Ok(unified(None, Some(Side { path, text: &text, executable: mode.unwrap_or(false) })).into());
    }
    let there = folder.read(&merge.path).map_err(|error| error.to_string())?;
    let (executable, decoded) = (there.executable(), there.decode());
    if matches!(merge.ops.first(), Some((_, StageOp::Delete))) {
        return Ok(text::removed_bytes(path, executable, &there.bytes));
    }
    // Where the text stays as it is, its bytes need not be text.
    let before = if text.is_some() {
        String::from_utf8(there.bytes).map_err(|_| format!("{path} is no UTF-8 text"))?
    } else {
        String::new()
    };
    let after = text.map_or_else(String::new, |text| if decoded.bom { format!("\u{feff}{text}") } else { text });
    let to = target.map_or(path, WsPath::as_str);
    let new = Side { path: to, text: &after, executable: mode.unwrap_or(executable) };
    Ok(unified(Some(Side { path, text: &before, executable }), Some(new)).into())
}
