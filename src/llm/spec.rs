//! The model SPEC that users type: `PROVIDER:REST`.

use std::{fmt, path::PathBuf};

/// A model SPEC, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    Anthropic(String),
    /// Any Chat Completions endpoint.
    OpenAi(String),
    Ollama(String),
    /// JSON lines served in order.
    Script(PathBuf),
    /// A recorded session.
    Replay(PathBuf),
    /// A folder through which a person or another program answers.
    Manual(PathBuf),
}

/// Why a SPEC was not understood, for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(String);

const FORMS: &str = "anthropic:NAME, openai:NAME, ollama:NAME, script:FILE, replay:FILE or manual:DIR";

impl Spec {
    /// Whether this version can reach it.
    pub fn is_available(&self) -> bool {
        !matches!(self, Spec::OpenAi(_) | Spec::Ollama(_) | Spec::Replay(_))
    }

    /// Reads a SPEC. Names hold no blanks or control characters; paths are taken as they stand.
    ///
    /// # Errors
    /// No colon, an unknown provider, an empty or impossible rest: one sentence that names the text and the forms.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let shown = text.escape_debug();
        let (provider, rest) =
            text.split_once(':').ok_or_else(|| SpecError(format!("The model `{shown}` names no provider: write {FORMS}.")))?;
        let name = || match rest {
            "" => Err(SpecError(format!("The model `{shown}` lacks the name after the colon: write {provider}:NAME."))),
            _ if rest.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Err(SpecError(format!("The model name in `{shown}` holds a blank or a control character.")))
            }
            _ => Ok(rest.to_owned()),
        };
        let path = || match rest {
            "" => Err(SpecError(format!("The model `{shown}` lacks the path after the colon."))),
            _ => Ok(PathBuf::from(rest)),
        };
        match provider {
            "anthropic" => name().map(Spec::Anthropic),
            "openai" => name().map(Spec::OpenAi),
            "ollama" => name().map(Spec::Ollama),
            "script" => path().map(Spec::Script),
            "replay" => path().map(Spec::Replay),
            "manual" => path().map(Spec::Manual),
            _ => Err(SpecError(format!("The model `{shown}` has an unknown provider: write {FORMS}."))),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Anthropic(name) => write!(f, "anthropic:{name}"),
            Spec::OpenAi(name) => write!(f, "openai:{name}"),
            Spec::Ollama(name) => write!(f, "ollama:{name}"),
            Spec::Script(path) => write!(f, "script:{}", path.display()),
            Spec::Replay(path) => write!(f, "replay:{}", path.display()),
            Spec::Manual(path) => write!(f, "manual:{}", path.display()),
        }
    }
}
