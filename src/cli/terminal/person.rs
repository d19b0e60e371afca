//! Who answers: somebody at the terminal, nobody, or a stand-in that plays somebody and says so.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{
    screen::{Screen, Tone},
    shown::Hunk,
};
use crate::{cli::printable::printable, seams::Clock, server::SystemClock};

/// What somebody is asked.
pub enum Moment<'a> {
    /// One of the server's questions.
    Question(&'a str),
    /// A change to decide about.
    Change(&'a Hunk),
    /// The model wants to know something in words.
    Words,
}

/// Answers in the place of a person, by the keys that a person would press.
pub type StandIn = fn(&Moment<'_>) -> Option<String>;

/// Whoever answers.
pub enum Person {
    Terminal,
    Nobody,
    StandIn(StandIn),
}

/// How long a stand-in seems to read before it answers: what comes faster than a second is not believed.
const READING: Duration = Duration::from_millis(1_100);

impl Person {
    /// Whoever sits at this process's terminal: both its ends must be one.
    pub fn at_terminal() -> Person {
        if io::stdin().is_terminal() && io::stdout().is_terminal() { Person::Terminal } else { Person::Nobody }
    }

    /// Whether an answer can be had at all.
    pub fn is_there(&self) -> bool {
        !matches!(self, Person::Nobody)
    }

    /// Asks; `None` when nobody answers (the end of the input included). Dropping it asks no more.
    pub async fn ask(&mut self, screen: &mut Screen, prompt: &str, moment: &Moment<'_>) -> Option<String> {
        match self {
            Person::Nobody => None,
            Person::Terminal => {
                screen.prompt(prompt);
                let line = line().await;
                if line.is_none() {
                    screen.line("");
                }
                line
            }
            Person::StandIn(answers) => {
                let answer = answers(moment)?;
                screen.prompt(prompt);
                if matches!(moment, Moment::Question(_)) {
                    SystemClock::default().sleep(READING).await;
                }
                let shown = screen.paint(Tone::Strong, &printable(&answer));
                screen.line(&shown);
                Some(answer)
            }
        }
    }
}

/// One line from the terminal, without holding a thread: whoever stops waiting has read nothing.
async fn line() -> Option<String> {
    #[expect(deprecated, reason = "the other constructors are unsafe; stdin's descriptor is open for as long as the process is")]
    let stdin = AsyncFd::with_interest(io::stdin(), Interest::READABLE).ok()?;
    let mut taken = Vec::new();
    loop {
        let mut ready = stdin.readable().await.ok()?;
        let mut bytes = [0; 4096];
        match rustix::io::read(stdin.get_ref(), &mut bytes) {
            Ok(0) => break,
            Ok(n) => {
                taken.extend_from_slice(&bytes[..n]);
                if taken.ends_with(b"\n") {
                    break;
                }
                // A longer line than the buffer, or one that was ended by Ctrl-D.
                if n < bytes.len() {
                    break;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
            Err(_) => return None,
        }
    }
    (!taken.is_empty()).then(|| String::from_utf8_lossy(&taken).trim().to_owned())
}

/// Forgets what was typed before a question was shown: it cannot be an answer to it.
pub fn forget_typed() {
    let _ = nix::sys::termios::tcflush(io::stdin(), nix::sys::termios::FlushArg::TCIFLUSH);
}
