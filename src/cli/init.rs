//! `countersign init`: writes the user's files, commented, 0600. Asks on a terminal; elsewhere the flags say everything. Never
//! overwrites a file without being told to.

use std::{io::Read, path::Path};

use super::{CliError, Code, Context, printable::printable};
use crate::{
    config::{folders::write_private, keys::file_name, model::Provider},
    llm::Spec,
    policy,
};

/// What `--model` takes in this version.
const FORM: &str = "countersign init --model anthropic:NAME";

#[derive(clap::Args)]
pub struct Arguments {
    /// `anthropic:NAME` (`openai:NAME` and `ollama:NAME` are not available yet)
    #[arg(long)]
    model: Option<String>,
    /// Read the key from stdin and keep it in a file that only you can read
    #[arg(long, conflicts_with = "key_command")]
    key_stdin: bool,
    /// Program and arguments that print the key, as in --key-command pass show anthropic
    #[arg(long, num_args = 1.., allow_hyphen_values = true)]
    key_command: Option<Vec<String>>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// Where the key will come from.
enum Key {
    Environment,
    Command(Vec<String>),
    File(String),
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let folders = context.folders()?;
    let spec = match &arguments.model {
        Some(spec) => spec.clone(),
        None if context.interactive() => ask_model(context)?,
        None => {
            return Err(CliError::usage("no terminal to ask on, and no --model")
                .hint("countersign init --model anthropic:NAME [--key-stdin | --key-command PROGRAM ARGS...]"));
        }
    };
    let parsed = Spec::parse(&spec).map_err(|error| CliError::usage(error).hint(FORM))?;
    let Some(provider) = Provider::of_spec(&spec) else {
        return Err(CliError::usage(format_args!("{} is no model of a provider", printable(&spec))).hint(FORM));
    };
    if !parsed.is_available() {
        return Err(CliError::usage(format_args!("{} is not available yet; nothing was written", printable(&spec))).hint(FORM));
    }
    let key = key(arguments, provider, context)?;
    let mut files = vec![(folders.config.join("config.toml"), config_text(&spec, &key))];
    if let Key::File(key) = &key {
        files.push((folders.config.join(file_name(provider)), format!("{key}\n")));
    }
    let there = files.iter().map(|(path, _)| path).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there.filter(|_| !arguments.force && !context.interactive()) {
        let message = format!("{} is there already; nothing was written", path.display());
        return Err(CliError::usage(message).hint("--force replaces it"));
    }
    for (path, text) in &files {
        write(path, text, arguments.force, context)?;
    }
    // A policy is worth more than any setting: one that is there is never replaced.
    let own = folders.config.join("policy.toml");
    if own.symlink_metadata().is_err() {
        write(&own, policy::DEFAULT, false, context)?;
    }
    context.out.line("Next: countersign doctor, then countersign trust add DIR in a project.")?;
    Ok(Code::Done)
}

fn ask_model(context: &Context) -> Result<String, CliError> {
    context.complain("Who serves the model?");
    context.complain("  1  Anthropic");
    context.complain("  2  OpenAI, or any Chat Completions endpoint (not available yet)");
    context.complain("  3  Ollama on this machine (not available yet)");
    let provider = loop {
        match choice(1, context)? {
            1 => break Provider::Anthropic,
            _ => context.complain("That one is not available yet. Press Enter for Anthropic, Ctrl-C to leave."),
        }
    };
    let usual = provider.default_model().and_then(|spec| spec.split_once(':')).map_or("", |(_, name)| name);
    let name = ask(context, &if usual.is_empty() { "Model: ".to_owned() } else { format!("Model [{usual}]: ") })?;
    let name = if name.is_empty() { usual } else { &name };
    Ok(format!("{}:{name}", provider.prefix()))
}

fn key(arguments: &Arguments, provider: Provider, context: &Context) -> Result<Key, CliError> {
    if let Some(words) = &arguments.key_command {
        return Ok(Key::Command(words.clone()));
    }
    if arguments.key_stdin {
        let mut text = String::new();
        let read = std::io::stdin().take(10_000).read_to_string(&mut text);
        read.map_err(|error| CliError::usage(format_args!("the key cannot be read from stdin: {error}")))?;
        return checked_key(&text).map(Key::File);
    }
    let Some(variable) = provider.key_variable().filter(|_| context.interactive() && arguments.model.is_none()) else {
        return Ok(Key::Environment);
    };
    context.complain("Where does its key come from?");
    // Enter must not lead to a set-up without a key.
    let (usual, unset) = if context.environment.os(variable).is_some() { (1, "") } else { (3, ", which is not set here") };
    context.complain(&format!("  1  the variable {variable}{unset}\n  2  a command that prints it\n  3  I paste it now; it goes into a file that only I can read"));
    match choice(usual, context)? {
        1 => Ok(Key::Environment),
        2 => {
            let words: Vec<String> =
                ask(context, "Command, as in `pass show anthropic`: ")?.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() {
                return Err(CliError::usage("no command was given; nothing was written").hint("countersign init"));
            }
            Ok(Key::Command(words))
        }
        _ => {
            let _silent = Silent::on();
            let key = ask(context, "Key (not shown): ")?;
            context.complain("");
            checked_key(&key).map(Key::File)
        }
    }
}

/// 1, 2 or 3, with the one that Enter takes; another answer is asked for again.
fn choice(usual: u8, context: &Context) -> Result<u8, CliError> {
    loop {
        match ask(context, &format!("1, 2 or 3 [{usual}]: "))?.as_str() {
            "" => return Ok(usual),
            "1" => return Ok(1),
            "2" => return Ok(2),
            "3" => return Ok(3),
            other => context.complain(&format!("\"{}\" is none of 1, 2 and 3.", printable(other))),
        }
    }
}

fn ask(context: &Context, question: &str) -> Result<String, CliError> {
    context.ask(question)?.ok_or_else(|| {
        // The end of the input leaves the cursor behind the question.
        context.complain("");
        CliError::new(Code::Cancelled, "cancelled; nothing was written")
    })
}

fn checked_key(text: &str) -> Result<String, CliError> {
    let key = text.trim();
    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(key.to_owned())
    } else {
        Err(CliError::usage("that is no key: one line of visible characters was expected; nothing was written"))
    }
}

