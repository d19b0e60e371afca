//! The policy: recorded cases, the algebra of layers, paths, commands, and that no input makes it panic.

mod cases;
mod commands;
mod files;
mod layers;
mod others;
mod paths;
mod properties;
mod rendering;
mod world;
