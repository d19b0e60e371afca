//! Modes, and files that are no text: as hunks of their own beside all others, over a model of the disk.

use std::{collections::BTreeMap, sync::Arc};

use countersign::{
    event::HunkId,
    proposal::{Blob, FileOp, HunkKind, HunkState, Proposal, saved::SavedProposal},
    seams::{Accepted, StageOp, WorkspaceError},
    text::{Edit, Text},
    workspace::desk::{Beneath, Desk, Plan, Seen},
};
use proptest::prelude::*;

use super::*;

/// A file of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    bytes: Vec<u8>,
    executable: bool,
}

type Disk = BTreeMap<String, File>;

fn file_of(bytes: impl Into<Vec<u8>>, executable: bool) -> File {
    File { bytes: bytes.into(), executable }
}

fn beneath(disk: &Disk, name: &str) -> Option<Beneath> {
    let file = disk.get(name)?;
    let executable = Some(file.executable);
    Some(match std::str::from_utf8(&file.bytes) {
        Ok(text) if !text.contains('\0') => Beneath { executable, ..Beneath::text(Text::new(text), false) },
        _ => Beneath::blob(Blob::of(&file.bytes), executable),
    })
}

fn stage_on(desk: &mut Desk, disk: &Disk, name: &str, op: StageOp) -> Result<Staged, WorkspaceError> {
    desk.stage(&task(), &request(name, op), beneath(disk, name))
}

fn chmod(desk: &mut Desk, disk: &Disk, name: &str, executable: bool) -> Result<Staged, WorkspaceError> {
    stage_on(desk, disk, name, StageOp::Mode { executable })
}

/// What an able client and the server do with a plan. The answer are the bytes of deleted files that are no text.
fn perform(disk: &mut Disk, plan: &Plan) -> Vec<(HunkId, Arc<[u8]>)> {
    let mut images = Vec::new();
    for file in &plan.files {
        let mut name = file.path.to_string();
        let edits: Vec<Edit> = file.edits.iter().map(|(_, edit)| edit.clone()).collect();
        match &file.op {
            FileOp::Delete => {
                let gone = disk.remove(&name).unwrap();
                assert_eq!(beneath_blob(&gone), file.blob, "the plan knows what it deletes");
                images.extend(file.blob.iter().map(|_| (file.hunks[0].clone(), gone.bytes.clone().into())));
                continue;
            }
            FileOp::Create => {
                let text = || file.expected.clone().unwrap().to_string().into_bytes();
                let bytes = file.bytes.as_ref().map_or_else(text, |bytes| bytes.bytes.to_vec());
                assert!(disk.insert(name.clone(), file_of(bytes, false)).is_none(), "nothing is overwritten");
            }
            _ if !edits.is_empty() => {
                let there = disk.get_mut(&name).unwrap();
                assert_eq!(there.bytes, file.base.to_string().into_bytes());
                there.bytes = file.base.edited_by(&edits).to_string().into_bytes();
            }
            _ => {}
        }
        if let FileOp::Move { to } = &file.op {
            let moved = disk.remove(&name).unwrap();
            name = to.to_string();
            assert!(disk.insert(name.clone(), moved).is_none(), "nothing is overwritten");
        }
        if let Some(executable) = file.executable {
            disk.get_mut(&name).unwrap().executable = executable;
        }
    }
    images
}

fn beneath_blob(file: &File) -> Option<Blob> {
    let text = std::str::from_utf8(&file.bytes).is_ok_and(|text| !text.contains('\0'));
    (!text).then(|| Blob::of(&file.bytes))
}

/// Accepts hunks of a proposal on the model's disk; all that the plan took must land.
fn accept(desk: &mut Desk, disk: &mut Disk, of: &ProposalId, hunks: &[HunkId]) {
    let plan = desk.plan(of, hunks).unwrap();
    let mut paths: Vec<WsPath> = plan.files.iter().map(|file| file.path.clone()).collect();
    paths.extend(plan.files.iter().filter_map(|file| if let FileOp::Move { to } = &file.op { Some(to.clone()) } else { None }));
    let images = perform(disk, &plan);
    let observed = paths.into_iter().map(|path| (path.clone(), beneath(disk, path.as_str()))).collect();
    let settled = desk.settle(of, &plan.hunks, observed).unwrap();
    assert_eq!(settled.refused, [], "of {plan:?}");
    images.into_iter().for_each(|(hunk, image)| desk.keep_image(of, &hunk, image));
}

