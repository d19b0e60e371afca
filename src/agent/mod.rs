//! The loop: a task asks the model, runs what it calls behind the gate, and tells it what came of it, until it is done.
//!
//! `task` starts and ends it, `iteration` is one request with its calls, `call` is one call from arguments to result, `gate`
//! asks the policy and the person, `grounds` knows what holds in which folder, `checks` try a finished proposal out, `publish` reaches git, `history` is the conversation as a fold over the journal's events.

mod budget;
mod call;
mod checks;
mod gate;
mod grounds;
mod guard;
mod history;
mod iteration;
mod progress;
mod prompt;
mod publish;
mod registries;
mod shown;
mod task;

pub use budget::{Budget, Exceeded, Prices};
pub use gate::{Gate, Permit, Wanted, for_the_user};
pub use grounds::{Ground, Grounds};
pub use guard::{Guard, Repeat};
pub use history::{History, OpenCall};
pub use progress::progress_line;
pub use prompt::{PromptError, system_prompt, system_prompt_in};
pub use publish::Publisher;
pub use shown::{brief, plain};
pub use task::{Ending, Seams, TaskEnd, TaskError, TaskSpec, run_task};
