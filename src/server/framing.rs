//! The base protocol: `Content-Length` frames around JSON, for the server and for the built-in client.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Longest header block, and largest body, that is read: beyond it the peer is not speaking LSP.
const MAX_HEADER: usize = 16 * 1024;
const MAX_BODY: usize = 256 * 1024 * 1024;

/// Why no frame could be read. After it the stream cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the message header is not LSP: {0}")]
    Header(String),
    #[error("a message of {0} bytes is more than this server reads")]
    TooLarge(usize),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads one frame's body; `None` at the end of the stream.
///
/// # Errors
/// [`FrameError`] when the bytes are no frame or the stream breaks off inside one.
pub async fn read_frame<R: AsyncBufRead + Unpin>(from: &mut R) -> Result<Option<Vec<u8>>, FrameError> {
    let (mut length, mut seen) = (None, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut *from).take(MAX_HEADER as u64).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return if seen == 0 { Ok(None) } else { Err(FrameError::Header("it ends in the middle".into())) };
        }
        seen += read;
        if seen > MAX_HEADER {
            return Err(FrameError::Header(format!("it is longer than {MAX_HEADER} bytes")));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            // Blank lines between messages are tolerated.
            if length.is_some() {
                break;
            }
            seen = 0;
            continue;
        }
        let Some((name, value)) = text.split_once(':') else {
            return Err(FrameError::Header(format!("{:?} has no colon", text.chars().take(60).collect::<String>())));
        };
        if name.trim().eq_ignore_ascii_case("content-length") {
            let value = value.trim();
            length =
                Some(value.parse::<usize>().map_err(|_| FrameError::Header(format!("Content-Length {value:?} is no number")))?);
        }
    }
    let length = length.unwrap_or_default();
    if length > MAX_BODY {
        return Err(FrameError::TooLarge(length));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok(Some(body))
}

/// A frame around this body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}
