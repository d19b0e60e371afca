//! Package managers named as hosts: what the model writes as `cargo` is replaced by the hosts that the user's own configuration
//! gives it, before anything is judged, shown or run.

use std::sync::Arc;

use super::task::Task;
use crate::policy::REGISTRIES;

/// Replaces the names that the policy lists, and lets the policy know what they stand for.
///
/// # Errors
/// A name that the policy does not list, or whose hosts cannot be told; what to do instead.
pub(super) async fn resolve(task: &mut Task, hosts: &mut Vec<String>) -> Result<(), String> {
    let mut reached: Vec<String> = Vec::with_capacity(hosts.len());
    for written in std::mem::take(hosts) {
        let name = written.trim().to_ascii_lowercase();
        if !REGISTRIES.contains(&name.as_str()) {
            reached.push(written);
            continue;
        }
        if !task.policy().run().registries.contains(&name) {
            return Err(format!(
                "nothing ran: the user's policy does not list \"{name}\" in [run] registries, so the name stands for no hosts. Name \
                 each host as host:port; the user is asked"
            ));
        }
        let found = task.seams.sandbox.registry(&name, &task.spec.folder).await;
        let found = found.map_err(|why| format!("nothing ran: {why}"))?;
        task.gate.policy = Arc::new(task.gate.policy.knowing_registries(&found.hosts));
        reached.extend(found.hosts);
    }
    let mut seen = std::collections::HashSet::new();
    reached.retain(|host| seen.insert(host.clone()));
    *hosts = reached;
    Ok(())
}
