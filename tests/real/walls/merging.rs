//! What real programs change behind the walls, compared with what the task saw and staged: from the upper layer to hunks, and
//! back into the shadow of the next command.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Instant};

use countersign::{
    event::{CallId, ProposalId, TaskId},
    path::WsPath,
    policy::Secret,
    proposal::HunkState,
    seams::{Merges, StageOp, StageRequest, Workspace},
    text::{Encoding, Text},
    workspace::{
        Folder, LocalDesk, TaskWorkspace, World,
        desk::{Beneath, DocChange},
    },
};

use super::bench::*;

/// A task over the workspace of a bench.
pub struct Task {
    pub bench: Bench,
    pub desk: Arc<LocalDesk>,
    pub workspace: TaskWorkspace,
}

impl Task {
    pub async fn over(files: &[(&str, &str)]) -> Task {
        let bench = Bench::new().await;
        files.iter().for_each(|(path, text)| put(&bench.path("w"), path, text));
        let desk = Arc::new(LocalDesk::default());
        let task = TaskId("t1".into());
        desk.now(|desk| desk.begin(&task, ProposalId("p1".into())));
        let world = Arc::new(World::new(Folder::open(&bench.path("w")).unwrap(), None, None));
        let secrecy = Arc::new(|path: &WsPath, _| (path.file_name() == ".env").then_some(Secret { hide_from_commands: true }));
        let workspace = TaskWorkspace::new(task, Arc::clone(&desk) as _, world, secrecy);
        Task { bench, desk, workspace }
    }

    /// Runs a command and compares; `meanwhile` happens before the comparison.
    pub async fn changes(&self, text: &str, meanwhile: impl FnOnce(&Task)) -> (Ran, Merges) {
        let began = self.workspace.moment().await.unwrap();
        let ran = self.bench.with_shadow(text, &self.workspace.shadow().await.unwrap()).await;
        meanwhile(self);
        let changed = self.workspace.unignored(ran.outcome.changed.clone()).await;
        let written = self.bench.session.written(changed, 1 << 20).await;
        (ran, self.workspace.merges(began, written).await.unwrap())
    }

    /// The same, and stages all of it. The answer are its operations and what was kept.
    async fn run_while(&self, text: &str, meanwhile: impl FnOnce(&Task)) -> (Ran, Vec<String>, Vec<String>) {
        let (ran, merges) = self.changes(text, meanwhile).await;
        let (mut done, mut taken) = (Vec::new(), merges.dropped);
        for merge in merges.merges {
            for (path, op) in merge.ops {
                let what = match &op {
                    StageOp::Merge { .. } => format!("edit {path} -{} +{}", merge.lines.0, merge.lines.1),
                    StageOp::Create { .. } => format!("create {path}"),
                    StageOp::Delete => format!("delete {path}"),
                    StageOp::Move { to } => format!("move {path} {to}"),
                    StageOp::Mode { executable } => format!("mode {path} {executable}"),
                    StageOp::Modify { .. } => unreachable!(),
                };
                let request = StageRequest { path, op, call: CallId("c1".into()), apart: false };
                let staged = self.workspace.stage(request).await;
                let stale = staged.unwrap().stale.len();
                done.push(if stale > 0 { format!("{what}, {stale} stale") } else { what });
            }
            taken.extend(merge.takes);
        }
        self.bench.session.take(taken).await.unwrap();
        (ran, done, merges.kept.into_iter().map(|(path, why)| format!("{path}: {why}")).collect())
    }

    async fn run(&self, text: &str) -> (Vec<String>, Vec<String>) {
        let (ran, done, kept) = self.run_while(text, |_| {}).await;
        assert!(ran.ok(), "{text}: {}", ran.output);
        (done, kept)
    }

    /// What the next command sees; it changes nothing.
    async fn sees(&self, text: &str) -> String {
        let (ran, done, _) = self.run_while(text, |_| {}).await;
        assert!(done.is_empty(), "nothing is proposed twice: {done:?}");
        ran.output
    }

    fn reject_all(&self) {
        self.desk.now(|desk| {
            let id = ProposalId("p1".into());
            let all: Vec<_> =
                desk.proposal(&id).unwrap().files.values().flat_map(|file| file.all()).map(|hunk| hunk.id.clone()).collect();
            desk.reject(&id, &all, None).unwrap();
        });
    }

