//! The test bench: a workspace, a home with planted secrets, a victim folder outside, and a session behind the walls.

use std::{
    collections::BTreeMap,
    fs,
    ops::Deref,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths, net::Network},
    seams::{
        AtLeast, Command, Connection, Level, NetTerms, Outcome, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec,
        Shadow, ShadowFile,
    },
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub use crate::support::program::{copied, program};

/// Tells a re-executed test binary where it finds a visible folder of its own, and copies of the binaries.
pub const PLACE: &str = "WALLS_TEST_PLACE";

pub const MIB: u64 = 1 << 20;

/// The credential files of `home`, each with a canary in it.
pub const CREDENTIALS: &[&str] = &[
    ".ssh/id_test",
    ".aws/credentials",
    ".netrc",
    ".git-credentials",
    ".config/gh/hosts.yml",
    ".cargo/credentials.toml",
    ".npmrc",
    ".pypirc",
    ".docker/config.json",
    ".kube/config",
    ".gnupg/secring.gpg",
    ".bashrc",
];
pub const CANARY: &str = "canary-4711-do-not-leak";

/// Variables of the server that hold a secret, name a socket, or make programs load and run something.
const UNWANTED: &[&str] = &[
    "API_KEY",
    "GH_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "DB_PASSWORD",
    "SSH_AUTH_SOCK",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_HOST",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "BASH_FUNC_ls%%",
    "PROMPT_COMMAND",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "RUSTC_WRAPPER",
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
    "GIT_CONFIG_COUNT",
    "GIT_SSH_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "EDITOR",
];

/// Below /tmp, which is private behind the walls: workspace `w`, `home`, `cache`. Goes last, and asserts that the sessions of this
/// process left nothing: a shadow that still stands cannot be removed by an ordinary user, and would keep all of this there.
pub struct Folders(TempDir);

impl Deref for Folders {
    type Target = TempDir;

    fn deref(&self) -> &TempDir {
        &self.0
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let cache = self.path().join("cache");
        soon(|| shadows(&cache).is_empty());
        let left = shadows(&cache);
        // Programs that end have no time for a large shadow, or on a busy machine, and leave it to the next.
        if cache.join("countersign").exists() {
            unwalled("chmod -R u+rwX countersign", &cache);
        }
        let removed = fs::remove_dir_all(self.path());
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
            removed.unwrap();
        }
    }
}

/// The shadows in a cache folder.
fn shadows(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("shadow-"))).collect()
}

/// Folders of one test; gone when it ends, after the session over them.
pub struct Bench {
    pub session: Box<dyn SandboxSession>,
    root: Folders,
    /// Outside the workspace where commands can see it, read-only.
    pub out: TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub output: String,
    /// What became of its connections.
    pub news: Vec<Connection>,
    /// When its output began.
    pub heard: Option<Instant>,
}

impl Ran {
    pub fn ok(&self) -> bool {
        self.outcome.exit == Some(0)
    }

    /// How long it went on after its first words: what raising its walls took does not count.
    pub fn went_on(&self) -> Duration {
        self.heard.expect("it said something").elapsed()
    }
}

/// All output, news of connections, and when the output began.
#[derive(Default)]
pub struct Collect(Vec<u8>, pub Vec<Connection>, Option<Instant>);

impl Collect {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl OutputSink for Collect {
    fn output(&mut self, bytes: &[u8]) {
        self.2.get_or_insert_with(Instant::now);
        self.0.extend_from_slice(bytes);
    }

    fn connection(&mut self, news: &Connection) {
        self.1.push(news.clone());
    }
}

/// A workspace path.
pub fn ws(path: &str) -> WsPath {
    WsPath::from_disk(path).unwrap()
}

/// A file as an editor holds it.
pub fn typed(path: &str, text: &str) -> ShadowFile {
    ShadowFile { path: ws(path), content: Some(text.into()), mode: None }
}

/// A file that a pending edit deletes.
pub fn deleted(path: &str) -> ShadowFile {
    ShadowFile { path: ws(path), content: None, mode: None }
}

pub fn shadow(files: impl IntoIterator<Item = ShadowFile>) -> Shadow {
    Shadow { files: files.into_iter().collect(), masked: Vec::new() }
}

pub fn masking(paths: &[&str]) -> Shadow {
    Shadow { files: Vec::new(), masked: paths.iter().map(|path| ws(path)).collect() }
}

pub fn spec(folder: &Path) -> SandboxSpec {
    SandboxSpec {
        folder: folder.to_owned(),
        min_level: AtLeast(Level::L1Weak),
        env_allow: vec!["ALLOWED".into(), "LD_PRELOAD".into()],
        home_read: vec!["~/notes".into()],
        memory: 2048 * MIB,
        processes: 512,
        cpu: 600,
        file_size: 512 * MIB,
        tmp_size: 256 * MIB,
        shadow_size: 4096 * MIB,
        packages: None,
        net: NetTerms::default(),
    }
}

/// Where tests may leave folders that commands can see: not below /tmp or a home, as far as this user may choose.
pub fn visible_place() -> PathBuf {
    std::env::var_os(PLACE).map_or_else(crate::support::visible::place, PathBuf::from)
}

/// The binary under test.
pub fn exe() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_countersign"));
    std::env::var_os(PLACE).map_or(built.clone(), |place| Path::new(&place).join(built.file_name().unwrap()))
}

