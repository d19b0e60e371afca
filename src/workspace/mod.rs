//! workspace.

pub mod desk;
