//! The seams as small fakes, one file each, and the world of a task made of them.

mod files;
mod log;
mod model;
mod person;
mod walls;
mod world;

pub use files::Files;
pub use log::Log;
pub use model::{Script, Step, call, call_block, calls, finish, reply, text};
pub use person::{Person, Ticks};
pub use walls::Walls;
pub use world::World;

/// Called when something happens.
pub type Hook = Box<dyn FnMut() + Send>;
