//! What the user can do when a wall could not be put up: one sentence a step.

use crate::seams::{CWD, SandboxError};

/// The error of a failed step, with its hint.
pub(super) fn refusal(step: &str, why: &str) -> SandboxError {
    SandboxError { step: step.into(), why: why.into(), hint: hint(step).into() }
}

fn hint(step: &str) -> &'static str {
    match step {
        "namespaces" | "user map" | "private mounts" | "capabilities" | "process 1" => {
            "Allow this program unprivileged user namespaces: on Ubuntu 24.04 and later with an AppArmor profile that grants \
             `userns,` to it, in a container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`, and see \
             that user.max_user_namespaces is not 0."
        }
        "private /proc" => {
            "In a container, start it with `--security-opt systempaths=unconfined`, so that a new /proc can be mounted."
        }
        "loopback" | "network" => {
            "The kernel must let a new network namespace bring up its loopback interface; see the security module's log."
        }
        "shadow of the workspace" => {
            "Overlays in user namespaces need Linux 6.8 or later, a workspace that belongs to the user who runs the server, and \
             a cache folder on ext4, xfs, btrfs or tmpfs; set XDG_CACHE_HOME to such a place."
        }
        "package caches" => {
            "Package caches of other programs are layered like the workspace; see that they belong to the user who runs the server."
        }
        "shadow folders" => "Set XDG_CACHE_HOME to a folder of yours on ext4, xfs, btrfs or tmpfs, with room left.",
        "workspace owner" => "Start the editor as the user who owns the folder.",
        "workspace folder" => "Open an existing folder of one project.",
        CWD => "Name a folder that exists in the workspace.",
        "Landlock" => {
            "Use a kernel with Landlock (CONFIG_SECURITY_LANDLOCK, and `landlock` in the lsm= list of the boot line); below L3, \
             of Linux 6.12 or later."
        }
        "copy of the workspace" => "Make room, set XDG_CACHE_HOME to a larger disk, or open the folder of one project.",
        "seccomp" => "Use a kernel with seccomp filters (CONFIG_SECCOMP_FILTER).",
        "shell" => "Install bash or sh.",
        "plan" | "start" | "probe" => {
            "Reinstall, so that countersign and countersign-wall are of the same version; `countersign sandbox check` says more."
        }
        _ => "`countersign sandbox check` shows each wall by itself.",
    }
}
