//! Commands inside commands: programs whose arguments are another command, or the text of one.

use super::{Word, base_name, is_shell};

/// What a program's arguments would run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inner {
    /// The program adds nothing of its own: its command is judged in its place. Else both are judged.
    pub transparent: bool,
    pub commands: Vec<Vec<Word>>,
    /// Texts that a shell would read.
    pub scripts: Vec<String>,
    pub assignments: Vec<(String, String)>,
    /// Why it is not certain that this is all.
    pub doubt: Option<String>,
}

/// A program that runs the rest of its arguments.
struct Wrapper {
    name: &'static str,
    transparent: bool,
    /// Options that take the next word as their value.
    values: &'static [&'static str],
    /// Options without a value that are known to change nothing about what runs.
    flags: &'static [&'static str],
    /// Words between the options and the command.
    skip: usize,
    /// An option whose value is the text of a command.
    script: &'static [&'static str],
}

const fn wrapper(
    name: &'static str,
    transparent: bool,
    values: &'static [&'static str],
    flags: &'static [&'static str],
    skip: usize,
    script: &'static [&'static str],
) -> Wrapper {
    Wrapper { name, transparent, values, flags, skip, script }
}

const WRAPPERS: [Wrapper; 43] = [
    wrapper("builtin", true, &[], &[], 0, &[]),
    wrapper("command", true, &[], &["-p"], 0, &[]),
    wrapper("env", true, &["-u", "--unset", "-C", "--chdir"], &["-i", "-", "--ignore-environment"], 0, &["-S", "--split-string"]),
    wrapper("exec", true, &["-a"], &["-c", "-l"], 0, &[]),
    wrapper("ionice", true, &["-c", "-n", "--class", "--classdata"], &["-t"], 0, &[]),
    wrapper("nice", true, &["-n", "--adjustment"], &[], 0, &[]),
    wrapper("nohup", true, &[], &[], 0, &[]),
    wrapper("setsid", true, &[], &["-w", "-f", "-c", "--wait", "--fork"], 0, &[]),
    wrapper("stdbuf", true, &["-i", "-o", "-e", "--input", "--output", "--error"], &[], 0, &[]),
    wrapper("time", true, &["-f", "--format"], &["-p", "-v"], 0, &[]),
    wrapper("timeout", true, &["-s", "--signal", "-k", "--kill-after"], &["--preserve-status", "--foreground", "-v"], 1, &[]),
    wrapper("bunx", false, &[], &[], 0, &[]),
    wrapper("busybox", false, &[], &[], 0, &[]),
    wrapper("chroot", false, &["--userspec", "--groups"], &[], 1, &[]),
    wrapper("chrt", false, &["-T", "-P", "-D", "-p"], &[], 1, &[]),
    wrapper("coproc", false, &[], &[], 0, &[]),
    wrapper("dbus-run-session", false, &["--config-file"], &[], 0, &[]),
    wrapper("doas", false, &["-u", "-C", "-a"], &[], 0, &[]),
    wrapper("fakeroot", false, &["-l", "-i", "-s", "-b"], &[], 0, &[]),
    wrapper("firejail", false, &[], &[], 0, &[]),
    wrapper("flock", false, &["-w", "--timeout", "-E"], &[], 1, &["-c", "--command"]),
    wrapper("gdb", false, &["-ex", "-x"], &["--args", "-args"], 0, &[]),
    wrapper("ltrace", false, &["-o", "-e", "-p", "-u", "-n", "-s"], &[], 0, &[]),
    wrapper("nsenter", false, &["-t", "--target"], &[], 0, &[]),
    wrapper("npx", false, &["-p", "--package", "-w", "--workspace"], &["-y", "--yes"], 0, &["-c", "--call"]),
    wrapper("parallel", false, &["-j", "-a", "-I", "--jobs", "-S", "-N", "-n"], &[], 0, &[]),
    wrapper("perf", false, &["-e", "-o", "-F"], &[], 1, &[]),
    wrapper("pkexec", false, &["--user"], &[], 0, &[]),
    wrapper("proot", false, &["-r", "-b", "-w", "-q"], &[], 0, &[]),
    wrapper("runuser", false, &["-u", "-g", "-G", "-s"], &[], 0, &["-c", "--command"]),
    wrapper("script", false, &["-O", "-I", "-B", "-T", "-E", "-o"], &[], 0, &["-c", "--command"]),
    wrapper("setarch", false, &[], &[], 1, &[]),
    wrapper("strace", false, &["-o", "-e", "-p", "-u", "-s", "-P", "-E", "-a", "-O", "-S"], &[], 0, &[]),
    wrapper("su", false, &["-s", "-g", "-G", "-w"], &[], 1, &["-c", "--command"]),
    wrapper("sudo", false, &["-u", "-g", "-h", "-p", "-C", "-T", "-r", "-t", "-D", "-R", "-U"], &[], 0, &[]),
    wrapper("systemd-run", false, &["-p", "--unit", "-u", "-t", "-M", "-H", "--slice"], &[], 0, &[]),
    wrapper("taskset", false, &[], &["-c", "-a"], 1, &[]),
    wrapper("toybox", false, &[], &[], 0, &[]),
    wrapper("unbuffer", false, &[], &["-p"], 0, &[]),
    wrapper("unshare", false, &["-R", "-w", "-S", "-G"], &[], 0, &[]),
    wrapper("uvx", false, &["--from", "--with", "--python", "-p"], &[], 0, &[]),
    wrapper("watch", false, &["-n", "--interval"], &[], 0, &[]),
    wrapper("xargs", false, &["-I", "-n", "-P", "-L", "-d", "-a", "-E", "-s", "--arg-file", "--delimiter"], &[], 0, &[]),
];

