//! Proposals: staging, following the user's edits, and acceptance, on one file and on a whole desk.

mod acceptance;
mod desk;
mod files;
mod following;
mod history;
mod laws;
mod modes;
mod provenance;
mod renewing;
mod undo;

use countersign::{
    event::{CallId, HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{FileProposal, Hunk, HunkKind, HunkState, Ids, Origin},
    seams::{StageOp, StageRequest, Staged, WorkspaceError},
    text::{Text, seams_hold},
    workspace::desk::{Beneath, Desk, DeskEvent, What},
};

/// A desk with one task, `t`, whose proposal is `p`.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.begin(&task(), proposal());
    desk
}

fn task() -> TaskId {
    TaskId::from("t")
}

fn proposal() -> ProposalId {
    ProposalId::from("p")
}

fn path(name: &str) -> WsPath {
    WsPath::parse(name).unwrap()
}

fn disk(text: &str) -> Option<Beneath> {
    Some(Beneath::text(Text::new(text), false))
}

fn request(name: &str, op: StageOp) -> StageRequest {
    StageRequest { path: path(name), op, call: CallId::from("c"), apart: false }
}

fn modify(desk: &mut Desk, name: &str, from: &str, to: &str, beneath: Option<Beneath>) -> Result<Staged, WorkspaceError> {
    let op = StageOp::Modify { from: Text::new(from), to: Text::new(to) };
    desk.stage(&task(), &request(name, op), beneath)
}

/// An open document and a staged change of it; the ids of the hunks.
fn opened(desk: &mut Desk, name: &str, base: &str, to: &str) -> Vec<HunkId> {
    desk.open(&path(name), 1, Text::new(base));
    let staged = modify(desk, name, base, to, None).unwrap();
    assert_eq!(staged.text, Text::new(to));
    staged.hunks
}

fn state(desk: &Desk, hunk: &str) -> HunkState {
    desk.hunk(&proposal(), &HunkId::from(hunk)).unwrap().2.state
}

fn staged_text(desk: &Desk, name: &str) -> String {
    use countersign::workspace::desk::Seen;
    match desk.view(Some(&task()), &path(name)) {
        Some(Seen::Text { text, .. }) => text.to_string(),
        other => panic!("no text of {name}: {other:?}"),
    }
}

fn whats(events: Vec<DeskEvent>) -> Vec<What> {
    events.into_iter().map(|event| event.what).filter(|what| *what != What::Moved).collect()
}

/// A file over `base` with `to` staged.
fn file(base: &str, to: &str) -> (FileProposal, Ids) {
    let (mut file, mut ids) = (FileProposal::over(Text::new(base), None), Ids::default());
    stage(&mut file, &mut ids, to);
    (file, ids)
}

fn stage(file: &mut FileProposal, ids: &mut Ids, to: &str) {
    let call = CallId::from("c");
    file.stage_text(&Text::new(to), &mut Origin { call: &call, apart: false, ids }).unwrap();
}

fn lives(file: &FileProposal) -> Vec<Hunk> {
    file.live().cloned().collect()
}

/// What must hold of every file at all times.
fn assert_sound(file: &FileProposal) {
    let mut live = lives(file);
    // A mode is about no place of the text.
    live.retain(|hunk| hunk.kind != HunkKind::Mode);
    for hunk in &live {
        if hunk.state == HunkState::Pending {
            assert!(file.base.holds(&hunk.range, &hunk.old), "{hunk:?} does not stand in {:?}", file.base);
            assert!(seams_hold(&file.base, &hunk.range, &hunk.new), "{hunk:?} glues lines of {:?}", file.base);
        }
    }
    for pair in live.windows(2) {
        assert!(pair[0].range.end <= pair[1].range.start, "{pair:?} overlap");
    }
}