fn pending(desk: &Desk) -> Vec<(String, HunkId, HunkKind)> {
    let files = &desk.proposal(&proposal()).unwrap().files;
    files.iter().flat_map(|(path, file)| file.live().map(move |hunk| (path.to_string(), hunk.id.clone(), hunk.kind))).collect()
}

const PNG: &[u8] = b"\x89PNG\0\x01\xff";

fn shelf() -> Disk {
    let mut disk = Disk::new();
    disk.insert("run.sh".into(), file_of("#!/bin/sh\necho one\necho two\n", false));
    disk.insert("tool".into(), file_of("x\n", true));
    disk.insert("logo.png".into(), file_of(PNG, false));
    disk
}

#[test]
fn a_mode_is_a_hunk_beside_the_text() {
    let (mut desk, mut disk) = (desk(), shelf());
    let before = disk["run.sh"].clone();
    let text = String::from_utf8(before.bytes.clone()).unwrap();
    chmod(&mut desk, &disk, "run.sh", true).unwrap();
    let there = beneath(&disk, "run.sh");
    let staged = modify(&mut desk, "run.sh", &text, &text.replace("one", "1"), there).unwrap();
    let [(_, lines, HunkKind::Lines), (_, mode, HunkKind::Mode)] = &pending(&desk)[..] else { panic!("{staged:?}") };
    assert!(matches!(chmod(&mut desk, &disk, "run.sh", true), Err(WorkspaceError::Same(_))), "it is staged already");
    assert!(matches!(chmod(&mut desk, &disk, "tool", true), Err(WorkspaceError::Same(_))), "it is so on the disk");
    assert!(matches!(chmod(&mut desk, &disk, "none", true), Err(WorkspaceError::NotFound { .. })));
    // What commands see has the mode, and the text.
    let over = desk.overlay(Some(&task()));
    assert_eq!((over.len(), over[0].executable), (1, Some(true)));

    accept(&mut desk, &mut disk, &proposal(), std::slice::from_ref(mode));
    assert_eq!(disk["run.sh"], File { executable: true, ..before }, "the mode alone");
    assert_eq!(desk.uncommitted(None, &[]).files, [(path("run.sh"), vec![Accepted::Mode { executable: true }])]);
    accept(&mut desk, &mut disk, &proposal(), std::slice::from_ref(lines));
    assert_eq!(pending(&desk), []);
    assert!(desk.news(&task()).contains(&format!("the user accepted hunk {mode}: run.sh is executable")));
}

#[test]
fn taking_a_mode_back_while_it_waits_leaves_nothing() {
    let (mut desk, disk) = (desk(), shelf());
    chmod(&mut desk, &disk, "tool", false).unwrap();
    assert_eq!(chmod(&mut desk, &disk, "tool", true).unwrap().hunks, []);
    assert_eq!(desk.overlay(Some(&task())), []);
}

#[test]
fn a_mode_that_the_user_set_is_stale_until_it_is_set_back() {
    let (mut desk, mut disk) = (desk(), shelf());
    chmod(&mut desk, &disk, "run.sh", true).unwrap();
    disk.get_mut("run.sh").unwrap().executable = true;
    desk.disk_changed(&path("run.sh"), beneath(&disk, "run.sh"));
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    assert_eq!(
        desk.plan(&proposal(), &[HunkId::from("h1")]).unwrap().refused[0].1,
        "it is stale: the file has this mode already"
    );
    disk.get_mut("run.sh").unwrap().executable = false;
    desk.disk_changed(&path("run.sh"), beneath(&disk, "run.sh"));
    assert_eq!(state(&desk, "h1"), HunkState::Pending);
    desk.disk_changed(&path("run.sh"), None);
    assert_eq!(state(&desk, "h1"), HunkState::Stale, "a file that is gone has no mode");
}

#[test]
fn a_created_file_takes_its_mode_with_it() {
    let (mut desk, mut disk) = (desk(), Disk::new());
    let op = StageOp::Create { text: Text::new("#!/bin/sh\n") };
    stage_on(&mut desk, &disk, "new.sh", op.clone()).unwrap();
    let staged = chmod(&mut desk, &disk, "new.sh", true).unwrap();
    assert_eq!(staged.hunks.len(), 2);
    accept(&mut desk, &mut disk, &proposal(), &staged.hunks);
    assert_eq!(disk["new.sh"], file_of("#!/bin/sh\n", true));
    // Without the file the mode means nothing; with it the mode can be refused alone.
    stage_on(&mut desk, &disk, "other.sh", op.clone()).unwrap();
    let staged = chmod(&mut desk, &disk, "other.sh", true).unwrap();
    let gone = desk.reject(&proposal(), &staged.hunks[..1], None).unwrap();
    assert_eq!((gone.rejected.len(), gone.refused.len()), (2, 0), "{gone:?}");
    stage_on(&mut desk, &disk, "third.sh", op).unwrap();
    let staged = chmod(&mut desk, &disk, "third.sh", true).unwrap();
    desk.reject(&proposal(), &staged.hunks[1..], None).unwrap();
    accept(&mut desk, &mut disk, &proposal(), &staged.hunks[..1]);
    assert_eq!(disk["third.sh"], file_of("#!/bin/sh\n", false));
}

