//! What the proxy itself says to a program: in words, since a person or the model reads them.

/// An answer that ends the connection. `why` is one sentence.
pub(super) fn refusal(status: u16, why: &str) -> Vec<u8> {
    let body = format!("countersign: {why}. There is no other way out of here.\n");
    let length = body.len();
    // Some programs show the phrase only.
    let phrase = match status {
        400 => "Bad Request",
        403 => "Forbidden: not open for this command",
        408 => "Request Timeout",
        411 => "Length Required",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway: the host could not be reached",
        _ => "Service Unavailable: a limit of this command is reached",
    };
    format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: \
         close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The tunnel stands.
pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Said in TLS to a client whose hello asked for another name: fatal, `unrecognized_name`.
pub(super) const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
