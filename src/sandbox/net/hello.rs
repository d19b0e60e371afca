//! The first message of TLS, as far as the proxy must understand it: which name the client asks the server for.
//!
//! The proxy opens no TLS. It reads what stands in the clear before a byte goes on, so that a tunnel to one name cannot be
//! used to talk to another behind the same address. Pure: bytes in, a verdict out.

/// Most bytes that a hello may take, record headers included.
pub const LONGEST: usize = 32 << 10;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
/// Encrypted ClientHello, and the draft before it.
const ENCRYPTED: [u16; 2] = [0xfe0d, 0xffce];
/// Most bytes of a record.
const RECORD: usize = 1 << 14;

/// What the first bytes of a client are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// The beginning of a hello.
    Partial,
    /// A whole one: the name that it asks for, and whether it carries an encrypted hello that may ask for another.
    Whole { name: Option<String>, encrypted: bool },
    /// No hello; says why.
    Other(&'static str),
}

/// Reads the first bytes of a connection.
pub fn read(bytes: &[u8]) -> Hello {
    match message(bytes) {
        Ok(Some(message)) => body(&message).unwrap_or(Hello::Other("the TLS hello is malformed")),
        Ok(None) if bytes.len() >= LONGEST => Hello::Other("the TLS hello is too long"),
        Ok(None) => Hello::Partial,
        Err(why) => Hello::Other(why),
    }
}

/// The handshake message, put together from its records; `None` while some of it is missing.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut rest = bytes;
    let mut message = Vec::new();
    loop {
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE) || rest.get(1).is_some_and(|major| *major != 3) {
            return Err("what the command sends is no TLS");
        }
        let Some((&[_, _, _, high, low], after)) = rest.split_first_chunk::<5>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > RECORD {
            return Err("the TLS hello is malformed");
        }
        let Some((fragment, after)) = after.split_at_checked(length) else { return Ok(None) };
        message.extend_from_slice(fragment);
        rest = after;
        if message[0] != CLIENT_HELLO {
            return Err("what the command sends is no TLS hello");
        }
        if let Some(&[_, a, b, c]) = message.first_chunk::<4>() {
            let whole = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
            if whole > LONGEST {
                return Err("the TLS hello is too long");
            }
            match message.len() {
                had if had == whole => return Ok(Some(message)),
                had if had > whole => return Err("the TLS hello is malformed"),
                _ => {}
            }
        }
    }
}

fn body(message: &[u8]) -> Option<Hello> {
    let mut hello = Reader(message);
    hello.take(4 + 2 + 32)?; // header, version, random
    let session = hello.short()?;
    hello.long()?; // cipher suites
    hello.short()?; // compression
    if session.0.len() > 32 {
        return None;
    }
    let (mut name, mut encrypted) = (None, false);
    if !hello.0.is_empty() {
        let mut extensions = hello.long()?;
        while !extensions.0.is_empty() {
            let kind = extensions.number()?;
            let data = extensions.long()?;
            if kind == SERVER_NAME {
                let found = server_name(data)?;
                if name.replace(found).is_some() {
                    return None;
                }
            }
            encrypted |= ENCRYPTED.contains(&kind);
        }
    }
    hello.0.is_empty().then_some(Hello::Whole { name, encrypted })
}

/// Exactly one host name, of ASCII.
fn server_name(mut data: Reader<'_>) -> Option<String> {
    let mut list = data.long()?;
    let kind = list.take(1)?;
    let name = list.long()?.0;
    let fine = kind == [0] && list.0.is_empty() && data.0.is_empty() && !name.is_empty() && name.is_ascii();
    fine.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// Bytes still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// What a length of one byte announces.
    fn short(&mut self) -> Option<Reader<'a>> {
        let length = self.take(1)?[0];
        self.take(usize::from(length)).map(Reader)
    }

    /// What a length of two bytes announces.
    fn long(&mut self) -> Option<Reader<'a>> {
        let length = self.number()?;
        self.take(usize::from(length)).map(Reader)
    }
}
