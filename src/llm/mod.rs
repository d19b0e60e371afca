//! The models: Anthropic's Messages API over HTTP, and scripted and manual ones that speak the same shapes without a network.
//!
//! [`build`] turns [`Settings`] into the one seam that the agent knows, [`Model`]. Inside, an adapter makes one *attempt*;
//! `Retrying` repeats attempts that may succeed later; `Recording` writes answers down so that a recording is a script.

mod accumulate;
mod answer;
mod anthropic;
mod body;
mod endpoint;
mod failure;
mod manual;
mod recording;
mod retrying;
mod script;
mod settings;
mod spec;

use std::sync::Arc;

pub use endpoint::{Endpoint, EndpointKind};
pub use settings::{Limits, Secret, Settings, Thinking};
pub use spec::{Spec, SpecError};

use crate::seams::{Clock, ErrorClass, Model, ModelError};

/// Makes the model that `settings.spec` names. Nothing is sent yet; script and recording files are opened.
///
/// # Errors
/// A SPEC that is not understood or not available yet, a missing key, a base URL that is refused or not confirmed, a script
/// that cannot be read (with file and line), a recording that cannot be opened.
pub fn build(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Model>, ModelError> {
    let spec = Spec::parse(&settings.spec).map_err(|error| failure::error(ErrorClass::BadRequest, error.to_string()))?;
    let record = settings.record.clone();
    let model: Arc<dyn Model> = match &spec {
        Spec::Anthropic(name) => {
            let attempts = anthropic::Anthropic::new(name, settings, Arc::clone(&clock))?;
            Arc::new(retrying::Retrying::new(attempts, clock))
        }
        Spec::Script(file) => Arc::new(script::Script::load(file, settings.max_tokens)?),
        Spec::Manual(folder) => Arc::new(manual::Manual::open(folder, settings.max_tokens, clock)?),
        Spec::OpenAi(_) | Spec::Ollama(_) | Spec::Replay(_) => {
            let mut error = failure::error(
                ErrorClass::BadRequest,
                format!("The model {spec} is not available yet: this version cannot reach it."),
            );
            error.hint = Some("Use anthropic:NAME, script:FILE or manual:DIR.".to_owned());
            return Err(error);
        }
    };
    match record {
        Some(file) => Ok(Arc::new(recording::Recording::open(model, &file)?)),
        None => Ok(model),
    }
}
