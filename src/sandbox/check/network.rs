//! The self-test of the way out: what the proxy must refuse, each beside what it must pass on. Both ends are on this machine.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{CheckResult, Said, Scratch};
use crate::{
    path::WsPath,
    sandbox::{LinuxSandbox, hints::refusal, session::LinuxSession},
    seams::{Command, NetTerms, Outcome, SandboxError, SandboxSession, SandboxSpec},
};

/// Asks the proxy for a page of `{to}`.
const ASK: &str = "exec 3<>/dev/tcp/127.0.0.1/${http_proxy##*:} \
    && printf 'GET http://%s/ HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n' {to} {to} >&3 && grep -q selftest <&3";
/// Asks it for a tunnel, and in that for the page without TLS.
const TUNNEL: &str = "exec 3<>/dev/tcp/127.0.0.1/${http_proxy##*:} \
    && printf 'CONNECT %s HTTP/1.1\\r\\n\\r\\nGET / HTTP/1.0\\r\\n\\r\\n' {to} >&3 && grep -q selftest <&3";
/// Goes there without asking.
const PAST: &str = "exec 3<>/dev/tcp/127.0.0.1/${to##*:} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q selftest <&3";

/// Each: the denial, its text, where it leads, and whether the command named that.
const CHECKS: &[(&str, &str, bool, bool)] = &[
    ("reach a host that the command did not name", ASK, true, false),
    ("reach an address of this machine that no rule names", ASK, false, true),
    ("talk through a tunnel without TLS", TUNNEL, true, true),
    ("connect past the proxy", PAST, true, true),
];

/// Runs them.
pub(super) async fn run(scratch: &Scratch, sandbox: &LinuxSandbox) -> Result<Vec<CheckResult>, SandboxError> {
    let page = Page::serve().await.map_err(|e| refusal("probe", &format!("loopback: {e}")))?;
    let other = Page::serve().await.map_err(|e| refusal("probe", &format!("loopback: {e}")))?;
    let spec = SandboxSpec::bare(scratch.folder()).on_terms(NetTerms { private: vec![page.host.clone()], ..NetTerms::default() });
    let session = sandbox.open_here(&spec)?;
    let mut results = Vec::new();
    for (denial, text, open, named) in CHECKS {
        let to = if *open { &page.host } else { &other.host };
        let network = if *named { to } else { &other.host };
        let (denied, said) = ask(&session, text, to, network).await?;
        let (allowed, said_allowed) = ask(&session, ASK, &page.host, &page.host).await?;
        let result = CheckResult {
            wall: "proxy",
            denial,
            denied: denied.exit != Some(0),
            control: "reach the host that it named",
            allowed: allowed.exit == Some(0),
            detail: String::new(),
        };
        let detail = if result.holds() { String::new() } else { format!("{said}{said_allowed}") };
        results.push(CheckResult { detail, ..result });
    }
    Ok(results)
}

async fn ask(session: &LinuxSession, text: &str, to: &str, network: &str) -> Result<(Outcome, String), SandboxError> {
    let text = format!("to={to}; {}", text.replace("{to}", to));
    let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(10), network: vec![network.to_owned()] };
    let mut said = Said::default();
    let outcome = session.run(command, &Default::default(), &mut said, &CancellationToken::new()).await?;
    Ok((outcome, String::from_utf8_lossy(&said.0).into_owned()))
}

/// A page on the loopback of this machine. Gone when dropped.
struct Page {
    host: String,
    _work: JoinSet<()>,
}

impl Page {
    async fn serve() -> std::io::Result<Page> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?.to_string();
        let mut work = JoinSet::new();
        work.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // What was asked does not matter, only that something was.
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nselftest").await;
            }
        });
        Ok(Page { host, _work: work })
    }
}
