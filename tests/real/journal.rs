//! The journal on a real disk: chains, crashes, torn ends, two servers, a disk that refuses.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use countersign::{
    event::{Actor, CallId, Event, Scope, SessionId, ToolCallStatus},
    journal::{self, FileJournal, GENESIS, Record},
    seams::Journal,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn scope(session: &str) -> Scope {
    Scope { session: Some(SessionId::from(session)), ..Scope::default() }
}

fn call(session: &str, id: &str) -> Scope {
    Scope { call_id: Some(CallId::from(id)), ..scope(session) }
}

fn steer(message: impl Into<String>) -> Event {
    Event::UserSteer { message: message.into() }
}

fn intent() -> Event {
    Event::ToolIntent { tool: "run".into(), input: json!({"command": "make"}) }
}

fn outcome() -> Event {
    Event::ToolResult { tool: "run".into(), model_id: "m".into(), status: ToolCallStatus::Ok, content: "done".into(), ms: 1 }
}

fn effect(digest: &str) -> Event {
    Event::EffectStart { effect: "push".into(), digest: digest.into(), detail: json!({"branch": "main"}) }
}

fn file(state: &Path, session: &str) -> PathBuf {
    state.join("journal").join(format!("{session}.jsonl"))
}

fn raw_lines(state: &Path, session: &str) -> Vec<String> {
    fs::read_to_string(file(state, session)).unwrap().lines().map(str::to_owned).collect()
}

/// Writes `n` records and ends cleanly.
async fn written(state: &Path, session: &str, n: usize) {
    let journal = FileJournal::open(state).unwrap();
    for i in 0..n {
        journal.append_durable(Actor::Human, &scope(session), steer(format!("message {i}"))).await.unwrap();
    }
}

fn holds(state: &Path) -> bool {
    journal::verify(state, None).unwrap().ok()
}

fn unknowns(state: &Path, session: &str) -> Vec<Record> {
    let records = journal::read_session(state, session).unwrap();
    records.into_iter().filter(|record| matches!(record.event, Event::RecoveryUnknown { .. })).collect()
}

#[tokio::test]
async fn a_line_has_the_contracts_fields_in_order_and_chains_to_the_line_before() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    let scope = Scope {
        iteration: Some(3),
        workspace: Some("/w".into()),
        policy_sha: Some("p".into()),
        task: Some("t".into()),
        ..call("s1", "c1")
    };
    journal.append(Actor::Human, &scope, steer("one \u{1b}[31m\nline"));
    journal.append_durable(Actor::Model, &scope, intent()).await.unwrap();
    let lines = raw_lines(state.path(), "s1");
    assert_eq!(lines.len(), 2);
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    let fields: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "v seq ts session task iteration call_id workspace policy_sha actor user kind message prev"
        .split(' ')
        .collect::<Vec<_>>();
    assert_eq!(fields, expected);
    assert_eq!(
        (&first["v"], &first["seq"], &first["kind"], &first["actor"]),
        (&json!(1), &json!(1), &json!("user.steer"), &json!("human"))
    );
    assert_eq!(first["prev"], GENESIS);
    assert_eq!(GENESIS, "0".repeat(64));
    assert!(!lines[0].contains('\u{1b}'), "controls are escaped: {}", lines[0]);
    let ts = first["ts"].as_str().unwrap();
    assert!(ts.len() == 24 && ts.ends_with('Z') && ts.parse::<jiff::Timestamp>().is_ok(), "{ts}");
    let second: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(second["prev"], sha256(&lines[0]));
    let records = journal::read_session(state.path(), "s1").unwrap();
    assert_eq!((records[0].event.clone(), records[1].event.clone()), (steer("one \u{1b}[31m\nline"), intent()));
    assert_eq!(records[1].scope, scope);
}

/// By another program than the one under test.
fn sha256(text: &str) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
}

#[tokio::test]
async fn opening_touches_nothing_and_a_relative_folder_is_refused() {
    let parent = TempDir::new().unwrap();
    let state = parent.path().join("state");
    let journal = FileJournal::open(&state).unwrap();
    journal.flush().await.unwrap();
    drop(journal);
    assert!(!state.exists());
    assert!(FileJournal::open(Path::new("state")).is_err());
}

