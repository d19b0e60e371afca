//! Finds and reads the policy's layers. What they say is `policy`'s matter; here stands who may say it: the organisation's file
//! counts only if root alone can write it, and a workspace's only if the workspace is trusted.

use std::path::Path;

use super::{
    ConfigError, Folders,
    folders::{Owner, read, read_beneath, read_owned},
};

/// Where an organisation keeps its policy.
pub const ORGANISATION: &str = "/etc/countersign/policy.toml";
/// Where a workspace keeps what it tightens.
pub const WORKSPACE: &str = ".countersign/policy.toml";

/// Whose layer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    Organisation,
    User,
    Workspace,
}

/// One layer as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerText {
    pub kind: LayerKind,
    /// The file, for messages.
    pub name: String,
    pub text: String,
}

/// Reads the layers that are there, weakest power to change last: organisation, user (`instead` takes its place), and the
/// workspace's when `trusted`.
///
/// # Errors
/// [`ConfigError`] when a file is there but must not or cannot be read. The server is read-only then: a layer left out would
/// weaken the rest.
pub fn policy_layers(
    folders: &Folders,
    workspace: Option<&Path>,
    trusted: bool,
    instead: Option<&Path>,
) -> Result<Vec<LayerText>, ConfigError> {
    let mut layers = Vec::new();
    layers.extend(organisation(Path::new(ORGANISATION))?);
    let own = folders.config.join("policy.toml");
    let user = instead.unwrap_or(&own);
    match read(user)? {
        Some(text) => layers.push(LayerText { kind: LayerKind::User, name: user.display().to_string(), text }),
        None if instead.is_some() => return Err(ConfigError::of(user, "is not there")),
        None => {}
    }
    if let Some(root) = workspace.filter(|_| trusted)
        && let Some(text) = read_beneath(root, WORKSPACE)?
    {
        layers.push(LayerText { kind: LayerKind::Workspace, name: WORKSPACE.to_owned(), text });
    }
    Ok(layers)
}

/// Reads an organisation's policy; `None` when there is none.
///
/// # Errors
/// [`ConfigError`] when somebody other than root could have written it.
pub fn organisation(path: &Path) -> Result<Option<LayerText>, ConfigError> {
    let Some((text, Owner { uid, mode })) = read_owned(path)? else { return Ok(None) };
    if uid != 0 || mode & 0o022 != 0 {
        let hint = format_args!(
            "must belong to root and be writable by root alone; run: chown root: {0} && chmod 644 {0}",
            path.display()
        );
        return Err(ConfigError::of(path, hint.to_string()));
    }
    Ok(Some(LayerText { kind: LayerKind::Organisation, name: path.display().to_string(), text }))
}
