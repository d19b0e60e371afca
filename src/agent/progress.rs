//! What a task tells the person while it runs.

use crate::event::Usage;

/// One line for the work-done bar: `3/20 reading src/lib.rs · 12.4k tok · $0.04`; before the first iteration what is being done.
pub fn progress_line(iteration: u32, iterations: u32, doing: &str, usage: Usage, cost_usd: Option<f64>) -> String {
    if iteration == 0 {
        return doing.to_owned();
    }
    let mut line = format!("{iteration}/{iterations} {doing} · {} tok", tokens(usage.prompt() + usage.output));
    if let Some(cost) = cost_usd {
        line += &format!(" · ${cost:.2}");
    }
    line
}

fn tokens(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.1}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}
