//! One connection of a command: its request is understood and judged, the host resolved once, the checked address dialled,
//! and bytes are passed on.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::AtomicU64,
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    address,
    answer::{self, refusal},
    head::{self, Asked, Request},
    hello::{self, Hello},
    proxy::Shared,
    relay::{Halt, Lane, Meter, pump},
};
use crate::{policy::host_and_port, seams::ConnectionNews};

/// Addresses of one host that are tried.
const TRIES: usize = 3;
/// What is read away of a refused request, so that its answer is not lost on a reset connection; bytes.
const AWAY: usize = 256 << 10;

/// How an exchange ended without bytes passed on.
enum Ended {
    /// The command is answered with this status, or hung up on where there is none.
    Refused { host: String, port: u16, status: Option<u16>, why: String },
    /// It was let through and the host could not be reached.
    Failed { host: String, port: u16, why: String },
    /// The command hung up before it had asked for anything, or is over.
    Silent,
}

/// Serves one connection to its end.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) {
    let number = shared.number();
    if number > shared.network.caps.in_all.saturating_add(1) {
        // The first too many was told why.
        return;
    }
    let mut dialled = None;
    let opened = tokio::select! {
        () = shared.stop.cancelled() => Err(Ended::Silent),
        opened = open(&mut client, number, shared, &mut dialled) => opened,
    };
    let ended = match (opened, dialled) {
        (Err(Ended::Silent), Some((host, port))) => {
            let why = format!("the command hung up before it had sent anything to {host}");
            Err(Ended::Refused { host, port, status: None, why })
        }
        (opened, _) => opened,
    };
    let (host, port, status, why, news) = match ended {
        Ok(through) => return through.run(client, number, shared).await,
        Err(Ended::Silent) => return,
        Err(Ended::Refused { host, port, status, why }) => (host, port, status, why.clone(), ConnectionNews::Refused(why)),
        Err(Ended::Failed { host, port, why }) => (host, port, Some(502), why.clone(), ConnectionNews::Failed(why)),
    };
    shared.tell(number, &host, port, news).await;
    let farewell = status.map_or_else(|| answer::UNRECOGNIZED_NAME.to_vec(), |status| refusal(status, &why));
    let parting = async {
        client.write_all(&farewell).await?;
        client.shutdown().await?;
        let (mut away, mut buffer) = (0, [0u8; 4096]);
        while away < AWAY {
            match client.read(&mut buffer).await? {
                0 => break,
                length => away += length,
            }
        }
        io::Result::Ok(())
    };
    tokio::select! {
        () = shared.stop.cancelled() => {}
        _ = timeout(shared.network.caps.patience, parting) => {}
    }
}

/// A connection that was let through: the server, and what the command has sent already.
struct Through {
    server: TcpStream,
    at: SocketAddr,
    host: String,
    port: u16,
    first: Vec<u8>,
    /// Of a plain exchange: bytes of its body that follow; a tunnel has no such bound.
    plain: Option<u64>,
}

