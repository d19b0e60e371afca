//! What the plugin costs at Neovim's start.

use std::fs;

use super::{NEW, OLD};
use crate::editors::lab::{Desk, editor, repository};

/// Longest that the plugin may add to a start, ms.
const MOST: f64 = 3.0;
/// Starts of each kind: the least of them counts.
const RUNS: usize = 40;

/// The plugin as a package brings it, and one that is slow: the control.
const PLUGIN: &[&str] = &["set rtp^=$LAB_PLUGIN", "runtime plugin/countersign.lua"];
const SLOW: &[&str] = &["lua local from = os.clock() while os.clock() - from < 0.004 do end"];

/// Milliseconds of the processor that a start takes, until the file is read and all that belongs to the start is done: what others
/// do on the machine meanwhile does not count, and nor does the time in which it lets this Neovim wait.
fn start(desk: &Desk, version: &str, first: &[&str]) -> f64 {
    const USED: &str = "lua local u = vim.uv.getrusage() local s, us = u.utime.sec + u.stime.sec, u.utime.usec + u.stime.usec \
                        io.stdout:write(s * 1000 + us / 1000)";
    let mut command = desk.command(editor(version));
    // Without what Neovim remembers of earlier runs, which is read from the disk.
    command.args(["--headless", "-u", "NONE", "-i", "NONE", "-n"]);
    command.args(first.iter().flat_map(|line| ["--cmd", line])).args(["list.txt", "-c", USED, "-c", "quitall"]);
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success());
    said.trim().parse().unwrap_or_else(|_| panic!("{said}\n{}", String::from_utf8_lossy(&done.stderr)))
}

#[test]
fn the_plugin_costs_less_than_three_milliseconds_of_the_start() {
    for version in [OLD, NEW] {
        let desk = Desk::scripted(&super::three_hunks());
        // The least of several: caches that others have emptied are no cost of the plugin. In turn, so that a busy moment hits all.
        let [mut without, mut with, mut slow] = [f64::INFINITY; 3];
        for run in 0..RUNS {
            without = without.min(start(&desk, version, &[]));
            with = with.min(start(&desk, version, PLUGIN));
            slow = slow.min(start(&desk, version, SLOW));
            if run >= 10 && with - without < MOST / 2.0 {
                break;
            }
        }
        println!("{version}: {without:.1} ms of the processor without, {with:.1} with the plugin, {slow:.1} with the slow one");
        assert!(with - without < MOST, "{version}: {without:.1} ms without, {with:.1} ms with the plugin");
        assert!(
            slow - without > MOST,
            "{version}: {without:.1} ms without, {slow:.1} ms with a plugin of 4 ms: it is not measured"
        );
    }
    // Nothing but the plugin's file and what `lsp/` names is read before it is needed.
    let plugin = fs::read_to_string(repository("editors/neovim/plugin/countersign.lua")).unwrap();
    let eager =
        plugin.lines().filter(|line| line.starts_with("require") || line.starts_with("local") && line.contains("require("));
    assert_eq!(eager.count(), 0, "the plugin loads a module at the start");
}
