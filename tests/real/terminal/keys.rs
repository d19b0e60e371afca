//! The review in a real terminal, key by key.

use serde_json::json;

use super::bench::{Desk, LIST, call, said, text, two_hunks, words};

#[test]
fn a_change_is_accepted_and_another_rejected_with_a_reason() {
    let desk = Desk::new();
    let model = desk.script(&[two_hunks(), words("Done.")]);
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[]);
    terminal.until("(1/2) accept this change");
    terminal.line("?");
    terminal.until("this help");
    terminal.line("");
    terminal.until("y accepts, n rejects");
    assert_eq!(desk.read("list.txt"), LIST, "nothing is written before the decision");
    terminal.line("y");
    let shown = terminal.until("(2/2) accept this change");
    assert!(shown.contains("list.txt line 9"), "{shown}");
    assert_eq!(desk.read("list.txt"), LIST.replace("two", "TWO"), "a decision takes effect at once");
    terminal.line("n keep the small one");
    terminal.until("1 change accepted, 1 change rejected");
    assert_eq!(terminal.code(), 0);
    assert!(terminal.shown(true).contains("\u{1b}["), "colours on a terminal");
    assert_eq!(desk.read("list.txt"), LIST.replace("two", "TWO"));
    let journal = desk.countersign(&["audit", "show", "last", "--json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&journal.stdout).contains("keep the small one"));
}

#[test]
fn a_file_that_changes_during_the_review_is_not_overwritten() {
    let desk = Desk::new();
    let model = desk.script(&[two_hunks(), words("Done.")]);
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[]);
    terminal.until("(1/2) accept this change");
    let typed = LIST.replace("two", "2");
    desk.write("list.txt", &typed);
    terminal.line("y");
    terminal.until("not accepted: ");
    terminal.line("q");
    assert_eq!(terminal.code(), 1);
    assert_eq!(desk.read("list.txt"), typed);
}

#[test]
fn the_rest_of_a_file_is_decided_by_one_key_but_never_a_file_that_steers_tools() {
    let desk = Desk::new();
    desk.write("Makefile", "a:\n\ttrue\n\n\n\n\n\n\nb:\n\ttrue\n");
    let edits = json!([{"old": "a:\n\ttrue\n", "new": "a:\n\tfalse\n"}, {"old": "b:\n\ttrue\n", "new": "b:\n\tfalse\n"}]);
    let steering = call("edit_file", json!({"path": "Makefile", "edits": edits}));
    let model = desk.script(&[two_hunks(), steering, words("Done.")]);
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[]);
    let shown = terminal.until("(1/4) accept this change");
    assert!(shown.contains("steers tools"), "{shown}");
    terminal.line("a");
    // Its answer was for the change that was on the screen; the next one is asked about again.
    terminal.until("(2/4) accept this change");
    terminal.line("d");
    terminal.until("(3/4)");
    terminal.line("a");
    terminal.until("3 changes accepted, 1 change rejected");
    assert_eq!(terminal.code(), 0);
    assert_eq!(desk.read("list.txt"), LIST.replace("two", "TWO").replace("nine", "NINE"));
    assert_eq!(desk.read("Makefile"), "a:\n\tfalse\n\n\n\n\n\n\nb:\n\ttrue\n");
}

#[test]
fn a_change_can_be_edited_before_it_is_written() {
    let desk = Desk::new();
    let model = desk.script(&[two_hunks(), words("Done.")]);
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[("EDITOR", "sed -i s/TWO/Zwei/")]);
    terminal.until("(1/2) accept this change");
    terminal.line("e");
    terminal.until("your version is in the file");
    terminal.until("(2/2) accept this change");
    terminal.line("y");
    assert_eq!(terminal.code(), 0);
    assert_eq!(desk.read("list.txt"), LIST.replace("two", "Zwei").replace("nine", "NINE"));
}

