//! What the policy says of connections beyond the hosts that a command names: private addresses and methods of plain HTTP, each
//! named by a rule one by one.

use super::{action::ActionKind, hosts, layers::Policy, verdict::Verdict};

/// Terms for the proxy. The default is the strictest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetTerms {
    /// Addresses with ports (`10.1.2.3:443`, `[fd00::1]:443`) that rules of the user or the organisation name: the only private,
    /// local or own ones that a connection may lead to, whether it was asked for by name or by address.
    pub private: Vec<String>,
    /// A host with port, and a method besides GET and HEAD that it may be sent in the clear.
    pub methods: Vec<(String, String)>,
}

impl Policy {
    /// The terms for connections of commands. A host that a rule of any layer denies opens nothing, whatever another rule says.
    pub fn net_terms(&self) -> NetTerms {
        let rules = || self.rules().rules.iter().filter(|rule| rule.action == ActionKind::Net);
        let denied = |host: &str| rules().any(|rule| rule.verdict == Verdict::Deny && rule.means_host(host));
        let mut terms = NetTerms::default();
        for rule in rules().filter(|rule| rule.trusted && rule.verdict != Verdict::Deny) {
            for host in rule.hosts.iter().filter(|host| !denied(host)) {
                if hosts::literal(host) && !terms.private.contains(host) {
                    terms.private.push(host.clone());
                }
                terms.methods.extend(rule.methods.iter().map(|method| (host.clone(), method.clone())));
            }
        }
        terms
    }
}
