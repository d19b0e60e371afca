//! Host names with ports: one exact written form, so that what a rule names is what is dialled.

// Values only: nothing here opens a connection or resolves a name.
use core::net::{Ipv4Addr, Ipv6Addr};

/// Whether the text is `name:port` in its only accepted form: a lower-case ASCII name (or an address in its canonical
/// form) and a decimal port from 1 up.
pub fn well_formed(text: &str) -> bool {
    host_and_port(text).is_some()
}

/// Whether a well-formed `host:port` names an address instead of a host.
pub fn literal(text: &str) -> bool {
    split(text).is_some_and(|(host, _)| is_address(host))
}

/// The two sides of a well-formed `host:port`; an IPv6 address keeps its brackets.
pub fn host_and_port(text: &str) -> Option<(&str, u16)> {
    split(text).filter(|(host, _)| is_address(host) || is_name(host))
}

fn split(text: &str) -> Option<(&str, u16)> {
    let (host, digits) = text.rsplit_once(':')?;
    let port: u16 = digits.parse().ok()?;
    (port > 0 && port.to_string() == digits).then_some((host, port))
}

fn is_address(host: &str) -> bool {
    let v4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == host);
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let v6 = inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == inner));
    v4 || v6
}

fn is_name(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let fine = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    // A last label that starts with a digit is read as an address by some resolvers (`0x7f.1`, `127.1`).
    let named = labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
    host.len() <= 253 && named && labels.iter().all(fine)
}

/// The `host:port` that a document's address leads to: `https://docs.rs/x` is `docs.rs:443`. A text without a scheme is
/// taken as `host:port` already.
///
/// # Errors
/// What is wrong with the address.
pub fn of_address(address: &str) -> Result<String, String> {
    let Some((scheme, rest)) = address.split_once("://") else { return Ok(address.to_owned()) };
    let port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return Err(format!("{scheme:?} is not a way to fetch a document; use https")),
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("an address with a user name in it is not fetched".to_owned());
    }
    let lower = authority.to_ascii_lowercase();
    let has_port = lower.rsplit_once(':').is_some_and(|(_, digits)| !digits.ends_with(']'));
    Ok(if has_port { lower } else { format!("{lower}:{port}") })
}
