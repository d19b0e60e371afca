//! How programs find the proxy: by the variables that each of them reads.

use std::path::{Path, PathBuf};

use crate::{policy::host_and_port, sandbox::environment::Variables};

/// Passed on where the server has them and the files can be seen: whom TLS may trust besides the system's own list.
const TRUST: [&str; 9] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
];

/// The variables of a command whose proxy listens on this port of its loopback.
pub(in crate::sandbox) fn of_proxy(port: u16, network: &[String]) -> Vec<(String, String)> {
    let address = format!("http://127.0.0.1:{port}");
    // What commands open on their own loopback is reached directly, unless the list names the machine's.
    let named = |host: &&str| {
        network.iter().any(|one| host_and_port(one).is_some_and(|(name, _)| name.trim_matches(['[', ']']) == *host))
    };
    let direct: Vec<&str> = ["localhost", "127.0.0.1", "::1"].into_iter().filter(|host| !named(host)).collect();
    let direct = direct.join(",");
    let proxied = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "CARGO_HTTP_PROXY",
        "npm_config_proxy",
        "npm_config_https_proxy",
        "YARN_HTTP_PROXY",
        "YARN_HTTPS_PROXY",
    ];
    let mut variables: Vec<(String, String)> = proxied.map(|name| (name.to_owned(), address.clone())).into();
    variables.extend(["NO_PROXY", "no_proxy", "npm_config_noproxy"].map(|name| (name.to_owned(), direct.clone())));
    // Node's own client reads them only when told so.
    variables.push(("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned()));
    variables
}

/// The server's own trust for TLS, as far as commands can see the files.
pub(in crate::sandbox) fn of_trust(
    server: &Variables,
    folder: &Path,
    covered: &[PathBuf],
    shown: &[PathBuf],
) -> Vec<(String, String)> {
    let below = |folders: &[PathBuf], place: &Path| folders.iter().any(|folder| place.starts_with(folder));
    let seen = |value: &String| {
        let path = Path::new(value);
        let apart = |place: &Path| !place.starts_with(folder) && (!below(covered, place) || below(shown, place));
        path.is_absolute() && apart(path) && path.canonicalize().is_ok_and(|real| apart(&real))
    };
    TRUST.iter().filter_map(|name| Some(((*name).to_owned(), server.get(*name).filter(|value| seen(value))?.clone()))).collect()
}
