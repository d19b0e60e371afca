//! What the policy says of connections beyond the hosts that a command names: private addresses that a rule names one by one.

use super::{action::ActionKind, hosts, layers::Policy, rule::Rule, verdict::Verdict};

/// Terms for the proxy. The default is the strictest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetTerms {
    /// Addresses with ports (`10.1.2.3:443`, `[fd00::1]:443`) that rules of the user or the organisation name: the only private,
    /// local or own ones that a connection may lead to, whether it was asked for by name or by address.
    pub private: Vec<String>,
}

impl Policy {
    /// The terms for connections of commands.
    pub fn net_terms(&self) -> NetTerms {
        let names = |rule: &&Rule| rule.action == ActionKind::Net && rule.trusted && rule.verdict != Verdict::Deny;
        let rules = self.rules().rules.iter().filter(names);
        let mut private: Vec<String> = rules.flat_map(|rule| &rule.hosts).filter(|host| hosts::literal(host)).cloned().collect();
        private.sort();
        private.dedup();
        NetTerms { private }
    }
}
