//! Finds and reads the policy's layers. What they say is `policy`'s matter; here stands who may say it: the organisation's file
//! counts only if root alone can write it, and a workspace's only if the workspace is trusted.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    ConfigError, Folders,
    folders::{Owner, read, read_beneath, read_owned},
};
use crate::policy::{LayerKind, LayerText, Policy};

/// Where an organisation keeps its policy.
pub const ORGANISATION: &str = "/etc/countersign/policy.toml";
/// Where a workspace keeps what it tightens.
pub const WORKSPACE: &str = ".countersign/policy.toml";

/// One layer as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    pub kind: LayerKind,
    /// The file, for messages.
    pub name: String,
    pub text: String,
}

/// Reads the layers that are there: organisation, user (`instead` takes its place), and the workspace's when `trusted`. Without
/// a user's layer the policy takes its built-in default.
///
/// # Errors
/// [`ConfigError`] when a file is there but must not or cannot be read. The server is read-only then: a layer left out would
/// weaken the rest.
pub fn policy_layers(
    folders: &Folders,
    workspace: Option<&Path>,
    trusted: bool,
    instead: Option<&Path>,
) -> Result<Vec<LayerFile>, ConfigError> {
    let mut layers = Vec::new();
    layers.extend(organisation(Path::new(ORGANISATION))?);
    let own = folders.config.join("policy.toml");
    let user = instead.unwrap_or(&own);
    let text = match instead {
        Some(file) => Some(user_file(file)?),
        None => read(user)?,
    };
    layers.extend(text.map(|text| LayerFile { kind: LayerKind::User, name: user.display().to_string(), text }));
    if let Some(root) = workspace.filter(|_| trusted)
        && let Some(text) = read_beneath(root, WORKSPACE)?
    {
        layers.push(LayerFile { kind: LayerKind::Workspace, name: WORKSPACE.to_owned(), text });
    }
    Ok(layers)
}

/// The effective policy of the layers that [`policy_layers`] read.
///
/// # Errors
/// [`ConfigError`] with file and line of the first mistake; [`Policy::read_only`] is what should serve then.
pub fn effective(layers: &[LayerFile]) -> Result<Policy, ConfigError> {
    let texts: Vec<LayerText<'_>> =
        layers.iter().map(|layer| LayerText { kind: layer.kind, name: layer.name.clone(), text: &layer.text }).collect();
    Policy::load(&texts).map_err(|error| ConfigError { file: Some(error.layer.into()), line: error.line, message: error.message })
}

/// Effective policies by what their layers say. Reading the files each time is cheap, and a change counts at once; compiling
/// the rules and running their examples is not cheap.
#[derive(Debug, Default)]
pub struct Policies(Mutex<Vec<(Vec<LayerFile>, Policy)>>);

/// Most policies kept: one for each folder of a usual window.
const KEPT: usize = 8;

impl Policies {
    /// As [`effective`], made once for equal layers. Who comes while it is being made waits for it.
    ///
    /// # Errors
    /// As [`effective`].
    pub fn effective(&self, layers: &[LayerFile]) -> Result<Policy, ConfigError> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, policy)) = made.iter().find(|(of, _)| of == layers) {
            return Ok(policy.clone());
        }
        let policy = effective(layers)?;
        made.truncate(KEPT - 1);
        made.insert(0, (layers.to_vec(), policy.clone()));
        Ok(policy)
    }
}

/// Reads a policy file that somebody named.
///
/// # Errors
/// [`ConfigError`] when it is not there or cannot be read.
pub fn user_file(path: &Path) -> Result<String, ConfigError> {
    read(path)?.ok_or_else(|| ConfigError::of(path, "is not there"))
}

/// Reads an organisation's policy; `None` when there is none.
///
/// # Errors
/// [`ConfigError`] when somebody other than root could have written it.
pub fn organisation(path: &Path) -> Result<Option<LayerFile>, ConfigError> {
    let Some((text, Owner { uid, mode })) = read_owned(path)? else { return Ok(None) };
    if uid != 0 || mode & 0o022 != 0 {
        let shown = path.display();
        let hint = format!("must belong to root and be writable by root alone; run: chown root: {shown} && chmod 644 {shown}");
        return Err(ConfigError::of(path, hint));
    }
    Ok(Some(LayerFile { kind: LayerKind::Organisation, name: path.display().to_string(), text }))
}
