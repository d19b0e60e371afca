//! Which parts of a bench run.

/// Runs the parts that the command line names; all of them where it names none.
pub fn run(parts: &[(&str, fn())]) {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure();
        }
    }
}
