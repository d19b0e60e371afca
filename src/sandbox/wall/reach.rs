//! A Unix socket tried from behind the walls, for the self-test: no tool that every machine has connects to one.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::Path,
};

use super::{Failure, Step};

/// The argument before the last says what is tried: `path:` or `name:` (abstract) with a socket of another program; `own-path:`
/// or `own-name:` with one that this process makes; or `pair`.
pub(super) fn run() -> Result<(), Failure> {
    let tried = env::args().nth_back(1).unwrap_or_default();
    let (kind, socket) = tried.split_once(':').unwrap_or((&tried, ""));
    let reached = match kind {
        "path" => near(Path::new(socket)).and_then(|address| UnixStream::connect_addr(&address)),
        "name" => SocketAddr::from_abstract_name(socket).and_then(|address| UnixStream::connect_addr(&address)),
        "own-path" => near(Path::new(socket)).and_then(|address| own(&address)),
        "own-name" => SocketAddr::from_abstract_name(socket).and_then(|address| own(&address)),
        "pair" => UnixStream::pair().map(|(one, _)| one),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    reached.map(drop).step("reach")
}

/// The address of a socket, seen from its folder: addresses are short, and paths need not be.
fn near(path: &Path) -> io::Result<SocketAddr> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), env::set_current_dir)?;
    SocketAddr::from_pathname(path.file_name().unwrap_or_default())
}

fn own(address: &SocketAddr) -> io::Result<UnixStream> {
    let listener = UnixListener::bind_addr(address)?;
    let stream = UnixStream::connect_addr(address)?;
    listener.accept()?;
    Ok(stream)
}
