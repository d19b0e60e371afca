//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("__wall") {
        return countersign::sandbox::wall_main();
    }
    ExitCode::SUCCESS
}
