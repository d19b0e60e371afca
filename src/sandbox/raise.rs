//! What on this machine keeps commands from the highest level, each with the command or flag that lifts it. Told to people only:
//! which level there is, is never concluded from it.
//!
//! It reads the kernel's switches, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{fs, path::Path};

use super::LinuxSandbox;

/// Switches of the kernel that are off at 0, with a usual value.
const OFF: [(&str, &str); 5] = [
    ("user.max_user_namespaces", "15000"),
    ("user.max_mnt_namespaces", "15000"),
    ("user.max_pid_namespaces", "15000"),
    ("user.max_net_namespaces", "15000"),
    ("kernel.unprivileged_userns_clone", "1"),
];

/// Files by which containers are known.
const CONTAINERS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

impl LinuxSandbox {
    /// What is seen to be in the way; never empty.
    pub fn ways_up(&self) -> Vec<String> {
        let mut ways: Vec<String> = Vec::new();
        for (name, value) in OFF {
            if switch(name).as_deref() == Some("0") {
                ways.push(format!("{name} is 0: sudo sysctl -w {name}={value}"));
            }
        }
        if switch("kernel.apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
            ways.push(format!("AppArmor keeps user namespaces from programs without a profile: {}", profile(&self.paths.exe)));
        }
        if CONTAINERS.iter().any(|file| Path::new(file).exists()) {
            ways.push(
                "this is a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                 --security-opt systempaths=unconfined"
                    .into(),
            );
        }
        if ways.is_empty() {
            ways.push("allow this program user namespaces, on Linux 6.12 or later; docs/sandbox.md says how".into());
        }
        ways
    }
}

fn switch(name: &str) -> Option<String> {
    Some(fs::read_to_string(Path::new("/proc/sys").join(name.replace('.', "/"))).ok()?.trim().to_owned())
}

/// The command that installs a profile for the program where it is.
fn profile(exe: &Path) -> String {
    format!(
        "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile countersign \"{}{{,-wall}}\" flags=(unconfined) {{\\n  userns,\\n}}\\n' \
         | sudo tee /etc/apparmor.d/countersign && sudo apparmor_parser -r /etc/apparmor.d/countersign",
        exe.display()
    )
}