/// From the first bytes of the command to a server that may have them. `dialled` is set once that server is connected to.
async fn open(
    client: &mut TcpStream,
    number: u32,
    shared: &Shared,
    dialled: &mut Option<(String, u16)>,
) -> Result<Through, Ended> {
    let caps = shared.network.caps;
    let mut bytes = Vec::new();
    let Request { target, asked, length } = request(client, &mut bytes, shared).await?;
    let rest = bytes.split_off(length);
    let Some((host, port)) = host_and_port(&target).map(|(host, port)| (host.to_owned(), port)) else {
        return Err(Ended::Silent);
    };
    let refused = |status: Option<u16>, why: String| Ended::Refused { host: host.clone(), port, status, why };
    if number > caps.in_all {
        return Err(refused(Some(503), format!("a command may make {} connections, and this one has", caps.in_all)));
    }
    if !shared.named.contains(&target) {
        let why = format!(
            "{target} is not among the hosts that this command was allowed ({}). Name it in the command's network list, so that \
             the user is asked",
            listed(&shared.named)
        );
        return Err(refused(Some(403), why));
    }
    if let Asked::Plain { method, body, .. } = &asked {
        let reads = matches!(method.as_str(), "GET" | "HEAD") && *body == 0;
        if !reads && !shared.terms.methods.contains(&(target.clone(), method.clone())) {
            let why = format!(
                "in the clear only GET and HEAD without a body are passed on, and this is {} to {target}; a rule of the user's \
                 policy can name more `methods`",
                head::shown(method)
            );
            return Err(refused(Some(403), why));
        }
    }
    let (server, at) = dial(&host, port, shared).await?;
    *dialled = Some((host.clone(), port));
    let (first, plain) = match asked {
        Asked::Plain { mut head, body, .. } => {
            let here = rest.len().min(usize::try_from(body).unwrap_or(usize::MAX));
            head.extend_from_slice(&rest[..here]);
            (head, Some(body - here as u64))
        }
        Asked::Tunnel => {
            let hung_up = |_| Ended::Silent;
            client.write_all(answer::ESTABLISHED).await.map_err(hung_up)?;
            (greeting(client, rest, &host, shared).await.map_err(|why| refused(None, why))?, None)
        }
    };
    Ok(Through { server, at, host, port, first, plain })
}

