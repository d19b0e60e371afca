//! The shadow: unsaved text over the disk, commands' own changes kept, the newest text of the user's side wins.

use std::{
    fs,
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    seams::{Found, Level, Shadow, ShadowFile},
};

use super::bench::*;

#[tokio::test]
async fn commands_see_what_is_typed_and_staged() {
    let bench = Bench::new().await;
    let over = shadow([typed("a.txt", "typed\n"), typed("new/deep/c.txt", "new\n"), deleted("d/b.txt")]);
    let ran = bench.with_shadow("cat a.txt new/deep/c.txt; ls d; stat -c %a a.txt", &over).await;
    assert_eq!(ran.output, "typed\nnew\n644\n");
    assert!(ran.outcome.changed.is_empty(), "nothing was changed by the command: {:?}", ran.outcome.changed);
    assert_eq!(bench.read("w/a.txt"), "alpha\n");
    assert!(bench.path("w/d/b.txt").exists() && !bench.path("w/new").exists());
    assert_eq!(bench.must("cat a.txt d/b.txt").await, "alpha\nbeta\n", "given up, the disk shows again");
}

#[tokio::test]
async fn changes_of_commands_stay_for_the_next_and_are_listed() {
    let bench = Bench::new().await;
    let first = bench.sh("echo one > a.txt; mkdir m; echo two > m/x; rm -r d; mkdir .git; echo x > .git/y").await;
    assert_eq!(first.outcome.changed, ["a.txt", "d", "m/x"]);
    let second = bench.sh("cat a.txt m/x; ls; cat .git/y").await;
    assert_eq!(second.output, "one\ntwo\na.txt\nm\nx\n");
    assert_eq!(bench.read("w/a.txt"), "alpha\n");
}

#[tokio::test]
async fn what_stands_changed_is_listed_for_each_command() {
    let bench = Bench::new().await;
    for number in 0..3 {
        put(&bench.path("w"), &format!("src/f{number}.txt"), "line 49\nline 50 of it\n");
    }
    let changed = ["src/f0.txt", "src/f1.txt", "src/f2.txt"];
    assert_eq!(bench.sh("sed -i 's/^line 50 /LINE 50 /' src/*.txt").await.outcome.changed, changed);
    for _ in 0..3 {
        assert_eq!(bench.sh("true").await.outcome.changed, changed);
    }
}

#[tokio::test]
async fn what_commands_wrote_can_be_read_afterwards() {
    let bench = Bench::new().await;
    let home = bench.path("home");
    let text = format!(
        "echo made > made; chmod 755 made; rm a.txt; ln -s {} way; mkfifo pipe; truncate -s 5000 big; cp made suid; chmod 4755 suid",
        home.display()
    );
    let ran = bench.sh(&text).await;
    assert_eq!(ran.outcome.changed, ["a.txt", "big", "made", "pipe", "suid", "way"]);
    let paths = ["made", "a.txt", "big", "pipe", "suid", "way", "way/notes/n", "d/b.txt", "../upper/made", "/etc/passwd"];
    let written = bench.session.written(paths.map(str::to_owned).to_vec(), 4000).await;
    let found: Vec<&Found> = written.iter().map(|one| &one.found).collect();
    assert_eq!(*found[0], Found::File { content: b"made\n".to_vec(), mode: 0o755 });
    assert_eq!((found[1], found[2]), (&Found::Gone, &Found::Large(5000)));
    for (found, path) in found[3..].iter().zip(&paths[3..]) {
        assert!(matches!(found, Found::Other(_)), "{path}: {found:?}");
    }
    let again = bench.session.written(vec!["made".into()], 4000).await;
    assert_eq!(again[0].stamp, written[0].stamp);
    bench.must("echo more >> made").await;
    assert_ne!(bench.session.written(vec!["made".into()], 4000).await[0].stamp, written[0].stamp);
}

