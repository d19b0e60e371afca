//! A Neovim that takes keys and can be asked from outside: in a real terminal, or without one.

use std::{
    ffi::OsStr,
    process::{Child, Command, Stdio},
};

use super::super::lab::{Desk, Screen, editor, repository, until};

/// A running Neovim, ended with the test.
pub struct Seat<'a> {
    desk: &'a Desk,
    version: &'static str,
    screen: Option<Screen>,
    child: Option<Child>,
}

impl<'a> Seat<'a> {
    /// In tmux, with its file attached to the server.
    pub fn in_terminal(desk: &'a Desk, version: &'static str, file: &str) -> Self {
        let (config, socket) = (repository("tests/real/editors/init.lua"), desk.home("nvim.sock"));
        let arguments: [&OsStr; 5] = ["-u".as_ref(), config.as_ref(), "--listen".as_ref(), socket.as_ref(), OsStr::new(file)];
        let screen = Screen::start(desk, &editor(version), &arguments);
        let seat = Seat { desk, version, screen: Some(screen), child: None };
        seat.until("lab.attached()", "true");
        seat
    }

    /// Without a screen.
    pub fn headless(desk: &'a Desk, version: &'static str, file: &str) -> Self {
        let mut command = desk.command(editor(version));
        command.args(["--headless", "-u"]).arg(repository("tests/real/editors/init.lua"));
        command.arg("--listen").arg(desk.home("nvim.sock")).arg(file);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let seat = Seat { desk, version, screen: None, child: Some(child) };
        seat.until("lab.attached()", "true");
        seat
    }

    /// The terminal.
    pub fn screen(&self) -> &Screen {
        self.screen.as_ref().expect("this Neovim has a terminal")
    }

    /// Types a text as it is.
    pub fn types(&self, text: &str) {
        match &self.screen {
            Some(screen) => screen.type_text(text),
            None => self.remote("--remote-send", &text.replace('<', "<lt>").replace('\r', "<CR>")),
        }
    }

    /// Presses Escape.
    pub fn escape(&self) {
        match &self.screen {
            Some(screen) => screen.press(&["Escape"]),
            None => self.remote("--remote-send", "<Esc>"),
        }
        self.until("vim.api.nvim_get_mode().mode", "n");
    }

    /// Types a command line and Enter.
    pub fn command(&self, line: &str) {
        self.types(&format!(":{line}\r"));
        self.until("vim.api.nvim_get_mode().mode", "n");
    }

    /// An editor that waits for a key answers nobody, so nobody waits for it long.
    fn ask(&self) -> Command {
        let mut command = self.desk.command("timeout");
        command.arg("10").arg(editor(self.version));
        command
    }

    fn remote(&self, how: &str, what: &str) {
        let mut command = self.ask();
        let done = command.arg("--server").arg(self.desk.home("nvim.sock")).args([how, what]).output().unwrap();
        assert!(done.status.success(), "{how} {what}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Evaluates Lua in the editor, without a key.
    pub fn lua(&self, expression: &str) -> String {
        let mut command = self.ask();
        let wrapped = format!("luaeval({:?})", format!("tostring({expression})"));
        let done = command.arg("--server").arg(self.desk.home("nvim.sock")).args(["--remote-expr", &wrapped]).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Waits until Lua answers this.
    pub fn until(&self, expression: &str, value: &str) {
        let seen = || format!("{}\n{}", self.lua(expression), self.shown());
        until(expression, seen, || Some(()).filter(|()| self.lua(expression) == value));
    }

    /// The screen, or what a person would see on one.
    pub fn shown(&self) -> String {
        match &self.screen {
            Some(screen) => screen.text(),
            None => self.lua("lab.text() .. vim.inspect(require('countersign.show').messages())"),
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
