//! The policy that holds in a folder now, read anew each time: a change of a file counts at once.

use std::sync::Arc;

use super::Setup;
use crate::{
    config::{self, ConfigError},
    policy::Policy,
};

/// A policy and where it comes from.
pub struct Effective {
    pub policy: Arc<Policy>,
    /// The files of its layers.
    pub layers: Vec<String>,
    /// Why it is the read-only one.
    pub problem: Option<ConfigError>,
}

/// The policy of a folder, and what is wrong with it if it is the read-only one.
pub fn effective_policy(setup: &Setup, folder: &std::path::Path, trusted: bool) -> Effective {
    let mut names = Vec::new();
    let loaded = match setup.config.broken() {
        Some(error) => Err(error),
        None => config::policy_layers(&setup.folders, Some(folder), trusted, setup.policy.as_deref()).and_then(|layers| {
            names = layers.iter().map(|layer| layer.name.clone()).collect();
            setup.policies.effective(&layers)
        }),
    };
    match loaded {
        Ok(policy) => Effective { policy: Arc::new(policy), layers: names, problem: None },
        Err(error) => Effective { policy: Arc::new(Policy::read_only()), layers: names, problem: Some(error) },
    }
}
