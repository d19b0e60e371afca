//! npm: the registry that it is set to, and those of scopes.

use std::path::Path;

use super::{Found, asked::Asker, small_file};

/// The user's own file, else what npm says that counts: it tells no address in which a password stands.
pub(super) async fn found(home: &Path, asker: &Asker) -> Result<Found, String> {
    let mut found = Found::default();
    let text = small_file(home.join(".npmrc")).unwrap_or_default();
    let mut registry = None;
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']));
        match key {
            // A variable in it is npm's to fill in.
            "registry" => registry = Some(value).filter(|value| !value.contains("${")),
            _ if key.starts_with('@') && key.ends_with(":registry") => found.address(value),
            _ => {}
        }
    }
    match registry {
        Some(registry) => found.address(registry),
        None => found.address(asker.ask("npm", &["config", "get", "registry"]).await?.trim()),
    }
    Ok(found)
}
