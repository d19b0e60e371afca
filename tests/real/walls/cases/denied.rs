//! Acts that must have no effect: writes outside, reads of secrets, tricks with paths, other processes, the kernel.

use countersign::seams::Level;

use super::*;

/// Writes outside the workspace.
const WRITES: &[Case] = &[
    private("A01", "echo x > $HOME/evil"),
    private("A03", "echo x >> $HOME/.bashrc"),
    denied("A04", "truncate -s 0 $OUT/file"),
    denied("A05", "rm $OUT/file"),
    denied("A05", "mv $OUT/file ."),
    denied("A05", "mv a.txt $OUT/"),
    denied("A05", "ln $OUT/file hard && echo x >> hard"),
    denied("A06", "chmod 777 $OUT/file"),
    denied("A07", "touch -d 1970-01-02 $OUT/file"),
    denied("A08", "setfattr -n user.x -v 1 $OUT/file"),
    // An open for reading is all that these take.
    denied("A08", "chattr +d ~/notes/n"),
    unseen(
        "A08",
        "/usr/bin/python3 -I -c \"import fcntl, os; fcntl.fcntl(os.open(os.environ['HOME'] + '/notes/n', 0), fcntl.F_SETLEASE, 0)\"",
    ),
    denied("A09", "mkdir $OUT/d"),
    denied("A09", "mkfifo $OUT/p"),
    denied("A09", "ln -s a $OUT/l"),
    // A read-only mount does not stop this.
    unseen("A09", "exec 3<>$OUT/pipe && echo x >&3"),
    denied("A10", "mknod dev c 1 3").control(Control::Inside("mknod pipe p && test -p pipe && rm pipe")),
    denied("A10", "mknod /tmp/dev b 7 0").control(Control::Inside("mknod /tmp/pipe p && test -p /tmp/pipe")),
    private("A12", "echo x > /dev/shm/$NAME").looking("cat /dev/shm/$NAME"),
    private("A12", "echo x > /tmp/$NAME").looking("cat /tmp/$NAME"),
    denied("A16", "touch ~/.cargo/bin/cargo"),
    denied("A16", "echo x >> ~/.cargo/bin/tool"),
    private("A16", "touch ~/.local/bin/x"),
    private("A16", "touch ~/go/bin/x"),
    private("A16", "touch ~/bin/x"),
    private("A16", "touch ~/.npm/_cacache/x"),
    private("A16", "touch ~/.cache/pip/x"),
    private("A16", "touch ~/.cargo/registry/x"),
];

#[tokio::test]
async fn writes_outside_have_no_effect() {
    hold(WRITES).await;
}

/// Secrets, other processes' and the server's own affairs, by whatever way.
const READS: &[Case] = &[
    unseen("B01", "cat ~/.ssh/id_test"),
    unseen("B01", "cat ~/.aws/credentials"),
    unseen("B01", "cat ~/.netrc"),
    unseen("B01", "cat ~/.git-credentials"),
    unseen("B01", "cat ~/.config/gh/hosts.yml"),
    unseen("B02", "cat ~/.cargo/credentials.toml"),
    unseen("B02", "cat ~/.npmrc"),
    unseen("B02", "cat ~/.pypirc"),
    unseen("B02", "cat ~/.docker/config.json"),
    unseen("B02", "cat ~/.kube/config"),
    unseen("B02", "cat ~/.gnupg/*"),
    unseen("B06", "stat ~/.ssh/id_test"),
    unseen("B06", "stat ~/.ssh"),
    unseen("B06", "test -d ~/.config/gh"),
    unseen("B09", "cat /proc/$SERVER/cmdline"),
    unseen("B09", "ps ax | grep '[h]old canary-in-memory /$NAME'"),
    unseen("B10", "ls /proc/$SERVER/root/"),
    unseen("B10", "ls /proc/$SERVER/cwd/"),
    unseen("B10", "ls /proc/$SERVER/fd/"),
    unseen("B10", "readlink /proc/$SERVER/exe"),
    unseen("B10", "cat /proc/$SERVER/environ"),
    unseen("B13", "ls $CACHE"),
    denied("C04", "mv ~/notes/n ."),
    denied("C04", "ln ~/notes/n linked && echo x >> linked"),
    unseen("C06", "cd /proc/$SERVER/cwd && ls .."),
    unseen("C06", "cd /proc/1/cwd").control(Control::Inside("cd /proc/self/cwd && cat d/../a.txt")),
    unseen("C07", "exec 3</; cat /proc/self/fd/3/$HOME/.ssh/id_test"),
    unseen("C07", "exec 3<.; cat /proc/self/fd/3/../home/.ssh/id_test"),
    denied("C07", "exec 3<$OUT; echo x > /proc/self/fd/3/new"),
    unseen("C14", "$PROBE name-handle $OUT/file"),
    unseen("C14", "$PROBE open-handle $OUT/file").control(Control::WorksForRoot),
];

#[tokio::test]
async fn secrets_and_other_processes_are_not_seen() {
    hold(READS).await;
}

