//! Many commands with network at once, most of which end badly: nothing of them is left in the server, no upstream stays open,
//! and whoever does not read makes nobody buffer.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command as Process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    sandbox::net::{Caps, Network},
    seams::{Command, Sandbox, Shadow, Stopped},
};
use tokio_util::sync::CancellationToken;

use super::{
    bench::*,
    proxy::{Names, Site},
};

const AT_ONCE: usize = 50;

/// A server that never ends its answer: it goes silent, or sends without end.
struct Upstream {
    port: u16,
    /// Connections by the path that they asked for, and when the other side hung up.
    seen: Arc<Mutex<BTreeMap<String, Option<Instant>>>>,
}

impl Upstream {
    fn new(flood: bool) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<BTreeMap<String, Option<Instant>>>> = Arc::default();
        let kept = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || serve(stream, flood, &kept));
            }
        });
        Upstream { port, seen }
    }

    fn url(&self, path: impl std::fmt::Display) -> String {
        format!("http://up.test:{}/{path}", self.port)
    }

    fn closed(&self, path: &str) -> Option<Instant> {
        self.seen.lock().unwrap().get(path).copied().flatten()
    }

    /// How many connections there were, and how many of them are open.
    fn count(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.len(), seen.values().filter(|closed| closed.is_none()).count())
    }

    async fn sees(&self, path: &str) {
        while !self.seen.lock().unwrap().contains_key(path) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn serve(mut stream: TcpStream, flood: bool, seen: &Mutex<BTreeMap<String, Option<Instant>>>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0u8; 4096]);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => bytes.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let path = head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    seen.lock().unwrap().insert(path.clone(), None);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbegun\n");
    let piece = [b'x'; 64 << 10];
    while flood && stream.write_all(&piece).is_ok() {}
    // Silent until the other side has had enough.
    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
    seen.lock().unwrap().insert(path, Some(Instant::now()));
}

/// What there is of this process.
#[derive(Debug, PartialEq)]
struct Left {
    files: usize,
    threads: usize,
    tasks: usize,
    children: usize,
    mounts: usize,
    folders: usize,
}

impl Left {
    fn now(cache: &std::path::Path) -> Left {
        let count = |folder: &std::path::Path| fs::read_dir(folder).map_or(0, Iterator::count);
        let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
        let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        Left {
            files: count("/proc/self/fd".as_ref()),
            threads: count("/proc/self/task".as_ref()),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            children: children.map(|line| line.split_whitespace().count()).sum(),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(),
            folders: count(cache),
        }
    }

    /// What there is once nothing of earlier work ends any more.
    async fn at_rest(cache: &std::path::Path) -> Left {
        let (mut last, mut times) = (Left::now(cache), 0);
        while times < 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = Left::now(cache);
            times = if now == last && now.children == 0 { times + 1 } else { 0 };
            last = now;
        }
        last
    }
}

/// Of this process, KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap()
}

#[test]
fn fifty_networked_commands_leave_nothing_however_they_end() {
    let suite = std::env::current_exe().unwrap();
    let mut alone = Process::new(suite);
    alone.args(["--exact", "--ignored", "--nocapture", "walls::proxy_load::in_a_process_of_its_own"]);
    let ran = alone.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "started by the test above, so that what is left can be counted"]
fn in_a_process_of_its_own() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Idle threads of its pool are no leak; they go before they are counted.
    let runtime = runtime.worker_threads(2).thread_keep_alive(Duration::from_millis(100)).enable_all().build().unwrap();
    runtime.block_on(fifty());
}

