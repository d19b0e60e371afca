//! npm: the registry that it is set to, and those of scopes.

use std::path::Path;

use super::{Found, asked::Asker, small_file};

/// npm itself says what counts where nobody set anything; scopes stand in the user's file only.
pub(super) async fn found(home: &Path, asker: &Asker) -> Result<Found, String> {
    let mut found = Found::default();
    found.address(asker.ask("npm", &["config", "get", "registry"]).await?.trim());
    for line in small_file(home.join(".npmrc")).unwrap_or_default().lines() {
        if let Some((key, value)) = line.split_once('=')
            && key.trim().starts_with('@')
            && key.trim().ends_with(":registry")
        {
            found.address(value.trim().trim_matches(['"', '\'']));
        }
    }
    Ok(found)
}
