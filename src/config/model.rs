//! Which model is used and where it is: the flag, the editor's setting, the user's file, else the first key that is found.

use super::{Config, ConfigError, Environment, file::checked_url};

/// Who serves a model over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Anthropic,
    OpenAi,
    Ollama,
}

impl Provider {
    /// All of them, in the order in which keys are looked for.
    pub const ALL: [Provider; 3] = [Provider::Anthropic, Provider::OpenAi, Provider::Ollama];

    /// The prefix of a model SPEC.
    pub fn prefix(self) -> &'static str {
        match self {
            Provider::Anthropic => "anthropic",
            Provider::OpenAi => "openai",
            Provider::Ollama => "ollama",
        }
    }

    /// The provider that a SPEC such as `anthropic:NAME` names; `None` for `script:` and the other local ones.
    pub fn of_spec(spec: &str) -> Option<Provider> {
        let prefix = spec.split_once(':')?.0;
        Provider::ALL.into_iter().find(|provider| provider.prefix() == prefix)
    }

    /// The variable that holds its key; Ollama has none.
    pub fn key_variable(self) -> Option<&'static str> {
        match self {
            Provider::Anthropic => Some("ANTHROPIC_API_KEY"),
            Provider::OpenAi => Some("OPENAI_API_KEY"),
            Provider::Ollama => None,
        }
    }

    fn url_variable(self) -> &'static str {
        match self {
            Provider::Anthropic => "ANTHROPIC_BASE_URL",
            Provider::OpenAi => "OPENAI_BASE_URL",
            Provider::Ollama => "OLLAMA_HOST",
        }
    }

    fn vendor_url(self) -> &'static str {
        match self {
            Provider::Anthropic => "https://api.anthropic.com",
            Provider::OpenAi => "https://api.openai.com",
            Provider::Ollama => "http://127.0.0.1:11434",
        }
    }

    /// The model taken when only a key is there; Ollama's depends on what was pulled, so it has none.
    pub fn default_model(self) -> Option<&'static str> {
        match self {
            Provider::Anthropic => Some("anthropic:claude-sonnet-4-5"),
            Provider::OpenAi => Some("openai:gpt-5"),
            Provider::Ollama => None,
        }
    }
}

/// Where a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub url: reqwest::Url,
    /// Neither the vendor's host nor loopback: the user confirms it once before a key goes there.
    pub foreign: bool,
    /// What named it: a variable, `config.toml`, or the vendor.
    pub source: &'static str,
}

/// The address of a provider: environment, then the user's file, then the vendor's own.
///
/// # Errors
/// [`ConfigError`] when what is set is no usable URL.
pub fn endpoint(provider: Provider, environment: &Environment, config: &Config) -> Result<Endpoint, ConfigError> {
    let variable = provider.url_variable();
    let configured = match provider {
        Provider::Anthropic => &config.model.base_url.anthropic,
        Provider::OpenAi => &config.model.base_url.openai,
        Provider::Ollama => &config.model.base_url.ollama,
    };
    let (text, source) = match (environment.text(variable)?, configured) {
        (Some(text), _) => (text.to_owned(), variable),
        (None, Some(text)) => (text.clone(), "config.toml"),
        (None, None) => (provider.vendor_url().to_owned(), "the vendor"),
    };
    // Ollama's own variable is often only host:port.
    let text = if provider == Provider::Ollama && !text.contains("://") { format!("http://{text}") } else { text };
    let url = checked_url(&text).map_err(|why| ConfigError::plain(format_args!("{source}: {why}")))?;
    if url.scheme() == "http" && provider.key_variable().is_some() && !is_loopback(&url) {
        return Err(ConfigError::plain(format_args!(
            "{source}: {text:?} is not https, and http is for this machine only: a key goes there"
        )));
    }
    let vendor = reqwest::Url::parse(provider.vendor_url()).ok();
    let vendors = vendor.is_some_and(|vendor| vendor.origin() == url.origin());
    Ok(Endpoint { foreign: !vendors && !is_loopback(&url), url, source })
}

/// Whether a URL leads to this machine by an address that no name service decides on.
pub fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The SPEC to use: `chosen` (flag or editor), else `[model] name`, else by the first key in the environment.
///
/// # Errors
/// [`ConfigError`] when nothing names a model.
pub fn spec(chosen: Option<&str>, environment: &Environment, config: &Config) -> Result<String, ConfigError> {
    if let Some(spec) = chosen.or(config.model.name.as_deref()) {
        return Ok(spec.to_owned());
    }
    for provider in Provider::ALL {
        if let (Some(variable), Some(model)) = (provider.key_variable(), provider.default_model())
            && environment.secret(variable)?.is_some()
        {
            return Ok(model.to_owned());
        }
    }
    Err(ConfigError::plain("no model is set and no key was found"))
}