/// Programs whose `run` or `exec` runs the rest: `uv run X`, `npm exec -- X`.
const RUNNERS: [(&str, &[&str]); 10] = [
    ("bundle", &["exec"]),
    ("hatch", &["run"]),
    ("mise", &["exec", "x"]),
    ("npm", &["exec", "x"]),
    ("pipenv", &["run"]),
    ("pipx", &["run"]),
    ("pnpm", &["exec", "dlx"]),
    ("poetry", &["run"]),
    ("uv", &["run"]),
    ("yarn", &["exec", "dlx"]),
];

/// Finds what a command's arguments would run; `None` when the program is not known to run them.
pub fn inner(words: &[Word]) -> Option<Inner> {
    let (program, args) = words.split_first()?;
    let name = base_name(&program.text);
    if is_shell(name) {
        return Some(shell(name, args));
    }
    match name {
        "eval" => return Some(eval(args)),
        "trap" | "alias" => return Some(scripts_in(name, args)),
        "find" | "fd" | "fdfind" => return found(args),
        "." | "source" => {
            return Some(Inner { doubt: Some("it runs a script that is not read here".to_owned()), ..Inner::default() });
        }
        _ => {}
    }
    if let Some((_, verbs)) = RUNNERS.iter().find(|(runner, _)| *runner == name) {
        let at = args.iter().position(|word| verbs.contains(&word.text.as_str()))?;
        let rest: Vec<Word> = args.get(at + 1..)?.iter().skip_while(|word| word.is_option()).cloned().collect();
        return Some(Inner { commands: vec![rest], ..Inner::default() });
    }
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.name == name)?;
    Some(wrapped(wrapper, args))
}

