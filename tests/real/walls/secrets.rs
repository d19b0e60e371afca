//! What commands must not read.

use std::{fs, time::Duration};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Level, SandboxSession, Shadow},
};
use tokio_util::sync::CancellationToken;

use super::bench::*;

#[tokio::test]
async fn no_credential_of_the_home_is_found_anywhere() {
    let bench = Bench::new().await;
    let everything = bench.sh("grep -rs canary ~ /tmp /run . ; env; cat /proc/self/environ").await.output;
    assert!(!everything.contains(CANARY), "{everything}");
    // Control: the same tools find what is there, and the files do hold the canary.
    bench.must("cat ~/notes/n && grep -rqs alpha .").await;
    assert!(CREDENTIALS.iter().all(|path| bench.read(&format!("home/{path}")) == CANARY));
}

#[tokio::test]
async fn cargos_folder_is_private_wherever_it_is() {
    let place = visible();
    put(place.path(), "real/credentials.toml", CANARY);
    put(place.path(), "real/registry/index", "crates\n");
    std::os::unix::fs::symlink("real", place.path().join("cargo")).unwrap();
    let root = folders();
    let mut variables = environment(&root.path().join("home"));
    variables.insert("CARGO_HOME".into(), place.path().join("cargo").display().to_string());
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let session = LinuxSandbox::with_environment(paths, variables).open_here(&spec(&root.path().join("w"))).unwrap();
    let text = format!(
        "cat $CARGO_HOME/registry/index; echo x > $CARGO_HOME/.package-cache; cat {}/*/credentials.toml",
        place.path().display()
    );
    let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(20), network: Vec::new() };
    let mut said = Collect::default();
    let outcome = session.run(command, &Shadow::default(), &mut said, &CancellationToken::new()).await.unwrap();
    assert_ne!(outcome.exit, Some(0));
    assert!(said.text().starts_with("crates\n") && !said.text().contains(CANARY), "{}", said.text());
    assert_eq!(fs::read_dir(place.path().join("real")).unwrap().count(), 2);
}

#[tokio::test]
async fn folders_of_the_server_and_system_secrets_are_hidden() {
    let bench = Bench::new().await;
    put(&bench.path("cache"), "audit", CANARY);
    let cache = bench.path("cache").display().to_string();
    for act in [
        format!("cat {cache}/audit"),
        format!("ls {cache} | grep ."),
        "cat /etc/shadow".into(),
        "exec 3</; cat /proc/self/fd/3/etc/shadow".into(),
    ] {
        assert!(!bench.sh(&act).await.ok(), "{act}");
    }
    assert!(fs::exists("/etc/shadow").unwrap(), "nothing to hide on this machine");
    bench.must("cat /etc/passwd >/dev/null; exec 3</; cat /proc/self/fd/3/etc/passwd >/dev/null").await;
}

#[tokio::test]
async fn the_environment_is_built_from_nothing() {
    let bench = Bench::new().await;
    let env = bench.must("env").await;
    assert!(env.contains("ALLOWED=yes\n") && env.contains("TERM=dumb\n") && env.contains("PATH=/"), "{env}");
    let known = [
        "ALLOWED",
        "CARGO_HOME",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_PAGER",
        "GIT_TERMINAL_PROMPT",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LOGNAME",
        "NVM_DIR",
        "OLDPWD",
        "PAGER",
        "PATH",
        "PWD",
        "PYENV_ROOT",
        "PYENV_VERSION",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "SHELL",
        "SHLVL",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "_",
    ];
    for line in env.lines() {
        let name = line.split('=').next().unwrap();
        assert!(known.contains(&name), "{line}");
    }
}

/// Where the user says nothing of languages, text is UTF-8 all the same; else what the user says holds, also where it is not.
#[tokio::test]
async fn text_is_utf_8_unless_the_user_says_otherwise() {
    let said = [(None, "UTF-8\n"), (Some("LANG"), "ANSI_X3.4-1968\n"), (Some("LC_ALL"), "ANSI_X3.4-1968\n")];
    for (name, expected) in said {
        let root = folders();
        let mut variables = environment(&root.path().join("home"));
        ["LANG", "LC_ALL", "LC_CTYPE"].iter().for_each(|name| drop(variables.remove(*name)));
        variables.extend(name.map(|name| (name.to_owned(), "C".to_owned())));
        let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
        let session = LinuxSandbox::with_environment(paths, variables).open_here(&spec(&root.path().join("w"))).unwrap();
        let command =
            Command { text: "locale charmap".into(), cwd: WsPath::root(), timeout: Duration::from_secs(20), network: Vec::new() };
        let ran = run_on(&session, command, &Shadow::default(), &CancellationToken::new()).await.unwrap();
        assert_eq!(ran.output, expected, "{name:?}");
    }
}

