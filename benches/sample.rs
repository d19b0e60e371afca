//! The text that benches work on.

/// Ten thousand lines of something like code, with repetitions.
pub fn long_text() -> String {
    (0..10_000)
        .map(|n| match n % 5 {
            0 => format!("fn name_{n}(argument: usize) -> usize {{\n"),
            1 => format!("    let value = argument * {} + {n};\n", n % 17),
            2 => "    value\n".to_owned(),
            3 => "}\n".to_owned(),
            _ => "\n".to_owned(),
        })
        .collect()
}
