//! The keeper of a session and process 1 of every command, as a small program of its own: it starts faster than the whole server.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::sandbox::wall_main()
}
