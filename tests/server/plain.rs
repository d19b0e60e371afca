//! The whole product for a client that has only code actions and documents: no dialogs, lenses or resource operations, and
//! commands without arguments of its own.

mod answers;
mod apart;
mod desk;
mod marks;
mod menu;
mod prompts;
mod story;
mod whole;
mod words;
