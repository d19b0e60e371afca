//! The host and port that an address of a configuration leads to.

use crate::policy;

/// `https://user@index.example/x` is `index.example:443`. `None` for what needs no network: paths and `file:` addresses.
///
/// # Errors
/// Why the address leads nowhere that a command could be let to.
pub(super) fn host_of(written: &str) -> Result<Option<String>, String> {
    let written = written.trim();
    let address = ["sparse+", "registry+"].iter().find_map(|kind| written.strip_prefix(kind)).unwrap_or(written);
    let Some((scheme, rest)) = address.split_once("://") else { return Ok(None) };
    let port = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" => 80,
        "file" => return Ok(None),
        other => return Err(format!("{other}: addresses are not reached from here")),
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // User-info is a secret and no part of a host.
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let has_port = host.rsplit_once(':').is_some_and(|(_, digits)| !digits.is_empty() && !digits.ends_with(']'));
    let host = if has_port { host } else { format!("{}:{port}", host.trim_end_matches(':')) };
    if policy::host_and_port(&host).is_none() {
        return Err(format!("\"{}\" is no host that can be reached", host.escape_debug()));
    }
    Ok(Some(host))
}
