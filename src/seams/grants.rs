//! Answers that the user asked to be remembered.

use crate::policy::Action;

/// Remembered answers of one user in one workspace folder. They lift a question, never a denial.
#[async_trait::async_trait]
pub trait Grants: Send + Sync {
    /// What the answer is called that covers exactly this action as things stand now: same argument, same folder, same content of
    /// the scripts that it names. `None` where the person has to be asked.
    async fn covers(&self, action: &Action) -> Option<String>;

    /// Remembers a yes to exactly this action.
    ///
    /// # Errors
    /// A sentence when it cannot be kept; the yes counts once all the same.
    async fn remember(&self, action: &Action) -> Result<String, String>;
}
