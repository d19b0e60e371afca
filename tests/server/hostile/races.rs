//! Acceptances against everything else that happens to the same text: whatever the order, the server's text is the client's, and
//! nobody's words are lost.

use std::{collections::BTreeSet, time::Duration};

use countersign::text::Edit;
use serde_json::{Value, json};

use super::lab::{Lab, ask, hunks};
use crate::{
    lsp::{Editor, Habit},
    support::{
        dice::Dice,
        model_double::{ModelDouble, Turn},
    },
};

fn lines(n: usize) -> String {
    (1..=n).map(|n| format!("line {n}\n")).collect()
}

/// A file of 30 lines, open, with hunks at lines 3, 15 and 27 of one proposal.
async fn proposed(further: Vec<Turn>) -> (Lab, ModelDouble, Editor, Vec<Value>) {
    let lab = Lab::new();
    lab.file("a.txt", &lines(30));
    lab.trust();
    let edits: Vec<Value> =
        [3, 15, 27].iter().map(|n| json!({"old": format!("line {n}\n"), "new": format!("agent {n}\n")})).collect();
    let first = [Turn::call("e", "edit_file", json!({"path": "a.txt", "edits": edits})), Turn::say("Proposed.")];
    let double = ModelDouble::start(first.into_iter().chain(further));
    let editor = lab.editor(&double).await;
    editor.open("a.txt", &lines(30));
    ask(&editor, "Propose.").await;
    let found = hunks(&editor, "a.txt", 3).await;
    (lab, double, editor, found)
}

fn one(hunk: &Value) -> Value {
    json!({"proposal": hunk["proposal"], "hunks": [hunk["hunk"]]})
}

/// The server sees what the client sees: the model reads the file and compares.
async fn same_text(double: &ModelDouble, editor: &Editor) {
    double.push(Turn::call("r", "read_file", json!({"path": "a.txt"})));
    double.push(Turn::say("Read."));
    ask(editor, "Read.").await;
    let read = double.last().results()[0].1.clone();
    for line in editor.text("a.txt").lines() {
        assert!(read.contains(line), "{line:?} is not in what the server sees: {read}");
    }
    let shown = read.lines().filter(|row| row.contains("line ") || row.contains("agent ") || row.contains("typed")).count();
    assert_eq!(shown, editor.text("a.txt").lines().count(), "{read}\n---\n{}", editor.text("a.txt"));
}

