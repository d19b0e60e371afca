//! How the server gets a socket of a command's own network: the keeper makes it there and sends it along.
//!
//! It is the first thing on the socket of a process 1, beside an empty line: a server that does not want it reads on, and the
//! kernel closes it. It is neither bound nor listening, so that commands without network find nothing on their loopback.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketAddrV4, SocketFlags, SocketType, bind, listen, recvmsg, sendmsg, socket_with,
    },
};
use tokio::{
    io::Interest,
    net::{TcpListener, UnixStream},
};

/// The line beside it.
const LINE: &[u8; 1] = b"\n";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Makes the socket in the calling thread's network and sends it to whoever holds the other end of `channel`.
pub(in crate::sandbox) struct Doorway;

impl Doorway {
    /// # Errors
    /// What the kernel says.
    pub(in crate::sandbox) fn open(channel: impl AsFd) -> io::Result<()> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let sockets = [socket.as_fd()];
        beside.push(SendAncillaryMessage::ScmRights(&sockets));
        match sendmsg(channel, &[IoSlice::new(LINE)], &mut beside, SendFlags::NOSIGNAL)? {
            1 => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// Takes the socket, before anything else is read, and listens on a free port of its loopback.
///
/// # Errors
/// What the kernel says; `UnexpectedEof` when there is nobody who could send it any more.
pub(in crate::sandbox) async fn take(channel: &UnixStream) -> io::Result<TcpListener> {
    let socket = loop {
        channel.readable().await?;
        match channel.try_io(Interest::READABLE, || Ok(receive(channel)?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => break received?,
        }
    };
    let socket = socket.ok_or(io::ErrorKind::UnexpectedEof)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    listen(&socket, BACKLOG)?;
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn receive(channel: &UnixStream) -> Result<Option<OwnedFd>, Errno> {
    let mut line = [0u8; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let read = recvmsg(channel, &mut [IoSliceMut::new(&mut line)], &mut beside, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let received = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    match (read, received) {
        (0, _) => Ok(None),
        (_, Some(socket)) if &line == LINE => Ok(Some(socket)),
        _ => Err(Errno::PROTO),
    }
}
