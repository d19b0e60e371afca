//! The user goes on working between two commands of a task, on the disk beneath the shadow: the newest of the user's side wins
//! there as well.

use std::fs;

use countersign::seams::{Found, Level};

use super::bench::*;

async fn at(level: Level) -> Option<Bench> {
    if level == Level::L3 { Some(Bench::new().await) } else { Bench::at(level).await }
}

#[tokio::test]
async fn what_changed_on_the_disk_since_is_seen_where_commands_wrote() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        let w = bench.path("w");
        for (path, text) in [("kept.txt", "k\n"), ("gone.txt", "g\n"), ("old.txt", "o\n"), ("e/x", "x\n"), ("e/y", "y\n")] {
            put(&w, path, text);
        }
        let first =
            "touch a.txt e/x; sed -i s/nothing/something/ d/b.txt old.txt; echo mine > kept.txt; rm gone.txt; echo mine > new";
        let ran = bench.sh(first).await;
        assert_eq!(ran.outcome.changed, ["gone.txt", "kept.txt", "new"], "{level}: what holds the same text is no change");
        for (path, text) in [("a.txt", "alpha\nuser\n"), ("d/b.txt", "user\n"), ("gone.txt", "back\n"), ("new", "user's\n")] {
            put(&w, path, text);
        }
        fs::remove_file(bench.path("w/old.txt")).unwrap();
        fs::remove_dir_all(bench.path("w/e")).unwrap();
        let ran = bench.sh("cat a.txt d/b.txt gone.txt kept.txt new; ls").await;
        let expected = "alpha\nuser\nuser\nback\nmine\nuser's\na.txt\nd\ngone.txt\nkept.txt\nnew\n";
        assert_eq!(ran.output, expected, "{level}");
        assert_eq!(ran.outcome.changed, ["kept.txt"], "{level}");
    }
}

#[tokio::test]
async fn it_is_seen_in_folders_that_commands_made_anew() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        put(&bench.path("w"), "d/c.txt", "c\n");
        bench.must("rm -r d; mkdir d; echo beta > d/b.txt; echo own > d/own").await;
        assert_eq!(bench.must("cat d/*").await, "beta\nown\n", "{level}");
        put(&bench.path("w"), "d/b.txt", "user\n");
        let ran = bench.sh("cat d/b.txt d/own; ls d").await;
        assert_eq!(ran.output, "user\nown\nb.txt\nown\n", "{level}");
    }
}

#[tokio::test]
async fn what_the_user_does_with_git_is_seen_by_the_next_command() {
    const WHO: &str = "git -c user.name=A -c user.email=a@example.com";
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        let w = bench.path("w");
        let made = format!("git init -q . && git add . && {WHO} commit -qm first && git branch side && echo more >> a.txt");
        assert!(unwalled(&made, &w).status.success());
        let ran = bench.sh("git add a.txt && git status --porcelain && git branch -qD side").await;
        assert_eq!((ran.output.as_str(), ran.outcome.git), ("M  a.txt\n", true), "{level} {ran:?}");
        let ran = bench.sh("git status --porcelain; git branch --list side").await;
        assert_eq!((ran.output.as_str(), ran.outcome.git), ("M  a.txt\n", false), "{level} {ran:?}");
        assert!(unwalled(&format!("{WHO} commit -qam mine"), &w).status.success());
        let ran = bench.sh("git status --porcelain; git log --format=%s").await;
        assert_eq!(ran.output, "mine\nfirst\n", "{level}");
    }
}

/// A deletion that nobody took is the same one until somebody writes there.
#[tokio::test]
async fn a_deletion_is_no_news_twice() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        let stamps = async || {
            let written = bench.session.written(vec!["a.txt".into(), "d/b.txt".into()], 0).await;
            written.into_iter().map(|one| one.stamp).collect::<Vec<_>>()
        };
        bench.must("rm a.txt d/b.txt").await;
        let before = stamps().await;
        bench.must("true").await;
        bench.must("true").await;
        assert_eq!(stamps().await, before, "{level}");
        bench.must("echo again > a.txt").await;
        assert_ne!(stamps().await, before, "{level}: the control");
    }
}

/// An untitled file in a folder that does not exist, closed again.
#[tokio::test]
async fn folders_of_files_that_are_typed_no_more_are_gone() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        let over = shadow([typed("new/deep/c.txt", "typed\n"), typed("d/e/f.txt", "typed\n")]);
        assert_eq!(bench.with_shadow("cat new/deep/c.txt; echo more >> d/e/f.txt; ls d/e", &over).await.output, "typed\nf.txt\n");
        let ran = bench.sh("ls; ls d").await;
        assert_eq!(ran.output, "a.txt\nd\nb.txt\n", "{level}");
    }
}

/// Beside a folder stands a name that begins as its own does.
#[tokio::test]
async fn a_deleted_folder_is_told_whatever_stands_beside_it() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        ["d.txt", "d-old/x", "d0"].iter().for_each(|path| put(&bench.path("w"), path, "x\n"));
        let ran = bench.sh("rm -r d").await;
        assert_eq!(ran.outcome.changed, ["d"], "{level}");
        let written = bench.session.written(vec!["d".into()], 10).await;
        assert_eq!(written[0].found, Found::Gone, "{level}");
    }
}

#[tokio::test]
async fn what_the_user_puts_into_a_folder_that_a_command_made_is_seen() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        bench.must("mkdir -p made/sub; echo c > made/c; echo c > made/sub/c").await;
        put(&bench.path("w"), "made/user", "u\n");
        put(&bench.path("w"), "made/sub/user", "u\n");
        let ran = bench.sh("cat made/user made/sub/user; ls made").await;
        assert_eq!(ran.output, "u\nu\nc\nsub\nuser\n", "{level}");
        assert_eq!(ran.outcome.changed, ["made/c", "made/sub/c"], "{level}");
    }
}

/// The deletion of the file became a hunk; what lies in the folder could not.
#[tokio::test]
async fn a_folder_in_place_of_a_file_stays_with_what_is_in_it() {
    for level in [Level::L3, Level::L1] {
        let Some(bench) = at(level).await else { continue };
        let ran = bench.sh("rm a.txt; mkdir a.txt; echo in > a.txt/in").await;
        assert_eq!(ran.outcome.changed, ["a.txt", "a.txt/in"], "{level}");
        bench.session.take(vec![ws("a.txt")]).await.unwrap();
        let proposal = shadow([deleted("a.txt")]);
        for _ in 0..2 {
            assert_eq!(bench.with_shadow("cat a.txt/in", &proposal).await.output, "in\n", "{level}");
        }
        assert_eq!(bench.must("cat a.txt").await, "alpha\n", "{level}: rejected");
    }
}
