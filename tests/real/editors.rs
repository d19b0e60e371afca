//! The story in real editors: VS Code with the extension, Neovim 0.10 and 0.12 with the plugin and without, Helix and Emacs with
//! what `docs/editors.md` says.
//!
//! `.ci/editors` and `.ci/vscode` put the editors beside the build when they are missing; one that cannot be had is a failed test.

mod emacs;
mod helix;
pub mod lab;
mod menu;
mod neovim;
mod storm;
mod vscode;
