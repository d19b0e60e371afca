//! Names to addresses, once a connection.

use std::{io, net::IpAddr};

/// Resolves names; replaced in tests, so that they need no name server.
#[async_trait::async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of a host, in the order in which they should be tried.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// As every program of this machine does it.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

#[async_trait::async_trait]
impl Resolve for System {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|at| at.ip()).collect())
    }
}