async fn end(lab: Lab, double: ModelDouble, editor: Editor) -> String {
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    lab.journal()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_types_while_an_acceptance_is_on_its_way() {
    let (lab, double, editor, found) = proposed(Vec::new()).await;
    // Between the command and the edit, and again at once: in other lines, and many times.
    let accepting = editor.peer.command("accept", one(&found[1]));
    let typing = async {
        for n in 0..20 {
            editor.edit("a.txt", Edit { range: 0..0, new: format!("typed {n}\n") });
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = editor.bounded(async { tokio::join!(accepting, typing) }).await;
    let answer = answer.unwrap();
    let text = editor.text("a.txt");
    assert_eq!(text.matches("typed").count(), 20, "nothing that was typed is lost");
    let taken = answer["accepted"].as_array().unwrap().len();
    assert_eq!(text.matches("agent 15\n").count(), taken, "{answer}");
    assert_eq!(text.matches("line 15\n").count(), 1 - taken, "{answer}");
    // What did not land is pending, and can be accepted in peace.
    if taken == 0 {
        let again = editor.command("accept", one(&found[1])).await.unwrap();
        assert_eq!(again["accepted"].as_array().unwrap().len(), 1, "{again}");
    }
    hunks(&editor, "a.txt", 2).await;
    editor.command("reject", json!({"proposal": found[0]["proposal"]})).await.unwrap();
    same_text(&double, &editor).await;
    end(lab, double, editor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_hunk_twice_and_a_reject_at_once_end_in_one_decision() {
    let (lab, double, editor, found) = proposed(Vec::new()).await;
    let hunk = one(&found[0]);
    let work = async {
        tokio::join!(
            editor.peer.command("accept", hunk.clone()),
            editor.peer.command("accept", hunk.clone()),
            editor.peer.command("reject", hunk.clone()),
            editor.peer.command("accept", hunk.clone()),
        )
    };
    let (a, b, c, d) = editor.bounded(work).await;
    let taken = |answer: Result<Value, _>| answer.map_or(0, |answer: Value| answer["accepted"].as_array().unwrap().len());
    let accepted = taken(a) + taken(b) + taken(d);
    let rejected = c.map_or(0, |answer| answer["rejected"].as_array().unwrap().len());
    assert_eq!(accepted + rejected, 1);
    assert_eq!(editor.text("a.txt").matches("agent 3\n").count(), accepted);
    assert_eq!(editor.text("a.txt").matches("line 3\n").count(), 1 - accepted);
    editor.command("reject", json!({"proposal": hunk["proposal"]})).await.unwrap();
    same_text(&double, &editor).await;
    let journal = end(lab, double, editor).await;
    assert_eq!(journal.matches("\"kind\":\"hunk.accepted\"").count(), accepted);
    assert_eq!(journal.matches("\"kind\":\"hunk.rejected\"").count(), rejected + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_changes_come_late_is_believed_when_they_come() {
    for (delay, accepted) in [(1500, 1), (2600, 0)] {
        let (lab, double, editor, found) = proposed(Vec::new()).await;
        editor.habit(Habit::Late(Duration::from_millis(delay)));
        let answer = editor.command("accept", one(&found[1])).await.unwrap();
        assert_eq!(answer["accepted"].as_array().unwrap().len(), accepted, "{answer}");
        // However late: the hunk that stands in the text is offered no more as if it did not.
        hunks(&editor, "a.txt", 2).await;
        editor.habit(Habit::Honest);
        let again = editor.command("accept", one(&found[1])).await.unwrap();
        assert_eq!(again["accepted"], json!([]), "{again}");
        assert_eq!(editor.text("a.txt").matches("agent 15\n").count(), 1);
        editor.command("reject", json!({"proposal": found[0]["proposal"]})).await.unwrap();
        same_text(&double, &editor).await;
        let journal = end(lab, double, editor).await;
        assert_eq!(journal.matches("\"kind\":\"hunk.accepted\"").count(), 1, "what stands in the text is on record as accepted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_applies_half_has_accepted_half() {
    let (lab, double, editor, found) = proposed(Vec::new()).await;
    editor.habit(Habit::Half);
    let answer = editor.command("accept", json!({"proposal": found[0]["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["refused"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(editor.text("a.txt").matches("agent").count(), 1);
    editor.habit(Habit::Honest);
    hunks(&editor, "a.txt", 2).await;
    let rest = editor.command("accept", json!({"proposal": found[0]["proposal"]})).await.unwrap();
    assert_eq!(rest["accepted"].as_array().unwrap().len(), 2, "{rest}");
    assert_eq!(editor.text("a.txt").matches("agent").count(), 3);
    same_text(&double, &editor).await;
    end(lab, double, editor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_closes_in_between_loses_nothing() {
    let (lab, double, editor, found) = proposed(Vec::new()).await;
    editor.habit(Habit::Silent);
    let accepting = editor.peer.command("accept", one(&found[1]));
    let closing = async {
        editor.until("the edit", |seen| (!seen.edits.is_empty()).then_some(())).await;
        editor.close("a.txt");
    };
    let (answer, ()) = editor.bounded(async { tokio::join!(accepting, closing) }).await;
    assert_eq!(answer.unwrap()["accepted"], json!([]));
    editor.habit(Habit::Honest);
    editor.open("a.txt", &lines(30));
    hunks(&editor, "a.txt", 3).await;
    let all = editor.command("accept", json!({"proposal": found[0]["proposal"]})).await.unwrap();
    assert_eq!(all["accepted"].as_array().unwrap().len(), 3, "{all}");
    same_text(&double, &editor).await;
    end(lab, double, editor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proposals_on_one_file_do_not_harm_each_other() {
    let edits = json!([{"old": "line 16\n", "new": "agent 16\n"}, {"old": "line 15\n", "new": "agent other\n"}]);
    let second = vec![Turn::call("f", "edit_file", json!({"path": "a.txt", "edits": edits})), Turn::say("Proposed.")];
    let (lab, double, editor, found) = proposed(second).await;
    ask(&editor, "Propose more.").await;
    let uri = editor.uri("a.txt");
    let other = editor
        .until("the other proposal", |seen| {
            seen.diagnostics(&uri)
                .into_iter()
                .map(|one| one["data"].clone())
                .find(|data| data["proposal"] != found[0]["proposal"])
        })
        .await;
    let (first, second) = (json!({"proposal": found[0]["proposal"]}), json!({"proposal": other["proposal"]}));
    let work =
        async { tokio::join!(editor.peer.command("accept", first.clone()), editor.peer.command("accept", second.clone())) };
    let (a, b) = editor.bounded(work).await;
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a["accepted"].as_array().unwrap().len(), 3, "{a} {b}");
    let text = editor.text("a.txt");
    assert_eq!(text.lines().count(), 30, "{text}");
    assert!(text.contains("agent 15\n") && !text.contains("agent other\n"), "{text}");
    let _ = editor.command("reject", second).await;
    same_text(&double, &editor).await;
    end(lab, double, editor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_typing_staging_and_accepting_keeps_both_texts_equal() {
    let lab = Lab::new();
    lab.file("a.txt", &lines(120));
    lab.trust();
    // The model stages a change of every fourth line, one a turn, while the user types.
    let stage = |n: usize| {
        Turn::call(
            &format!("e{n}"),
            "edit_file",
            json!({"path": "a.txt", "edits": [{"old": format!("line {n}\n"), "new": format!("agent {n}\n")}]}),
        )
    };
    let mut turns: Vec<Turn> = (1..=18).map(|n| stage(n * 6)).collect();
    turns.push(Turn::say("Staged."));
    let double = ModelDouble::start(turns);
    let editor = lab.editor(&double).await;
    editor.open("a.txt", &lines(120));
    editor.command("ask", json!({"prompt": "Stage."})).await.unwrap();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut typed, mut accepted, mut deciding) = (BTreeSet::new(), 0, Vec::new());
    let uri = editor.uri("a.txt");
    editor.until("the first hunks", |seen| (seen.diagnostics(&uri).len() > 2).then_some(())).await;
    for n in 0..1000 {
        match dice.roll(10) {
            // Takes back a line that was typed before.
            0 if !typed.is_empty() => {
                let old: String = typed.iter().nth(dice.roll(typed.len())).cloned().unwrap();
                editor.replace("a.txt", &old, "");
                typed.remove(&old);
            }
            _ => {
                let line = format!("typed {n} é𝄞\n");
                editor.types("a.txt", |text| {
                    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
                    let at = starts[dice.roll(starts.len())];
                    Edit { range: at..at, new: line.clone() }
                });
                typed.insert(line);
            }
        }
        if n % 20 == 19 {
            let shown = editor.seen().diagnostics(&uri);
            if let Some(hunk) =
                (!shown.is_empty()).then(|| shown[dice.roll(shown.len())]["data"].clone()).filter(|data| data["hunk"].is_string())
            {
                let command = if dice.roll(4) == 0 { "reject" } else { "accept" };
                let peer = editor.peer.clone();
                deciding.push(tokio::spawn(async move { peer.command(command, one(&hunk)).await }));
            }
        }
        if n % 8 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for decision in deciding {
        if let Ok(answer) = editor.bounded(decision).await.unwrap() {
            accepted += answer["accepted"].as_array().map_or(0, Vec::len);
        }
    }
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.starts_with("countersign "))).await;
    let text = editor.text("a.txt");
    for line in &typed {
        assert!(text.contains(line.as_str()), "{line:?} was typed and is lost");
    }
    assert_eq!(text.matches("agent ").count(), accepted, "exactly what was accepted stands in the text");
    assert_eq!(text.matches("line ").count() + accepted, 120);
    // The rest goes in on top of all that, and then both texts are one.
    let proposals: BTreeSet<String> =
        editor.seen().diagnostics(&uri).iter().filter_map(|one| one["data"]["proposal"].as_str().map(str::to_owned)).collect();
    for proposal in proposals {
        let rest = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
        accepted += rest["accepted"].as_array().unwrap().len();
        let _ = editor.command("reject", json!({"proposal": proposal})).await;
    }
    let text = editor.text("a.txt");
    assert_eq!(text.matches("agent ").count(), accepted);
    assert!(accepted > 0, "something is accepted in or after the storm");
    double.push(Turn::call("r", "search", json!({"pattern": "^(typed|agent|line)", "path": "a.txt", "mode": "count"})));
    double.push(Turn::call("s", "read_file", json!({"path": "a.txt"})));
    double.push(Turn::say("Read."));
    ask(&editor, "Read.").await;
    let read = double.last().results()[0].1.clone();
    let rows: Vec<&str> = read.lines().filter_map(|row| row.find(['t', 'a', 'l']).map(|at| &row[at..])).collect();
    let missing: Vec<&str> = text.lines().filter(|line| !rows.contains(line)).collect();
    assert!(missing.is_empty(), "the server does not see {missing:?}\n{read}");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    let journal = lab.journal();
    assert_eq!(journal.matches("\"kind\":\"hunk.accepted\"").count(), accepted);
}
