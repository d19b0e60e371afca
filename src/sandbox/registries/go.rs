//! Go: the proxies for modules, and the database of their checksums.

use serde::Deserialize;

use super::{Found, asked::Asker};

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "GOPROXY", default)]
    proxy: String,
    #[serde(rename = "GOSUMDB", default)]
    sums: String,
}

pub(super) async fn found(asker: &Asker) -> Result<Found, String> {
    let said = asker.ask("go", &["env", "-json", "GOPROXY", "GOSUMDB"]).await?;
    let answer: Answer = serde_json::from_str(&said).map_err(|e| format!("go answers something else: {e}"))?;
    let mut found = Found::default();
    for proxy in answer.proxy.split([',', '|']).map(str::trim) {
        match proxy {
            "direct" => found.note("modules that no proxy has come from their own hosts, which are not named"),
            "off" | "" => {}
            address => found.address(address),
        }
    }
    // `name`, `name+key` or `name+key address`.
    let mut words = answer.sums.split_whitespace();
    match (words.next(), words.next()) {
        (None | Some("off"), _) => {}
        (_, Some(address)) => found.address(address),
        (Some(name), None) => found.address(&format!("https://{}", name.split('+').next().unwrap_or(name))),
    }
    Ok(found)
}