    fn types(&self, path: &str, text: &str) {
        let change = [DocChange { range: None, text: text.to_owned() }];
        self.desk.now(|desk| desk.change(&ws(path), 2, &change, Encoding::Utf8)).unwrap();
    }

    fn open(&self, path: &str, text: &str) {
        self.desk.now(|desk| {
            desk.open(&ws(path), 1, Text::new(text));
            desk.disk_changed(&ws(path), Some(Beneath::text(Text::new(text), false)));
        });
    }
}

#[tokio::test]
async fn edits_modes_moves_and_deletions_of_commands_become_hunks() {
    let task = Task::over(&[
        ("a.rs", "fn  a( ){}\n"),
        ("old.txt", "stays the same\n"),
        ("tree/one", "1\n"),
        ("tree/sub/two", "2\n"),
        ("gone/x", "x\n"),
        ("gone/y", "y\n"),
        ("tool.sh", "#!/bin/sh\n"),
        ("dos.txt", "one\r\ntwo\r\n"),
        (".gitignore", "/target\n__pycache__/\n"),
        ("target/old.o", "o\n"),
    ])
    .await;
    let text = "rustfmt --edition 2024 a.rs; mv old.txt new.txt; mv tree forest; rm -r gone target; chmod +x tool.sh; \
                sed -i s/two/2/ dos.txt; mkdir -p target gen/__pycache__; echo o > target/new.o; echo c > gen/__pycache__/c.pyc; \
                python3 -c \"open('gen/made.py', 'w').write('x = 1\\n')\"; touch a.txt; echo '#!/bin/sh' > gen/run; chmod 755 gen/run";
    let (done, kept) = task.run(text).await;
    assert_eq!(
        done,
        [
            "edit a.rs -1 +1",
            "edit dos.txt -1 +1",
            "create gen/made.py",
            "create gen/run",
            "mode gen/run true",
            "delete gone/x",
            "delete gone/y",
            "move old.txt new.txt",
            "mode tool.sh true",
            "move tree/one forest/one",
            "move tree/sub/two forest/sub/two",
        ]
    );
    assert_eq!(kept, [""; 0]);
    assert!(task.bench.path("w/old.txt").exists() && !task.bench.path("w/gen").exists(), "the disk is the user's");
    // The next command sees it once, with what was ignored.
    let seen = task
        .sees("cat a.rs new.txt forest/sub/two gen/made.py target/new.o; ls; find tree gone -type f; stat -c %A tool.sh gen/run")
        .await;
    let expected = "fn a() {}\nstays the same\n2\nx = 1\no\n";
    assert!(seen.starts_with(expected) && seen.matches("-rwxr-xr-x").count() == 2, "{seen}");
    assert!(!seen.contains("old.txt") && !seen.contains("tree/") && !seen.contains("gone/"), "{seen}");
    // Rejected, it is gone from the shadow; what is no hunk stays.
    task.reject_all();
    let seen = task
        .sees("cat a.rs old.txt tree/sub/two gone/x; ls new.txt gen/made.py forest/one; cat target/new.o; stat -c %A tool.sh")
        .await;
    assert!(seen.starts_with("fn  a( ){}\nstays the same\n2\nx\n") && seen.contains("o\n-rw-r--r--"), "{seen}");
    assert_eq!(seen.matches("No such file").count(), 3, "{seen}");
}

#[tokio::test]
async fn a_change_lies_on_pending_hunks_and_unsaved_text() {
    let task = Task::over(&[("a.txt", "one\ntwo\nthree\n")]).await;
    task.open("a.txt", "one\ntwo\nthree\n");
    task.types("a.txt", "one\ntwo\nthree unsaved\n");
    let from = task.workspace.read(&ws("a.txt")).await.unwrap().text;
    let op = StageOp::Modify { from, to: "ONE\ntwo\nthree unsaved\n".into() };
    task.workspace.stage(StageRequest { path: ws("a.txt"), op, call: CallId("c0".into()), apart: false }).await.unwrap();
    let (done, _) = task.run("sed -i 's/two/TWO/; s/ONE/ONE!/' a.txt").await;
    assert_eq!(done, ["edit a.txt -2 +2"]);
    assert_eq!(task.sees("cat a.txt").await, "ONE!\nTWO\nthree unsaved\n");
}

