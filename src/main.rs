//! The binary `countersign`: hands the command line to `cli`, and serves as process 1 of a command inside the walls.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    countersign::cli::main(std::env::args_os())
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "countersign runs on Linux only (also in WSL, over Remote-SSH and in dev containers): its walls are Linux kernel features."
    );
    std::process::ExitCode::from(2)
}
