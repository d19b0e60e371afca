//! The proxy of one command: it accepts until the command has ended, and leaves nothing behind.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{Network, exchange, relay::Meter};
use crate::seams::{Connection, ConnectionNews, NetTerms};

/// News that wait to be heard.
const NEWS: usize = 256;
/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(20);
/// How long connections may take to end when they are told to.
const GRACE: Duration = Duration::from_secs(1);

/// News, and what says that they were heard.
pub(in crate::sandbox) type News = (Connection, oneshot::Sender<()>);

/// A proxy at work. Dropping it ends every connection at once.
pub(in crate::sandbox) struct Proxy {
    port: u16,
    news: mpsc::Receiver<News>,
    stop: CancellationToken,
    work: JoinSet<()>,
}

/// What the connections of one command share.
pub(super) struct Shared {
    pub network: Network,
    /// What the command may reach, each an exact `host:port`.
    pub named: Vec<String>,
    pub terms: NetTerms,
    pub sent: Meter,
    pub received: Meter,
    pub stop: CancellationToken,
    counted: AtomicU32,
    news: mpsc::Sender<News>,
}

impl Shared {
    /// The number of a connection that was just accepted.
    pub(super) fn number(&self) -> u32 {
        self.counted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Tells whoever listens, and waits until they have heard it. `false` when nobody does: the command is over.
    pub(super) async fn tell(&self, number: u32, host: &str, port: u16, news: ConnectionNews) -> bool {
        let (heard, hearing) = oneshot::channel();
        let news = Connection { number, host: host.to_owned(), port, news };
        self.news.send((news, heard)).await.is_ok() && hearing.await.is_ok()
    }
}

impl Proxy {
    /// Serves on a listener of the command's own loopback.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub(in crate::sandbox) fn start(
        listener: TcpListener,
        network: Network,
        named: Vec<String>,
        terms: NetTerms,
    ) -> io::Result<Proxy> {
        let port = listener.local_addr()?.port();
        let (sender, news) = mpsc::channel(NEWS);
        let stop = CancellationToken::new();
        let caps = network.caps;
        let shared = Shared {
            network,
            named,
            terms,
            sent: Meter::new(caps.sent),
            received: Meter::new(caps.received),
            stop: stop.clone(),
            counted: AtomicU32::new(0),
            news: sender,
        };
        let mut work = JoinSet::new();
        work.spawn(accept(listener, Arc::new(shared)));
        Ok(Proxy { port, news, stop, work })
    }

    /// The port on the command's loopback.
    pub(in crate::sandbox) fn port(&self) -> u16 {
        self.port
    }

    /// The next news; their connection waits until they are said to be heard. Pending for good when there is no more to come;
    /// nothing is lost when this is given up half-way.
    pub(in crate::sandbox) async fn news(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Ends every connection, and tells the last news of them.
    pub(in crate::sandbox) async fn finish(mut self, mut tell: impl FnMut(&Connection)) {
        self.stop.cancel();
        let told = async {
            while let Some((news, heard)) = self.news.recv().await {
                tell(&news);
                let _ = heard.send(());
            }
        };
        // Those that do not end in time are ended by the drop.
        let _ = timeout(GRACE, told).await;
        self.work.shutdown().await;
    }
}

/// Accepts as many at once as may be; the others wait. Ends its connections with itself.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut open = JoinSet::new();
    loop {
        let full = open.len() >= shared.network.caps.at_once.max(1);
        tokio::select! {
            () = shared.stop.cancelled() => break,
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, _)) => _ = open.spawn(serve(stream, shared.clone())),
                // Out of descriptors, or the peer was faster: the next one may do, a little later.
                Err(_) => _ = timeout(PAUSE, shared.stop.cancelled()).await,
            },
            _ = open.join_next(), if !open.is_empty() => {}
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    exchange::serve(stream, &shared).await;
}
