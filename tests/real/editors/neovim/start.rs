//! What the plugin costs at Neovim's start.

use std::fs;

use super::{NEW, OLD};
use crate::editors::lab::{Desk, editor, repository};

/// Milliseconds of a start: the whole, and what the plugin's own file takes.
fn start(desk: &Desk, version: &str, with: bool, run: usize) -> (f64, f64) {
    let log = desk.home(&format!("startup-{with}-{run}.log"));
    let mut command = desk.command(editor(version));
    // Without what Neovim remembers of earlier runs, which is read from the disk.
    command.args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "--startuptime"]).arg(&log);
    if with {
        command.args(["--cmd", "set rtp^=$LAB_PLUGIN", "--cmd"]).arg("runtime plugin/countersign.lua");
    }
    command.args(["list.txt", "+quitall"]);
    assert!(command.output().unwrap().status.success());
    let text = fs::read_to_string(log).unwrap();
    // `clock  self+sourced  self: sourcing FILE`, and `clock  elapsed: what`.
    let own = text.lines().find(|line| line.contains("plugin/countersign.lua")).map(|line| number(line, 1));
    assert_eq!(own.is_some(), with, "{text}");
    let whole = text.lines().rfind(|line| line.contains("first screen update") || line.contains("NVIM STARTED"));
    (number(whole.expect("the log names the start"), 0), own.unwrap_or_default())
}

fn number(line: &str, n: usize) -> f64 {
    line.split_whitespace().nth(n).unwrap().trim_end_matches(':').parse().unwrap()
}

#[test]
fn the_plugin_costs_less_than_three_milliseconds_of_the_start() {
    for version in [OLD, NEW] {
        let desk = Desk::scripted(&super::three_hunks());
        // The least of several: what a busy machine adds is no cost of the plugin. Alternating, so that a busy moment hits both.
        let (mut own, mut with, mut without) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
        for run in 0..80 {
            without = without.min(start(&desk, version, false, run).0);
            let (whole, file) = start(&desk, version, true, run);
            (with, own) = (with.min(whole), own.min(file));
            if run >= 10 && own < 1.0 && with - without < 2.0 {
                break;
            }
        }
        let ratio = with / without;
        println!("{version}: its file {own:.2} ms; start {without:.1} ms without, {with:.1} ms with it, ratio {ratio:.2}");
        assert!(own < 3.0, "{version}: the plugin's file takes {own:.2} ms");
        assert!(with - without < 3.0 && ratio < 1.5, "{version}: {without:.1} ms without, {with:.1} ms with the plugin");
    }
    // Nothing but the plugin's file and what `lsp/` names is read before it is needed.
    let plugin = fs::read_to_string(repository("editors/neovim/plugin/countersign.lua")).unwrap();
    let eager =
        plugin.lines().filter(|line| line.starts_with("require") || line.starts_with("local") && line.contains("require("));
    assert_eq!(eager.count(), 0, "the plugin loads a module at the start");
}