#[tokio::test]
async fn only_the_owner_can_read_it_even_where_others_could_before() {
    let state = TempDir::new().unwrap();
    fs::create_dir(state.path().join("journal")).unwrap();
    fs::set_permissions(state.path().join("journal"), fs::Permissions::from_mode(0o755)).unwrap();
    written(state.path(), "s1", 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state.path().join("journal")), 0o700);
    assert_eq!(mode(&file(state.path(), "s1")), 0o600);
}

#[tokio::test]
async fn a_session_goes_on_where_it_ended() {
    let state = TempDir::new().unwrap();
    written(state.path(), "s1", 2).await;
    assert!(!state.path().join("journal/s1.lock").exists(), "a clean end leaves no lock file");
    written(state.path(), "s1", 2).await;
    let records = journal::read_session(state.path(), "s1").unwrap();
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(holds(state.path()));
}

#[tokio::test]
async fn long_bodies_are_kept_whole() {
    let state = TempDir::new().unwrap();
    let body = "0123456789\n".repeat(200_000);
    let journal = FileJournal::open(state.path()).unwrap();
    for _ in 0..3 {
        journal.append_durable(Actor::Human, &scope("s1"), steer(&body)).await.unwrap();
    }
    drop(journal);
    // The end of the chain is found behind a line of megabytes.
    written(state.path(), "s1", 1).await;
    let records = journal::read_session(state.path(), "s1").unwrap();
    assert_eq!(records[2].event, steer(&body));
    assert_eq!(records[3].seq, 4);
    assert!(holds(state.path()));
}