/// What is taken lives on with the proposal: it stays while the shadow has it, and goes when a hunk is rejected.
#[tokio::test]
async fn what_became_hunks_follows_the_proposal() {
    let paths = |all: &[&str]| all.iter().map(|path| WsPath::parse(path).unwrap()).collect::<Vec<_>>();
    let bench = Bench::new().await;
    put(&bench.path("w"), "d/left/deep.txt", "deep\n");
    put(&bench.path("w"), "d/ignored", "ignored\n");
    let wild = "echo formatted > a.txt; mkdir m; echo two > m/x; rm -r d; chmod 600 m/x";
    let ran = bench.sh(wild).await;
    assert_eq!(ran.outcome.changed, ["a.txt", "d", "m/x"]);
    bench.session.take(paths(&["a.txt", "m/x", "d/b.txt", "d/left/deep.txt"])).await.unwrap();
    let mut m_x = typed("m/x", "two\n");
    m_x.mode = Some(0o600);
    let hunks = [typed("a.txt", "formatted\n"), m_x, deleted("d/b.txt"), deleted("d/left/deep.txt")];
    let staged = bench.with_shadow("cat a.txt m/x; find d -type f; stat -c %a m/x", &shadow(hunks.clone())).await;
    assert_eq!(staged.output, "formatted\ntwo\n600\n");
    assert_eq!(staged.outcome.changed, ["d/ignored"], "what did not become a hunk stays as the command left it");
    // The deletion of d/b.txt and the new text of a.txt are rejected.
    let left = [hunks[1].clone(), hunks[3].clone()];
    let rejected = bench.with_shadow("cat a.txt; find d m -type f | sort", &shadow(left)).await;
    assert_eq!(rejected.output, "alpha\nd/b.txt\nm/x\n");
    let none = bench.with_shadow("cat a.txt; find d -type f | sort; test ! -e m && echo gone", &Shadow::default()).await;
    assert_eq!(none.output, "alpha\nd/b.txt\nd/left/deep.txt\ngone\n");
}

#[tokio::test]
async fn taking_keeps_modification_times_and_replaced_folders() {
    let bench = Bench::new().await;
    let ran = bench.sh("rm -r d; mkdir d; echo own > d/own; touch -d @1000000000 d/own").await;
    assert_eq!(ran.outcome.changed, ["d", "d/own"]);
    let written = bench.session.written(ran.outcome.changed, 100).await;
    assert_eq!(written[0].found, Found::Folder);
    let taken = ["d/own", "d/b.txt"].map(|path| WsPath::parse(path).unwrap());
    bench.session.take(taken.to_vec()).await.unwrap();
    let mut own = typed("d/own", "own\n");
    own.mode = Some(0o644);
    let next = bench.with_shadow("ls d; stat -c %Y d/own", &shadow([own, deleted("d/b.txt")])).await;
    assert_eq!((next.output.as_str(), next.outcome.changed.len()), ("own\n1000000000\n", 0));
    assert_eq!(bench.must("ls d").await, "b.txt\n", "both rejected");
}

#[tokio::test]
async fn the_disk_shows_through_where_no_command_wrote() {
    let bench = Bench::new().await;
    bench.must("echo mine > a.txt; cat d/b.txt").await;
    put(&bench.path("w"), "d/b.txt", "saved meanwhile\n");
    put(&bench.path("w"), "d/fresh", "fresh\n");
    assert_eq!(bench.must("cat a.txt d/b.txt d/fresh").await, "mine\nsaved meanwhile\nfresh\n");
}

#[tokio::test]
async fn newer_typing_wins_over_what_a_command_wrote() {
    let bench = Bench::new().await;
    let one = shadow([typed("a.txt", "one\n"), typed("d/b.txt", "b\n")]);
    bench.with_shadow("echo formatted > a.txt; echo formatted > d/b.txt", &one).await;
    let same = bench.with_shadow("cat a.txt d/b.txt", &one).await;
    assert_eq!(same.output, "formatted\nformatted\n", "untouched by the user, the command's work stays");
    let two = shadow([typed("a.txt", "two\n"), typed("d/b.txt", "b\n")]);
    let newer = bench.with_shadow("cat a.txt d/b.txt", &two).await;
    assert_eq!(newer.output, "two\nformatted\n");
    assert_eq!(newer.outcome.changed, ["d/b.txt"]);
    // Saved: the disk says the same now, so the command's work on b stays.
    put(&bench.path("w"), "d/b.txt", "b\n");
    let saved = bench.with_shadow("cat d/b.txt", &shadow([typed("a.txt", "two\n")])).await;
    assert_eq!(saved.output, "formatted\n");
}

#[tokio::test]
async fn typing_wins_below_folders_that_a_command_deleted_or_replaced() {
    for spoil in ["rm -r d", "rm -r d; mkdir d; echo mine > d/own", "rm -r d; echo file > d", "mv d e; mkdir d"] {
        let bench = Bench::new().await;
        bench.must(spoil).await;
        let over = shadow([typed("d/b.txt", "typed\n"), typed("d/n/new.txt", "new\n")]);
        let ran = bench.with_shadow("cat d/b.txt d/n/new.txt", &over).await;
        assert_eq!(ran.output, "typed\nnew\n", "after {spoil}");
        let again = bench.with_shadow("cat d/b.txt d/n/new.txt", &over).await;
        assert_eq!(again.output, "typed\nnew\n", "after {spoil}, second time");
    }
}

