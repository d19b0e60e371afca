//! The head of a request to the proxy: where it wants to go, and what of it is passed on. Pure: bytes in, a request out.
//!
//! What goes on is written anew from what was understood, so that nothing can mean one thing here and another at the server.

use std::fmt::Write;

use crate::policy::host_and_port;

/// Most bytes of a head, and most headers in it.
pub const LONGEST: usize = 32 << 10;
const HEADERS: usize = 100;

/// Headers that are about one connection, or about the proxy, or say another method than the request's; they go no further. Of the
/// host and the length of the body goes what was understood.
const OWN: [&str; 14] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "connection",
    "proxy-connection",
    "proxy-authorization",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "host",
    "content-length",
];

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A tunnel.
    Tunnel,
    /// One exchange in the clear: its method, the head to pass on, and the bytes of body that follow.
    Plain { method: String, head: Vec<u8>, body: u64 },
}

/// A request that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// An exact `host:port`, in lower case.
    pub target: String,
    pub asked: Asked,
    /// Bytes of the head; what was read beyond them belongs to the body or the tunnel.
    pub length: usize,
}

/// Why a request is answered by the proxy itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    /// Where it wanted to go, as far as that can be shown.
    pub target: String,
    pub why: String,
}

/// Reads a head; `None` while some of it is missing.
///
/// # Errors
/// [`Refused`] for what is no request to a proxy, or one that could mean two things.
pub fn read(bytes: &[u8]) -> Result<Option<Request>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let bad = |target: &str, why: &str| Refused { status: 400, target: shown(target), why: why.to_owned() };
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST => length,
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Refused { status: 431, ..bad("", "the request's head is too long") });
        }
        Err(error) => return Err(bad("", &format!("this is no HTTP request ({error})"))),
    };
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    if method == "CONNECT" {
        let target = exact(path, None).ok_or_else(|| bad(path, "CONNECT wants an exact host:port"))?;
        return Ok(Some(Request { target, asked: Asked::Tunnel, length }));
    }
    let Some((scheme, rest)) = path.split_once("://") else {
        return Err(bad("", "this is a proxy: it takes CONNECT host:port, and GET http://host/path"));
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(bad(path, "in the clear only http:// is passed on; ask for a tunnel with CONNECT"));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let Some(target) = exact(authority, Some(80)) else { return Err(bad(authority, "the address has no exact host")) };
    if path.contains(['#', '\\']) {
        return Err(bad(&target, "the address has a part that no server is sent"));
    }
    let body = plain_body(request.headers).map_err(|(status, why)| Refused { status, ..bad(&target, why) })?;
    if !hosts_agree(request.headers, &target) {
        return Err(bad(&target, "the Host header differs from the address"));
    }
    let head = head(method, &target, path, body, request.headers);
    let asked = Asked::Plain { method: method.to_owned(), head, body: body.unwrap_or(0) };
    Ok(Some(Request { target, asked, length }))
}

/// `host:port` as the policy writes it; without a port that of the scheme, where there is one.
fn exact(authority: &str, port: Option<u16>) -> Option<String> {
    let lower = authority.to_ascii_lowercase();
    if host_and_port(&lower).is_some() {
        return Some(lower);
    }
    let with_port = format!("{lower}:{}", port?);
    host_and_port(&with_port).is_some().then_some(with_port)
}

/// Every Host header names the target; HTTP/1.0 may have none.
fn hosts_agree(headers: &[httparse::Header<'_>], target: &str) -> bool {
    let mut hosts = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let first = hosts.next().map(|host| std::str::from_utf8(host.value).ok().and_then(|host| exact(host, Some(80))));
    hosts.next().is_none() && first.is_none_or(|host| host.as_deref() == Some(target))
}

/// The length of the body that follows, where there is one.
fn plain_body(headers: &[httparse::Header<'_>]) -> Result<Option<u64>, (u16, &'static str)> {
    let named = |name: &'static str| headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    if named("transfer-encoding").next().is_some() {
        return Err((411, "a body is passed on with its length only, not in chunks"));
    }
    let mut lengths = named("content-length");
    let (length, more) = (lengths.next(), lengths.next().is_some());
    let digits =
        |value: &[u8]| value.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten();
    match length {
        None => Ok(None),
        Some(header) => match digits(header.value) {
            Some(length) if !more => Ok(Some(length)),
            _ => Err((400, "the length of the body is not clear")),
        },
    }
}

/// The head for the server: its own form of the address, one exchange, nothing that was meant for the proxy.
fn head(method: &str, target: &str, path: &str, body: Option<u64>, headers: &[httparse::Header<'_>]) -> Vec<u8> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let host = target.strip_suffix(":80").unwrap_or(target);
    let length = body.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
    let mut head = format!("{method} {slash}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}").into_bytes();
    let connection = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection"));
    let listed: Vec<String> = connection
        .flat_map(|header| {
            String::from_utf8_lossy(header.value).split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    for header in headers {
        let own = |name: &str| name.eq_ignore_ascii_case(header.name);
        if OWN.iter().any(|name| own(name)) || listed.iter().any(|name| own(name)) {
            continue;
        }
        head.extend_from_slice(header.name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(header.value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// A hostile text in a form that can be shown: at most 300 bytes, nothing hidden.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let step = if c.is_ascii_graphic() { c.to_string() } else { c.escape_unicode().to_string() };
        if out.len() + step.len() > 297 {
            let _ = write!(out, "...");
            break;
        }
        out.push_str(&step);
    }
    out
}