#[tokio::test]
async fn masked_files_are_empty_and_unreadable_wherever_they_go() {
    let bench = Bench::with(|root, _| {
        put(root, "w/.env", CANARY);
        put(root, "w/deep/er/.env.local", CANARY);
    })
    .await;
    let masked = masking(&[".env", "deep/er/.env.local", "not/there"]);
    let read = bench.with_shadow("cat .env; cat deep/er/.env.local", &masked).await;
    assert!(!read.ok() && !read.output.contains(CANARY), "{read:?}");
    assert_eq!(read.outcome.hidden, [".env", "deep/er/.env.local"]);
    let forced = bench
        .with_shadow(
            "chmod 777 .env deep/er/.env.local; cat .env; mv deep/er e2; cp -r e2 e3; cat e3/.env.local; ls not",
            &masked,
        )
        .await;
    assert!(!forced.output.contains(CANARY), "{forced:?}");
    // Control: without the mask the same text shows it.
    let plain = Bench::with(|root, _| put(root, "w/.env", CANARY)).await;
    assert!(plain.must("cat .env").await.contains(CANARY));
}

#[tokio::test]
async fn what_the_policy_calls_secret_is_hidden_from_commands() {
    let bench = Bench::with(|root, _| {
        for path in [".env", ".env.local", "deep/.npmrc", "deep/secrets/id_rsa"] {
            put(root, &format!("w/{path}"), CANARY);
        }
        put(root, "w/.env.example", "KEY=\n");
    })
    .await;
    let run = |text: &str| {
        let mut walled = std::process::Command::new(exe());
        walled.args(["sandbox", "run", "--workspace"]).arg(bench.path("w")).args(["--", text]);
        for (name, folder) in [("HOME", "home"), ("XDG_CONFIG_HOME", "c"), ("XDG_STATE_HOME", "s"), ("XDG_CACHE_HOME", "cache")] {
            walled.env(name, bench.path(folder));
        }
        walled.output().unwrap()
    };
    let read = run("cat .env.example; cat .env .env.local; cat deep/.npmrc; cat deep/secrets/id_rsa");
    let (said, told) = (String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
    assert!(!read.status.success() && said.starts_with("KEY=\n"), "{said}{told}");
    assert!(!said.contains(CANARY) && told.contains("hidden from the command: .env, .env.local, deep/.npmrc"), "{said}{told}");
    assert!(run("cat .env.example").status.success(), "the control");
}

/// A secret has other names in the folder: hidden under all of them, and told.
#[tokio::test]
async fn a_secret_is_hidden_under_every_name_that_it_has_in_the_folder() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let root = folders();
        if level < Level::L3 && !reaches(&sandbox_below(root.path(), level), level).await {
            continue;
        }
        let (w, home) = (root.path().join("w"), root.path().join("home"));
        put(&w, ".env", CANARY);
        put(&w, "fine", "fine\n");
        fs::create_dir(w.join("deep")).unwrap();
        for (file, link) in
            [(w.join(".env"), "deep/settings"), (home.join(".ssh/id_test"), "key"), (home.join(".aws/credentials"), "deep/a")]
        {
            fs::hard_link(file, w.join(link)).unwrap();
        }
        fs::hard_link(w.join("fine"), w.join("deep/fine")).unwrap();
        let script = if level == Level::L3 { format!("exec {} \"$@\"", exe().display()) } else { below(level, &exe()) };
        let run = |text: &str| {
            let mut walled = std::process::Command::new("sh");
            walled.args(["-c", &script, "sh", "sandbox", "run", "--workspace"]).arg(&w).args(["--", text]);
            walled.env("HOME", &home).env("XDG_CACHE_HOME", root.path().join("cache"));
            for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
                walled.env(name, root.path().join(name));
            }
            walled.output().unwrap()
        };
        for name in ["deep/settings", "key", "deep/a"] {
            let read = run(&format!("cat fine deep/fine; cat {name} || exit 1"));
            let (said, told) = (String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
            assert!(!read.status.success() && said.starts_with("fine\nfine\ncat: "), "{level} {name}: {said}{told}");
            assert!(!said.contains(CANARY), "{level} {name}: {said}");
            assert!(told.contains("hidden from the command: .env, deep/a, deep/settings, key"), "{level}: {told}");
        }
        // Control: what is no secret any more is read under the same name.
        fs::remove_file(home.join(".ssh/id_test")).unwrap();
        let read = run("cat key");
        assert!(read.status.success() && String::from_utf8_lossy(&read.stdout) == CANARY, "{level}: {read:?}");
        for name in ["deep/settings", "deep/a"] {
            assert!(String::from_utf8_lossy(&unwalled(&format!("cat {name}"), &w).stdout).contains(CANARY), "the control");
        }
    }
}

#[tokio::test]
async fn a_secret_that_a_command_copied_up_is_hidden_once_it_is_known() {
    let bench = Bench::with(|root, _| put(root, "w/.env", CANARY)).await;
    bench.must("echo x >> .env").await;
    let later = bench.with_shadow("cat .env", &masking(&[".env"])).await;
    assert!(!later.ok() && !later.output.contains(CANARY), "{later:?}");
}

const GIT_CONFIG: &str = r#"
[core]
	repositoryformatversion = 0
	bare = false
	fsmonitor = /bin/evil
	hooksPath = evil