#[test]
fn what_is_no_text_moves_and_goes_and_is_never_edited() {
    let (mut desk, mut disk) = (desk(), shelf());
    let edit = StageOp::Modify { from: Text::default(), to: Text::new("text") };
    let refused = stage_on(&mut desk, &disk, "logo.png", edit.clone()).unwrap_err();
    assert!(matches!(refused, WorkspaceError::NotEditable(_)), "{refused}");
    let create = StageOp::Create { text: Text::new("text") };
    assert!(matches!(stage_on(&mut desk, &disk, "logo.png", create), Err(WorkspaceError::Exists(_))));
    let staged = stage_on(&mut desk, &disk, "logo.png", StageOp::Move { to: path("img/logo.png") }).unwrap();
    let to = path("img/logo.png");
    assert_eq!(desk.view(Some(&task()), &to), Some(Seen::Bytes { at: path("logo.png") }));
    assert_eq!(desk.view(Some(&task()), &path("logo.png")), Some(Seen::Gone));
    assert!(matches!(desk.stage(&task(), &request("img/logo.png", edit), None), Err(WorkspaceError::NotEditable(_))));
    accept(&mut desk, &mut disk, &proposal(), &staged.hunks);
    assert_eq!(disk["img/logo.png"].bytes, PNG);
    let name = Blob::of(PNG).sha256;
    let comes = vec![Accepted::Bytes { before: None, after: Some(name.clone()) }];
    let goes = vec![Accepted::Bytes { before: Some(name), after: None }];
    assert_eq!(desk.uncommitted(None, &[]).files, [(to.clone(), comes), (path("logo.png"), goes)]);

    let staged = stage_on(&mut desk, &disk, "img/logo.png", StageOp::Delete).unwrap();
    disk.get_mut("img/logo.png").unwrap().bytes.push(0);
    desk.disk_changed(&to, beneath(&disk, "img/logo.png"));
    assert_eq!(state(&desk, &staged.hunks[0].0), HunkState::Stale, "other bytes are not what was to be deleted");
    let staged = stage_on(&mut desk, &disk, "img/logo.png", StageOp::Delete).unwrap();
    accept(&mut desk, &mut disk, &proposal(), &staged.hunks);
    assert_eq!(disk.len(), 2);
}

#[test]
fn a_text_that_becomes_something_else_takes_its_hunks_along() {
    let (mut desk, mut disk) = (desk(), shelf());
    let text = String::from_utf8(disk["run.sh"].bytes.clone()).unwrap();
    let there = beneath(&disk, "run.sh");
    modify(&mut desk, "run.sh", &text, &text.replace("one", "1"), there).unwrap();
    chmod(&mut desk, &disk, "run.sh", true).unwrap();
    disk.get_mut("run.sh").unwrap().bytes = b"\x7fELF\0".to_vec();
    desk.disk_changed(&path("run.sh"), beneath(&disk, "run.sh"));
    assert_eq!((state(&desk, "h1"), state(&desk, "h2")), (HunkState::Stale, HunkState::Pending));
    disk.get_mut("run.sh").unwrap().bytes = text.into_bytes();
    desk.disk_changed(&path("run.sh"), beneath(&disk, "run.sh"));
    assert_eq!(state(&desk, "h1"), HunkState::Pending, "the text is back");
    for file in desk.proposal(&proposal()).unwrap().files.values() {
        assert_sound(file);
    }
    accept(&mut desk, &mut disk, &proposal(), &[HunkId::from("h2")]);
    assert!(disk["run.sh"].executable);
}

