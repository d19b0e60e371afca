//! The binary `countersign`: hands the command line to `cli`, and serves as the wall process where `countersign-wall` is missing.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    // Before everything else: inside the walls only the walls' own code runs.
    if std::env::args_os().nth(1).is_some_and(|word| word == "__wall") {
        return countersign::sandbox::wall_main();
    }
    countersign::cli::main(std::env::args_os())
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!(
        "countersign runs on Linux only (also in WSL, over Remote-SSH and in dev containers): its walls are Linux kernel features."
    );
    ExitCode::from(2)
}
