//! Samples, their quantiles, and the lines that are printed.

use std::time::Duration;

/// Times of one thing.
#[derive(Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that a share of the samples does not exceed; the median for 0.5.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
        sorted[at - 1]
    }

    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }
}

impl Extend<Duration> for Samples {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, times: T) {
        self.0.extend(times);
    }
}

pub fn heading() {
    println!("{:<62} {:>9} {:>9} {:>9} {:>9} {:>4}  bar", "what", "least", "median", "p95", "p99", "n");
}

/// A line with a bar in milliseconds for the median.
pub fn times(what: &str, samples: &Samples, bar: Option<f64>) {
    let ms = |share| format!("{:.2} ms", samples.quantile(share).as_secs_f64() * 1e3);
    let bar = bar.map(|bar| verdict(samples.median().as_secs_f64() * 1e3, bar, "ms")).unwrap_or_default();
    println!("{what:<62} {:>9} {:>9} {:>9} {:>9} {:>4}  {bar}", ms(0.0), ms(0.5), ms(0.95), ms(0.99), samples.0.len());
}

/// A line about how much longer one thing takes than another, by the least and the medians; the bar is for the medians.
pub fn ratio(what: &str, of: &Samples, floor: &Samples, bar: Option<f64>) {
    let over = |share| of.quantile(share).as_secs_f64() / floor.quantile(share).as_secs_f64();
    let bar = bar.map(|bar| verdict(over(0.5), bar, "x")).unwrap_or_default();
    println!("{what:<62} {:>8.2}x {:>8.2}x {:>9} {:>9} {:>4}  {bar}", over(0.0), over(0.5), "", "", "");
}

/// A line with one number.
pub fn number(what: &str, value: f64, unit: &str, bar: Option<f64>) {
    let bar = bar.map(|bar| verdict(value, bar, unit)).unwrap_or_default();
    println!("{what:<62} {:>9} {:>9} {:>9} {:>9} {:>4}  {bar}", "", format!("{value:.2} {unit}"), "", "", "");
}

fn verdict(value: f64, bar: f64, unit: &str) -> String {
    let word = if value <= bar { "kept" } else { "MISSED" };
    format!("<= {bar} {unit}: {word}")
}