/// The environment of this test with another home, toolchains where they are, and variables that must not get through.
pub fn environment(home: &Path) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = std::env::vars().collect();
    let real = PathBuf::from(variables.get("HOME").cloned().unwrap_or_default());
    variables.entry("RUSTUP_HOME".into()).or_insert_with(|| real.join(".rustup").display().to_string());
    variables.remove("CARGO_HOME");
    variables.insert("HOME".into(), home.display().to_string());
    variables.insert("ALLOWED".into(), "yes".into());
    for name in UNWANTED {
        variables.insert((*name).into(), CANARY.into());
    }
    variables
}

pub fn sandbox(root: &Path) -> LinuxSandbox {
    let paths = SandboxPaths { exe: exe(), cache: root.join("cache") };
    LinuxSandbox::with_environment(paths, environment(&root.join("home")))
}

/// A shell's line that becomes this program, with its arguments, where the kernel has no more than this level.
pub fn below(level: Level, program: &Path) -> String {
    let switch = match level {
        Level::L2 => "max_net_namespaces",
        _ => "max_user_namespaces",
    };
    // The user stays who they are; the rights over the switch go before the program starts.
    format!(
        "exec unshare --user --map-current-user --keep-caps sh -c 'echo 0 > /proc/sys/user/{switch} && \
         exec setpriv --inh-caps=-all --ambient-caps=-all {} \"$@\"' sh \"$@\"",
        program.display()
    )
}

/// A sandbox whose wall processes find namespaces switched off by the kernel, so that no more than this level can be had.
pub fn sandbox_below(root: &Path, level: Level) -> LinuxSandbox {
    let script = format!("#!/bin/sh\n{}\n", below(level, &exe()));
    if !root.join("wrapper/countersign").exists() {
        program(&root.join("wrapper/countersign"), script);
    }
    let paths = SandboxPaths { exe: root.join("wrapper/countersign"), cache: root.join("cache") };
    LinuxSandbox::with_environment(paths, environment(&root.join("home")))
}

/// Whether this machine has a level. Where it has not, the test says so and is skipped; never in continuous integration.
pub async fn reaches(sandbox: &LinuxSandbox, level: Level) -> bool {
    let (found, detail) = sandbox.level().await;
    if found == level {
        return true;
    }
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let words = format!("{name}: this kernel refuses level {level}: {found}, {detail}");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{words}");
    eprintln!("skipped: {words}");
    false
}

/// An empty folder where commands can see it.
pub fn visible() -> TempDir {
    tempfile::Builder::new().prefix("outside-").tempdir_in(visible_place()).unwrap()
}

