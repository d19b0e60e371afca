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

/// `sandbox run` in mounts of its own, which `mounts` makes.
fn run_among(mounts: &str, root: &Path, text: &str) -> std::process::Output {
    let enter = format!(
        "exec unshare --user --map-current-user --keep-caps --mount sh -c '{mounts} && \
         exec setpriv --inh-caps=-all --ambient-caps=-all \"$@\"' sh \"$@\""
    );
    let mut run = std::process::Command::new("sh");
    run.args(["-c", &enter, "sh"]).arg(exe()).args(["sandbox", "run", "--", text]).current_dir(root.join("w"));
    run.env("HOME", root.join("home")).env("XDG_CACHE_HOME", root.join("cache"));
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        run.env_remove(name);
    }
    run.output().unwrap()
}

/// A home that lies on another disk and is mounted where it is looked for.
#[tokio::test]
async fn a_home_is_private_at_every_place_where_it_is_mounted() {
    let (root, place) = (folders(), visible());
    put(place.path(), "beside", "fine\n");
    fs::create_dir(place.path().join("home")).unwrap();
    let (home, other) = (root.path().join("home"), place.path().join("home"));
    let mounts = format!("mount --bind {} {}", home.display(), other.display());
    let text = format!("cat {}/beside; cat {}/.ssh/id_test", place.path().display(), other.display());
    let ran = run_among(&mounts, root.path(), &text);
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(!ran.status.success() && said.starts_with("fine\n") && !said.contains(CANARY), "{ran:?}");
    // Control: it is there to be read.
    let free = format!("unshare --user --map-current-user --keep-caps --mount sh -c '{mounts} && {text}'");
    assert!(String::from_utf8_lossy(&unwalled(&free, root.path()).stdout).contains(CANARY));
}

/// Some systems have mail, homes or other disks elsewhere, and a link in the usual place.
#[tokio::test]
async fn private_places_may_be_links() {
    let root = folders();
    let var = root.path().join("var");
    fs::create_dir_all(&var).unwrap();
    let mounts = format!(
        "mount -t tmpfs t {0} && mkdir -p {0}/lib {0}/tmp {0}/spool/mail && mount --rbind /var/lib {0}/lib && \
         ln -s spool/mail {0}/mail && echo {CANARY} > {0}/spool/mail/me && mount --rbind {0} /var",
        var.display()
    );
    let text = "ls /var/lib >/dev/null && echo fine; cat /var/mail/me /var/spool/mail/me";
    let ran = run_among(&mounts, root.path(), text);
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(!ran.status.success() && said.starts_with("fine\n") && !said.contains(CANARY), "{ran:?}");
    let free = format!("unshare --user --map-current-user --keep-caps --mount sh -c '{mounts} && {text}'");
    assert!(String::from_utf8_lossy(&unwalled(&free, root.path()).stdout).contains(CANARY));
}

/// A folder of programs that is a link shows what it leads to, and never the workspace: there its secrets are not masked.
#[tokio::test]
async fn what_is_shown_of_the_home_does_not_lead_into_the_workspace() {
    let root = folders();
    put(root.path(), "w/.env", CANARY);
    put(root.path(), "elsewhere/tool", "tool\n");
    for (target, link) in [("../w", "to-w"), ("..", "to-above"), ("../elsewhere", "to-tools")] {
        symlink(target, root.path().join("home").join(link)).unwrap();
    }
    let mut variables = environment(&root.path().join("home"));
    let own = |link: &str| root.path().join("home").join(link).display().to_string();
    variables.insert("JAVA_HOME".into(), own("to-w"));
    variables.insert("GOROOT".into(), own("to-above"));
    variables.insert("NVM_DIR".into(), own("to-tools"));
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let session = LinuxSandbox::with_environment(paths, variables).open_here(&spec(&root.path().join("w"))).unwrap();
    let bench = Bench::of(root, visible(), Box::new(session));
    let masks = masking(&[".env"]);
    for act in ["cat ~/to-w/.env", "cat ~/to-above/w/.env", "cat ~/to-above/home/.ssh/id_test"] {
        let ran = bench.with_shadow(act, &masks).await;
        assert!(!ran.ok() && !ran.output.contains(CANARY), "{act}: {ran:?}");
        let free = format!("HOME={} sh -c '{act}'", bench.path("home").display());
        assert!(String::from_utf8_lossy(&unwalled(&free, &bench.path("w")).stdout).contains(CANARY), "{act}: the control");
    }
    assert_eq!(bench.must("cat ~/to-tools/tool").await, "tool\n");
}

/// Variables that name no place of their own: what a weak level lets be read is a list of paths.
#[tokio::test]
async fn a_toolchain_without_a_whole_path_opens_nothing() {
    for value in [".", "..", "/usr/lib/../.."] {
        let root = folders();
        let mut variables = environment(&root.path().join("home"));
        variables.insert("JAVA_HOME".into(), value.into());
        let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
        let session = LinuxSandbox::with_environment(paths, variables).open_at(&spec(&root.path().join("w")), Level::L1).unwrap();
        let bench = Bench::of(root, visible(), Box::new(session));
        let act = format!("cat {}/.ssh/id_test", bench.path("home").display());
        let ran = bench.sh(&act).await;
        assert!(!ran.ok() && !ran.output.contains(CANARY), "{value}: {ran:?}");
        assert!(unwalled(&act, &bench.path("w")).status.success(), "the control");
        bench.must("cat a.txt ~/notes/n").await;
    }
}

/// A device is what a node says, wherever it lies: in the folder of another system, or of a container.
#[tokio::test]
async fn device_nodes_outside_dev_open_nothing() {
    let bench = Bench::new().await;
    let mounts = bench.must("cat /proc/self/mountinfo").await;
    let fields = |line: &str| line.split(' ').skip(4).take(2).map(str::to_owned).collect::<Vec<_>>();
    let root = mounts.lines().map(fields).find(|fields| fields[0] == "/").unwrap();
    let own_dev = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().any(|line| fields(line)[0] == "/dev");
    assert!(!own_dev || root[1].split(',').any(|option| option == "nodev"), "{mounts}");
    bench.must("head -c 1 /dev/zero | wc -c && cat /dev/null").await;
    // An ordinary user makes none.
    if rustix::process::geteuid().is_root() && own_dev {
        assert!(unwalled(&bench.filled("mknod $OUT/node c 1 5"), &bench.path("w")).status.success());
        assert!(!bench.sh("head -c 1 $OUT/node > got").await.ok());
        assert!(unwalled(&bench.filled("head -c 1 $OUT/node"), &bench.path("w")).status.success(), "the control");
    }
}
