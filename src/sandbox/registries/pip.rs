//! pip: the indexes that it is set to, else the one that the installed pip has in its own models, with the host of its files.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Found, asked::Asker};

/// Printed by the interpreter that commands find. Newer versions keep the settings by file.
const QUESTION: &str = r#"
import json
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
known = Configuration(isolated=False)
known.load()
settings = {}
for key, value in known.items():
    settings.update(value if isinstance(value, dict) else {key: value})
print(json.dumps({"index": PyPI.simple_url, "files": PyPI.file_storage_domain, "settings": {k: str(v) for k, v in settings.items()}}))
"#;

#[derive(Deserialize)]
struct Answer {
    index: String,
    /// A host's name.
    files: String,
    settings: BTreeMap<String, String>,
}

pub(super) async fn found(asker: &Asker) -> Result<Found, String> {
    let said = asker.ask("python3", &["-c", QUESTION]).await.map_err(|why| format!("pip cannot be asked ({why})"))?;
    let answer: Answer = serde_json::from_str(&said).map_err(|e| format!("pip answers something else: {e}"))?;
    let mut found = Found::default();
    let (mut index, mut another) = (None, false);
    for (key, value) in &answer.settings {
        let (section, key) = key.split_once('.').unwrap_or(("", key));
        if !matches!(section, "global" | "install" | "download" | "wheel" | ":env:") {
            continue;
        }
        match key {
            "index-url" => {
                another = true;
                found.address(value);
            }
            "extra-index-url" | "find-links" => value.split_whitespace().for_each(|one| found.address(one)),
            "no-index" => index = Some(!matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off" | "n" | "f")),
            _ => {}
        }
    }
    match (another, index) {
        (_, Some(true)) => found.note("pip is set to use no index"),
        (false, _) => {
            found.address(&answer.index);
            found.address(&format!("https://{}", answer.files));
        }
        (true, _) => found.note("an index may keep its files on another host"),
    }
    Ok(found)
}
