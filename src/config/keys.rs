//! Where an API key comes from: the environment, a command that prints it, or a file that only its owner can read. The command
//! is the user's own, so the ban on starting programs is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{fmt, path::Path, process::Stdio, time::Duration};

use super::{Config, ConfigError, Environment, Folders, Secret, folders, model::Provider};

/// Longest wait for a key command: it may ask its user for a passphrase.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which of the places had the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Variable(&'static str),
    Command,
    /// Its name in the configuration folder.
    File(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Variable(name) => f.write_str(name),
            Source::File(name) => write!(f, "the file {name}"),
            Source::Command => f.write_str("key_command"),
        }
    }
}

/// The file in the configuration folder that holds a provider's key: each has its own, so that no key goes to another vendor.
pub fn file_name(provider: Provider) -> String {
    format!("{}.key", provider.prefix())
}

/// Finds the key of a provider; `None` when there is none. `key_command` belongs to the provider of `[model] name` (Anthropic
/// when no name is set).
///
/// # Errors
/// [`ConfigError`] when a key is there but cannot be used: readable by others, not a key, or a command that fails.
pub async fn find(
    provider: Provider,
    environment: &Environment,
    folders: &Folders,
    config: &Config,
) -> Result<Option<(Secret, Source)>, ConfigError> {
    let Some(variable) = provider.key_variable() else { return Ok(None) };
    if let Some(key) = environment.secret(variable)? {
        return Ok(Some((key, Source::Variable(variable))));
    }
    let commanded = config.model.name.as_deref().map_or(Some(Provider::Anthropic), Provider::of_spec);
    if let Some(words) = config.model.key_command.as_ref().filter(|_| commanded == Some(provider)) {
        return Ok(Some((from_command(words).await?, Source::Command)));
    }
    let name = file_name(provider);
    let key = from_file(&folders.config.join(&name))?;
    Ok(key.map(|key| (key, Source::File(name))))
}

fn from_file(path: &Path) -> Result<Option<Secret>, ConfigError> {
    let Some((text, owner)) = folders::read_owned(path)? else { return Ok(None) };
    if owner.uid != rustix::process::geteuid().as_raw() {
        return Err(ConfigError::of(path, "belongs to another user; write your own"));
    }
    if owner.mode & 0o077 != 0 {
        let hint = format!("can be read by others; run: chmod 600 {}", path.display());
        return Err(ConfigError::of(path, hint));
    }
    one_line(&text).map(Some).map_err(|why| ConfigError::of(path, why))
}

async fn from_command(words: &[String]) -> Result<Secret, ConfigError> {
    let Some((program, arguments)) = words.split_first() else { return Err(ConfigError::plain("key_command is empty")) };
    let failed = |why: &dyn fmt::Display| ConfigError::plain(format_args!("key_command {program:?}: {why}"));
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| failed(&"no answer within a minute"))?.map_err(|error| failed(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
        return Err(failed(&format_args!("{}: {last}", output.status)));
    }
    one_line(&String::from_utf8_lossy(&output.stdout)).map_err(|why| failed(&why))
}

/// A key is one line of visible characters; password stores may print notes below it.
fn one_line(text: &str) -> Result<Secret, &'static str> {
    let key = text.lines().next().unwrap_or_default().trim();
    if key.is_empty() {
        Err("its first line is empty; a key was expected there")
    } else if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(key.to_owned()))
    } else {
        Err("its first line holds characters that no key has")
    }
}
