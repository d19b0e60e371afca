//! One task's workspace over a real folder: buffers and hunks over the disk, and what commands see.

use std::{fs, sync::Arc};

use countersign::{
    event::{CallId, ProposalId, TaskId},
    path::WsPath,
    policy::Secret,
    seams::{FileKind, ListQuery, SearchMode, SearchQuery, Source, StageOp, StageRequest, View, Workspace, WorkspaceError},
    text::Text,
    workspace::{LocalDesk, TaskWorkspace, World, desk::Beneath},
};

use super::{Tree, at, put};

struct Stand {
    tree: Tree,
    desk: Arc<LocalDesk>,
    workspace: TaskWorkspace,
}

impl Stand {
    /// A task on a tree of these files; files called `.env` are secret.
    fn of(files: &[(&str, &str)]) -> Stand {
        let tree = Tree::of(files);
        let desk = Arc::new(LocalDesk::default());
        let task = TaskId("t1".into());
        desk.now(|desk| desk.begin(&task, ProposalId("p1".into())));
        let world = Arc::new(World::new(tree.folder.clone(), None, None));
        let secrecy = Arc::new(|path: &WsPath, _| (path.file_name() == ".env").then_some(Secret { hide_from_commands: true }));
        let workspace = TaskWorkspace::new(task, Arc::clone(&desk) as _, world, secrecy);
        Stand { tree, desk, workspace }
    }

    async fn stage(&self, path: &str, op: StageOp) -> Result<Text, WorkspaceError> {
        let request = StageRequest { path: at(path), op, call: CallId("c1".into()), apart: false };
        self.workspace.stage(request).await.map(|staged| staged.text)
    }

    async fn modify(&self, path: &str, to: &str) -> Result<Text, WorkspaceError> {
        let from = self.read(path).await?.text;
        self.stage(path, StageOp::Modify { from, to: to.into() }).await
    }

    async fn read(&self, path: &str) -> Result<View, WorkspaceError> {
        self.workspace.read(&at(path)).await
    }

    async fn text(&self, path: &str) -> String {
        self.read(path).await.unwrap().text.to_string()
    }

    async fn shadow(&self) -> Vec<(String, Option<String>, Option<u32>)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let files = self.workspace.shadow().await.unwrap().files.into_iter();
        files.map(|file| (file.path.as_str().to_owned(), file.content.map(text), file.mode)).collect()
    }

    /// What the server does when a file is opened: the text, then what the disk holds.
    fn open(&self, path: &str, version: i32, text: &str) {
        let disk = self.tree.folder.read(&at(path)).unwrap().decode();
        self.desk.now(|desk| {
            desk.open(&at(path), version, text.into());
            desk.disk_changed(&at(path), Some(Beneath::text(disk.text, disk.bom)));
        });
    }
}

#[tokio::test]
async fn modes_and_files_that_are_no_text_are_proposals_that_commands_see() {
    const PNG: &[u8] = b"\x89PNG\0\xff";
    let stand = Stand::of(&[("run.sh", "#!/bin/sh\n"), ("there", "x")]);
    fs::write(stand.tree.root.join("logo.png"), PNG).unwrap();
    fs::write(stand.tree.root.join("tool.bin"), PNG).unwrap();
    let refused = stand.stage("logo.png", StageOp::Modify { from: "".into(), to: "text".into() }).await.unwrap_err();
    assert!(matches!(refused, WorkspaceError::NotEditable(_)), "{refused}");
    stand.stage("logo.png", StageOp::Move { to: at("img/logo.png") }).await.unwrap();
    stand.stage("run.sh", StageOp::Mode { executable: true }).await.unwrap();
    stand.stage("tool.bin", StageOp::Mode { executable: true }).await.unwrap();
    let again = stand.stage("tool.bin", StageOp::Mode { executable: true }).await.unwrap_err();
    assert!(matches!(again, WorkspaceError::Same(_)), "{again}");
    let taken = stand.stage("tool.bin", StageOp::Move { to: at("img/logo.png") }).await.unwrap_err();
    assert!(matches!(taken, WorkspaceError::Exists(_)), "{taken}");
    // The task sees it under its new name, as what it is.
    let view = stand.read("img/logo.png").await.unwrap();
    assert_eq!((view.kind, view.size), (FileKind::Binary, PNG.len() as u64));
    assert!(matches!(stand.read("logo.png").await, Err(WorkspaceError::NotFound { .. })));
    let list = ListQuery { under: WsPath::root(), glob: None, depth: None, limit: 100 };
    let listing = stand.workspace.list(list).await.unwrap();
    let row = |path: &str| listing.entries.iter().find(|entry| entry.path == path).and_then(|entry| entry.note);
    assert_eq!((row("img/logo.png"), row("logo.png")), (Some("new"), Some("deleted")), "{listing:?}");
    let shadow = stand.workspace.shadow().await.unwrap().files;
    let rows: Vec<_> =
        shadow.iter().map(|file| (file.path.as_str(), file.content.as_deref(), file.mode.map(|mode| mode & 0o111))).collect();
    let wanted = [
        ("img/logo.png", Some(PNG), Some(0)),
        ("logo.png", None, None),
        ("run.sh", Some(&b"#!/bin/sh\n"[..]), Some(0o111)),
        ("tool.bin", Some(PNG), Some(0o111)),
    ];
    assert_eq!(rows, wanted);
    stand.stage("img/logo.png", StageOp::Delete).await.unwrap();
    assert!(stand.read("img/logo.png").await.is_err());
    assert_eq!(fs::read(stand.tree.root.join("logo.png")).unwrap(), PNG, "nothing is done before it is accepted");
}