fn wrapped(wrapper: &Wrapper, args: &[Word]) -> Inner {
    let mut inner = Inner { transparent: wrapper.transparent, ..Inner::default() };
    let mut at = 0;
    let mut skip = wrapper.skip;
    while let Some(word) = args.get(at) {
        let text = word.text.as_str();
        at += 1;
        if text == "--" {
            continue;
        }
        let (name, glued) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        if wrapper.script.contains(&name) {
            let next = args.get(at).map(|word| word.text.clone());
            inner.scripts.extend(glued.map(str::to_owned).or(next));
            at += usize::from(glued.is_none());
            inner.transparent = false;
        } else if let Some(short) = wrapper.script.iter().find(|option| option.len() == 2 && text.starts_with(**option)) {
            inner.scripts.extend(text.get(short.len()..).map(str::to_owned));
            inner.transparent = false;
        } else if wrapper.values.contains(&name) {
            at += usize::from(glued.is_none());
            if wrapper.name == "env" {
                inner.doubt = Some("env changes where or with what it runs".to_owned());
            }
        } else if wrapper.flags.contains(&text) {
        } else if text.starts_with('-') {
            let short_value = wrapper.values.iter().any(|option| option.len() == 2 && text.starts_with(*option));
            let digits = wrapper.name == "nice" && text.len() > 1 && text.bytes().skip(1).all(|b| b.is_ascii_digit());
            if !short_value && !digits {
                inner.doubt = Some(format!("the option {text} of {} is not known here", wrapper.name));
            }
        } else if matches!(wrapper.name, "env" | "sudo" | "doas") && text.contains('=') {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            inner.assignments.push((name.to_owned(), value.to_owned()));
        } else if skip > 0 {
            skip -= 1;
        } else {
            inner.commands.push(args.get(at - 1..).unwrap_or_default().to_vec());
            break;
        }
    }
    if wrapper.name == "watch" {
        inner.scripts.extend(inner.commands.iter().map(|words| join(words)));
    }
    if inner.commands.is_empty() && inner.scripts.is_empty() {
        inner.transparent = false;
    }
    inner
}

fn join(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn shell(name: &str, args: &[Word]) -> Inner {
    let mut at = 0;
    while let Some(word) = args.get(at) {
        let text = word.text.as_str();
        at += 1;
        let sign = text.starts_with(['-', '+']) && text.len() > 1;
        if !sign || text == "--" {
            let file = if text == "--" { args.get(at) } else { Some(word) };
            let doubt = file.map(|file| format!("{name} runs the script {}, which is not read here", file.text));
            return Inner { doubt, ..Inner::default() };
        }
        if matches!(text, "--rcfile" | "--init-file") {
            at += 1;
            continue;
        }
        if text.starts_with("--") {
            continue;
        }
        if text.contains('c') {
            // Options may follow; the text is the first word that is none.
            let script = args.get(at..).unwrap_or_default().iter().find(|word| !word.text.starts_with(['-', '+']));
            let literal = script.filter(|word| !word.computed);
            let known = text == "-c" || text.bytes().skip(1).all(|b| b"ceulx".contains(&b));
            let more = script.is_some_and(|script| args.get(at) != Some(script));
            let doubt =
                (literal.is_none() || !known || more || name == "fish").then(|| format!("what {name} -c runs is not certain"));
            let scripts = script.map(|word| word.text.clone()).into_iter().collect();
            return Inner { transparent: true, scripts, doubt, ..Inner::default() };
        }
        if text.ends_with(['o', 'O']) {
            at += 1;
        }
    }
    Inner { doubt: Some(format!("{name} runs what it reads from its input")), ..Inner::default() }
}

fn eval(args: &[Word]) -> Inner {
    let doubt = args.iter().any(|word| word.computed).then(|| "eval runs a computed text".to_owned());
    Inner { transparent: true, scripts: vec![join(args)], doubt, ..Inner::default() }
}

/// `trap 'text' SIGNAL` and `alias name='text'`.
fn scripts_in(name: &str, args: &[Word]) -> Inner {
    let texts = args.iter().filter(|word| !word.is_option());
    let scripts = if name == "trap" {
        texts.take(1).map(|word| word.text.clone()).collect()
    } else {
        texts.filter_map(|word| word.text.split_once('=').map(|(_, text)| text.to_owned())).collect()
    };
    Inner { scripts, ..Inner::default() }
}

/// `find ... -exec command ;` and `fd ... -x command`.
fn found(args: &[Word]) -> Option<Inner> {
    let starts = ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];
    let mut commands = Vec::new();
    let mut rest = args;
    while let Some(at) = rest.iter().position(|word| starts.contains(&word.text.as_str())) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|word| matches!(word.text.as_str(), ";" | "+")).unwrap_or(rest.len());
        commands.push(rest.get(..end).unwrap_or_default().to_vec());
    }
    (!commands.is_empty()).then(|| Inner { commands, ..Inner::default() })
}