#[tokio::test]
async fn links_that_commands_plant_lead_the_server_nowhere() {
    let bench = Bench::new().await;
    put(&bench.path("home"), "notes/b.txt", "precious\n");
    let link = format!("rm -r d; ln -s {} d", bench.path("home/notes").display());
    bench.with_shadow(&link, &shadow([typed("d/b.txt", "one\n")])).await;
    let before = bench.world();
    bench.with_shadow("true", &Shadow::default()).await;
    assert_eq!(bench.world(), before, "given up");
    bench.must(&link).await;
    bench.with_shadow("true", &shadow([typed("d/b.txt", "two\n")])).await;
    bench.with_shadow("true", &shadow([deleted("d/b.txt")])).await;
    assert_eq!(bench.world(), before, "typed and deleted");
}

#[tokio::test]
async fn the_time_of_a_typed_file_changes_with_its_text_only() {
    let bench = Bench::new().await;
    let time = async |text: &str| bench.with_shadow("stat -c %.9Y a.txt", &shadow([typed("a.txt", text)])).await.output;
    let (first, second, third) = (time("x\n").await, time("x\n").await, time("y\n").await);
    assert_eq!(first, second);
    assert_ne!(second, third);
    let on_disk = bench.must("stat -c %.9Y d/b.txt").await;
    assert_eq!(on_disk, bench.must("stat -c %.9Y d/b.txt").await);
}

#[tokio::test]
async fn modes_survive() {
    let bench = Bench::with(|root, _| {
        put(root, "w/run.sh", "echo old\n");
        unwalled("chmod 755 run.sh; chmod 700 d", &root.join("w"));
    })
    .await;
    let fresh = ShadowFile { mode: Some(0o755), ..typed("bin/new.sh", "#!/bin/sh\necho new\n") };
    let over = shadow([typed("run.sh", "#!/bin/sh\necho typed\n"), typed("d/c.txt", ""), fresh]);
    let ran = bench.with_shadow("./run.sh; bin/new.sh; stat -c %a d .", &over).await;
    assert_eq!(ran.output, "typed\nnew\n700\n755\n");
}

#[tokio::test]
async fn the_shadow_is_gone_with_its_session() {
    let bench = Bench::new().await;
    bench.must("mkdir -p x/y; echo 1 > x/y/z; chmod 000 x/y; chmod 500 x").await;
    let cache = bench.path("cache");
    let shadows = || fs::read_dir(&cache).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(shadows(), 1);
    let kept = bench.forget_session();
    assert!(gets_empty(&kept.path().join("cache")));
}

#[tokio::test]
async fn shadows_of_killed_servers_are_swept_and_living_ones_are_not() {
    let root = folders();
    put(root.path(), "cache/shadow-dead/upper/x/y", "left\n");
    put(root.path(), "cache/shadow-dead.lock", "");
    put(root.path(), "cache/shadow-alive/upper/x", "in use\n");
    let alive = fs::File::create(root.path().join("cache/shadow-alive.lock")).unwrap();
    alive.lock().unwrap();
    let sandbox = sandbox(root.path());
    drop(sandbox.open_here(&spec(&root.path().join("w"))).unwrap());
    drop(sandbox);
    let dead = || ["cache/shadow-dead", "cache/shadow-dead.lock"].iter().any(|path| root.path().join(path).exists());
    assert!(soon(|| !dead()), "still there");
    assert!(root.path().join("cache/shadow-alive/upper/x").exists() && root.path().join("cache/shadow-alive.lock").exists());
    fs::remove_dir_all(root.path().join("cache/shadow-alive")).unwrap();
    fs::remove_file(root.path().join("cache/shadow-alive.lock")).unwrap();
}

/// What cannot be removed at once, since a process of a killed server still writes there, does not stay for good.
#[tokio::test]
async fn a_shadow_that_is_still_written_to_is_swept_in_the_end() {
    let root = folders();
    put(root.path(), "cache/shadow-dead/upper/x/y", "left\n");
    put(root.path(), "cache/shadow-dead.lock", "");
    let open = || drop(sandbox(root.path()).open_here(&spec(&root.path().join("w"))).unwrap());
    let upper = root.path().join("cache/shadow-dead/upper");
    let (begun, mut number) = (Instant::now(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while begun.elapsed() < Duration::from_millis(400) {
                number += 1;
                let _ = fs::create_dir(upper.join(number.to_string()));
            }
        });
        open();
    });
    open();
    assert!(soon(|| !root.path().join("cache/shadow-dead").exists()), "still there");
}