fn write(path: &Path, text: &str, force: bool, context: &mut Context) -> Result<(), CliError> {
    let shown = path.display().to_string();
    let shown = printable(&shown);
    if path.symlink_metadata().is_ok() && !force {
        let answer = ask(context, &format!("{shown} is there already. Replace it? [y/N]: "))?;
        if !matches!(answer.as_str(), "y" | "Y" | "yes") {
            return context.out.line(format_args!("Left alone: {shown}"));
        }
    }
    write_private(path, text.as_bytes()).map_err(|error| CliError::usage(format_args!("{shown}: {error}")))?;
    context.out.line(format_args!("Written: {shown}"))
}

/// The commented `config.toml`.
fn config_text(spec: &str, key: &Key) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let key = match key {
        Key::Environment | Key::File(_) => "# key_command = [\"pass\", \"show\", \"anthropic\"]".to_owned(),
        Key::Command(words) => {
            format!("key_command = [{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
        }
    };
    include_str!("config.template.toml").replace("@NAME@", &quoted(spec)).replace("@KEY@", &key)
}

/// Turns the terminal's echo off until it is dropped.
struct Silent(Option<nix::sys::termios::Termios>);

impl Silent {
    fn on() -> Silent {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Silent(None) };
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &quiet);
        Silent(Some(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = nix::sys::termios::tcsetattr(std::io::stdin(), nix::sys::termios::SetArg::TCSADRAIN, before);
        }
    }
}
