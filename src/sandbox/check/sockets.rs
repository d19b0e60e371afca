//! The self-test of Unix sockets: one that another program listens on, at a path that commands see or by an abstract name, beside
//! one of the command's own. That the first can be reached at all is seen from outside the walls.

use std::{
    io,
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
};

use rustix::fs::{Mode, OFlags, open};

use super::{CheckResult, Scratch};
use crate::{
    sandbox::hints::refusal,
    seams::{Level, SandboxError, SandboxSession},
};

pub(super) async fn run(scratch: &Scratch, session: &dyn SandboxSession) -> Result<[CheckResult; 2], SandboxError> {
    let failed = |error: io::Error| refusal("probe", &format!("Unix sockets: {error}"));
    let folder = scratch.folder();
    // By a short way: the address of a socket holds 107 bytes.
    let near = open(&folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| failed(e.into()))?;
    let path = SocketAddr::from_pathname(format!("/proc/self/fd/{}/agent", near.as_raw_fd())).map_err(failed)?;
    let name = format!("countersign-check-{}", uuid::Uuid::now_v7());
    let abstract_name = SocketAddr::from_abstract_name(&name).map_err(failed)?;
    let own = |kind: &str| if session.level() >= Level::L2 { format!("own-{kind}:own") } else { "pair".to_owned() };
    let control = |how: &'static str| if session.level() >= Level::L2 { how } else { "make a pair of sockets" };
    let by_path = Socket {
        denial: "connect to a socket of another program, at a path in the workspace",
        address: path,
        target: format!("path:{}", folder.join("agent").display()),
        control: control("connect to one of its own at a path"),
        own: own("path"),
    };
    let by_name = Socket {
        denial: "connect to a socket of another program, by its abstract name",
        address: abstract_name,
        target: format!("name:{name}"),
        control: control("connect to one of its own by a name"),
        own: own("name"),
    };
    Ok([by_path.tried(scratch, session).await?, by_name.tried(scratch, session).await?])
}

struct Socket {
    denial: &'static str,
    address: SocketAddr,
    target: String,
    control: &'static str,
    own: String,
}

impl Socket {
    async fn tried(self, scratch: &Scratch, session: &dyn SandboxSession) -> Result<CheckResult, SandboxError> {
        let failed = |error: io::Error| refusal("probe", &format!("Unix sockets: {error}"));
        let listener = UnixListener::bind_addr(&self.address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let reached = || listener.accept().is_ok();
        let call = |target: &str| format!("{{program}} '{target}' act");
        let (denial, denied) = scratch.sh(session, &call(&self.target), 0).await?;
        let came = reached();
        let (control, allowed) = scratch.sh(session, &call(&self.own), 0).await?;
        // What nobody can reach is no denial.
        let open = UnixStream::connect_addr(&self.address).is_ok() && reached();
        let result = CheckResult {
            wall: "sockets",
            denial: self.denial,
            denied: denial.exit != Some(0) && !came,
            control: self.control,
            allowed: control.exit == Some(0) && open,
            detail: String::new(),
        };
        let unreached = if open { "" } else { "the socket is not reached without walls either" };
        let detail = if result.holds() { String::new() } else { format!("{denied}{allowed}{unreached}") };
        Ok(CheckResult { detail, ..result })
    }
}
