//! Why a command failed behind the walls: which path, host or call was refused, by which wall, and what the user can do.
//!
//! A pure function of what the walls know of themselves ([`Facts`]), what they saw, and what the command printed. What only
//! the output suggests is told as probable. Nothing is said of commands that end well, nor of errors that no wall explains.

mod pipes;
mod places;
mod reasons;
mod signs;

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

pub use self::{pipes::ends_in_pipe, reasons::ended};
use self::{
    places::{Place, absolute, own, place},
    reasons::Reason,
    signs::Kind,
};
use crate::seams::{Outcome, Reach, Reached, SandboxSession, Stopped};

/// The closing line: what the model is to do about a wall.
const ADVICE: &str = "There is no other way past a wall: do without, and leave the rest to the user.";

/// Most reasons that are told; with the closing line five lines.
const MOST: usize = 4;
/// Most names in one reason.
const NAMES: usize = 3;
/// Most bytes of a name.
const LONGEST: usize = 120;

/// A command that ended.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub command: &'a str,
    /// What it printed, cleaned; of long outputs start and end.
    pub output: &'a str,
    pub outcome: &'a Outcome,
    /// A program that the shell did not find, and where it stands on the machine behind a wall.
    pub unseen: Option<(&'a str, &'a str)>,
}

/// The explanation: at most five lines, none ending in a line feed. `None` where there is nothing to explain.
pub fn explain(seen: &Seen<'_>) -> Option<String> {
    let outcome = seen.outcome;
    let well = ended_well(seen.command, outcome);
    let readers = if well { pipes::readers(seen.command) } else { Vec::new() };
    if well && readers.is_empty() || outcome.stopped == Some(Stopped::Cancelled) {
        return None;
    }
    let mut found = Findings::default();
    if !well {
        of_the_walls(seen, &mut found);
    }
    let lines = seen.output.lines().filter(|line| line.len() < 4096);
    for line in lines.filter(|line| !well || is_word_of(&readers, line, seen)) {
        of_a_line(line, seen, &mut found);
    }
    found.told(seen)
}

/// Whether one of these programs, which print what stands in files, says this itself: about a hidden file, or one that it was
/// asked for.
fn is_word_of(readers: &[&str], line: &str, seen: &Seen<'_>) -> bool {
    readers.iter().any(|program| line.strip_prefix(program).is_some_and(|rest| rest.starts_with(": ")))
        && (seen.outcome.hidden.iter().any(|path| names(line, path))
            || signs::paths(line).iter().any(|path| names(seen.command, path)))
}

/// The same for a session that has just run it, which is asked for programs that nobody found.
pub async fn of_session(session: &dyn SandboxSession, command: &str, output: &str, outcome: &Outcome) -> Option<String> {
    let missing = missing_program(output).filter(|_| !ended_well(command, outcome));
    let place = match missing {
        Some(program) => session.unseen(program).await,
        None => None,
    };
    explain(&Seen { command, output, outcome, unseen: missing.zip(place.as_deref()) })
}

