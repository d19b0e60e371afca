//! The same walls for root and for an ordinary user.

use std::{env, fs, os::unix::fs::chown, path::Path, process::Command};

use super::bench::{PLACE, visible};

/// An id that no account needs to have.
const ORDINARY: u32 = 65534;

/// The suites that need no toolchain of the account that built them.
const SUITES: [&str; 8] = [
    "walls::files",
    "walls::secrets",
    "walls::shadows",
    "walls::network",
    "walls::ends",
    "walls::refusals",
    "walls::keeper",
    "walls::levels",
];

/// Run by root, this test starts the suites above once more as an ordinary user. Run by an ordinary user, it only says so:
/// then all of them ran as one already.
#[test]
fn an_ordinary_user_has_the_same_walls() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = visible();
    let target = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    for name in ["countersign", "countersign-wall"] {
        fs::copy(target.join(name), place.path().join(name)).unwrap();
    }
    fs::copy(env::current_exe().unwrap(), place.path().join("suite")).unwrap();
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    for owned in [place.path(), &home] {
        chown(owned, Some(ORDINARY), Some(ORDINARY)).unwrap();
    }
    let mut suite = Command::new("setpriv");
    suite.args(["--reuid", &ORDINARY.to_string(), "--regid", &ORDINARY.to_string(), "--clear-groups"]);
    suite.arg(place.path().join("suite")).args(SUITES).args(["walls::processes", "--test-threads", "2"]);
    suite
        .env(PLACE, place.path())
        .env("HOME", &home)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env_remove("RUSTUP_HOME");
    suite.env_remove("PYENV_ROOT").env_remove("CARGO_HOME").current_dir(place.path());
    let ran = suite.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    let passed = said.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(passed > 30, "only {passed} tests ran:\n{said}");
}
