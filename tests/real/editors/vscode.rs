//! The VS Code extension in the real editor: code-server in headless Chromium, driven by the tests in `editors/vscode/test`.
//!
//! `.ci/vscode` installs what is missing. The extension is packaged and installed once; one editor runs at a time, since each
//! takes both cores. Pictures of the screen stay in `target/tmp/vscode/shots`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::lab::repository;

/// What the tests are run with.
struct Studio {
    node: PathBuf,
    code: PathBuf,
    chromium: String,
    /// Package, installed extension, pictures.
    folder: PathBuf,
}

/// Installs what is missing, packages the extension and installs the package, once.
fn studio() -> &'static Studio {
    static STUDIO: OnceLock<Result<Studio, String>> = OnceLock::new();
    STUDIO.get_or_init(set_up).as_ref().unwrap_or_else(|why| panic!("{why}"))
}

fn set_up() -> Result<Studio, String> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let editors = tmp.parent().unwrap().join("editors/vscode");
    run(Command::new(repository(".ci/vscode")).arg(&editors), "VS Code cannot be had")?;
    let chromium = run(Command::new("sh").args(["-c", "command -v chromium"]), "Chromium is missing")?.trim().to_owned();
    let studio =
        Studio { node: editors.join("node/run"), code: editors.join("code-server/run"), chromium, folder: tmp.join("vscode") };
    let extensions = studio.folder.join("extensions");
    let _ = std::fs::remove_dir_all(&extensions);
    std::fs::create_dir_all(&extensions).map_err(|error| error.to_string())?;
    let package = studio.folder.join("countersign.vsix");
    let mut packer = Command::new(&studio.node);
    run(packer.arg("scripts/package.mjs").arg(&package).current_dir(repository("editors/vscode")), "packaging failed")?;
    let mut installer = Command::new(&studio.code);
    // Beside the tester's own settings.
    installer.env("HOME", &studio.folder).env("XDG_CONFIG_HOME", &studio.folder).env("XDG_DATA_HOME", &studio.folder);
    installer.arg("--user-data-dir").arg(studio.folder.join("user")).arg("--extensions-dir").arg(&extensions);
    run(installer.arg("--install-extension").arg(&package), "the package cannot be installed")?;
    Ok(studio)
}

fn run(command: &mut Command, what: &str) -> Result<String, String> {
    let done = command.output().map_err(|error| format!("{what}: {error}"))?;
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() { Ok(out.into_owned()) } else { Err(format!("{what}:\n{out}\n{err}")) }
}

/// Runs node in the extension's folder; a failure is a failed test with what it said.
fn node(arguments: &[&str]) -> String {
    let studio = studio();
    let mut command = Command::new(&studio.node);
    command.args(arguments).current_dir(repository("editors/vscode"));
    command.env("LAB_CODE", &studio.code).env("LAB_CHROMIUM", &studio.chromium);
    command.env("LAB_EXTENSIONS", studio.folder.join("extensions")).env("LAB_VSIX", studio.folder.join("countersign.vsix"));
    command.env("LAB_SHOTS", studio.folder.join("shots"));
    command.env("LAB_SERVER", Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap());
    let said = run(&mut command, &arguments.join(" ")).unwrap_or_else(|why| panic!("{why}"));
    println!("{said}");
    said
}

/// A story in the editor.
fn story(name: &str) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let said = node(&["--test", &format!("test/{name}.test.ts")]);
    assert!(said.contains("fail 0") && !said.contains("pass 0"), "{said}");
}

#[test]
fn a_first_task_is_asked_streamed_reviewed_checked_committed_and_pushed() {
    story("story");
}

#[test]
fn stop_kills_and_a_dying_server_lose_nothing() {
    story("faults");
}

#[test]
fn a_server_that_is_away_is_told_and_loses_no_word() {
    story("away");
}

#[test]
fn an_untrusted_folder_runs_nothing_and_the_start_is_short() {
    story("guards");
}

#[test]
fn the_agent_learns_what_the_editors_other_servers_know() {
    story("insight");
}

#[test]
fn several_folders_are_asked_about_reviewed_and_changed_each_by_itself() {
    story("folders");
}

#[test]
fn a_program_of_another_protocol_is_told_and_served_as_a_plain_one() {
    story("versions");
}

#[test]
fn every_link_of_the_first_steps_and_every_key_does_what_it_says() {
    story("steps");
}

#[test]
fn the_extensions_types_and_plain_parts_are_sound() {
    node(&["node_modules/typescript/bin/tsc", "--noEmit"]);
    let said = node(&["--test", "test/unit/*.test.ts"]);
    assert!(said.contains("fail 0") && !said.contains("pass 0"), "{said}");
}

#[test]
fn the_extension_and_the_server_share_no_command() {
    let text = std::fs::read_to_string(repository("editors/vscode/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap();
    let own: Vec<&str> = package["contributes"]["commands"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|command| command["command"].as_str()?.strip_prefix("countersign."))
        .collect();
    assert!(own.contains(&"askAgent"));
    // The language client registers the server's; two of one name, and it does not start.
    for name in countersign::server::COMMANDS {
        assert!(!own.contains(name), "countersign.{name} is the server's");
    }
}