#[tokio::test]
async fn appends_from_many_tasks_are_all_there_each_in_its_order() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    let tasks = (0..8).map(|task| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            for i in 0..50 {
                let session = format!("s{}", task % 2);
                let event = steer(format!("{task} {i:02}"));
                if i % 10 == 9 {
                    journal.append_durable(Actor::Human, &scope(&session), event).await.unwrap();
                } else {
                    journal.append(Actor::Human, &scope(&session), event);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    drop(journal);
    assert!(holds(state.path()));
    for session in 0..2 {
        let records = journal::read_session(state.path(), &format!("s{session}")).unwrap();
        assert_eq!(records.len(), 200);
        for task in (0..8).filter(|task| task % 2 == session) {
            let of_task: Vec<String> = records
                .iter()
                .filter_map(|record| match &record.event {
                    Event::UserSteer { message } => message.strip_prefix(&format!("{task} ")).map(str::to_owned),
                    _ => None,
                })
                .collect();
            assert_eq!(of_task, (0..50).map(|i| format!("{i:02}")).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn more_sessions_than_files_held_open() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    for round in 0..2 {
        for session in 0..100 {
            journal.append(Actor::Human, &scope(&format!("s{session}")), steer(format!("{round}")));
        }
        journal.flush().await.unwrap();
    }
    drop(journal);
    let report = journal::verify(state.path(), None).unwrap();
    assert!(report.ok());
    assert_eq!(report.files.iter().map(|file| file.lines).sum::<u64>(), 200);
}

#[tokio::test]
async fn every_changed_byte_of_a_chain_is_found() {
    let state = TempDir::new().unwrap();
    written(state.path(), "s1", 4).await;
    assert!(holds(state.path()));
    let good = fs::read(file(state.path(), "s1")).unwrap();
    let third = good.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(2).unwrap().0;
    // The last line has no successor: a change that keeps its form is not seen (docs/journal.md says so).
    for at in (0..third).step_by(7) {
        let mut bad = good.clone();
        bad[at] = if bad[at] == b'x' { b'y' } else { b'x' };
        fs::write(file(state.path(), "s1"), &bad).unwrap();
        let report = journal::verify(state.path(), Some("s1")).unwrap();
        let line = 1 + good[..at].iter().filter(|b| **b == b'\n').count() as u64;
        let named = report.files[0].bad.as_ref().map(|bad| bad.line);
        assert!(named == Some(line) || named == Some(line + 1), "byte {at} of line {line}: {report:?}");
    }
    let lines: Vec<&[u8]> = good.split_inclusive(|b| *b == b'\n').collect();
    for (what, changed) in [
        ("a line removed", [lines[0], lines[2], lines[3]].concat()),
        ("two lines swapped", [lines[0], lines[2], lines[1], lines[3]].concat()),
        ("a line doubled", [lines[0], lines[1], lines[1], lines[2], lines[3]].concat()),
        ("the first line removed", [lines[1], lines[2], lines[3]].concat()),
    ] {
        fs::write(file(state.path(), "s1"), changed).unwrap();
        assert!(!holds(state.path()), "{what}");
    }
}

#[tokio::test]
async fn an_end_torn_at_any_byte_is_moved_aside_and_the_chain_goes_on() {
    let state = TempDir::new().unwrap();
    written(state.path(), "s1", 3).await;
    let good = fs::read(file(state.path(), "s1")).unwrap();
    let second_end = good.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
    for cut in [second_end + 1, second_end + 40, good.len() - 2, good.len() - 1] {
        let state = TempDir::new().unwrap();
        fs::create_dir(state.path().join("journal")).unwrap();
        fs::write(file(state.path(), "s1"), &good[..cut]).unwrap();
        let report = journal::verify(state.path(), Some("s1")).unwrap();
        assert!(report.ok() && report.files[0].torn == Some((cut - second_end) as u64), "reported, and no break: {report:?}");
        written(state.path(), "s1", 1).await;
        assert!(holds(state.path()));
        let aside = fs::read(state.path().join("journal/s1.torn-1")).unwrap();
        assert_eq!(aside, &good[second_end..cut], "nothing is lost");
        let records = journal::read_session(state.path(), "s1").unwrap();
        assert_eq!(records.len(), 4);
        assert!(matches!(&records[2].event, Event::RecoveryUnknown { what, .. } if what.contains("s1.torn-1")));
    }
}

#[tokio::test]
async fn another_servers_torn_end_in_the_shared_file_is_told_there() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    journal.append_durable(Actor::Server, &Scope::default(), steer("one")).await.unwrap();
    let path = file(state.path(), "server");
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"v\":1,\"se").unwrap();
    journal.append_durable(Actor::Server, &Scope::default(), steer("two")).await.unwrap();
    assert_eq!(journal.recovered().await.unwrap().torn.len(), 1);
    drop(journal);
    assert!(holds(state.path()));
    assert_eq!(unknowns(state.path(), "server").len(), 1);
    assert_eq!(fs::read(state.path().join("journal/server.torn-1")).unwrap(), b"{\"v\":1,\"se");
}

#[tokio::test]
async fn blocks_of_zeros_at_the_end_count_as_torn() {
    let state = TempDir::new().unwrap();
    written(state.path(), "s1", 2).await;
    let mut bytes = fs::read(file(state.path(), "s1")).unwrap();
    bytes.extend([0; 5000]);
    bytes.extend(b"\n\0\0\n");
    fs::write(file(state.path(), "s1"), bytes).unwrap();
    written(state.path(), "s1", 1).await;
    assert!(holds(state.path()));
    assert_eq!(fs::metadata(state.path().join("journal/s1.torn-1")).unwrap().len(), 5004);
}

#[tokio::test]
async fn an_intent_without_an_outcome_is_told_once_and_an_ended_one_never() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    journal.append(Actor::Model, &call("s1", "ended"), intent());
    journal.append(Actor::Model, &call("s1", "ended"), outcome());
    journal.append(Actor::Model, &call("s1", "open"), intent());
    journal.append(Actor::Server, &call("s1", "open"), effect("d1"));
    journal.append(Actor::Server, &call("s1", "open"), effect("d2"));
    let result = Event::EffectResult { effect: "push".into(), digest: "d2".into(), ok: true, detail: json!({}) };
    journal.append_durable(Actor::Server, &call("s1", "open"), result).await.unwrap();
    drop(journal);
    assert!(unknowns(state.path(), "s1").is_empty(), "nothing is told before the next start");

    let next = FileJournal::open(state.path()).unwrap();
    let recovered = next.recovered().await.unwrap();
    let told: Vec<(&str, &str)> = recovered.unknown.iter().map(|one| (one.session.0.as_str(), one.what.as_str())).collect();
    assert_eq!(told, [("s1", "effect push"), ("s1", "tool run")]);
    drop(next);
    let written = unknowns(state.path(), "s1");
    assert_eq!(written.len(), 2);
    assert!(written.iter().all(|record| record.scope.call_id == Some(CallId::from("open"))));
    assert!(matches!(&written[0].event, Event::RecoveryUnknown { digest, .. } if digest == "d1"));

    let third = FileJournal::open(state.path()).unwrap();
    assert_eq!(third.recovered().await.unwrap(), journal::Recovered::default());
    drop(third);
    assert_eq!(unknowns(state.path(), "s1").len(), 2);
    assert!(holds(state.path()));
}

#[tokio::test]
async fn a_session_belongs_to_one_server_and_the_servers_file_to_all() {
    let state = TempDir::new().unwrap();
    let (one, two) = (FileJournal::open(state.path()).unwrap(), FileJournal::open(state.path()).unwrap());
    one.append_durable(Actor::Human, &call("s1", "c"), intent()).await.unwrap();
    let refused = two.append_durable(Actor::Human, &scope("s1"), steer("mine")).await.unwrap_err();
    assert!(refused.to_string().contains("another server"), "{refused}");
    assert!(two.recovered().await.unwrap().unknown.is_empty(), "a living server's intent is not unknown");
    two.append_durable(Actor::Human, &scope("s2"), steer("other sessions go on")).await.unwrap();
    for i in 0..20 {
        one.append(Actor::Server, &Scope::default(), steer(format!("one {i}")));
        two.append_durable(Actor::Server, &Scope::default(), steer(format!("two {i}"))).await.unwrap();
    }
    one.append_durable(Actor::Model, &call("s1", "c"), outcome()).await.unwrap();
    drop(one);
    two.append_durable(Actor::Human, &scope("s1"), steer("mine now")).await.unwrap();
    drop(two);
    assert!(holds(state.path()));
    assert_eq!(raw_lines(state.path(), "server").len(), 40);
    assert_eq!(raw_lines(state.path(), "s1").len(), 3);
}

#[tokio::test]
async fn a_session_id_that_leads_elsewhere_is_refused() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    for id in ["../out", "a/b", "", ".", "server", "-rf", "a.b", "a\nb"] {
        let refused = journal.append_durable(Actor::Human, &scope(id), steer("x")).await;
        assert!(refused.is_err(), "{id:?}");
        assert!(id == "server" || journal::read_session(state.path(), id).is_err(), "{id:?}");
    }
    assert!(!file(state.path(), "server").exists(), "a session cannot write into the server's file");
    journal.append_durable(Actor::Human, &scope("good-1_A"), steer("x")).await.unwrap();
    assert!(!state.path().join("out.jsonl").exists());
}

#[tokio::test]
async fn sessions_are_listed_newest_first_with_their_first_title() {
    let state = TempDir::new().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    let task = |title: &str| Event::TaskStart {
        title: title.into(),
        mode: "edit".into(),
        prompt: "p".into(),
        system: "s".into(),
        tools_sha: "t".into(),
    };
    let in_folder = Scope { workspace: Some("/w".into()), ..scope("old") };
    journal.append_durable(Actor::Human, &in_folder, task("first")).await.unwrap();
    journal.append_durable(Actor::Human, &in_folder, task("second")).await.unwrap();
    while jiff::Timestamp::now().as_millisecond()
        == journal::read_session(state.path(), "old").unwrap()[1].ts.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    {
        std::hint::spin_loop();
    }
    journal.append_durable(Actor::Human, &scope("new"), steer("x")).await.unwrap();
    journal.append_durable(Actor::Server, &Scope::default(), steer("x")).await.unwrap();
    let sessions = journal::sessions(state.path()).unwrap();
    assert_eq!(sessions.iter().map(|one| one.session.0.as_str()).collect::<Vec<_>>(), ["new", "old"]);
    let old = &sessions[1];
    assert_eq!((old.title.as_deref(), old.workspace.as_deref(), old.tasks, old.records), (Some("first"), Some("/w"), 2, 2));
}

// Children: this test binary again, with one ignored test as its main function.

fn child(test: &str, state: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("journal::{test}"), "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("JOURNAL_TEST_STATE", state).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn child_state() -> PathBuf {
    PathBuf::from(std::env::var_os("JOURNAL_TEST_STATE").expect("only as a child of the tests beside it"))
}

/// Writes for ever, and says which durable events were acknowledged.
#[test]
#[ignore = "the child of the crash test"]
fn writes_until_killed() {
    let state = child_state();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        let journal = FileJournal::open(&state).unwrap();
        for n in 0.. {
            let id = format!("{}-{n}", std::process::id());
            journal.append(Actor::Server, &Scope::default(), steer(format!("loose {id}")));
            journal.append(Actor::Model, &call("s1", &id), intent());
            journal.append_durable(Actor::Server, &scope("s1"), steer(format!("{id} {}", "x".repeat(n % 3000)))).await.unwrap();
            println!("acknowledged {id}");
            if n % 2 == 0 {
                journal.append_durable(Actor::Model, &call("s1", &id), outcome()).await.unwrap();
            }
        }
    });
}