[remote "origin"]
	url = https://me:canary-4711-do-not-leak@example.com/a.git?token=canary-4711-do-not-leak
	fetch = +refs/heads/*:refs/remotes/origin/*
[remote "https://canary-4711-do-not-leak@example.com"]
	url = x
[user]
	name = A. User
	email = a@example.com
	signingkey = canary-4711-do-not-leak
[http "https://example.com"]
	extraheader = Authorization: canary-4711-do-not-leak
[credential]
	helper = "!echo canary-4711-do-not-leak"
[url "https://x:canary-4711-do-not-leak@example.com"]
	insteadOf = https://example.com
[include]
	path = canary-4711-do-not-leak
[branch "main"]
	remote = origin
	merge = refs/heads/main
"#;

#[tokio::test]
async fn git_configuration_is_shown_without_credentials() {
    let bench = Bench::with(|root, _| {
        unwalled("git init -q .", &root.join("w"));
        put(root, "w/.git/config", GIT_CONFIG);
        put(root, "w/.git/modules/libs/one/HEAD", "ref: refs/heads/main\n");
        put(root, "w/.git/modules/libs/one/config", GIT_CONFIG);
        put(root, "w/.git/worktrees/tree/config.worktree", GIT_CONFIG);
        put(root, "home/.gitconfig", GIT_CONFIG);
        put(root, "home/.cargo/config.toml", "[build]\njobs = 1\n[registries.x]\ntoken = \"canary-4711-do-not-leak\"\n[registry]\ntoken = \"canary-4711-do-not-leak\"\n");
    })
    .await;
    let shown = bench.must("git remote -v; git config -l; cat .git/config ~/.gitconfig ~/.cargo/config.toml /etc/gitconfig 2>&1; grep -rs canary . ~; true").await;
    assert!(!shown.contains(CANARY) && !shown.contains("evil"), "{shown}");
    for part in
        ["origin\thttps://example.com/a.git (fetch)", "user.email=a@example.com", "branch.main.merge=refs/heads/main", "jobs = 1"]
    {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    // Control: the canary is there without walls.
    let free = unwalled("git remote -v", &bench.path("w"));
    assert!(String::from_utf8_lossy(&free.stdout).contains(CANARY));
}

/// Git notes the words of a pull as they were typed.
#[tokio::test]
async fn reflogs_are_shown_without_the_tokens_of_addresses() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let bench = Bench::forced(level).await;
        let commit = "git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m";
        let pull = format!("git update-ref -m 'pull https://me:{CANARY}@example.com/a.git: Fast-forward' HEAD HEAD~1");
        let made = unwalled(&format!("git init -q . && {commit} one && {commit} two && {pull}"), &bench.path("w"));
        assert!(made.status.success(), "{made:?}");
        let said = bench.must("git reflog; git reflog main master 2>&1; cat .git/logs/HEAD; grep -rs canary .git; true").await;
        assert!(!said.contains(CANARY), "{level}: {said}");
        for part in ["HEAD@{0}: pull https://example.com/a.git: Fast-forward", "commit: two"] {
            assert!(said.contains(part), "{level}: {part} is missing in {said}");
        }
        let control = unwalled("git reflog", &bench.path("w"));
        assert!(String::from_utf8_lossy(&control.stdout).contains(CANARY), "{control:?}");
    }
}

/// A pull that leaves HEAD where it is, or is made in a linked work tree, is noted in the log of a branch alone.
#[tokio::test]
async fn reflogs_of_branches_alone_are_shown_without_tokens() {
    let begin = "git init -q . && git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m one";
    let words = format!("pull https://me:{CANARY}@example.com/a.git main:other: storing head");
    let pull = format!("git update-ref --create-reflog -m '{words}' refs/heads/other HEAD && git reflog other");
    let look = "git reflog other; cat $(git rev-parse --git-common-dir)/logs/refs/heads/other; \
                grep -rs canary $(git rev-parse --git-common-dir); true";
    let is_bare = |said: &str| said.contains("pull https://example.com/a.git main:other") && !said.contains(CANARY);
    let pulled = |folder: &std::path::Path| {
        let control = unwalled(&pull, folder);
        assert!(String::from_utf8_lossy(&control.stdout).contains(CANARY), "{control:?}");
    };
    for level in [Level::L3, Level::L2, Level::L1] {
        let bench = Bench::forced(level).await;
        assert!(unwalled(begin, &bench.path("w")).status.success());
        pulled(&bench.path("w"));
        let said = bench.must(look).await;
        assert!(is_bare(&said), "{level}: {said}");
    }
    // While the session goes on, and in a repository that is no part of the shadow.
    let bench = Bench::with(|root, spec| {
        let made = format!("mkdir repository && cd repository && {begin} && git worktree add -q ../linked");
        assert!(unwalled(&made, root).status.success());
        spec.folder = root.join("linked");
    })
    .await;
    bench.must("git log --oneline").await;
    pulled(&bench.path("linked"));
    let said = bench.must(look).await;
    assert!(is_bare(&said), "{said}");
}
