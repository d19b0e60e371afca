//! Where requests go: which base URLs are taken, whether a key may go there unasked, and the HTTP client for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::{Client, Url, redirect};

use super::{failure, settings::Limits};
use crate::seams::{ErrorClass, ModelError};

/// The vendor's own origin.
const ANTHROPIC: &str = "https://api.anthropic.com";

/// Whose machine answers at a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    Vendor,
    Loopback,
    /// Somebody else's: the user confirms it once before a key goes there.
    Foreign,
}

/// A base URL that may be used: https, or http on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    host: String,
    kind: EndpointKind,
}

impl Endpoint {
    /// Anthropic's own endpoint, or the one at `base_url`.
    ///
    /// # Errors
    /// Not a URL; http beyond loopback; user-info, query or fragment in it. The message never repeats user-info.
    pub fn anthropic(base_url: Option<&str>) -> Result<Self, ModelError> {
        let base = Url::parse(base_url.unwrap_or(ANTHROPIC).trim())
            .map_err(|error| refused(format!("The base URL of the model is not a URL: {error}.")))?;
        let host = base.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(refused("The base URL of the model names no host.".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() || base.fragment().is_some() {
            return Err(refused(format!(
                "The base URL of the model at {host} carries a user, a password, a query or a fragment."
            )));
        }
        let kind = if is_loopback(&host) {
            EndpointKind::Loopback
        } else if base.origin().ascii_serialization() == ANTHROPIC {
            EndpointKind::Vendor
        } else {
            EndpointKind::Foreign
        };
        match (base.scheme(), kind) {
            ("https", _) | ("http", EndpointKind::Loopback) => Ok(Endpoint { base, host, kind }),
            _ => Err(refused(format!(
                "The base URL of the model at {host} is refused: it must be https, or http on this machine."
            ))),
        }
    }

    /// Whose machine it is.
    pub fn kind(&self) -> EndpointKind {
        self.kind
    }

    /// Scheme, host and port: what a user confirms, and what [`crate::llm::Settings::confirmed_origin`] holds.
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Host and, where it is not the usual one, port: for messages.
    pub(super) fn host(&self) -> String {
        self.base.port().map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// The URL of `path` (without leading slash) beneath the base.
    pub(super) fn join(&self, path: &str) -> Result<Url, ModelError> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}"))
            .map_err(|error| refused(format!("The base URL of the model cannot be used: {error}.")))
    }

    /// A client for this endpoint that keeps its connection, follows no redirect (a key must not travel on), and ignores
    /// proxies of the environment on loopback only.
    pub(super) fn client(&self, limits: &Limits) -> Result<Client, ModelError> {
        // A second installation answers with an error that means "already there".
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(limits.connect)
            .read_timeout(limits.idle)
            .tcp_nodelay(true);
        if self.kind == EndpointKind::Loopback {
            // The name is pinned, so that no resolver sends it elsewhere.
            let here = [(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).into(), (IpAddr::V6(Ipv6Addr::LOCALHOST), 0).into()];
            builder = builder.no_proxy().resolve_to_addrs("localhost", &here);
            if self.base.scheme() == "http" {
                // Plain http needs no root certificates, which a small machine may not have.
                builder = builder.tls_certs_only([]);
            }
        }
        builder.build().map_err(|error| {
            let mut error = failure::error(
                ErrorClass::Unavailable,
                format!("HTTPS to {} cannot be prepared: {}.", self.host, failure::root_cause(&error.without_url())),
            );
            error.hint = Some("Install the system's root certificates (package ca-certificates).".to_owned());
            error
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn refused(message: String) -> ModelError {
    let mut error = failure::error(ErrorClass::BadRequest, message);
    error.hint = Some("Check ANTHROPIC_BASE_URL, or unset it to use the vendor's own endpoint.".to_owned());
    error
}
