//! The same walls for root and for an ordinary user.

use std::{env, fs, os::unix::fs::chown, path::Path, process::Command};

use super::bench::{PLACE, copied, visible};

/// An id that no account needs to have.
const ORDINARY: u32 = 65534;

const SUITES: [&str; 16] = [
    "walls::bombs",
    "walls::builds",
    "walls::cases",
    "walls::ends",
    "walls::files",
    "walls::keeper",
    "walls::levels",
    "walls::weak",
    "walls::faults",
    "walls::merging",
    "walls::network",
    "walls::processes",
    "walls::proxy",
    "walls::refusals",
    "walls::secrets",
    "walls::shadows",
];

/// Lends the toolchains of the account that built this to the other one, which may not enter its home, and becomes that one.
const LEND: &str = "mount --bind \"$1\" home/.rustup && mount --bind \"$2\" home/.cargo/bin && shift 2 && exec setpriv \"$@\"";

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
        copied(&target.join(name), &place.path().join(name));
    }
    copied(&env::current_exe().unwrap(), &place.path().join("suite"));
    let home = place.path().join("home");
    let folders = ["home", "home/.rustup", "home/.cargo", "home/.cargo/bin"].map(|name| place.path().join(name));
    folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
    for owned in folders.iter().map(std::path::PathBuf::as_path).chain([place.path()]) {
        chown(owned, Some(ORDINARY), Some(ORDINARY)).unwrap();
    }
    let own = std::path::PathBuf::from(env::var_os("HOME").unwrap());
    let folder = |name: &str, default: &str| env::var_os(name).map_or_else(|| own.join(default), Into::into);
    let mut suite = Command::new("unshare");
    suite
        .args(["-m", "sh", "-c", LEND, "sh"])
        .arg(folder("RUSTUP_HOME", ".rustup"))
        .arg(folder("CARGO_HOME", ".cargo").join("bin"));
    suite.args(["--reuid", &ORDINARY.to_string(), "--regid", &ORDINARY.to_string(), "--clear-groups"]);
    suite.arg(place.path().join("suite")).args(SUITES).args(["--test-threads", "2"]);
    let path = format!("{}/.cargo/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", home.display());
    suite.env(PLACE, place.path()).env("HOME", &home).env("PATH", path).env_remove("RUSTUP_HOME");
    suite.env_remove("PYENV_ROOT").env_remove("CARGO_HOME").current_dir(place.path());
    let ran = suite.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    let passed = said.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(passed > 90, "only {passed} tests ran:\n{said}");
}
