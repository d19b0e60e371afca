//! Which addresses a connection may lead to: public ones, and what a rule names one by one.
//!
//! A name of an approved host can be made to point anywhere by whoever owns it. So every address is looked at before it is
//! dialled, and the address that was looked at is the one that is dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// What is wrong with an address, where something is; else `None`.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, d] = address.octets();
    match (a, b, c) {
        // What a cloud tells its machines, at a public address.
        (168, 63, 129) if d == 16 => Some("an address of a provider's own network"),
        (0, ..) => Some("an address of this machine"),
        (127, ..) => Some("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (100, 64..=127, _) => Some("an address of a provider's own network"),
        (169, 254, _) => Some("a link-local address"),
        (224..=239, ..) => Some("a multicast address"),
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) | (240..=255, ..) => {
            Some("a reserved address")
        }
        _ => None,
    }
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let [embedded_a, embedded_b] = high.to_be_bytes();
    let [embedded_c, embedded_d] = low.to_be_bytes();
    let embedded = Ipv4Addr::new(embedded_a, embedded_b, embedded_c, embedded_d);
    match (a, b) {
        _ if address.is_unspecified() => Some("an address of this machine"),
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.to_ipv4_mapped().is_some() => Some("an IPv4 address in the form of another"),
        // How networks without IPv4 reach it: as good as what it stands for.
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => not_public_v4(embedded),
        (0xfc00..=0xfdff, _) => Some("a private address"),
        (0xfe80..=0xfeff, _) => Some("a link-local address"),
        (0xff00.., _) => Some("a multicast address"),
        (0x2001, ..0x200 | 0xdb8) | (0x2002, _) | (0x3fff, ..0x1000) => Some("a reserved address"),
        (0x2000..=0x3fff, _) => None,
        _ => Some("a reserved address"),
    }
}

/// Whether the address is one of this machine's own, whatever its range: the kernel would talk to itself. Sends nothing.
pub fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

/// Of the addresses that a name has, those that may be dialled; where there is none, what is wrong with the first.
///
/// # Errors
/// A sentence that names the address.
pub fn checked(host: &str, port: u16, addresses: &[IpAddr], private: &[String]) -> Result<Vec<SocketAddr>, String> {
    let mut wrong = None;
    let mut fine: Vec<SocketAddr> = Vec::new();
    for &address in addresses {
        let at = SocketAddr::new(address, port);
        let named = private.contains(&at.to_string());
        let fault = not_public(address).or_else(|| is_own(address).then_some("an address of this machine"));
        match fault {
            Some(fault) if !named => _ = wrong.get_or_insert((at, fault)),
            _ if !fine.contains(&at) => fine.push(at),
            _ => {}
        }
    }
    match (fine.is_empty(), wrong) {
        (false, _) => Ok(fine),
        (true, Some((at, fault))) => {
            Err(format!("{host} leads to {at}, {fault}: closed unless a rule of the user's policy names {at} for `net`"))
        }
        (true, None) => Err(format!("{host} has no address")),
    }
}
