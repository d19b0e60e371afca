//! Output: large, endless, broken, in a million pieces. The server's memory stays flat, the exit status right, the middle can
//! be paged through, and nothing stalls.

use std::{
    io::{BufReader, Read},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use countersign::seams::{OutputSink, Shadow, Stopped};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::bench::*;

/// Counts only.
#[derive(Default)]
struct Count {
    bytes: u64,
    pieces: u64,
}

impl OutputSink for Count {
    fn output(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.pieces += 1;
    }
}

async fn counted(bench: &Bench, text: &str) -> (Count, Option<i32>) {
    let mut count = Count::default();
    let command = countersign::seams::Command {
        text: text.into(),
        cwd: countersign::path::WsPath::root(),
        timeout: Duration::from_secs(120),
        network: Vec::new(),
    };
    let outcome = bench.session.run(command, &Shadow::default(), &mut count, &CancellationToken::new()).await.unwrap();
    (count, outcome.exit)
}

#[tokio::test]
async fn a_million_small_writes_come_in_few_pieces() {
    let bench = Bench::new().await;
    let begun = Instant::now();
    let writes = "/usr/bin/python3 -I -c \"import os\nfor i in range(1000000): os.write(1, b'x')\"";
    let (count, exit) = counted(&bench, writes).await;
    assert_eq!((count.bytes, exit), (1_000_000, Some(0)));
    // One a pace of 20 ms, and one a full buffer.
    let most = begun.elapsed().as_millis() as u64 / 20 + 1_000_000 / (64 << 10) + 4;
    assert!(count.pieces <= most, "{} pieces, {most} at most", count.pieces);
}

/// Stops the command when it has heard so much.
struct Enough {
    bytes: usize,
    cancel: CancellationToken,
}

impl OutputSink for Enough {
    fn output(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_sub(bytes.len());
        if self.bytes == 0 {
            self.cancel.cancel();
        }
    }
}

#[tokio::test]
async fn what_comes_after_a_pause_is_not_held_back() {
    let bench = Bench::new().await;
    for (text, bytes) in [("echo 1", 2), ("echo 1; sleep 0.2; echo 2", 4), ("yes | head -c 300000; sleep 0.2; echo", 300_001)] {
        let cancel = CancellationToken::new();
        let mut enough = Enough { bytes, cancel: cancel.clone() };
        let command = countersign::seams::Command {
            text: format!("{text}; sleep 98772"),
            cwd: countersign::path::WsPath::root(),
            timeout: Duration::from_secs(60),
            network: Vec::new(),
        };
        let outcome = bench.session.run(command, &Shadow::default(), &mut enough, &cancel).await.unwrap();
        assert_eq!(outcome.stopped, Some(Stopped::Cancelled), "{text}: all of it is heard while it runs");
    }
}

#[tokio::test]
async fn the_exit_status_is_the_commands_however_much_it_says() {
    let bench = Bench::new().await;
    let (count, exit) = counted(&bench, "yes | head -c 300M; exit 7").await;
    assert_eq!((count.bytes, exit), (300 << 20, Some(7)));
    let endless = bench.run("cat /dev/zero", &Shadow::default(), Duration::from_millis(400), &CancellationToken::new()).await;
    assert_eq!(endless.unwrap().outcome.stopped, Some(Stopped::Timeout));
}

#[tokio::test]
async fn nothing_waits_for_who_holds_the_pipe() {
    let bench = Bench::new().await;
    // How long it goes on after its first words.
    let timed = async |text: &str, seconds: u64| {
        let ran = bench.run(text, &Shadow::default(), Duration::from_secs(seconds), &CancellationToken::new()).await.unwrap();
        let took = ran.went_on();
        (ran, took)
    };
    let (ran, took) = timed("cat; echo end of input", 60).await;
    assert_eq!((ran.outcome.exit, ran.output.as_str()), (Some(0), "end of input\n"));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (ran, took) = timed("mkfifo p; (while :; do echo c; sleep 1; done) > p & cat p", 2).await;
    assert_eq!(ran.outcome.stopped, Some(Stopped::Timeout));
    assert!(took < Duration::from_secs(4), "{took:?}");
    let (ran, took) = timed("exec > >(tee log) 2>&1; echo heard", 60).await;
    assert!(ran.ok() && took < Duration::from_secs(2), "{took:?}");
    // A daemon that keeps the output open after its command is gone with it.
    let (ran, took) = timed("setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' & echo started", 60).await;
    assert_eq!((ran.outcome.exit, ran.output.as_str()), (Some(0), "started\n"));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// Runs a program and says at last, on a line of its own, how much memory it had at most, in KiB. The kernel has noted that;
/// whoever only looks now and then sees less, and on a busy machine much less.
const PEAK: &str = r"
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print('', usage.ru_maxrss, sep='\n', file=sys.stderr, flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
";

/// `countersign ask` with a scripted model, in a trusted project.
struct Asked {
    folders: TempDir,
    child: Child,
}

impl Asked {
    fn start(replies: &[Value]) -> Asked {
        let folders = tempfile::Builder::new().prefix("output-").tempdir().unwrap();
        let at = |name: &str| folders.path().join(name);
        ["project", "home"].iter().for_each(|name| std::fs::create_dir(at(name)).unwrap());
        std::fs::write(at("project/file"), "x\n").unwrap();
        let script: String = replies.iter().map(|reply| format!("{reply}\n")).collect();
        std::fs::write(at("script.jsonl"), script).unwrap();
        let binary = || {
            let mut command = Command::new(exe());
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", at("home"));
            command.current_dir(at("project")).stdin(Stdio::null());
            command
        };
        let trusted = binary().args(["trust", "add", "."]).output().unwrap();
        assert!(trusted.status.success(), "{trusted:?}");
        let model = format!("script:{}", at("script.jsonl").display());
        let mut ask = Command::new("/usr/bin/python3");
        ask.args(["-I", "-c", PEAK]).arg(exe()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        ask.env("HOME", at("home")).current_dir(at("project")).stdin(Stdio::null());
        ask.args(["ask", "go", "--json", "--accept", "none", "--model", &model]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = ask.spawn().unwrap();
        Asked { folders, child }
    }

    /// Everything that it printed, the most memory that it had in KiB, and its journal.
    fn end(mut self) -> (String, u64, String) {
        let out = self.child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            BufReader::new(out).read_to_string(&mut text).unwrap();
            text
        });
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        self.child.wait().unwrap();
        let text = reading.join().unwrap();
        let (errors, peak) = errors.trim_end().rsplit_once('\n').unwrap_or(("", &errors));
        let peak = peak.parse().unwrap_or_else(|_| panic!("{errors}\n{peak}"));
        assert!(!text.is_empty(), "{errors}");
        (text + errors, peak, journal(&self.folders))
    }
}

fn journal(folders: &TempDir) -> String {
    let state = folders.path().join("home/.local/state/countersign/journal");
    let files = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

fn call(tool: &str, input: Value) -> Value {
    json!({"content": [{"type": "tool_use", "id": format!("call-{tool}"), "name": tool, "input": input}]})
}

fn words(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "usage": {"input_tokens": 1, "output_tokens": 1}})
}

/// The whole product with 150 MB of output: memory as with none, the middle paged through, what found no room told.
#[test]
fn memory_stays_flat_and_the_middle_can_be_paged() {
    let run = |command: &str| call("run", json!({"command": command}));
    let (_, quiet, _) = Asked::start(&[run("true"), words("done")]).end();
    let page = |input: Value| call("output", input);
    let loud = Asked::start(&[
        run("seq 100000; yes | head -c 150M; seq 200000 200100; exit 9"),
        page(json!({"id": "o1", "start_line": 98765, "end_line": 98765})),
        page(json!({"id": "o1", "pattern": "bytes were dropped here"})),
        page(json!({"id": "o1", "pattern": "200050"})),
        words("done"),
    ]);
    let (text, peak, told) = loud.end();
    assert!(peak > 0 && peak < quiet + 6 * 1024, "{quiet} KiB without output, {peak} KiB with it");
    for part in ["exit code 9", "bytes of the middle are lost", "98765|98765", "bytes were dropped here]", "|200050"] {
        assert!(told.contains(part), "{part} is not in the journal");
    }
    assert!(text.len() < 3 << 20, "{} bytes are shown live", text.len());
}

/// What would steer a terminal, or hide what stands there, reaches neither model nor journal nor screen.
#[test]
fn escapes_and_broken_bytes_reach_nobody() {
    let noise = r"printf '\033[31mred\033[0m \033]0;title\007\377\376 caf\303\251\n10%%\r20%%\r100%%\ndone \342\200\256evil\033]52;c;x'; exit 3";
    let (text, _, told) = Asked::start(&[call("run", json!({"command": noise})), words("done")]).end();
    for place in [&told, &text] {
        assert!(place.contains("red \u{fffd}\u{fffd} caf\u{e9}\\n"), "{place}");
        let result = place.split("red \u{fffd}").nth(1).unwrap();
        for sign in ["\u{1b}", "\\u001b", "\u{202e}", "\\r", "title"] {
            assert!(!result.contains(sign), "{sign:?} in {result}");
        }
    }
    assert!(told.contains("100%\\ndone \\\\u{202e}evil"), "{told}");
}
