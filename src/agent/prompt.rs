//! The system prompt: `prompts/system.md` with the policy in it. It holds nothing that changes from call to call, so that its
//! bytes stay in the model's cache.

use minijinja::{Environment, UndefinedBehavior, context};

use super::grounds::Grounds;
use crate::{policy::Policy, tools::Mode};

/// The template, as it was when the server was built.
const TEMPLATE: &str = include_str!("../../prompts/system.md");

/// The template is broken.
#[derive(Debug, thiserror::Error)]
#[error("the system prompt cannot be made: {0}")]
pub struct PromptError(#[from] minijinja::Error);

/// Renders the system prompt of a mode. The same arguments give the same bytes.
///
/// # Errors
/// [`PromptError`] when the template names a value that does not exist.
pub fn system_prompt(policy: &Policy, mode: Mode, iterations: u32) -> Result<String, PromptError> {
    system_prompt_in(policy, &Grounds::default(), mode, iterations)
}

/// The same over several folders, with the policies of the others where they are not the task's.
///
/// # Errors
/// As [`system_prompt`].
pub fn system_prompt_in(policy: &Policy, grounds: &Grounds, mode: Mode, iterations: u32) -> Result<String, PromptError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let others = grounds.with_other_policy(policy);
    let others = others.map(|(name, policy)| context! { name => name, policy => policy.prompt_text(), sha => policy.sha() });
    let values = context! {
        mode => mode.name(),
        iterations => iterations,
        policy => policy.prompt_text(),
        policy_sha => policy.sha(),
        several => grounds.roots().are_several(),
        others => others.collect::<Vec<_>>(),
    };
    Ok(environment.render_str(TEMPLATE, values)?)
}
