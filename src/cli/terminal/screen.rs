//! The screen: styles that vanish where they cannot be seen, wrapped lines, and only text that cannot move the cursor.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::{
    cli::printable::{printable, printable_block, shortened},
    config::Environment,
};

/// Columns where nobody says how many there are; fewer and more than these are not written for.
const COLUMNS: usize = 80;
const FEWEST: usize = 10;
const MOST: usize = 100;

/// What a piece of text means; its colour follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Quiet,
    Good,
    Warn,
    Bad,
    /// What the person types, or could type.
    Key,
    Removed,
    /// A word of a removed line that the new line does not have.
    RemovedWord,
    Added,
    AddedWord,
}

impl Tone {
    fn style(self) -> Style {
        let of = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Quiet => Style::new().dimmed(),
            Tone::Good | Tone::Added => of(AnsiColor::Green),
            Tone::Warn => of(AnsiColor::Yellow),
            Tone::Bad => of(AnsiColor::Red).bold(),
            Tone::Key => of(AnsiColor::Cyan),
            Tone::Removed => of(AnsiColor::Red),
            Tone::RemovedWord => of(AnsiColor::Red).invert(),
            Tone::AddedWord => of(AnsiColor::Green).invert(),
        }
    }
}

/// Standard output, for a person.
pub struct Screen {
    colour: bool,
    /// What `COLUMNS` says, in place of the terminal itself.
    columns: Option<usize>,
    /// Characters that stand on the line that is being written.
    column: usize,
    silent: bool,
    /// Whether a line can be written over.
    live: bool,
    /// The status line stands on the screen; whatever comes next is written over it.
    status: bool,
}

/// Back to the start of the line, and nothing on it any more.
const ERASE: &str = "\r\u{1b}[K";

impl Screen {
    /// The screen of this process.
    pub fn of(environment: &Environment) -> Screen {
        let columns = environment.os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let terminal = io::stdout().is_terminal();
        let live = terminal && environment.os("TERM").is_some_and(|term| term != "dumb");
        let colour = terminal && !environment.no_color();
        Screen { colour, columns, column: 0, silent: false, live, status: false }
    }

    /// A screen that shows nothing: stdout belongs to a program.
    pub fn silent() -> Screen {
        Screen { colour: false, columns: Some(COLUMNS), column: 0, silent: true, live: false, status: false }
    }

    /// Styles a text that is safe to print.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let style = tone.style();
        if self.colour && !text.is_empty() && style != Style::new() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A whole line; an unfinished one is ended first. The text may be painted, and must be safe.
    pub fn line(&mut self, text: &str) {
        self.end_line();
        self.write(&format!("{text}\n"));
    }

    /// A line in one tone.
    pub fn say(&mut self, tone: Tone, text: &str) {
        let painted = self.paint(tone, &printable_block(text));
        self.line(&painted);
    }

    /// A paragraph, wrapped and indented. `text` may be anything.
    pub fn paragraph(&mut self, indent: &str, tone: Tone, text: &str) {
        self.end_line();
        for line in text.lines() {
            let mut flow = Flow::new(indent);
            flow.push(self, tone, line);
            flow.push(self, tone, "\n");
        }
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.line("");
    }

    /// What goes on just now, and for how long, until something else is written. Only where a line can be written over.
    pub fn status(&mut self, text: &str, since: &str) {
        if self.live && self.column == 0 {
            // One line at most: of two only the second could be written over.
            let room = (self.width() - 1).saturating_sub(since.chars().count());
            let shown = self.paint(Tone::Quiet, &format!("{}{since}", shortened(&printable(text), room)));
            self.status = false;
            self.write(&format!("{ERASE}{shown}"));
            self.status = true;
        }
    }

    /// The start of a line that somebody ends by pressing Enter.
    pub fn prompt(&mut self, text: &str) {
        self.end_line();
        self.write(text);
    }

    /// Ends a line that is being written.
    pub fn end_line(&mut self) {
        if self.column > 0 {
            self.column = 0;
            self.write("\n");
        }
    }

    /// Columns of a line just now: a terminal may have been made narrower since the last one.
    fn width(&self) -> usize {
        let terminal = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        self.columns.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(COLUMNS).clamp(FEWEST, MOST)
    }

    fn write(&mut self, text: &str) {
        if self.silent {
            return;
        }
        // A reader that has seen enough (`| head`) stops nothing that is being decided.
        let mut out = io::stdout().lock();
        if std::mem::take(&mut self.status) {
            let _ = out.write_all(ERASE.as_bytes());
        }
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Text that comes piece by piece and is wrapped at words.
pub struct Flow {
    indent: &'static str,
    word: String,
    /// The blanks that stand before the next word, if it fits.
    gap: String,
}

impl Flow {
    /// Nothing written yet.
    pub fn new(indent: &str) -> Flow {
        let indent = ["", "  ", "    ", "      "].into_iter().find(|known| known.len() >= indent.len()).unwrap_or("      ");
        Flow { indent, word: String::new(), gap: String::new() }
    }

    /// Writes what of it is complete.
    pub fn push(&mut self, screen: &mut Screen, tone: Tone, text: &str) {
        for c in printable_block(text).chars() {
            match c {
                '\n' => {
                    self.flush(screen, tone);
                    self.gap.clear();
                    screen.column = 0;
                    screen.write("\n");
                }
                ' ' | '\t' => {
                    self.flush(screen, tone);
                    self.gap.push(' ');
                }
                c => self.word.push(c),
            }
        }
    }

    /// Writes what is left; what comes next begins anew.
    pub fn end(&mut self, screen: &mut Screen, tone: Tone) {
        self.flush(screen, tone);
        self.gap.clear();
    }

    /// Writes the word that is being built.
    fn flush(&mut self, screen: &mut Screen, tone: Tone) {
        if self.word.is_empty() {
            return;
        }
        let (word, gap) = (std::mem::take(&mut self.word), std::mem::take(&mut self.gap));
        let (wide, blank) = (word.chars().count(), gap.chars().count());
        let mut out = String::new();
        if screen.column == 0 {
            out.push_str(self.indent);
            // Blanks at the start of a line are the text's own indentation.
            out.push_str(&gap);
            screen.column = self.indent.len() + blank;
        } else if screen.column + blank + wide > screen.width() {
            out.push('\n');
            out.push_str(self.indent);
            screen.column = self.indent.len();
        } else {
            out.push_str(&gap);
            screen.column += blank;
        }
        screen.column += wide;
        out.push_str(&screen.paint(tone, &word));
        screen.write(&out);
    }
}
