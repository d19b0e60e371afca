//! `config.toml`: what the user may set, with its defaults and ranges. An unknown key or a value out of range fails the whole
//! file, with its line.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error};

use super::{ConfigError, Folders, folders};

/// The user's settings; every table and every field is optional.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub model: Model,
    pub review: Review,
    pub git: Git,
    pub checks: Checks,
    pub approval: Approval,
    pub journal: JournalSection,
}

/// Which model, where it is, and where its key comes from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// `provider:NAME`.
    pub name: Option<String>,
    /// Program and arguments that print the key of `name`'s provider; no shell.
    #[serde(deserialize_with = "command")]
    pub key_command: Option<Vec<String>>,
    pub base_url: BaseUrls,
    /// Most output tokens of one reply, from 256.
    #[serde(deserialize_with = "max_tokens")]
    pub max_tokens: Option<u32>,
    /// By model name (without provider).
    pub prices: BTreeMap<String, Price>,
    /// By model name (without provider).
    pub capabilities: BTreeMap<String, Capabilities>,
}

/// Where the providers are, when not at the vendors' addresses. The environment's variables win.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaseUrls {
    #[serde(deserialize_with = "url")]
    pub anthropic: Option<String>,
    #[serde(deserialize_with = "url")]
    pub openai: Option<String>,
    #[serde(deserialize_with = "url")]
    pub ollama: Option<String>,
}

/// US dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    #[serde(deserialize_with = "dollars")]
    pub input: f64,
    #[serde(deserialize_with = "dollars")]
    pub output: f64,
    /// Input that came from the provider's cache; a tenth of `input` when it is not given.
    #[serde(default, deserialize_with = "some_dollars")]
    pub cache_read: Option<f64>,
    /// Input written to the provider's cache; 1.25 times `input` when it is not given.
    #[serde(default, deserialize_with = "some_dollars")]
    pub cache_write: Option<f64>,
}

/// What a model can do, where it differs from what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Tokens that fit into one request with its reply.
    pub context: Option<u64>,
    /// Most output tokens of one reply.
    pub max_output: Option<u32>,
    /// Whether it calls tools; a model without is refused for editing tasks.
    pub tools: Option<bool>,
    /// Whether it can be asked to think.
    pub thinking: Option<bool>,
}

/// How proposals are shown and accepted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    pub save: Save,
    pub diagnostics: Diagnostics,
}

/// Which files are saved after an acceptance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Save {
    /// Files that were clean or not open before.
    #[default]
    Clean,
    Never,
    All,
}

/// Which clients get a diagnostic for each pending hunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Diagnostics {
    /// Those that show proposals in no other way.
    #[default]
    Auto,
    Always,
    Never,
}

/// What the server's git does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Git {
    pub branch: GitBranch,
    /// Whether a push may go to a remote that is a folder.
    pub allow_file_remotes: bool,
}

/// Where commits go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitBranch {
    /// The branch that is checked out, unless it is protected.
    #[default]
    Current,
    /// A branch `agent/...`, always.
    Agent,
}

/// What has to pass before a task may say that it is done.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Command lines, run in the walls in this order.
    pub commands: Vec<String>,
}

/// How long questions stay open.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// Seconds until an open question expires, 10 to 86400.
    #[serde(deserialize_with = "timeout")]
    pub timeout_s: u64,
    /// An approval faster than this many seconds is asked again, 0 to 60.
    #[serde(deserialize_with = "min_seconds")]
    pub min_seconds: f64,
}

impl Default for Approval {
    fn default() -> Self {
        Approval { timeout_s: 1800, min_seconds: 1.0 }
    }
}

/// The journal's settings; none yet.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSection {}

impl Config {
    /// Reads the user's `config.toml`; the defaults when there is none.
    ///
    /// # Errors
    /// [`ConfigError`] with the line. Nothing of a broken file is used.
    pub fn load(folders: &Folders) -> Result<Config, ConfigError> {
        Self::parse(folders, folders::read(&Self::path(folders))?.as_deref())
    }

    pub(super) fn path(folders: &Folders) -> PathBuf {
        folders.config.join("config.toml")
    }

    /// The same of a text that was read there.
    pub(super) fn parse(folders: &Folders, text: Option<&str>) -> Result<Config, ConfigError> {
        let Some(text) = text else { return Ok(Config::default()) };
        toml::from_str(text).map_err(|error| ConfigError::toml(&Self::path(folders), text, &error))
    }
}

/// Reads a base URL as an address that a request can be built on.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn checked_url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{text:?} is no http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("a base URL has no user, password, query or fragment".to_owned());
    }
    Ok(url)
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    checked_url(&text).map_err(D::Error::custom)?;
    Ok(Some(text))
}

fn command<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(D::Error::custom("key_command needs a program, as in [\"pass\", \"show\", \"anthropic\"]"));
    }
    Ok(Some(words))
}

fn max_tokens<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(from)? {
        0..256 => Err(D::Error::custom("max_tokens must be at least 256")),
        tokens => Ok(Some(tokens)),
    }
}

fn dollars<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let price = f64::deserialize(from)?;
    if (0.0..=10_000.0).contains(&price) {
        Ok(price)
    } else {
        Err(D::Error::custom("a price is 0 to 10000 dollars per million tokens"))
    }
}

fn some_dollars<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    dollars(from).map(Some)
}

fn timeout<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match u64::deserialize(from)? {
        seconds @ 10..=86_400 => Ok(seconds),
        _ => Err(D::Error::custom("timeout_s must be 10 to 86400 seconds")),
    }
}

fn min_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(from)?;
    if (0.0..=60.0).contains(&seconds) { Ok(seconds) } else { Err(D::Error::custom("min_seconds must be 0 to 60")) }
}