/// Other processes of the same user, and the kernel's less trodden ground.
const PROCESSES: &[Case] = &[
    unseen("E01", "kill -0 $SERVER"),
    denied("E01", "kill -9 $VICTIM"),
    // Everybody's, as far as there is anybody.
    private("E01", "renice -n 5 -u $(id -u); kill -9 -1").control(Control::Inside("sleep 9 & renice -n 5 -p $! && kill -9 $!")),
    unseen("E03", "$PROBE vm-read $VICTIM $ADDRESS"),
    denied("E03", "$PROBE vm-write $VICTIM $ADDRESS"),
    unseen("E03", "$PROBE getfd $VICTIM 0"),
    unseen("E03", "$PROBE trace $VICTIM"),
    // Process 1 is ours, of the same user, and can be seen.
    unseen("E03", "$PROBE getfd 1 0").control(Control::Inside("sleep 5 & $PROBE getfd $! 0")),
    unseen("E03", "$PROBE trace 1").control(Control::Inside("sleep 5 & $PROBE trace $!")),
    denied("E04", "$PROBE mem-write $VICTIM $ADDRESS"),
    denied("E04", "echo 500 > /proc/$VICTIM/oom_score_adj"),
    denied("E04", "echo x > /proc/$VICTIM/comm").control(Control::Free("echo x > /proc/self/comm")),
    denied("E06", "renice -n 5 -p $VICTIM"),
    denied("E06", "ionice -c 3 -p $VICTIM").looking("ionice -p $VICTIM"),
    unseen("E06", "taskset -p 1 $VICTIM"),
    denied("E06", "chrt -b -p 0 $VICTIM"),
    denied("E06", "prlimit --pid $VICTIM --nofile=99:99"),
    // Process 1, by either of its threads: it could not watch any more.
    unseen("E06", "prlimit --pid 1 --nofile=0:0").control(Control::Inside("prlimit --nofile=99:99 true")),
    unseen("E06", "prlimit --pid 2 --nofile=0:0").control(Control::Inside("prlimit --nofile=99:99 true")),
    unseen("E06", "renice -n 19 -p 1").control(Control::Inside("nice -n 19 true")),
    unseen("E06", "ionice -c 3 -p 2").control(Control::Inside("ionice -c 3 true")),
    unseen("E06", "taskset -p 1 2").control(Control::Inside("taskset 1 true")),
    unseen("E06", "chrt -i -p 0 2").control(Control::Inside("chrt -i 0 true")),
    unseen("E16", "sudo -n id").control(Control::WorksForRoot),
    unseen("E16", "su -c id").control(Control::WorksForRoot),
    unseen("E16", "pkexec id").control(Control::Inside("pkexec --version")),
    unseen("E16", "ping -c 1 -W 1 127.0.0.1"),
    unseen("E17", "unshare -U true"),
    unseen("E17", "unshare -Ur true"),
    unseen("E17", "unshare -Urm mount -t tmpfs t /mnt"),
    unseen("E17", "unshare -Urn true"),
    unseen("E17", "unshare -Urp --fork true"),
    // A program in memory runs, behind the same walls.
    unseen("E21", "$PROBE memory /bin/cat ~/.ssh/id_test"),
    denied("E21", "$PROBE memory /bin/cp a.txt $OUT/copy"),
    unseen("E25", "$PROBE shm-read $SEGMENT"),
    unseen("E25", "$PROBE mq-read /$NAME"),
];

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    hold(PROCESSES).await;
    let scene = Scene::open(|_, _| {}).await;
    // What was refused works on processes behind the same walls.
    scene
        .must(
            "$PROBE hold word '' > held & until grep -q . held; do sleep 0.01; done; read pid at segment < held; \
             $PROBE vm-read $pid $at && $PROBE vm-write $pid $at && $PROBE shm-read $segment && \
             renice -n 5 -p $pid && ionice -c 3 -p $pid && taskset -p 1 $pid && chrt -b -p 0 $pid && \
             cat /proc/$pid/cmdline && kill -9 $pid && $PROBE memory /bin/cat a.txt",
        )
        .await;
}

/// Ways to change mounts; without walls, with rights in a namespace of one's own, each of them works.
const MOUNTS: [&str; 9] = ["mount", "bind", "remount", "umount", "chroot", "pivot_root", "fsopen", "open_tree", "move_mount"];

#[tokio::test]
async fn mounts_cannot_be_changed() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let Some(scene) = Scene::at(level).await else { continue };
        std::fs::create_dir(scene.path("w/place")).unwrap();
        let table = scene.must("cat /proc/self/mountinfo").await.lines().count();
        for how in MOUNTS {
            let act = format!("$PROBE mounts {how} place");
            let walled = scene.walled(&act).await;
            assert!(!walled.ok() && walled.output.contains("not permitted"), "{level} {how}: {walled:?}");
            let free = scene.freely(&format!("unshare -Urm {act}"));
            assert!(free.ok(), "{how} does not work without walls either: {}", free.output);
        }
        assert_eq!(scene.must("cat /proc/self/mountinfo").await.lines().count(), table);
    }
}

/// The lists above.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [WRITES, READS, PROCESSES].into_iter().flatten()
}

/// Every identifier of them.
pub fn ids() -> impl Iterator<Item = &'static str> {
    all().map(|case| case.id)
}
