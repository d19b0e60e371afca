//! What a case acts on: the folders of a bench, and a process of the same user that holds a word in its memory, in shared memory
//! and in a queue. With a session to act behind the walls, and a way to act without them.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use countersign::{
    path::WsPath,
    seams::{self, Level, Sandbox, SandboxSession, SandboxSpec, Shadow},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::bench::*;

/// The word that the victim holds.
const WORD: &str = "canary-in-memory";

pub struct Scene {
    session: Option<Box<dyn SandboxSession>>,
    root: Folders,
    out: TempDir,
    victim: std::sync::Mutex<Child>,
    pid: u32,
    /// Where the word is, in its memory; and the number of its shared memory.
    address: u64,
    segment: String,
    /// A name that nothing else on this machine has.
    name: String,
    /// How the program of `probe.c` is called.
    probe: String,
}

/// How an act without walls went.
pub struct Free {
    status: std::process::ExitStatus,
    pub output: String,
}

impl Free {
    pub fn ok(&self) -> bool {
        self.status.success()
    }
}

impl Scene {
    /// Without a session.
    pub fn new() -> Self {
        let (root, out) = (folders(), visible());
        for folder in ["bin", ".local/bin", ".npm/_cacache", ".cache/pip", "go/bin", ".cargo/registry"] {
            fs::create_dir_all(root.path().join("home").join(folder)).unwrap();
        }
        put(out.path(), "file", "victim\n");
        let (pipe, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, out.path().join("pipe"), pipe, mode, 0).unwrap();
        program(&out.path().join("probe"), probe());
        let name = format!("walls-{}", uuid::Uuid::now_v7());
        let mut victim = Command::new(out.path().join("probe"))
            .args(["hold", WORD, &format!("/{name}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(victim.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let numbers: Vec<&str> = line.split_whitespace().collect();
        let (pid, address, segment) = (numbers[0].parse().unwrap(), numbers[1].parse().unwrap(), numbers[2].to_owned());
        assert_eq!(pid, victim.id());
        let probe = out.path().join("probe").display().to_string();
        Scene { root, out, session: None, victim: victim.into(), pid, address, segment, name, probe }
    }

    /// With a session, after `change` was made to its folders and spec.
    pub async fn open(change: impl FnOnce(&Path, &mut SandboxSpec)) -> Self {
        let mut scene = Self::new();
        let mut spec = spec(&scene.path("w"));
        change(scene.root.path(), &mut spec);
        scene.session = Some(sandbox(scene.root.path()).open(spec).await.unwrap());
        scene
    }

    /// With a session at the highest level, or at one that the kernel makes the highest; `None` where it has not even that.
    pub async fn at(level: Level) -> Option<Self> {
        let mut scene = Self::new();
        // Where commands may read what is listed only, it must be theirs.
        copied(&scene.out().join("probe"), &scene.path("w/probe"));
        scene.probe = "./probe".to_owned();
        let sandbox = if level == Level::L3 { sandbox(scene.root.path()) } else { sandbox_below(scene.root.path(), level) };
        if !reaches(&sandbox, level).await {
            return None;
        }
        let session = sandbox.open(spec(&scene.path("w"))).await.unwrap();
        assert_eq!(session.level(), level);
        scene.session = Some(session);
        Some(scene)
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    pub fn out(&self) -> &Path {
        self.out.path()
    }

    /// The text with what only this scene knows.
    pub fn filled(&self, text: &str) -> String {
        [
            ("$PROBE", self.probe.clone()),
            ("$OUT", self.out.path().display().to_string()),
            ("$SERVER", std::process::id().to_string()),
            ("$VICTIM", self.pid.to_string()),
            ("$ADDRESS", self.address.to_string()),
            ("$SEGMENT", self.segment.clone()),
            ("$NAME", self.name.clone()),
            ("$CACHE", self.path("cache").display().to_string()),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    pub async fn walled(&self, text: &str) -> Ran {
        self.walled_over(text, &Shadow::default()).await
    }

    pub async fn walled_over(&self, text: &str, shadow: &Shadow) -> Ran {
        let command = seams::Command {
            text: self.filled(text),
            cwd: WsPath::root(),
            timeout: Duration::from_secs(60),
            network: Vec::new(),
        };
        run_on(&**self.session.as_ref().unwrap(), command, shadow, &CancellationToken::new()).await.unwrap()
    }

    /// Behind the walls, where it must succeed; what it says.
    pub async fn must(&self, text: &str) -> String {
        let ran = self.walled(text).await;
        assert!(ran.ok(), "{text}\n{}\n{:?}", ran.output, ran.outcome);
        ran.output
    }

    /// Without walls, with the home of the scene.
    pub fn freely(&self, text: &str) -> Free {
        let mut bash = Command::new("/bin/bash");
        bash.args(["--noprofile", "--norc", "-c", &self.filled(text)]).env("HOME", self.path("home")).current_dir(self.path("w"));
        let ran = bash.stdin(Stdio::null()).output().unwrap();
        let output = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        Free { status: ran.status, output }
    }

    /// Everything that an act could harm, as it stands: folders, the victim, and what `look` prints.
    pub fn picture(&self, look: &str) -> Vec<String> {
        let mut lines: Vec<String> = ["w", "home"].iter().flat_map(|name| picture(&self.path(name))).collect();
        lines.extend(picture(self.out.path()));
        lines.extend(self.victim());
        if !look.is_empty() {
            lines.push(format!("{look}: {}", self.freely(look).output));
        }
        lines
    }

    fn victim(&self) -> Vec<String> {
        // One that is being ended tells nothing any more.
        self.alive().unwrap_or_else(|| vec!["the victim ended".to_owned()])
    }

    fn alive(&self) -> Option<Vec<String>> {
        if self.victim.lock().unwrap().try_wait().unwrap().is_some() {
            return None;
        }
        let of = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok();
        let stat = of("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        // Priority, niceness, real-time priority and policy; numbers of proc(5) less the three before.
        let scheduling = [18, 19, 40, 41].map(|number| fields[number - 3]).join(" ");
        let mut word = [0u8; WORD.len()];
        let memory = fs::File::open(format!("/proc/{}/mem", self.pid)).ok()?;
        memory.read_exact_at(&mut word, self.address).ok()?;
        let status = of("status")?;
        let cores = status.lines().find(|line| line.starts_with("Cpus_allowed:")).unwrap_or_default();
        Some(vec![
            format!("victim: {scheduling}, {cores}, {}, {}", of("oom_score_adj")?.trim(), of("comm")?.trim()),
            format!("victim's word: {}", String::from_utf8_lossy(&word)),
            format!("victim's limits: {}", of("limits")?),
        ])
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.freely("$PROBE mq-remove /$NAME; rm -f /dev/shm/$NAME /tmp/$NAME /var/tmp/$NAME");
        let mut victim = self.victim.lock().unwrap();
        let _ = victim.kill();
        let _ = victim.wait();
    }
}

/// The program of `probe.c`, built once.
fn probe() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("probe.c");
        fs::write(&source, include_str!("probe.c")).unwrap();
        let program = place.path().join("probe");
        let built = Command::new("gcc").args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"]).arg(&program).arg(&source).output();
        let built = built.expect("gcc is needed");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut bytes = Vec::new();
        fs::File::open(&program).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    })
}