/// An explanation without what is said to the model only; `None` where nothing is left.
pub fn for_the_person(explanation: &str) -> Option<String> {
    let lines: Vec<&str> = explanation.lines().filter(|line| *line != ADVICE).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn ended_well(command: &str, outcome: &Outcome) -> bool {
    outcome.exit == Some(0) && !pipes::hides_the_end(command)
}

/// The program that a shell did not find, if one line of the output says so.
pub fn missing_program(output: &str) -> Option<&str> {
    output.lines().rev().find_map(signs::program)
}

/// Reasons in the order in which they were met, each with the names that it is about.
#[derive(Default)]
struct Findings {
    order: Vec<Reason>,
    names: BTreeMap<Reason, Vec<String>>,
}

impl Findings {
    fn add(&mut self, reason: Reason, name: impl Into<String>) {
        let mut name: String = name.into();
        if let Some((cut, _)) = name.char_indices().nth(LONGEST) {
            name.truncate(cut);
            name.push_str("...");
        }
        if !self.order.contains(&reason) {
            self.order.push(reason);
        }
        let names = self.names.entry(reason).or_default();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }

    fn told(self, seen: &Seen<'_>) -> Option<String> {
        if self.order.is_empty() {
            return None;
        }
        let mut text = String::new();
        for reason in self.order.iter().take(MOST) {
            let names = &self.names[reason];
            let mut list = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
            if names.len() > NAMES {
                let _ = write!(list, " and {} more", names.len() - NAMES);
            }
            let _ = writeln!(text, "{}", reason.words(&list, seen));
        }
        // A limit may be kept to; a wall stays where it is.
        text.push_str(match self.order.iter().any(|reason| reason.is_wall()) {
            true => ADVICE,
            false => "",
        });
        Some(text.trim_end().to_owned())
    }
}

/// What needs no guessing.
fn of_the_walls(seen: &Seen<'_>, found: &mut Findings) {
    let outcome = seen.outcome;
    for reached in &outcome.reached {
        match reached {
            Reached::Full(folder) => found.add(Reason::Full, folder.display().to_string()),
            Reached::Processes => found.add(Reason::Processes, ""),
        }
    }
    if let Some((program, place)) = seen.unseen {
        found.add(Reason::Program, format!("{program} ({place})"));
    }
    match outcome.signal.or(outcome.exit.map(|code| code - 128)) {
        // SIGSYS and SIGXFSZ.
        Some(31) => found.add(Reason::Foreign, ""),
        Some(25) => found.add(Reason::FileSize, ""),
        _ => {}
    }
}

/// What a line suggests.
fn of_a_line(line: &str, seen: &Seen<'_>, found: &mut Findings) {
    let Some(kind) = signs::kind(line) else { return };
    let facts = &*seen.outcome.facts;
    if let Some(secret) = seen.outcome.hidden.iter().find(|path| names(line, path))
        && matches!(kind, Kind::Denied | Kind::NotPermitted)
    {
        found.add(Reason::Secret, secret.as_str());
        return;
    }
    // A tool that was told of a socket names the host that it would ask there, or nothing at all.
    if matches!(kind, Kind::Refused | Kind::Denied)
        && signs::paths(line).is_empty()
        && let Some(socket) = socket(seen)
    {
        found.add(Reason::Socket, socket);
        return;
    }
    match kind {
        Kind::NoName | Kind::Unreachable => found.add(reasons::network(facts.reach), signs::host(line).unwrap_or_default()),
        Kind::Refused => {
            let host = signs::host(line).unwrap_or_default();
            let own = is_local(&host) && facts.reach != Reach::Nothing;
            found.add(if own { Reason::Loopback } else { reasons::network(facts.reach) }, host);
        }
        Kind::TooLarge => found.add(Reason::FileSize, ""),
        Kind::NoProcess => found.add(Reason::Processes, ""),
        Kind::NoProtocol => found.add(reasons::protocol(facts.reach), ""),
        Kind::NoCall => found.add(Reason::Call, ""),
        Kind::NoOwner => found.add(Reason::Owner, ""),
        Kind::Full => {
            let private = signs::paths(line).into_iter().find(|path| {
                absolute(path, facts).is_some_and(|path| matches!(place(&path, facts), Place::Temporary | Place::Home))
            });
            match private {
                Some(path) => found.add(Reason::Full, path),
                // The walls have told already which folder is full.
                None if found.order.contains(&Reason::Full) => {}
                None => found.add(Reason::Room, ""),
            }
        }
        Kind::ReadOnly | Kind::Denied | Kind::NotPermitted | Kind::Missing => of_a_path(kind, line, seen, found),
    }
}

fn of_a_path(kind: Kind, line: &str, seen: &Seen<'_>, found: &mut Findings) {
    let facts = &*seen.outcome.facts;
    let program = line.split([':', ' ']).next().unwrap_or_default();
    if kind == Kind::NotPermitted && reasons::PRIVILEGED.contains(&program) {
        return found.add(Reason::Privilege, program);
    }
    for written in signs::paths(line) {
        let Some(path) = absolute(written, facts) else { continue };
        let moved = own(Path::new(written), facts);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // The shell says its own name first.
        if ["bash", "sh", "dash"].contains(&name) && line.starts_with(written) {
            continue;
        }
        // Programs with capabilities of their own cannot even be started.
        if kind == Kind::NotPermitted && reasons::PRIVILEGED.contains(&name) {
            return found.add(Reason::Privilege, name);
        }
        let reason = match (place(&path, facts), kind) {
            // It is written as the person knows it, and commands see it elsewhere.
            (Place::Workspace, Kind::Denied | Kind::NotPermitted) if !facts.moved.is_empty() && moved.is_none() => {
                Some(Reason::Moved)
            }
            (Place::Workspace, _) => None,
            (Place::Socket, _) => Some(Reason::Socket),
            (Place::Masked, Kind::Missing) => None,
            (Place::Masked, _) => Some(Reason::Masked),
            (Place::Home, _) => Some(Reason::Home),
            (Place::Temporary, Kind::Missing) => Some(Reason::Temporary),
            // Weaker levels have it elsewhere.
            (Place::Temporary, Kind::Denied | Kind::ReadOnly) => Some(Reason::Outside),
            (Place::Services, Kind::Missing | Kind::Denied) => Some(Reason::Socket),
            (Place::Shown | Place::Rebuilt, Kind::ReadOnly | Kind::Denied | Kind::NotPermitted) if is_git(&path) => {
                Some(Reason::Repository)
            }
            (Place::Rebuilt | Place::Shown, Kind::ReadOnly | Kind::Denied | Kind::NotPermitted) => Some(Reason::Tools),
            (Place::Kernel | Place::Devices | Place::Elsewhere, Kind::ReadOnly) => Some(Reason::Outside),
            (Place::Kernel | Place::Devices, Kind::Denied | Kind::NotPermitted) => Some(Reason::Outside),
            // Landlock answers so where the file itself would let the user.
            (Place::Elsewhere, Kind::Denied) if writes(line) => Some(Reason::Outside),
            _ => None,
        };
        if let Some(reason) = reason {
            return found.add(reason, moved.map_or_else(|| written.to_owned(), |path| path.display().to_string()));
        }
    }
    let lower = line.to_lowercase();
    match (kind, facts.reach) {
        (Kind::NotPermitted, Reach::Nothing) if !signs::no_socket(&lower) => {
            found.add(Reason::NoSockets, signs::host(line).unwrap_or_else(|| "probably a socket".to_owned()));
        }
        (Kind::NotPermitted, _) if lower.contains("sock") => found.add(Reason::Protocol, ""),
        (Kind::Denied, Reach::Nothing) => {
            if let Some(what) = signs::unshared(&lower, seen.output) {
                found.add(Reason::Absent, what);
            }
        }
        _ => {}
    }
}

/// Whether a line names a file: by its whole path or its name, at the borders of words.
fn names(line: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let border = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || "_-.".contains(c)));
    line.match_indices(name).any(|(at, name)| {
        border(line[..at].chars().next_back()) && {
            let mut after = line[at + name.len()..].chars();
            let next = after.next();
            // A full stop ends a sentence.
            border(next) || next == Some('.') && border(after.next())
        }
    })
}

/// A socket outside the workspace that the command's own text names.
fn socket<'a>(seen: &Seen<'a>) -> Option<&'a str> {
    let facts = &*seen.outcome.facts;
    signs::paths(seen.command)
        .into_iter()
        .find(|path| absolute(path, facts).is_some_and(|path| place(&path, facts) == Place::Socket))
}

/// Whether a path leads into a repository's own folder.
fn is_git(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == ".git")
}

fn is_local(host: &str) -> bool {
    host.starts_with("localhost")
        || host.starts_with("127.")
        || host.starts_with("[::1]")
        || host.starts_with("::1")
        || host.is_empty()
}

/// Whether a line tells of an attempt to write.
fn writes(line: &str) -> bool {
    let line = line.to_lowercase();
    let words = [
        "cannot touch",
        "create",
        "write",
        "mkdir",
        "remove",
        "unlink",
        "rename",
        "cannot move",
        "for writing",
        "open for append",
    ];
    words.iter().any(|word| line.contains(word))
}