#[tokio::test]
async fn many_files_are_found_and_nothing_stalls() {
    let bench = Bench::new().await;
    let ran = bench.sh("mkdir many; cd many; for i in $(seq 2000); do : > $i; done").await;
    assert_eq!(ran.outcome.changed.len(), 2000);
    assert_eq!(bench.with_shadow("ls many | wc -l", &Shadow::default()).await.output, "2000\n");
}

#[tokio::test]
async fn however_deep_a_command_goes_its_changes_are_listed_and_removed() {
    // Deeper than a path can be long; and two names that are shown alike.
    const DEEP: &str = "/usr/bin/python3 -I -c \"
import os
os.mkdir('deep'); os.chdir('deep')
for _ in range(250): os.mkdir('x' * 20); os.chdir('x' * 20)
open('leaf', 'w'); os.chmod('.', 0)\"";
    for level in [Level::L3, Level::L1] {
        let bench = if level == Level::L3 { Some(Bench::new().await) } else { Bench::at(level).await };
        let Some(bench) = bench else { continue };
        let ran =
            bench.sh(&format!("{DEEP} && echo 1 > d/c.txt && echo 2 > $'d/a\\xff' && echo 3 > $'d/a\\xef\\xbf\\xbd'")).await;
        let [alike, plain, deep] = ran.outcome.changed.as_slice() else { panic!("{level} {ran:?}") };
        assert_eq!((alike.as_str(), plain.as_str()), ("d/a\u{fffd}", "d/c.txt"), "{level}");
        assert!(deep.starts_with("deep/xxxx") && deep.len() > 3500, "{level} {deep}");
        assert_eq!(bench.must("cat d/c.txt").await, "1\n", "{level}");
        let root = bench.forget_session();
        assert!(gets_empty(&root.path().join("cache")), "{level}: left behind");
    }
}

#[tokio::test]
async fn folders_that_a_command_locked_do_not_lock_the_server_out() {
    for level in [Level::L3, Level::L1] {
        let bench = if level == Level::L3 { Some(Bench::new().await) } else { Bench::at(level).await };
        let Some(bench) = bench else { continue };
        let locked = "mkdir new && echo 1 > new/f && chmod 000 new && chmod 444 d && chmod 000 .";
        let ran = bench.sh(locked).await;
        assert!(ran.ok() && ran.outcome.changed == ["new/f"], "{level} {ran:?}");
        let typed = shadow([typed("d/b.txt", "typed\n")]);
        let ran = bench.with_shadow("cat d/b.txt new/f", &typed).await;
        assert!(ran.ok() && ran.output == "typed\n1\n", "{level} {ran:?}");
        // A file that is longer than anything that the server would read takes the place of a typed one.
        let ran = bench.with_shadow("truncate -s 500M d/b.txt", &typed).await;
        assert!(ran.ok() && ran.outcome.changed == ["d/b.txt", "new/f"], "{level} {ran:?}");
        // What a command wrote gives way to what is typed, out of a folder that it made read-only.
        let ran = bench.with_shadow("echo mine > d/b.txt; chmod 555 d", &typed).await;
        assert!(ran.ok(), "{level} {ran:?}");
        let ran = bench.with_shadow("cat d/b.txt", &shadow([self::typed("d/b.txt", "typed on\n")])).await;
        assert!(ran.ok() && ran.output == "typed on\n", "{level} {ran:?}");
        // What is typed anew goes into one, and what was written there is taken out of it.
        for lock in ["mkdir -p d; chmod 555 d", "rm -r d; mkdir d; chmod 555 d"] {
            bench.must(lock).await;
            let ran = bench
                .with_shadow("cat d/e; chmod 755 d; echo mine > d/mine; chmod 555 d", &shadow([self::typed("d/e", "typed\n")]))
                .await;
            assert!(ran.ok() && ran.output == "typed\n", "{level} {lock}: {ran:?}");
            bench.session.take(vec![ws("d/mine")]).await.unwrap();
            let ran = bench.with_shadow("cat d/mine", &shadow([self::typed("d/mine", "mine\n")])).await;
            assert!(
                ran.ok() && ran.output == "mine\n" && ran.outcome.changed.iter().all(|path| path != "d/mine"),
                "{level} {ran:?}"
            );
        }
    }
}