/// A folder below /tmp with workspace, home with secrets, and cache.
pub fn folders() -> Folders {
    let root = Folders(tempfile::Builder::new().prefix("walls-").tempdir().unwrap());
    for folder in ["w/d", "home/notes", "home/.cargo/bin", "cache"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    put(root.path(), "w/a.txt", "alpha\n");
    put(root.path(), "w/d/b.txt", "beta\n");
    put(root.path(), "home/notes/n", "readable\n");
    put(root.path(), "home/.cargo/bin/tool", "#!/bin/sh\n");
    CREDENTIALS.iter().for_each(|path| put(root.path(), &format!("home/{path}"), CANARY));
    root
}

/// Writes a file and the folders above it.
pub fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    /// A bench at a level that the kernel makes the highest; none where this kernel has not even that.
    pub async fn at(level: Level) -> Option<Self> {
        let (root, out) = (folders(), visible());
        put(out.path(), "file", "victim\n");
        let sandbox = if level == Level::L3 { sandbox(root.path()) } else { sandbox_below(root.path(), level) };
        if !reaches(&sandbox, level).await {
            return None;
        }
        let session = sandbox.open(spec(&root.path().join("w"))).await.unwrap();
        assert_eq!(session.level(), level);
        Some(Bench { root, out, session })
    }

    /// A bench at a level that is weaker than what the machine has.
    pub async fn forced(level: Level) -> Self {
        Self::with_limits(level, |_| {}).await
    }

    /// The same with other limits.
    pub async fn with_limits(level: Level, change: impl FnOnce(&mut SandboxSpec)) -> Self {
        let (root, out) = (folders(), visible());
        put(out.path(), "file", "victim\n");
        let mut spec = spec(&root.path().join("w"));
        change(&mut spec);
        let session = Box::new(sandbox(root.path()).open_at(&spec, level).unwrap());
        Bench { root, out, session }
    }

    /// A bench whose folders and spec are changed first.
    pub async fn with(change: impl FnOnce(&Path, &mut SandboxSpec)) -> Self {
        Self::reaching(Network::default(), change).await
    }

    /// The same with this way to the world for commands that have network.
    pub async fn reaching(network: Network, change: impl FnOnce(&Path, &mut SandboxSpec)) -> Self {
        let (root, out) = (folders(), visible());
        put(out.path(), "file", "victim\n");
        let mut spec = spec(&root.path().join("w"));
        change(root.path(), &mut spec);
        let session = sandbox(root.path()).reaching(network).open(spec).await.unwrap();
        Bench { root, out, session }
    }

    /// A bench of parts that were made otherwise.
    pub fn of(root: Folders, out: TempDir, session: Box<dyn SandboxSession>) -> Self {
        Bench { root, out, session }
    }

    /// The same folders with another session.
    pub fn with_session(self, session: Box<dyn SandboxSession>) -> Self {
        Bench { session, ..self }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    /// The command's text with `$OUT` filled in.
    pub fn filled(&self, text: &str) -> String {
        text.replace("$OUT", &self.out.path().display().to_string())
    }

    /// Ends the session; the folders stay.
    pub fn forget_session(self) -> Folders {
        drop(self.session);
        self.root
    }

    /// Runs behind the walls.
    pub async fn sh(&self, text: &str) -> Ran {
        self.with_shadow(text, &Shadow::default()).await
    }

    pub async fn with_shadow(&self, text: &str, shadow: &Shadow) -> Ran {
        self.run(text, shadow, Duration::from_secs(120), &CancellationToken::new()).await.unwrap()
    }

    /// Runs behind the walls, must succeed; the output.
    pub async fn must(&self, text: &str) -> String {
        let ran = self.sh(text).await;
        assert!(ran.ok(), "{text}\n{}\n{:?}", ran.output, ran.outcome);
        ran.output
    }

    pub async fn run(
        &self,
        text: &str,
        shadow: &Shadow,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Ran, SandboxError> {
        let command = Command { text: self.filled(text), cwd: WsPath::root(), timeout, network: Vec::new() };
        self.run_command(command, shadow, cancel).await
    }

    /// Runs behind the walls, with a way out to these hosts.
    pub async fn net(&self, text: &str, network: &[String]) -> Ran {
        let timeout = Duration::from_secs(60);
        let command = Command { text: self.filled(text), cwd: WsPath::root(), timeout, network: network.to_vec() };
        self.run_command(command, &Shadow::default(), &CancellationToken::new()).await.unwrap()
    }

    async fn run_command(&self, command: Command, shadow: &Shadow, cancel: &CancellationToken) -> Result<Ran, SandboxError> {
        run_on(&*self.session, command, shadow, cancel).await
    }

    /// Everything that a command could harm, as it stands: workspace, home and the victim folder.
    pub fn world(&self) -> Vec<String> {
        ["w", "home"].iter().flat_map(|name| picture(&self.path(name))).chain(picture(self.out.path())).collect()
    }
}

/// Runs a command of a session and collects what it says.
pub async fn run_on(
    session: &dyn SandboxSession,
    command: Command,
    shadow: &Shadow,
    cancel: &CancellationToken,
) -> Result<Ran, SandboxError> {
    let mut sink = Collect::default();
    let outcome = session.run(command, shadow, &mut sink, cancel).await?;
    // No model answers within this, and then the next process 1 has been ordered: what comes now finds it waiting.
    tokio::time::sleep(Duration::from_millis(8)).await;
    Ok(Ran { outcome, output: sink.text(), news: sink.1, heard: sink.2 })
}

/// Every entry below `folder` with kind, mode, owner, times, links and text.
pub fn picture(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        let text = if about.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        let (mode, uid, seconds, nanos) = (about.mode(), about.uid(), about.mtime(), about.mtime_nsec());
        // A change of rights, owner or attributes shows in it.
        let (changed, changed_nanos) = (about.ctime(), about.ctime_nsec());
        lines.push(format!(
            "{} {mode:o} {uid} {seconds}.{nanos} {changed}.{changed_nanos} {} {text}",
            path.display(),
            about.nlink()
        ));
        if about.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

/// Waits until it is so, half a minute at most: shadows are removed in the background, and the machine may be busy.
pub fn soon(so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Whether nothing is in a folder, before long.
pub fn gets_empty(folder: &Path) -> bool {
    // What was proved of the machine is remembered.
    soon(|| fs::read_dir(folder).unwrap().all(|entry| entry.unwrap().file_name() == "level.json"))
}

/// The same text without walls: the positive control.
pub fn unwalled(text: &str, folder: &Path) -> Output {
    let mut bash = std::process::Command::new("/bin/bash");
    bash.args(["--noprofile", "--norc", "-c", text]).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}
