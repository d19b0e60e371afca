//! An act tried from behind the walls, for the self-test, that no tool which every machine has performs: connecting to a Unix
//! socket, or being many at once without trying again.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::Path,
    thread,
    time::Duration,
};

use super::{Failure, Step};

/// The argument before the last says what is tried: `path:` or `name:` (abstract) with a socket of another program; `own-path:`
/// or `own-name:` with one that this process makes; `pair`; or `threads:`, a number of them and for how many milliseconds.
pub(super) fn run() -> Result<(), Failure> {
    let tried = env::args().nth_back(1).unwrap_or_default();
    let (kind, socket) = tried.split_once(':').unwrap_or((&tried, ""));
    if kind == "threads" {
        return threads(socket).step("threads");
    }
    let reached = match kind {
        "path" => near(Path::new(socket)).and_then(|address| UnixStream::connect_addr(&address)),
        "name" => SocketAddr::from_abstract_name(socket).and_then(|address| UnixStream::connect_addr(&address)),
        "own-path" => near(Path::new(socket)).and_then(|address| own(&address)),
        "own-name" => SocketAddr::from_abstract_name(socket).and_then(|address| own(&address)),
        "pair" => UnixStream::pair().map(|(one, _)| one),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    reached.map(drop).step("socket")
}

/// Holds so many threads for a time.
fn threads(asked: &str) -> io::Result<()> {
    let numbers = asked.split_once(':').and_then(|(number, ms)| Some((number.parse::<u32>().ok()?, ms.parse::<u64>().ok()?)));
    let (number, ms) = numbers.ok_or(io::ErrorKind::InvalidInput)?;
    let time = Duration::from_millis(ms);
    let started: io::Result<Vec<_>> =
        (0..number).map(|_| thread::Builder::new().stack_size(64 << 10).spawn(move || thread::sleep(time))).collect();
    for one in started? {
        let _ = one.join();
    }
    Ok(())
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