fn acknowledged(child: &mut Child, most: usize) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    let take = |line: &str| line.split_once("acknowledged ").map(|(_, id)| id.to_owned());
    while seen.len() < most {
        seen.extend(take(&lines.next().expect("the child writes until it is killed").unwrap()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still said before it died counts too; the last line may be cut.
    let rest: Vec<String> = lines.map_while(Result::ok).filter_map(|line| take(&line)).collect();
    seen.extend(rest.into_iter().rev().skip(1).rev());
    seen
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_the_chain_holds() {
    let state = TempDir::new().unwrap();
    let mut all = Vec::new();
    for round in 0..20 {
        let mut writer = child("writes_until_killed", state.path()).spawn().unwrap();
        all.extend(acknowledged(&mut writer, 1 + round * 2));
    }
    let journal = FileJournal::open(state.path()).unwrap();
    let recovered = journal.recovered().await.unwrap();
    assert!(recovered.failed.is_empty(), "{recovered:?}");
    drop(journal);
    let report = journal::verify(state.path(), None).unwrap();
    assert!(report.ok(), "{report:?}");
    let records = journal::read_session(state.path(), "s1").unwrap();
    let there: std::collections::HashSet<&str> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::UserSteer { message } => message.split(' ').next(),
            _ => None,
        })
        .collect();
    assert!(all.len() > 380, "{}", all.len());
    for id in &all {
        assert!(there.contains(id.as_str()), "{id} was acknowledged and is not there");
    }
    // Each intent ends in exactly one outcome, known or unknown.
    let mut ends = std::collections::HashMap::new();
    for record in &records {
        let Some(id) = &record.scope.call_id else { continue };
        match record.event {
            Event::ToolIntent { .. } => drop(ends.insert(id.0.clone(), 0)),
            _ => *ends.get_mut(&id.0).expect("an outcome after its intent") += 1,
        }
    }
    assert!(ends.values().all(|ends| *ends == 1), "{ends:?}");
}

/// Under a file size limit: says how the appends ended.
#[test]
#[ignore = "the child of the test of a full disk"]
fn writes_on_a_full_disk() {
    let state = child_state();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let journal = FileJournal::open(&state).unwrap();
        let mut ends = Vec::new();
        for n in 0..20 {
            ends.push(journal.append_durable(Actor::Human, &scope("s1"), steer("x".repeat(1000))).await.is_ok());
            if n == 10 {
                journal.append(Actor::Human, &scope("small"), steer("lost, and loudly"));
            }
        }
        let other = journal.append_durable(Actor::Human, &scope("s2"), steer("small")).await;
        println!("ends {ends:?} {}", other.unwrap_err());
    });
}

#[tokio::test]
async fn after_a_failed_write_every_durable_append_fails_and_the_chain_holds() {
    let state = TempDir::new().unwrap();
    let inner = child("writes_on_a_full_disk", state.path());
    let mut limited = Command::new("bash");
    // 8 blocks of 1024 bytes; the signal that comes with it is ignored, so that the write fails as on a full disk.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"]).arg(inner.get_program()).args(inner.get_args());
    let output = limited.env("JOURNAL_TEST_STATE", state.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let ends = &said[said.find("ends [").expect(&said)..];
    let ok = ends.matches("true").count();
    assert!((3..8).contains(&ok), "some fitted: {ends}");
    assert!(!ends[ends.find("false").unwrap()..].contains("true"), "none after the first failure: {ends}");
    assert!(ends.contains("s1.jsonl") && ends.contains("cannot be written"), "{ends}");
    assert!(holds(state.path()));
    assert_eq!(raw_lines(state.path(), "s1").len(), ok);
}
