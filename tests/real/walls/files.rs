//! Writes that land on private copies, and tricks with paths. What is denied outside stands in `cases/`.

use std::{fs, os::unix::fs::symlink, path::Path};

use countersign::{
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::Sandbox,
};

use countersign::seams::Level;

use super::bench::*;

/// Acts that may succeed, on private copies that vanish.
const PRIVATE: &[&str] = &[
    "chmod 000 a.txt; touch -d 1970-01-02 d/b.txt",
    "mv d e && mv a.txt e/",
    "echo x > a.txt; rm -r e; mkdir -p .vscode .git; echo x > .vscode/tasks.json; echo x > .git/hook",
    "echo x > /dev/shm/walls-shared; echo x > /tmp/walls-shared; echo x > /var/tmp/walls-shared",
];

#[tokio::test]
async fn what_succeeds_happens_to_a_private_copy() {
    let bench = Bench::new().await;
    let before = bench.world();
    for act in PRIVATE {
        bench.must(act).await;
        assert_eq!(bench.world(), before, "{act} had an effect");
    }
    for folder in ["/dev/shm", "/tmp", "/var/tmp"] {
        assert!(!fs::exists(format!("{folder}/walls-shared")).unwrap());
        let seen = bench.sh(&format!("test -e {folder}/walls-shared")).await;
        assert!(!seen.ok(), "{folder} is not made anew for each command");
    }
    bench.must("echo x > /dev/null; head -c 4 /dev/urandom | wc -c; test -w /dev/shm").await;
}

#[tokio::test]
async fn programs_and_folders_of_the_policy_can_be_read_and_cargo_can_lock() {
    let bench = Bench::new().await;
    let before = bench.world();
    assert!(!bench.sh("touch ~/notes/x").await.ok());
    assert_eq!(bench.must("cat ~/.cargo/bin/tool ~/notes/n; touch ~/.cargo/.package-cache").await, "#!/bin/sh\nreadable\n");
    assert_eq!(bench.world(), before);
}

#[tokio::test]
async fn a_hard_link_to_the_outside_is_copied_before_it_is_written() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let Some(bench) = Bench::at(level).await else { continue };
        put(&bench.path(""), "elsewhere", "one\n");
        fs::hard_link(bench.path("elsewhere"), bench.path("w/h")).unwrap();
        symlink(bench.path("elsewhere"), bench.path("w/s")).unwrap();
        assert_eq!(bench.must("echo two >> h; cat h").await, "one\ntwo\n", "{level}");
        bench.must("truncate -s 0 h; chmod 600 h; touch -d 1970-01-02 h").await;
        assert!(!bench.sh("echo three >> s && cat s | grep one").await.ok(), "the link's target is not there to be written");
        assert_eq!(bench.read("elsewhere"), "one\n", "{level}");
        // Control: without walls both names change.
        assert!(unwalled("echo two >> h", &bench.path("w")).status.success());
        assert_eq!(bench.read("elsewhere"), "one\ntwo\n");
    }
}

#[tokio::test]
async fn process_1_and_its_folders_cannot_be_reached() {
    let bench = Bench::new().await;
    for act in [
        "readlink /proc/1/fd/0",
        "cat /proc/1/mem",
        "ls /proc/1/root/",
        "cd /proc/1/cwd",
        "cat /proc/1/environ /proc/1/maps | grep .",
        "echo 0 > /proc/sys/kernel/core_pattern",
        "echo 300 > /proc/self/oom_score_adj",
        "echo 1 > /sys/kernel/mm/ksm/run",
    ] {
        assert!(!bench.sh(act).await.ok(), "{act}");
    }
    bench.must("ls /proc/self/fd /proc/self/root/ >/dev/null; cd /proc/self/cwd; cat /proc/self/maps | grep -q .").await;
}

