//! Stale hunks proposed anew: their change on the lines as the user has them.

use countersign::{
    event::HunkId,
    proposal::{FileProposal, HunkState, Ids, NotRenewed, Step},
    seams::StageOp,
    text::{Edit, Encoding, Text},
    workspace::desk::{DocChange, RenewError},
};
use proptest::prelude::*;

use super::{assert_sound, desk, disk, file, opened, path, proposal, request, staged_text, state, task};
use crate::text::{any_text, edit_of};

fn typed(file: &mut FileProposal, edit: Edit) {
    let step = Step { after: file.base.edited(&edit), edit, landed: None };
    file.step(&step, &mut Vec::new());
}

/// `to` staged over `base`, then the user replaces `what` by `by`; what renewing the first hunk gives, and the staged text.
fn renewed(base: &str, to: &str, what: &str, by: &str) -> Result<String, NotRenewed> {
    let (mut file, mut ids) = file(base, to);
    let at = base.find(what).unwrap();
    typed(&mut file, Edit { range: at..at + what.len(), new: by.to_owned() });
    let (before, all) = (file.base.clone(), file.all().count());
    let outcome = file.renew(&HunkId::from("h1"), &mut ids);
    assert_sound(&file);
    assert_eq!(file.base, before, "the user's text is the user's");
    assert_eq!(file.all().count(), all);
    let hunk = outcome?;
    assert_eq!(hunk.state, HunkState::Pending);
    assert!(file.hunk(&HunkId::from("h1")).is_none() && file.hunk(&hunk.id).is_some());
    Ok(file.staged().unwrap().to_string())
}

#[test]
fn other_words_of_the_same_line_go_together() {
    let outcome = renewed("a\nf(x, y);\nb\n", "a\nf(x, z);\nb\n", "f(", "self.f(");
    assert_eq!(outcome.as_deref(), Ok("a\nself.f(x, z);\nb\n"));
    let outcome = renewed("a\n    f(x);\nb\n", "a\n    f(x)?;\n    g();\nb\n", "    f", "\tf");
    assert_eq!(outcome.as_deref(), Ok("a\n\tf(x)?;\n    g();\nb\n"));
}

#[test]
fn other_lines_of_the_same_hunk_go_together() {
    let (base, to) = ("a\none two\nthree four\nb\n", "a\none 2\nthree 4\nb\n");
    assert_eq!(renewed(base, to, "three", "III").as_deref(), Ok("a\none 2\nIII 4\nb\n"));
    assert_eq!(renewed(base, to, "one two\n", "one two\n// mine\n").as_deref(), Ok("a\none 2\n// mine\nthree 4\nb\n"));
}

#[test]
fn lines_to_insert_find_their_line_again() {
    let (base, to) = ("a\nb\nc\nd\n", "a\nb\nnew\nc\nd\n");
    assert_eq!(renewed(base, to, "b\nc\n", "b\nx\n").as_deref(), Err(&NotRenewed::Clash), "two new lines at one place");
    assert_eq!(
        renewed("a\nlet b;\nlet c;\nd\n", "a\nlet b;\nnew\nlet c;\nd\n", "b;\nlet c", "bb;\nlet cc").as_deref(),
        Ok("a\nlet bb;\nnew\nlet cc;\nd\n")
    );
}

#[test]
fn what_does_not_go_together_stays_stale() {
    assert_eq!(renewed("a\nb\nc\n", "a\nB\nc\n", "b", "x"), Err(NotRenewed::Clash));
    assert_eq!(renewed("a\nb\nc\n", "a\nB\nc\n", "b\n", ""), Err(NotRenewed::Clash));
    assert_eq!(renewed("a\nb\nc\n", "a\nB\nc\n", "b", "B"), Err(NotRenewed::Done));
    assert_eq!(renewed("a\nb\nc\n", "a\nB\nc\n", "c", "x"), Err(NotRenewed::Live));
    let (mut file, mut ids) = file("a\n", "b\n");
    assert_eq!(file.renew(&HunkId::from("h9"), &mut ids).unwrap_err(), NotRenewed::Unknown);
    file.vanish(&mut Vec::new());
    assert_eq!(file.renew(&HunkId::from("h1"), &mut ids).unwrap_err(), NotRenewed::Gone);
}

proptest! {
    #[test]
    fn renewing_keeps_the_user_s_text_and_the_other_hunks(base in any_text(), to in any_text(), edits in proptest::collection::vec((0usize..30, 0usize..6, any_text()), 1..6)) {
        let (mut file, _) = file(&base, &to);
        let mut ids = Ids::default();
        (0..100).for_each(|_| _ = ids.next_id());
        for (at, length, new) in edits {
            let text = file.base.to_string();
            typed(&mut file, edit_of(&text, at, length, &new));
            let stale: Vec<HunkId> = file.all().filter(|hunk| hunk.state == HunkState::Stale).map(|hunk| hunk.id.clone()).collect();
            for id in stale {
                let (base, others) = (file.base.clone(), file.all().filter(|hunk| hunk.id != id).cloned().collect::<Vec<_>>());
                let outcome = file.renew(&id, &mut ids);
                assert_sound(&file);
                prop_assert_eq!(&file.base, &base);
                prop_assert!(others.iter().all(|other| file.hunk(&other.id) == Some(other)));
                prop_assert_eq!(file.hunk(&id).is_none(), outcome.is_ok());
            }
        }
    }
}

#[test]
fn the_desk_tells_the_task_of_the_new_hunk() {
    let mut desk = desk();
    let ids = opened(&mut desk, "a.rs", "fn f(a);\n", "fn f(b);\n");
    let edit = DocChange { range: Some(Default::default()), text: "pub ".to_owned() };
    desk.change(&path("a.rs"), 2, &[edit], Encoding::Utf16).unwrap();
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    desk.news(&task());
    let id = desk.renew(&proposal(), &ids[0]).unwrap();
    assert_eq!((id.to_string().as_str(), state(&desk, "h2")), ("h2", HunkState::Pending));
    assert_eq!(staged_text(&desk, "a.rs"), "pub fn f(b);\n");
    assert!(desk.news(&task())[0].contains("h1 of a.rs is pending again as h2"));
    let plan = desk.plan(&proposal(), std::slice::from_ref(&id)).unwrap();
    assert_eq!(plan.files[0].expected, Some(Text::new("pub fn f(b);\n")));
    assert!(matches!(desk.renew(&proposal(), &ids[0]), Err(RenewError::Missing(_))), "it is no more");
    // A hunk about a whole file has no lines to be put on.
    let create = StageOp::Create { text: Text::new("x\n") };
    let made = desk.stage(&task(), &request("new.rs", create), None).unwrap().hunks;
    desk.disk_changed(&path("new.rs"), disk("y\n"));
    assert_eq!(state(&desk, "h3"), HunkState::Stale);
    assert_eq!(desk.renew(&proposal(), &made[0]), Err(RenewError::NotRenewed(NotRenewed::WholeFile)));
}
