//! Files that later run code or steer a tool, written by a command: hunks of the proposal at most, each to be accepted by itself,
//! and never on the disk before.

use countersign::{
    event::{CallId, ProposalId},
    path::WsPath,
    policy::{Action, Policy, Verdict},
    seams::{StageRequest, Workspace},
    workspace::{Folder, World},
};

use super::super::{bench::*, merging::Task};

/// By line of the catalogue: editors, shells and git, agents.
const STEERING: &[(&str, &str)] = &[
    ("D04", ".vscode/tasks.json"),
    ("D04", ".vscode/settings.json"),
    ("D04", "deep/er/.vscode/launch.json"),
    ("D04", ".idea/workspace.xml"),
    ("D04", ".nvim.lua"),
    ("D04", ".exrc"),
    ("D04", ".helix/config.toml"),
    ("D04", ".dir-locals.el"),
    ("D04", ".envrc"),
    ("D04", ".devcontainer/devcontainer.json"),
    ("D05", ".bashrc"),
    ("D05", ".zshrc"),
    ("D05", ".zshenv"),
    ("D05", ".profile"),
    ("D05", ".bash_profile"),
    ("D05", ".gitconfig"),
    ("D05", ".gitmodules"),
    ("D05", ".gitattributes"),
    ("D05", ".mcp.json"),
    ("D05", ".ripgreprc"),
    ("D06", "CLAUDE.md"),
    ("D06", "AGENTS.md"),
    ("D06", "deep/AGENTS.md"),
    ("D06", ".cursorrules"),
    ("D06", "policies/default.toml"),
    ("D06", "prompts/system.md"),
];

pub fn ids() -> impl Iterator<Item = &'static str> {
    STEERING.iter().map(|(id, _)| *id)
}

// C09, too: a protected name that was missing is made by a command.
#[tokio::test]
async fn steering_files_come_back_apart_and_never_reach_the_disk() {
    let task = Task::over(&[]).await;
    let world = World::new(Folder::open(&task.bench.path("w")).unwrap(), None, None);
    let policy = Policy::load(&[]).unwrap();
    let before = task.bench.world();
    let mut text =
        "mkdir -p .git/hooks sub && git init -q sub && echo x > .git/hooks/pre-commit && echo x > plain.txt".to_owned();
    for (_, path) in STEERING {
        text.push_str(&format!(" && mkdir -p $(dirname {path}) && echo x > {path}"));
    }
    let (ran, merges) = task.changes(&text, |_| {}).await;
    assert!(ran.ok(), "{ran:?}");
    for merge in merges.merges {
        for (path, op) in merge.ops {
            let decision = policy.decide(&Action::Write(path.to_string()), &world);
            assert_eq!(decision.verdict == Verdict::Ask, decision.steering, "{path}: {decision:?}");
            let request = StageRequest { path, op, call: CallId("c1".into()), apart: decision.steering };
            task.workspace.stage(request).await.unwrap();
        }
    }
    task.desk.now(|desk| {
        let files = &desk.proposal(&ProposalId("p1".into())).unwrap().files;
        let apart = |path: &WsPath| files[path].all().map(|hunk| hunk.apart).collect::<Vec<_>>();
        for (id, path) in STEERING {
            assert_eq!(apart(&ws(path)), [true], "{id} {path}");
        }
        // Control: what steers nothing may be accepted with others; and of git's folders there is nothing.
        assert_eq!(apart(&ws("plain.txt")), [false]);
        assert_eq!(files.len(), STEERING.len() + 1, "{:?}", files.keys());
    });
    assert_eq!(task.bench.world(), before);
}