#[test]
fn an_undo_refuses_where_mode_or_bytes_changed_since() {
    let (mut desk, mut disk) = (desk(), shelf());
    chmod(&mut desk, &disk, "run.sh", true).unwrap();
    let gone = stage_on(&mut desk, &disk, "logo.png", StageOp::Delete).unwrap();
    accept(&mut desk, &mut disk, &proposal(), &[HunkId::from("h1"), gone.hunks[0].clone()]);
    disk.get_mut("run.sh").unwrap().executable = false;
    disk.insert("logo.png".into(), file_of(b"\0other".to_vec(), false));
    let observed: Vec<_> =
        desk.closed_accepted(&task()).into_iter().map(|path| (path.clone(), beneath(&disk, path.as_str()))).collect();
    let undo = desk.undo(&task(), ProposalId::from("u"), &observed);
    let whys: Vec<&str> = undo.kept.iter().map(|kept| kept.why.as_str()).collect();
    assert_eq!(whys, ["the mode of run.sh was changed since", "there is a file at logo.png again"]);
    assert_eq!((undo.hunks.len(), desk.undone(&undo, false).len()), (0, 0));
}

#[test]
fn bytes_are_kept_within_a_bound() {
    let (mut desk, mut disk) = (desk(), Disk::new());
    for name in ["a", "b"] {
        disk.insert(name.into(), file_of(vec![0; 5 << 20], false));
        let staged = stage_on(&mut desk, &disk, name, StageOp::Delete).unwrap();
        accept(&mut desk, &mut disk, &proposal(), &staged.hunks);
    }
    let undo = desk.undo(&task(), ProposalId::from("u"), &[(path("a"), None), (path("b"), None)]);
    assert_eq!((undo.kept.len(), undo.kept[0].path.as_str(), undo.hunks.len()), (1, "a", 1), "{:?}", undo.kept);
    assert!(undo.kept[0].why.contains("too large"), "{:?}", undo.kept);
}