async fn fifty() {
    let (page, silent, flood) = (Site::page(), Arc::new(Upstream::new(false)), Arc::new(Upstream::new(true)));
    let names = Names::of(&[("up.test", &["127.0.0.1"])]);
    let root = folders();
    let sandbox = Arc::new(sandbox(root.path()).reaching(Network { resolver: names, caps: Caps::default() }));
    let mut spec = spec(&root.path().join("w"));
    let ports = [page.port, silent.port, flood.port];
    spec.net.private = ports.map(|port| format!("127.0.0.1:{port}")).to_vec();
    let [page, quiet, loud] = ports.map(|port| format!("up.test:{port}"));
    let command = |text: String, seconds: u64, network: Vec<String>| Command {
        text,
        cwd: WsPath::root(),
        timeout: Duration::from_secs(seconds),
        network,
    };
    // What is made once and stays.
    let session = sandbox.open(spec.clone()).await.unwrap();
    let curl = format!("curl -sS --max-time 60 http://{page}/");
    let ran =
        run_on(&*session, command(curl.clone(), 60, vec![page.clone()]), &Shadow::default(), &CancellationToken::new()).await;
    assert_eq!(ran.unwrap().output, "served");
    drop(session);
    let cache = root.path().join("cache");
    assert!(gets_empty(&cache));
    let before = Left::at_rest(&cache).await;

    let mut running = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let session = sandbox.open(spec.clone()).await.unwrap();
        let (curl, page, both) = (curl.clone(), page.clone(), vec![quiet.clone(), loud.clone()]);
        let (silent, flood) = (silent.clone(), flood.clone());
        let hang = format!("curl -sS {} & curl -sS {} > /dev/null & wait", silent.url(number), flood.url(number));
        running.spawn(async move {
            let (nothing, cancel) = (Shadow::default(), CancellationToken::new());
            let seen = async {
                silent.sees(&number.to_string()).await;
                flood.sees(&number.to_string()).await;
            };
            match number % 5 {
                0 => {
                    let ran = run_on(&*session, command(curl, 60, vec![page]), &nothing, &cancel).await.unwrap();
                    assert_eq!((ran.outcome.exit, ran.output.as_str()), (Some(0), "served"));
                }
                1 => {
                    let ran = run_on(&*session, command(curl, 60, both), &nothing, &cancel).await.unwrap();
                    assert!(ran.output.contains("is not among the hosts"), "{ran:?}");
                }
                2 => {
                    let ran = run_on(&*session, command(hang, 2, both), &nothing, &cancel).await.unwrap();
                    assert_eq!(ran.outcome.stopped, Some(Stopped::Timeout), "{ran:?}");
                }
                3 => {
                    let stop = async {
                        seen.await;
                        cancel.cancel();
                        Instant::now()
                    };
                    let (ran, at) = tokio::join!(run_on(&*session, command(hang, 60, both), &nothing, &cancel), stop);
                    let ran = ran.unwrap();
                    assert_eq!(ran.outcome.stopped, Some(Stopped::Cancelled), "{ran:?}");
                    let ended = at.elapsed();
                    // A silent one has nothing to send by which it would notice.
                    let own = number.to_string();
                    assert!(tokio::task::spawn_blocking(move || soon(|| silent.closed(&own).is_some())).await.unwrap());
                    eprintln!("{number}: {ended:?} from the stop to its end");
                }
                _ => tokio::select! {
                    _ = run_on(&*session, command(hang, 60, both), &nothing, &cancel) => panic!("it cannot end by itself"),
                    () = seen => {}
                },
            }
        });
    }
    while let Some(ran) = running.join_next().await {
        ran.unwrap();
    }
    let is_left = || Left::now(&cache) != before || silent.count().1 + flood.count().1 > 0;
    let gone = tokio::task::block_in_place(|| soon(|| !is_left()));
    assert!(gone, "{:?} was {before:?}, {:?} {:?}", Left::now(&cache), silent.count(), flood.count());
    assert!(silent.count().0 >= 20, "{:?}", silent.count());

    // Connections through which a server sends without end, to a command that never reads.
    let session = sandbox.open(spec).await.unwrap();
    put(root.path(), "w/mute.py", MUTE);
    let mute = format!("/usr/bin/python3 -I mute.py {} 30", flood.port);
    let begun = resident();
    let (nothing, never) = (Shadow::default(), CancellationToken::new());
    let most = AtomicU64::new(0);
    let watch = async {
        loop {
            most.fetch_max(resident(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ran = tokio::select! {
        ran = run_on(&*session, command(mute, 60, vec![loud]), &nothing, &never) => ran.unwrap(),
        () = watch => unreachable!(),
    };
    assert_eq!((ran.outcome.exit, ran.output.as_str()), (Some(0), "30 wait\n"), "{ran:?}");
    let grown = most.into_inner().saturating_sub(begun);
    eprintln!("{grown} KiB more for 30 connections that nobody reads");
    assert!(grown < 16 << 10, "{grown} KiB");
}

/// Asks for pages and does not read them.
const MUTE: &str = r"
import os, socket, sys, time
proxy, port, many = int(os.environ['http_proxy'].rsplit(':', 1)[1]), sys.argv[1], int(sys.argv[2])
kept = []
for number in range(many):
    s = socket.create_connection(('127.0.0.1', proxy), 30)
    s.sendall(f'GET http://up.test:{port}/mute{number} HTTP/1.1\r\nHost: up.test:{port}\r\n\r\n'.encode())
    assert s.recv(17) == b'HTTP/1.1 200 OK\r\n'
    kept.append(s)
time.sleep(2)
print(len(kept), 'wait')
";