fn listed(named: &[String]) -> String {
    const MOST: usize = 8;
    let more = if named.len() > MOST { format!(" and {} more", named.len() - MOST) } else { String::new() };
    format!("{}{more}", named.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// Reads until a request is whole.
async fn request(client: &mut TcpStream, bytes: &mut Vec<u8>, shared: &Shared) -> Result<Request, Ended> {
    let answered = |refused: head::Refused| {
        let (host, port) = host_and_port(&refused.target).map_or((refused.target.as_str(), 0), |(host, port)| (host, port));
        Ended::Refused { host: host.to_owned(), port, status: Some(refused.status), why: refused.why }
    };
    let reading = async {
        loop {
            if client.read_buf(bytes).await.unwrap_or(0) == 0 {
                return Err(Ended::Silent);
            }
            if let Some(request) = head::read(bytes).map_err(answered)? {
                return Ok(request);
            }
        }
    };
    let late = || head::Refused { status: 408, target: String::new(), why: "the request did not come in time".to_owned() };
    timeout(shared.network.caps.patience, reading).await.unwrap_or_else(|_| Err(answered(late())))
}

/// Resolves the host once and dials what was checked.
async fn dial(host: &str, port: u16, shared: &Shared) -> Result<(TcpStream, SocketAddr), Ended> {
    let patience = shared.network.caps.patience;
    let failed = |why: String| Ended::Failed { host: host.to_owned(), port, why };
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let addresses = match literal {
        Some(address) => vec![address],
        None => match timeout(patience, shared.network.resolver.resolve(host)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(failed(format!("the name {host} cannot be resolved: {error}"))),
            Err(_) => return Err(failed(format!("the name {host} was not resolved in time"))),
        },
    };
    let checked = address::checked(host, port, &addresses, &shared.terms.private).map_err(|why| Ended::Refused {
        host: host.to_owned(),
        port,
        status: Some(403),
        why,
    })?;
    let mut last = String::new();
    for at in checked.into_iter().take(TRIES) {
        match timeout(patience, TcpStream::connect(at)).await {
            Ok(Ok(server)) => {
                let _ = server.set_nodelay(true);
                return Ok((server, at));
            }
            Ok(Err(error)) => last = format!("{host} at {at} cannot be reached: {error}"),
            Err(_) => last = format!("{host} at {at} did not answer in time"),
        }
    }
    Err(failed(last))
}

/// Reads the TLS hello of a tunnel, which must ask for the host of the tunnel and nothing else.
async fn greeting(client: &mut TcpStream, mut bytes: Vec<u8>, host: &str, shared: &Shared) -> Result<Vec<u8>, String> {
    let reading = async {
        loop {
            match hello::read(&bytes) {
                Hello::Partial => {}
                Hello::Other(why) => return Err(format!("{why}; a tunnel carries TLS only")),
                Hello::Whole { encrypted: true, .. } => {
                    return Err("the TLS hello hides the name that it asks for (ECH); switch that off".to_owned());
                }
                Hello::Whole { name, .. } => return named(name.as_deref(), host),
            }
            if client.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return Err("the command hung up before its TLS hello was whole".to_owned());
            }
        }
    };
    let outcome = timeout(shared.network.caps.patience, reading).await;
    outcome.unwrap_or_else(|_| Err("no TLS hello came in time; a tunnel carries TLS only".to_owned())).map(|()| bytes)
}

/// Addresses are asked for without a name.
fn named(name: Option<&str>, host: &str) -> Result<(), String> {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    match name {
        Some(name) if name == host => Ok(()),
        None if address => Ok(()),
        Some(name) => Err(format!("the tunnel is to {host}, and its TLS hello asks for {}", head::shown(name))),
        None => Err(format!("the TLS hello of the tunnel to {host} names no host")),
    }
}

/// Waits until the command hangs up: whoever closes the side of a request wants no answer to it, and a server that says nothing
/// more would hold the connection for nobody. What else the command says is not passed on.
async fn hung_up(client: &mut (impl AsyncRead + Unpin)) -> Halt {
    let mut buffer = [0u8; 4096];
    while client.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
    Halt::Broken
}

impl Through {
    /// Says where it leads, and once that is heard passes bytes on until one side has no more, or a cap is reached; then says how
    /// much it was.
    async fn run(self, mut client: TcpStream, number: u32, shared: &Shared) {
        let Through { mut server, at, host, port, first, plain } = self;
        if !shared.tell(number, &host, port, ConnectionNews::Opened(at.to_string())).await {
            return;
        }
        let caps = shared.network.caps;
        let (sent, received) = (Meter::new(u64::MAX), Meter::new(u64::MAX));
        let busy = AtomicU64::new(0);
        let passing = async {
            if !shared.sent.takes(first.len()) {
                return Halt::Cap;
            }
            sent.takes(first.len());
            if !matches!(timeout(caps.idle, server.write_all(&first)).await, Ok(Ok(()))) {
                return Halt::Broken;
            }
            let (mut from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let (exchange, body) = (plain.is_some(), plain.unwrap_or(u64::MAX));
            // Servers take the end of what they are sent for a client that went away.
            let up = Lane { all: &shared.sent, own: &sent, hang_up: !exchange };
            let down = Lane { all: &shared.received, own: &received, hang_up: true };
            let up = async {
                let halt = pump((&mut from_client).take(body), to_server, up, &busy, caps.idle).await;
                if exchange && halt == Halt::End { hung_up(&mut from_client).await } else { halt }
            };
            let down = pump(from_server, to_client, down, &busy, caps.idle);
            tokio::pin!(up, down);
            tokio::select! {
                halt = &mut up => if halt == Halt::End { down.await } else { halt },
                // The answer of a plain exchange ends with its connection.
                halt = &mut down => if halt == Halt::End && !exchange { up.await } else { halt },
            }
        };
        let halt = tokio::select! {
            biased;
            () = shared.stop.cancelled() => Halt::End,
            halt = passing => halt,
        };
        if halt != Halt::End {
            // Cut off must not look like whole: some answers end with their connection.
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
        }
        let why = match halt {
            Halt::End | Halt::Broken => None,
            Halt::Idle => Some(format!("it carried nothing for {} s", caps.idle.as_secs())),
            Halt::Cap => Some(format!("a command may send {} bytes and receive {} over the network", caps.sent, caps.received)),
        };
        let news = ConnectionNews::Closed { sent: sent.used(), received: received.used(), why };
        shared.tell(number, &host, port, news).await;
    }
}
