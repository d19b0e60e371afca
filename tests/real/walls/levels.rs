//! What is remembered of a proof, and what it never is: a wall.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Level, Sandbox, Shadow},
};
use tokio_util::sync::CancellationToken;

use super::bench::*;

/// A sandbox whose wall process notes each of its starts; the first words of `script` are run before.
fn counting(root: &Path, script: &str) -> SandboxPaths {
    let (exe, starts) = (exe(), root.join("starts"));
    let text = format!("#!/bin/sh\necho start >> {}\n{script}\nexec {} \"$@\"\n", starts.display(), exe.display());
    program(&root.join("wrapper/countersign"), text);
    SandboxPaths { exe: root.join("wrapper/countersign"), cache: root.join("cache") }
}

fn starts(root: &Path) -> usize {
    fs::read_to_string(root.join("starts")).unwrap_or_default().lines().count()
}

fn server(root: &Path, paths: &SandboxPaths) -> LinuxSandbox {
    LinuxSandbox::with_environment(paths.clone(), environment(&root.join("home")))
}

#[tokio::test]
async fn a_proof_serves_the_next_server_and_whoever_asks_for_a_real_one_gets_it() {
    let root = folders();
    let paths = counting(root.path(), "");
    assert_eq!(server(root.path(), &paths).level().await.0, Level::L3);
    assert_eq!(starts(root.path()), 1);
    let (level, detail) = server(root.path(), &paths).level().await;
    assert_eq!((level, starts(root.path())), (Level::L3, 1), "remembered");
    assert!(detail.ends_with("earlier"), "{detail}");
    assert_eq!(server(root.path(), &paths).proved().await.0, Level::L3);
    assert_eq!(starts(root.path()), 2, "proved anew");
    let mode = fs::metadata(root.path().join("cache/level.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_memory_that_others_could_have_written_or_of_another_build_does_not_count() {
    let root = folders();
    let paths = counting(root.path(), "");
    let file = root.path().join("cache/level.json");
    let mut expected = 0;
    let mut proved_again = async |how: &str| {
        assert_eq!(server(root.path(), &paths).level().await.0, Level::L3, "{how}");
        expected += 1;
        assert_eq!(starts(root.path()), expected, "{how}");
    };
    proved_again("first").await;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).unwrap();
    proved_again("writable by others").await;
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    proved_again("cut short").await;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(&file, text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    proved_again("another boot").await;
    for namespace in ["user:[", "mnt:["] {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(namespace), "{text}");
        fs::write(&file, text.replace(namespace, &format!("{namespace}9"))).unwrap();
        proved_again("another container").await;
    }
    fs::rename(&file, root.path().join("elsewhere")).unwrap();
    symlink(root.path().join("elsewhere"), &file).unwrap();
    proved_again("a link").await;
    counting(root.path(), "# another build");
    proved_again("another build").await;
}

#[tokio::test]
async fn walls_that_fail_although_they_were_proved_are_a_refusal_and_end_the_memory() {
    let root = folders();
    let paths = counting(root.path(), &format!("test -e {} && exit 0", root.path().join("broken").display()));
    assert_eq!(server(root.path(), &paths).level().await.0, Level::L3);
    fs::write(root.path().join("broken"), "").unwrap();
    let broken = server(root.path(), &paths);
    assert_eq!(broken.level().await.0, Level::L3, "the forecast");
    let session = broken.open(spec(&root.path().join("w"))).await.unwrap();
    let command = || Command {
        text: "echo ran".into(),
        cwd: WsPath::root(),
        timeout: std::time::Duration::from_secs(5),
        network: Vec::new(),
    };
    let mut output = Collect::default();
    let refused = session.run(command(), &Shadow::default(), &mut output, &CancellationToken::new()).await.unwrap_err();
    assert_eq!((refused.step.as_str(), output.text().as_str()), ("start", ""));
    assert!(refused.why.contains("twice"), "{refused}");
    assert!(!root.path().join("cache/level.json").exists());
    assert_eq!(server(root.path(), &paths).level().await.0, Level::L0);
    fs::remove_file(root.path().join("broken")).unwrap();
    // Control: mended, the same session runs.
    session.run(command(), &Shadow::default(), &mut output, &CancellationToken::new()).await.unwrap();
    assert_eq!(output.text(), "ran\n");
}