#[tokio::test]
async fn typing_while_a_command_runs_wins_where_both_changed_the_same_lines() {
    let before: String = (1..=9).map(|n| format!("line {n}\n")).collect();
    let task = Task::over(&[("a.txt", &before), ("closed.txt", "c\n"), ("gone.txt", "g\n"), ("fine.txt", "f\n")]).await;
    for (path, text) in [("a.txt", before.as_str()), ("gone.txt", "g\n"), ("fine.txt", "f\n")] {
        task.open(path, text);
    }
    let typed = before.replace("line 5\n", "line 5 typed\n").replace("line 9\n", "line 9\nline 10\n");
    let command = "sed -i 's/line 2/LINE 2/; s/line 5/LINE 5/' a.txt; echo x >> closed.txt; rm gone.txt fine.txt";
    let (_, done, kept) = task
        .run_while(command, |task| {
            task.types("a.txt", &typed);
            task.types("gone.txt", "g typed\n");
            put(&task.bench.path("w"), "closed.txt", "saved from elsewhere\n");
        })
        .await;
    assert_eq!(done, ["edit a.txt -2 +2, 1 stale", "delete fine.txt"]);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().all(|line| line.contains("the user changed it")), "{kept:?}");
    task.desk.now(|desk| {
        let proposal = desk.proposal(&ProposalId("p1".into())).unwrap();
        let states: Vec<_> = proposal.files[&ws("a.txt")].all().map(|hunk| (hunk.state, hunk.new.clone())).collect();
        assert_eq!(states, [(HunkState::Pending, "LINE 2\n".to_owned()), (HunkState::Stale, "LINE 5\n".to_owned())]);
    });
    let seen = task.sees("cat a.txt closed.txt gone.txt; ls fine.txt").await;
    assert!(seen.contains("LINE 2\n") && seen.contains("line 5 typed\n") && seen.contains("line 10\n"), "{seen}");
    assert!(seen.contains("saved from elsewhere\ng typed\n") && seen.contains("No such file"), "{seen}");
}

#[tokio::test]
async fn what_cannot_be_proposed_is_named_and_stays_in_the_shadow() {
    let task = Task::over(&[("text", "plain\n"), ("isdir/x", "x\n"), (".env", "K=1\n"), ("keep", "k\n")]).await;
    std::os::unix::fs::symlink("keep", task.bench.path("w/alias")).unwrap();
    fs::write(task.bench.path("w/raw"), b"\x00\xff").unwrap();
    let text = "ln -s /etc/passwd link; mkfifo pipe; cp keep suid; chmod 4755 suid; printf '\\xff\\xfe' > text; \
                printf '\\0\\1' > raw; head -c 2000000 /dev/zero > big; rm -r isdir; echo f > isdir; rm alias; echo r > alias; \
                mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit; printf 'a\\rb\\n' > cr; echo n > \"$(printf 'new\\nline')\"; \
                touch \"$(printf 'bad\\377name')\"";
    let (done, kept) = task.run(text).await;
    // The positive control: what is plain is proposed beside all that.
    assert_eq!(done, ["create cr", "create new\nline"]);
    for part in [
        "link: a symbolic link",
        "pipe: a pipe",
        "suid: runs with another user's rights",
        "text: it is not UTF-8 text any more",
        "raw: it is not UTF-8 text",
        "big: 2000000 bytes are too many",
        "isdir: a folder stands there",
        "alias: a symbolic link leads there",
        "not readable under this name",
    ] {
        assert!(kept.iter().any(|line| line.contains(part)), "{part} is not in {kept:?}");
    }
    assert!(!kept.iter().any(|line| line.contains(".git")), "{kept:?}");
    let staged = task.desk.now(|desk| desk.proposal(&ProposalId("p1".into())).unwrap().files[&ws("cr")].staged().unwrap());
    assert_eq!(staged.to_string(), "a\rb\n", "a lone carriage return is kept");
    assert_eq!(task.sees("cat isdir; test -p pipe && echo pipe; test -L link && echo link").await, "f\npipe\nlink\n");
}