#[tokio::test]
async fn any_name_of_a_workspace_works() {
    // With what lies above it close to the longest path that there is, 4,096 bytes.
    let long = format!("{}/{}", vec!["x".repeat(250); 15].join("/"), "y".repeat(200));
    for name in ["a,b", "a:b", "a\\b", "a\nb", "a b", "-a", "ü", "lowerdir=x,userxattr", "\\054", long.as_str()] {
        let bench = Bench::with(|root, spec| {
            spec.folder = root.join("odd").join(name);
            fs::create_dir_all(&spec.folder).unwrap();
            put(&spec.folder, "f", "old\n");
        })
        .await;
        let ran = bench.sh("cat f && echo new > f && cat f && rm f && echo made > g && pwd -P").await;
        assert!(ran.ok(), "{name:?}: {ran:?}");
        let expected = format!("old\nnew\n{}\n", bench.path("odd").join(name).display());
        assert_eq!(ran.output, expected, "{name:?}");
        assert_eq!(bench.read(&format!("odd/{name}/f")), "old\n");
        assert_eq!(ran.outcome.changed, ["f", "g"]);
    }
}

#[tokio::test]
async fn a_workspace_below_the_home_hides_the_rest_of_it() {
    let bench = Bench::with(|root, spec| {
        spec.folder = root.join("home/src/project");
        put(&spec.folder, "f", "here\n");
        put(root, "home/src/other/g", "elsewhere\n");
    })
    .await;
    assert_eq!(bench.must("cat f; echo x > ../../../home/src/new; ls ..").await, "here\nnew\nproject\n");
    assert!(!bench.path("home/src/new").exists());
    assert!(bench.path("home/src/other/g").exists());
}

/// A sandbox on a machine whose home is a disk of its own, with another disk in /mnt; and the way into that machine.
fn with_disks(root: &Path) -> (LinuxSandbox, String) {
    let home = root.join("home").display().to_string();
    let enter = format!(
        "unshare --user --map-current-user --keep-caps --mount sh -c 'mount --bind \"{home}\" \"{home}\" && \
         mount -t tmpfs disk /mnt && mkdir /mnt/data && echo {CANARY} > /mnt/data/key && \
         exec setpriv --inh-caps=-all --ambient-caps=-all \"$@\"' sh"
    );
    program(&root.join("wrapper/countersign"), format!("#!/bin/sh\nexec {enter} {} \"$@\"\n", exe().display()));
    let paths = SandboxPaths { exe: root.join("wrapper/countersign"), cache: root.join("cache") };
    (LinuxSandbox::with_environment(paths, environment(&root.join("home"))), enter)
}

#[tokio::test]
async fn what_is_shown_of_a_home_on_a_disk_of_its_own_is_read_only() {
    let bench = Bench::new().await;
    let root = bench.forget_session();
    let (sandbox, enter) = with_disks(root.path());
    let session = sandbox.open(spec(&root.path().join("w"))).await.unwrap();
    let bench = Bench::of(root, visible(), session);
    let before = bench.world();
    let acts = [
        "echo x >> ~/.cargo/bin/tool",
        "touch ~/.cargo/bin/new",
        "chmod 777 ~/.cargo/bin/tool",
        "echo x >> ~/notes/n",
        "rm ~/notes/n",
    ];
    for act in acts {
        let ran = bench.sh(act).await;
        assert!(!ran.ok() && bench.world() == before, "{act}: {ran:?}");
    }
    // Control: they can be read, and without walls they are written to.
    assert_eq!(bench.must("cat ~/.cargo/bin/tool ~/notes/n").await, "#!/bin/sh\nreadable\n");
    let free = format!("{enter} touch {}/.cargo/bin/new", bench.path("home").display());
    assert!(unwalled(&free, &bench.path("w")).status.success() && bench.path("home/.cargo/bin/new").exists());
}

#[tokio::test]
async fn other_disks_are_private() {
    let root = folders();
    let (sandbox, enter) = with_disks(root.path());
    let session = sandbox.open(spec(&root.path().join("w"))).await.unwrap();
    let bench = Bench::of(root, visible(), session);
    assert!(!bench.sh("cat /mnt/data/key").await.ok() && !bench.sh("ls -d /mnt/*").await.ok());
    let free = unwalled(&format!("{enter} cat /mnt/data/key"), &bench.path("w"));
    assert!(String::from_utf8_lossy(&free.stdout).contains(CANARY), "{free:?}");
}