fn everything(pattern: &str) -> SearchQuery {
    SearchQuery {
        pattern: pattern.into(),
        literal: true,
        case_sensitive: true,
        under: WsPath::root(),
        glob: None,
        context: 0,
        mode: SearchMode::Lines,
        offset: 0,
        limit: 10,
    }
}

#[tokio::test]
async fn the_disk_is_read_as_it_is() {
    let stand = Stand::of(&[("dos.txt", "\u{feff}a\r\nb"), ("empty", "")]);
    put(&stand.tree.root.join("latin"), b"caf\xe9");
    let view = stand.read("dos.txt").await.unwrap();
    assert_eq!((view.text.to_string().as_str(), view.source, view.size), ("a\r\nb", Source::Disk, 7));
    assert_eq!(stand.read("empty").await.unwrap().kind, FileKind::Text);
    assert_eq!(stand.read("latin").await.unwrap().kind, FileKind::NotUtf8);
    let error = stand.modify("latin", "cafe").await.unwrap_err().to_string();
    assert_eq!(error, "latin is not UTF-8 text; it can be read, moved and deleted, but not edited");
}

#[tokio::test]
async fn buffers_then_hunks_stand_over_the_disk() {
    let stand = Stand::of(&[("a", "disk\n")]);
    stand.open("a", 7, "unsaved\n");
    let view = stand.read("a").await.unwrap();
    assert_eq!((view.text.to_string().as_str(), view.source), ("unsaved\n", Source::Buffer { version: 7, unsaved: true }));
    stand.modify("a", "unsaved\nproposed\n").await.unwrap();
    let view = stand.read("a").await.unwrap();
    assert_eq!((view.text.to_string().as_str(), view.source), ("unsaved\nproposed\n", Source::Proposed));
    assert_eq!(stand.tree.bytes("a"), b"disk\n", "nothing of the user's changed");
    for (needle, hits) in [("disk", 0), ("unsaved", 1), ("proposed", 1)] {
        assert_eq!(stand.workspace.search(everything(needle)).await.unwrap().total, hits, "{needle}");
    }
    assert_eq!(stand.shadow().await, [("a".into(), Some("unsaved\nproposed\n".into()), None)]);
}

#[tokio::test]
async fn files_are_created_deleted_and_moved_in_the_proposal_alone() {
    let stand = Stand::of(&[("old", "old\n"), ("gone", "gone\n"), ("dir/there", "")]);
    stand.stage("dir/new", StageOp::Create { text: "new\n".into() }).await.unwrap();
    stand.stage("gone", StageOp::Delete).await.unwrap();
    stand.stage("old", StageOp::Move { to: at("dir/moved") }).await.unwrap();
    assert_eq!((stand.text("dir/new").await, stand.text("dir/moved").await), ("new\n".into(), "old\n".into()));
    for path in ["gone", "old"] {
        assert!(matches!(stand.read(path).await, Err(WorkspaceError::NotFound { .. })), "{path}");
    }
    let all = ListQuery { under: WsPath::root(), glob: None, depth: None, limit: 100 };
    let listing = stand.workspace.list(all).await.unwrap().entries;
    let listing: Vec<_> = listing.iter().map(|entry| (entry.path.as_str(), entry.note)).collect();
    let expected = [
        ("dir/moved", Some("new")),
        ("dir/new", Some("new")),
        ("dir/there", None),
        ("gone", Some("deleted")),
        ("old", Some("deleted")),
    ];
    assert_eq!(listing, expected);
    let shadow = stand.shadow().await;
    let expected = [
        ("dir/moved".into(), Some("old\n".into()), Some(0o644)),
        ("dir/new".into(), Some("new\n".into()), Some(0o644)),
        ("gone".into(), None, None),
        ("old".into(), None, None),
    ];
    assert_eq!(shadow, expected);
    assert!(stand.tree.root.join("old").exists() && !stand.tree.root.join("dir/new").exists());

    let exists = |result: Result<Text, WorkspaceError>| matches!(result, Err(WorkspaceError::Exists(_)));
    assert!(exists(stand.stage("dir/there", StageOp::Create { text: "x".into() }).await));
    assert!(exists(stand.stage("dir/new", StageOp::Move { to: at("dir/there") }).await));
    assert!(matches!(stand.stage("dir", StageOp::Create { text: "x".into() }).await, Err(WorkspaceError::IsDir(_))));
    let below = stand.stage("dir/there/x", StageOp::Create { text: "x".into() }).await.unwrap_err().to_string();
    assert_eq!(below, "dir/there/x cannot be used: dir/there is a file, not a folder");
}