#[test]
fn trust_is_asked_for_and_enter_alone_gives_none() {
    let desk = Desk::untrusted();
    let model = desk.script(&[words("Here I am.")]);
    let ask = ["ask", "hello", "--model", &model];
    let terminal = desk.terminal(&ask, &[]);
    terminal.until("r Reject   s Show   t Trust");
    terminal.line("");
    terminal.until("Enter alone decides nothing");
    terminal.line("s");
    terminal.until("trust revoke");
    terminal.line("r");
    assert_eq!(terminal.code(), 4);
    assert!(!terminal.shown(false).contains("Here I am."));
    drop(terminal);

    std::fs::remove_file(desk.beside("exit")).unwrap();
    let terminal = desk.terminal(&ask, &[]);
    terminal.until("r Reject   s Show   t Trust");
    // Somebody who reads before they answer: a yes within the first second is asked about again.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    terminal.line("t");
    terminal.until("Here I am.");
    assert_eq!(terminal.code(), 0);
    let listed = desk.countersign(&["trust", "list"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(text(&desk.project().canonicalize().unwrap())));
}

#[test]
fn a_long_wait_shows_what_is_waited_for() {
    let desk = Desk::new();
    let turns = desk.beside("turns");
    let model = format!("manual:{}", text(&turns));
    let terminal = desk.terminal(&["ask", "think", "--model", &model], &[]);
    terminal.until("asking in ");
    terminal.until("1/20 thinking");
    std::fs::write(turns.join("1.tmp"), words("I thought.").to_string()).unwrap();
    std::fs::rename(turns.join("1.tmp"), turns.join("1.answer.json")).unwrap();
    terminal.until("I thought.");
    assert_eq!(terminal.code(), 0);
    assert!(!terminal.shown(false).contains("thinking"), "the status line goes away");
}

#[test]
fn the_model_asks_in_words_and_gets_them() {
    let desk = Desk::new();
    let model = desk.script(&[call("ask_user", json!({"question": "Which colour?"})), words("Done.")]);
    let ask = ["ask", "paint it", "--model", &model];
    let terminal = desk.terminal(&ask, &[]);
    let shown = terminal.until("your answer:");
    assert!(shown.contains("Which colour?") && !shown.contains("[ ] send"), "{shown}");
    terminal.line("a quiet green");
    assert_eq!(terminal.code(), 0);
    let journal = || String::from_utf8(desk.countersign(&["audit", "show", "last", "--json"]).output().unwrap().stdout).unwrap();
    assert!(journal().contains("a quiet green"), "{}", journal());
    // Nobody there: the question ends at once, and the task goes on.
    let output = desk.countersign(&ask).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!journal().contains("a quiet green"));
}

#[test]
fn an_interrupt_leaves_the_rest_undecided() {
    let desk = Desk::new();
    let model = desk.script(&[two_hunks(), words("Done.")]);
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[]);
    terminal.until("(1/2) accept this change");
    terminal.line("y");
    terminal.until("(2/2) accept this change");
    terminal.key("C-c");
    assert_eq!(terminal.code(), 130);
    assert_eq!(desk.read("list.txt"), LIST.replace("two", "TWO"));
}

#[test]
fn text_of_model_and_tools_cannot_move_the_cursor() {
    let desk = Desk::new();
    let bad = "\u{1b}[2J\u{1b}]0;owned\u{7}";
    let run = call("run", json!({"command": "printf 'a\\033[2Jb\\n'"}));
    let edit = call("edit_file", json!({"path": "list.txt", "edits": [{"old": "two\n", "new": format!("two{bad}\n")}]}));
    let model = desk.script(&[run, edit, words(&format!("Done{bad}."))]);
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[]);
    terminal.until("(1/1) accept this change");
    terminal.line("q");
    assert_eq!(terminal.code(), 0);
    let shown = terminal.shown(false);
    assert!(shown.contains("running printf"), "the screen was not cleared: {shown}");
    assert!(shown.contains(r"\u{1b}[2J"), "{shown}");
}

/// Nobody sits there: the question ends by itself, nothing was done, and the task goes on without a key.
#[test]
fn a_question_that_nobody_answers_ends_by_itself() {
    let desk = Desk::new();
    let config = desk.home().join(".config/countersign");
    std::fs::create_dir_all(&config).unwrap();
    // The shortest time that there is.
    std::fs::write(config.join("config.toml"), "[approval]\ntimeout_s = 10\n").unwrap();
    let fetch = call("run", json!({"command": "echo ran > ran", "network": ["index.example.org:443"]}));
    let model = desk.script(&[fetch, words("I went on without it.")]);
    let terminal = desk.terminal(&["ask", "fetch it", "--model", &model], &[]);
    terminal.until("r Reject   s Show   n Network");
    let shown = terminal.until("I went on without it.");
    assert!(shown.contains("expired: nothing was done"), "{shown}");
    assert_eq!(terminal.code(), 0);
    assert!(!desk.project().join("ran").exists());
}
