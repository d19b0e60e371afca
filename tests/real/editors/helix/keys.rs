//! Helix in a terminal with the documented configuration, driven by keys. What a key did is read from the disk and the journal:
//! Helix shows one message at a time, and "written" may come after what the server says about what was written.

use std::{
    ffi::OsStr,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::super::lab::{Desk, Screen, documented, editor, until};

/// Longest wait for a menu before the keys are pressed again: before the server is ready there is none, and they do nothing.
const MENU: Duration = Duration::from_secs(2);

/// Helix on `list.md`.
pub struct Helix<'a> {
    pub desk: &'a Desk,
    pub screen: Screen,
}

/// A call of `edit_file` that puts these in the place of these lines of `list.md`.
pub fn edit(changes: &[(&str, &str)]) -> Value {
    let edits: Vec<Value> = changes.iter().map(|(old, new)| json!({"old": old, "new": new})).collect();
    json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": "list.md", "edits": edits}})
}

impl<'a> Helix<'a> {
    /// Starts it as documented, but with the model of the desk, and with this `config.toml`.
    pub fn start(desk: &'a Desk, config: &str) -> Helix<'a> {
        let script = format!("\"lsp\", \"--model\", \"script:{}\"", desk.home("script.jsonl").display());
        fs::create_dir_all(desk.home("config/helix")).unwrap();
        fs::write(desk.home("config/helix/languages.toml"), documented("toml", 0).replace("\"lsp\"", &script)).unwrap();
        fs::write(desk.home("config/helix/config.toml"), config).unwrap();
        let screen = Screen::start(desk, &editor("helix"), &[OsStr::new("list.md")]);
        screen.shows("line 20");
        Helix { desk, screen }
    }

    /// Ends the server as a crash does: it is the child of the program in the terminal.
    pub fn kill_server(&self) {
        let editor = self.screen.process();
        let found = Command::new("ps").args(["-o", "pid=,args=", "--ppid", &editor]).output().unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        let server = found.lines().find(|line| line.contains("countersign")).expect("the server is a child of the editor");
        let server = server.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args(["-9", server]).status().unwrap().success());
    }

    /// Types a text as it is.
    pub fn keys(&self, text: &str) {
        self.screen.type_text(text);
    }

    /// Types a command line, such as `:w`.
    pub fn command(&self, line: &str) {
        self.screen.type_text(line);
        self.screen.press(&["Enter"]);
    }

    /// Waits until these words stand on the screen.
    pub fn shows(&self, words: &str) -> String {
        self.screen.shows(words)
    }

    /// Waits until these words stand in the journal.
    pub fn journalled(&self, words: &str) {
        self.until(words, || self.desk.journal().contains(words));
    }

    /// Waits until this is so.
    pub fn until(&self, what: &str, ready: impl Fn() -> bool) {
        until(what, || self.screen.text(), || ready().then_some(()));
    }

    /// Back to normal mode. Keys right behind an Escape would be read as Alt.
    pub fn escape(&self) {
        self.screen.press(&["Escape"]);
        self.shows(" NOR ");
    }

    /// Writes into the document that has just opened, and sends it.
    pub fn write_and_send(&self, words: &str) {
        self.shows("[ ] send");
        self.keys(&format!("geO{words}"));
        self.shows(words);
        self.escape();
        self.tick_last();
    }

    /// Ticks the box on the last line of the document, and saves.
    pub fn tick_last(&self) {
        let before = self.ticked();
        self.keys("geghlrx");
        // Not the line that says how to tick.
        let ticked = |text: &str| text.lines().any(|row| row.contains("[x] ") && !row.contains("\"[x]"));
        self.until("the tick", || ticked(&self.screen.text()));
        self.command(":w");
        self.until("the saved tick", || self.ticked() > before);
    }

    /// All documents of the server as one text.
    pub fn documents(&self) -> Vec<String> {
        let folder = fs::read_dir(self.desk.home("state/countersign/documents")).into_iter().flatten();
        folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default()).collect()
    }

    /// How many documents end in a ticked box.
    fn ticked(&self) -> usize {
        let last = |text: &String| text.trim_end().lines().last().is_some_and(|line| line.starts_with("[x] "));
        self.documents().iter().filter(|text| last(text)).count()
    }

    /// Opens the menu of code actions and takes the one with this title.
    pub fn choose(&self, title: &str) {
        let text = until(title, || self.screen.text(), || self.menu(title));
        // The first is chosen when the menu opens.
        let rows: Vec<&str> = text.lines().collect();
        let at = rows.iter().position(|row| row.contains(title)).unwrap();
        let column = rows[at].split(title).next().unwrap_or_default().chars().count();
        // All titles begin in one column; the text beside the menu may not reach it.
        let in_menu = |row: &&str| !row.contains("line ") && row.chars().nth(column).is_some_and(|c| c != ' ');
        let above = rows[..at].iter().rev().take_while(|row| in_menu(row)).count();
        for _ in 0..above {
            self.screen.press(&["Down"]);
        }
        self.screen.press(&["Enter"]);
    }

    /// Opens the menu; the screen once it has this title and is drawn to its end.
    fn menu(&self, title: &str) -> Option<String> {
        self.keys(" a");
        let (start, mut last) = (Instant::now(), String::new());
        while start.elapsed() < MENU {
            let text = self.screen.text();
            if text.contains(title) && text == last {
                return Some(text);
            }
            last = text;
            std::thread::sleep(Duration::from_millis(20));
        }
        self.screen.press(&["Escape"]);
        std::thread::sleep(Duration::from_millis(200));
        None
    }
}