#[tokio::test]
async fn bytes_reach_commands_exactly() {
    let stand = Stand::of(&[("bom", "\u{feff}a\r\n"), ("same", "x\r\n"), ("open", "\u{feff}1")]);
    stand.modify("bom", "a\r\nb").await.unwrap();
    stand.open("open", 1, "2");
    stand.open("same", 1, "x\r\n");
    let shadow = stand.shadow().await;
    assert_eq!(shadow, [("bom".into(), Some("\u{feff}a\r\nb".into()), None), ("open".into(), Some("\u{feff}2".into()), None)]);
}

#[tokio::test]
async fn secrets_are_masked_and_their_unsaved_text_stays_here() {
    let stand = Stand::of(&[(".env", "KEY=1"), ("sub/.env", "KEY=2"), ("a", "")]);
    stand.open(".env", 1, "KEY=unsaved");
    let shadow = stand.workspace.shadow().await.unwrap();
    assert_eq!(shadow.masked, [at(".env"), at("sub/.env")]);
    assert!(shadow.files.is_empty(), "{:?}", shadow.files);
    assert_eq!(stand.workspace.search(everything("KEY")).await.unwrap().total, 0);
    // The positive control: the same text in a file that is no secret is in both.
    stand.open("a", 1, "KEY=unsaved");
    assert_eq!(stand.workspace.search(everything("KEY")).await.unwrap().total, 1);
    assert_eq!(stand.shadow().await.len(), 1);
}

#[tokio::test]
async fn a_link_inside_leads_to_the_file_that_is_edited() {
    let stand = Stand::of(&[("src/lib.rs", "old\n")]);
    stand.tree.link("src", "alias");
    stand.tree.link("../outside", "out");
    stand.modify("alias/lib.rs", "new\n").await.unwrap();
    assert_eq!((stand.text("src/lib.rs").await, stand.text("alias/lib.rs").await), ("new\n".into(), "new\n".into()));
    assert_eq!(stand.shadow().await, [("src/lib.rs".into(), Some("new\n".into()), None)]);
    assert!(matches!(stand.read("out/secret.txt").await, Err(WorkspaceError::Outside(_))));
    let create = stand.stage("out/new", StageOp::Create { text: "x".into() }).await;
    assert!(matches!(create, Err(WorkspaceError::Outside(_))));
    let away = stand.stage("src/lib.rs", StageOp::Move { to: at("out/lib.rs") }).await;
    assert!(matches!(away, Err(WorkspaceError::Outside(_))));
}

#[tokio::test]
async fn a_missing_file_comes_with_names_that_were_perhaps_meant() {
    let stand = Stand::of(&[
        ("src/parser/mod.rs", ""),
        ("src/lexer.rs", ""),
        ("README.md", ""),
        (".gitignore", "out"),
        ("out/lexer.rs", ""),
    ]);
    for (wrong, right) in [
        ("mod.rs", "src/parser/mod.rs"),
        ("src/lexar.rs", "src/lexer.rs"),
        ("readme.md", "README.md"),
        ("lib/lexer.rs", "src/lexer.rs"),
    ] {
        let error = stand.read(wrong).await.unwrap_err().to_string();
        assert_eq!(error, format!("{wrong} does not exist; did you mean {right}?"));
    }
    assert_eq!(stand.read("nothing/alike.txt").await.unwrap_err().to_string(), "nothing/alike.txt does not exist");
    stand.stage("new_module.rs", StageOp::Create { text: "".into() }).await.unwrap();
    let error = stand.read("new-module.rs").await.unwrap_err().to_string();
    assert!(error.ends_with("did you mean new_module.rs?"), "{error}");
}

#[tokio::test]
async fn what_a_command_changed_is_told_without_what_git_would_ignore() {
    let stand =
        Stand::of(&[(".gitignore", "/target\n__pycache__/\n*.o\n"), ("sub/.gitignore", "!keep.o\nout\n"), ("sub/a.c", "")]);
    let changed =
        ["a.c", "a.o", "keep.o", "lib/__pycache__/x.pyc", "lib/target/x", "sub/deep/a.o", "sub/keep.o", "sub/out/x", "target/x"];
    let told = stand.workspace.unignored(changed.map(str::to_owned).to_vec()).await;
    assert_eq!(told, ["a.c", "lib/target/x", "sub/keep.o"]);
}

#[tokio::test]
async fn the_disk_that_moved_is_noticed_when_staging() {
    let stand = Stand::of(&[("a", "one\n")]);
    let from = stand.read("a").await.unwrap().text;
    fs::write(stand.tree.root.join("a"), "two\n").unwrap();
    let error = stand.stage("a", StageOp::Modify { from, to: "three\n".into() }).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Moved(_)), "{error}");
    let before = stand.workspace.revision().await;
    assert_eq!(stand.modify("a", "three\n").await.unwrap().to_string(), "three\n");
    assert!(stand.workspace.revision().await > before);
}
