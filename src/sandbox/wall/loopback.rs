//! Brings the loopback interface of the new network namespace up: test suites open ports on it. Nothing else exists there.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};

use super::{Failure, Step};

const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const IFF_UP: u32 = 1;
const LOOPBACK_INDEX: u32 = 1;

/// One netlink request, one acknowledgement.
pub(super) fn up() -> Result<(), Failure> {
    let route = socket(AddressFamily::NETLINK, SocketType::RAW, None).step("loopback")?;
    send(&route, &request(), SendFlags::empty()).step("loopback")?;
    let mut answer = [0u8; 256];
    let (length, _) = recv(&route, &mut answer[..], RecvFlags::empty()).step("loopback")?;
    // struct nlmsghdr (16 bytes), then the error number of struct nlmsgerr.
    let error = answer[..length].get(16..20).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(std::io::Error::from_raw_os_error(-error)).step("loopback"),
        None => Err("the kernel's answer is too short").step("loopback"),
    }
}

/// `struct nlmsghdr` followed by `struct ifinfomsg`.
fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(32u32.to_ne_bytes());
    bytes.extend(RTM_NEWLINK.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    bytes.extend(1u32.to_ne_bytes()); // sequence
    bytes.extend(0u32.to_ne_bytes()); // port: the kernel fills it in
    bytes.extend([0, 0, 0, 0]); // family, padding, device type
    bytes.extend(LOOPBACK_INDEX.to_ne_bytes());
    bytes.extend(IFF_UP.to_ne_bytes()); // flags
    bytes.extend(IFF_UP.to_ne_bytes()); // which of them change
    bytes
}