#[tokio::test]
async fn npm_and_cargo_leave_lockfiles_and_formatted_sources() {
    let task = Task::over(&[
        ("js/package.json", "{\"name\": \"x\", \"version\": \"1.0.0\"}\n"),
        ("Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        ("src/lib.rs", "pub fn  f( )->i32{1}\n"),
        (".gitignore", "/target\nnode_modules\n"),
    ])
    .await;
    let (done, kept) = task
        .run("(cd js && npm install --package-lock-only --offline --no-audit --no-fund) && cargo fmt && cargo check -q --offline")
        .await;
    assert_eq!(done, ["create Cargo.lock", "create js/package-lock.json", "edit src/lib.rs -1 +3"]);
    assert_eq!(kept, [""; 0]);
    let again = task.bench.with_shadow("cargo check --offline 2>&1", &task.workspace.shadow().await.unwrap()).await;
    assert!(!again.output.contains("Checking"), "modification times are those of the command: {}", again.output);
}

#[tokio::test]
async fn ten_thousand_files_are_bounded_and_a_hundred_found_at_once() {
    let task = Task::over(&[]).await;
    let ran = task.bench.sh("for n in $(seq 10500); do : > many$n; done").await;
    assert_eq!(ran.outcome.changed.len(), 10_000, "listed up to a bound");
    drop(ran);
    let task = Task::over(&[]).await;
    (0..100).for_each(|n| put(&task.bench.path("w"), &format!("src/f{n}.txt"), "one\ntwo\n"));
    let began = task.workspace.moment().await.unwrap();
    let ran = task.bench.sh("for n in $(seq 0 99); do echo changed > src/f$n.txt; done").await;
    let start = Instant::now();
    let written = task.bench.session.written(ran.outcome.changed, 1 << 20).await;
    let merges = task.workspace.merges(began, written).await.unwrap();
    println!("100 changes compared in {:?}", start.elapsed());
    assert_eq!(merges.merges.len(), 100);
    assert_eq!(fs::metadata(task.bench.path("w")).unwrap().permissions().mode() & 0o7000, 0);
}

/// What counts as ignored is what git ignores: by rules above the folder, by git's own, and never what it tracks.
#[tokio::test]
async fn changes_are_ignored_by_the_rules_of_git() {
    let task = Task::over(&[("build/kept.js", "old\n"), ("cache/CACHEDIR.TAG", "Signature\n"), ("cache/x.d", "x\n")]).await;
    let top = task.bench.path("");
    put(&top, ".gitignore", "*.log\n/w/only/\n");
    put(&task.bench.path("w"), ".gitignore", "build/\n");
    let made = "git init -q . && git add -f w/build/kept.js && echo '*.own' >> .git/info/exclude";
    assert!(unwalled(made, &top).status.success());
    let text = "mkdir only; for name in a.log b.own only/c build/d cache/e e.txt; do echo 1 > $name; done; echo 2 > cache/x.d; \
                mkdir .hg; echo said > .hg/last-message.txt; echo new > build/kept.js";
    let (done, kept) = task.run(text).await;
    assert_eq!((done, kept), (vec!["edit build/kept.js -1 +1".to_owned(), "create e.txt".to_owned()], Vec::new()));
}

/// Whoever opens an ignored folder of a repository works in it: only what is ignored in it is left out.
#[tokio::test]
async fn a_workspace_in_an_ignored_folder_is_no_ignored_one() {
    let task = Task::over(&[("src/a.txt", "old\n")]).await;
    let top = task.bench.path("");
    put(&top, ".gitignore", "/w/\n*.log\n");
    assert!(unwalled("git init -q .", &top).status.success());
    let (done, kept) = task.run("echo new > src/a.txt; echo made > b.txt; echo 1 > src/c.log").await;
    assert_eq!((done, kept), (vec!["create b.txt".to_owned(), "edit src/a.txt -1 +1".to_owned()], Vec::new()));
}

#[tokio::test]
async fn a_byte_order_mark_is_told_of() {
    let task = Task::over(&[("with.txt", "\u{feff}one\n"), ("without.txt", "one\n"), ("both.txt", "\u{feff}one\n")]).await;
    let text = "sed -i '1s/^\\xef\\xbb\\xbf//' with.txt; printf '\\xef\\xbb\\xbfone\\n' > without.txt; echo two > both.txt";
    let (done, kept) = task.run(text).await;
    assert_eq!(done, ["edit both.txt -1 +1"]);
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.iter().all(|line| line.contains("byte order mark")), "{kept:?}");
}