#[test]
fn they_are_kept_over_a_restart_where_they_still_fit() {
    let (mut desk, disk) = (desk(), shelf());
    chmod(&mut desk, &disk, "run.sh", true).unwrap();
    stage_on(&mut desk, &disk, "logo.png", StageOp::Delete).unwrap();
    stage_on(&mut desk, &disk, "new.sh", StageOp::Create { text: Text::new("n\n") }).unwrap();
    chmod(&mut desk, &disk, "new.sh", true).unwrap();
    let before: &Proposal = desk.proposal(&proposal()).unwrap();
    let text = serde_json::to_string(&SavedProposal::of(before).unwrap()).unwrap();
    let saved = || serde_json::from_str::<SavedProposal>(&text).unwrap();
    let back = saved().restore(|path| beneath(&disk, path.as_str())).unwrap();
    assert_eq!((back.hunks, &back.dropped), (4, &Vec::new()));
    for (name, file) in &before.files {
        let again = &back.proposal.files[name];
        assert_eq!((lives(again), again.beside()), (lives(file), file.beside()), "{name}");
    }
    let mut other = disk.clone();
    other.get_mut("run.sh").unwrap().executable = true;
    other.get_mut("logo.png").unwrap().bytes.push(1);
    let back = saved().restore(|path| beneath(&other, path.as_str())).unwrap();
    let whys: Vec<&str> = back.dropped.iter().map(|(_, _, why)| *why).collect();
    assert_eq!((back.hunks, whys), (2, vec!["the file has changed", "the file has this mode already"]));
    // What was written before files could be anything but text is read as well.
    let old = text.replace(r#","blob":null"#, "");
    assert_ne!(old, text);
    assert!(serde_json::from_str::<SavedProposal>(&old).is_ok());
}

/// What the model wants: file number, what, and what it needs.
fn wishes() -> impl Strategy<Value = Vec<(usize, u8, bool)>> {
    proptest::collection::vec((0usize..6, 0u8..6, any::<bool>()), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn some_accepted_and_the_rest_rejected_is_the_base_with_the_accepted(wishes in wishes(), mask in any::<u32>(), order in any::<bool>()) {
        let names = ["a.txt", "b.sh", "c.png", "d.bin", "e.txt", "new.txt"];
        let mut disk = Disk::new();
        disk.insert("a.txt".into(), file_of("1\n2\n3\n4\n5\n6\n7\n", false));
        disk.insert("b.sh".into(), file_of("one\ntwo\n", true));
        disk.insert("c.png".into(), file_of(PNG, false));
        disk.insert("d.bin".into(), file_of(b"\xff\xfe\0x".to_vec(), true));
        disk.insert("e.txt".into(), file_of("", false));
        let base = disk.clone();
        let mut desk = desk();
        for (at, (file, what, flag)) in wishes.into_iter().enumerate() {
            let name = names[file];
            let text = |name: &str| match desk.view(Some(&task()), &path(name)) {
                Some(Seen::Text { text, .. }) => Some(text),
                Some(_) => None,
                None => beneath(&base, name).filter(|now| now.blob.is_none()).map(|now| now.text),
            };
            let op = match what {
                0 => StageOp::Delete,
                1 => StageOp::Move { to: path(&format!("moved/{at}-{name}")) },
                2 => StageOp::Create { text: Text::new("made\n") },
                3 | 4 => StageOp::Mode { executable: flag },
                _ => match text(name) {
                    Some(from) => {
                        let to = Text::new(&if flag { format!("{from}{at}\n") } else { from.to_string().replacen('2', "zwei", 1) });
                        StageOp::Modify { from, to }
                    }
                    None => continue,
                },
            };
            // Refusals are part of the game; what is staged is what counts.
            let _ = stage_on(&mut desk, &base, name, op);
        }
        let all = pending(&desk);
        let chosen: Vec<HunkId> = all
            .iter()
            .enumerate()
            .filter(|(at, (name, _, kind))| {
                // The mode of a file that is not accepted itself cannot be had.
                let absent = *kind == HunkKind::Mode && !base.contains_key(name);
                let created = all.iter().position(|(other, _, kind)| other == name && *kind == HunkKind::Create);
                mask >> (at % 32) & 1 == 1 && (!absent || created.is_some_and(|at| mask >> (at % 32) & 1 == 1))
            })
            .map(|(_, (_, id, _))| id.clone())
            .collect();
        let expected = expected(&desk, &base, &chosen);
        if order {
            accept(&mut desk, &mut disk, &proposal(), &chosen);
        } else {
            // The creations first, then one by one.
            let first = |id: &HunkId| all.iter().any(|(_, other, kind)| other == id && *kind == HunkKind::Create);
            let (creations, others): (Vec<HunkId>, Vec<HunkId>) = chosen.iter().cloned().partition(first);
            creations.iter().chain(&others).for_each(|id| accept(&mut desk, &mut disk, &proposal(), std::slice::from_ref(id)));
        }
        let rest: Vec<HunkId> = pending(&desk).into_iter().map(|(_, id, _)| id).collect();
        let rejection = desk.reject(&proposal(), &rest, None).unwrap();
        prop_assert_eq!(rejection.refused, vec![]);
        prop_assert_eq!(pending(&desk), vec![]);
        prop_assert_eq!(&disk, &expected);
        prop_assert_eq!(desk.overlay(Some(&task())), vec![]);

        // And all of it can be taken back.
        let observed: Vec<_> = desk.closed_accepted(&task()).into_iter().map(|path| (path.clone(), beneath(&disk, path.as_str()))).collect();
        let undo = desk.undo(&task(), ProposalId::from("u"), &observed);
        prop_assert_eq!(&undo.kept, &vec![]);
        accept(&mut desk, &mut disk, &ProposalId::from("u"), &undo.hunks);
        prop_assert_eq!(desk.undone(&undo, false).len(), undo.takes.len());
        prop_assert_eq!(&disk, &base);
    }
}

/// The disk with the chosen hunks, by another road than plan and settlement.
fn expected(desk: &Desk, base: &Disk, chosen: &[HunkId]) -> Disk {
    let mut disk = base.clone();
    for (path, file) in &desk.proposal(&proposal()).unwrap().files {
        let of = |kind: HunkKind| file.live().filter(move |hunk| hunk.kind == kind && chosen.contains(&hunk.id));
        if of(HunkKind::Delete).next().is_some() {
            disk.remove(path.as_str());
            continue;
        }
        if let Some(create) = of(HunkKind::Create).next() {
            disk.insert(path.to_string(), file_of(create.new.clone(), false));
        }
        let Some(mut there) = disk.remove(path.as_str()) else { continue };
        let edits: Vec<Edit> = of(HunkKind::Lines).map(|hunk| hunk.edit()).collect();
        if !edits.is_empty() {
            there.bytes = file.base.edited_by(&edits).to_string().into_bytes();
        }
        if let Some(mode) = of(HunkKind::Mode).next() {
            there.executable = mode.executable().unwrap();
        }
        let moved = of(HunkKind::Move).next().is_some();
        let name = if let (true, FileOp::Move { to }) = (moved, &file.op) { to.to_string() } else { path.to_string() };
        disk.insert(name, there);
    }
    disk
}
