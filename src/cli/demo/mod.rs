//! `countersign demo`: the whole product in a minute, without key, network or editor. The server is this program's own `lsp`
//! over stdio, with real walls, git and journal; only the model is a recording, and says so.

mod world;

use serde_json::json;

use super::{
    CliError, Code, Context,
    lsp::runtime,
    printable::printable,
    terminal::{Accept, Client, Ended, Moment, Person, Screen, Session, Texts, Tone},
};
use crate::{path::WsPath, workspace::Folder};
use world::World;

/// What the demo asks the agent.
const ASK: &str = "From ten pieces of one article on, customers pay a tenth less. Mark such lines with a star.";
/// What it asks after the review.
const PUBLISH: &str = "Commit this, and push it.";
/// Longest wait for the server to leave.
const LEAVING: std::time::Duration = std::time::Duration::from_secs(3);

#[derive(clap::Args)]
pub struct Arguments {
    /// Let a stand-in answer for you
    #[arg(long)]
    yes: bool,
    /// Leave the demo's folder where it is
    #[arg(long)]
    keep: bool,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let person = if arguments.yes { Person::StandIn(stand_in) } else { Person::at_terminal() };
    if !person.is_there() {
        return Err(CliError::usage("the demo asks questions, and there is no terminal to ask on").hint("countersign demo --yes"));
    }
    let world = World::create(&context.environment, arguments.keep)?;
    let screen = Screen::of(&context.environment);
    let runtime = runtime()?;
    let result = runtime.block_on(play(&world, screen, person, context));
    runtime.shutdown_background();
    let code = result?;
    if arguments.keep {
        context.complain(&format!("kept: {}", printable(&world.root().display().to_string())));
    }
    Ok(code)
}

/// What a person would type who likes the discount and not the heading.
fn stand_in(moment: &Moment<'_>) -> Option<String> {
    match moment {
        Moment::Change(hunk) if hunk.new_text.contains("thank you") => Some("n nobody asked for a new heading".to_owned()),
        Moment::Change(_) => Some("y".to_owned()),
        Moment::Question(text) if text.starts_with("Commit") => Some("c".to_owned()),
        // Asked where the walls are weaker.
        Moment::Question(text) if text.starts_with("Run ") => Some("u".to_owned()),
        Moment::Question(_) => Some("r".to_owned()),
        Moment::Words => None,
    }
}

async fn play(world: &World, mut screen: Screen, person: Person, context: &Context) -> Result<Code, CliError> {
    open(&mut screen, world);
    chapter(&mut screen, "1", "A project");
    tell(
        &mut screen,
        "A small shell project, in git. You have its tests.sh open in your editor, with two new tests that you have not saved. The agent may \
         work in a folder only once you trust it:",
    );
    let trusted = world.countersign(&["trust", "add", "."])?;
    shell(&mut screen, "countersign trust add .", &trusted);

    let no_walls = world.walls().await?;
    if let Some(why) = &no_walls {
        screen.gap();
        screen.paragraph(
            "  ",
            Tone::Warn,
            &format!("Walls cannot be had on this machine, so the agent will run no command: {why}"),
        );
    }
    let mut server = world.server()?.spawn().map_err(|error| CliError::new(Code::Failed, format_args!("the server: {error}")))?;
    let (Some(from), Some(to)) = (server.stdout.take(), server.stdin.take()) else {
        return Err(CliError::new(Code::Failed, "the server has no pipes"));
    };
    let folder = Folder::open(&world.project()).map_err(|error| CliError::new(Code::Failed, error))?;
    let client = Client::connect(from, to, Texts::of(folder));
    let mut session = Session::new(client, screen, person, context.environment.clone(), &world.state());
    session.interrupts.listen(world.broom());
    let result = tour(world, &mut session).await;
    session.client.leave().await;
    let _ = tokio::time::timeout(LEAVING, server.wait()).await;
    let (ended, undecided) = result?;
    close(&mut session.screen, world, &ended)?;
    Ok(match ended.code {
        _ if undecided => Code::Cancelled,
        0 if no_walls.is_some() => Code::Walls,
        0 => Code::Done,
        _ => Code::Failed,
    })
}

/// The ask, the work and the review. Returns how the task ended, and whether the person left early.
async fn tour(world: &World, session: &mut Session) -> Result<(Ended, bool), CliError> {
    let failed = |error: crate::server::peer::Refused| CliError::new(Code::Failed, error.message);
    session.client.initialize().await.map_err(failed)?;
    let (tests, receipt) = (name("tests.sh")?, name("receipt.sh")?);
    let opened = session.client.texts().open(&tests, world::UNSAVED);
    session.client.peer.notify("textDocument/didOpen", opened);

    chapter(&mut session.screen, "2", "You select line_total and ask");
    tell(&mut session.screen, &format!("\u{201c}{ASK}\u{201d}"));
    session.screen.gap();
    let uri = session.client.texts().uri(&receipt);
    let range = json!({"start": {"line": 8, "character": 0}, "end": {"line": 12, "character": 0}});
    let ended = session.ask(json!({"prompt": ASK, "uri": uri, "range": range})).await?;
    session.account.last_words(&mut session.screen, &ended.summary);
    session.screen.gap();
    session.screen.say(Tone::Quiet, &format!("  {} · {}", ended.how(), ended.usage));
    if ended.code != 0 {
        return Ok((ended, session.interrupts.did_come()));
    }

    chapter(&mut session.screen, "3", "You review");
    tell(
        &mut session.screen,
        "So far the agent has changed nothing of yours: what it wrote is a proposal, and its commands ran on a shadow of the project.",
    );
    let status = world.git(&["status", "--short"])?;
    shell(&mut session.screen, "git status --short", if status.is_empty() { "(nothing has changed)" } else { &status });
    let keys = match session.person {
        Person::Terminal => "Now you decide, change by change: y accepts, n rejects, ? lists the other keys.",
        _ => "Now you decide, change by change. (With --yes somebody else presses the keys.)",
    };
    session.screen.gap();
    tell(&mut session.screen, keys);
    let reviewed = session.review(&ended, Accept::Ask).await;
    session.tell_review(&reviewed);
    let diff = world.git(&["diff", "--stat"])?;
    shell(&mut session.screen, "git diff --stat", if diff.is_empty() { "(nothing has changed)" } else { &diff });
    if reviewed.accepted.is_empty() || reviewed.interrupted {
        return Ok((ended, reviewed.interrupted));
    }
    let published = publish(world, session, &ended).await?;
    Ok((Ended { code: published.code, ..ended }, session.interrupts.did_come()))
}

/// Commit and push: each waits for the person, and is what they were shown.
async fn publish(world: &World, session: &mut Session, before: &Ended) -> Result<Ended, CliError> {
    chapter(&mut session.screen, "4", "You go on in the same session");
    tell(&mut session.screen, &format!("\u{201c}{PUBLISH}\u{201d}"));
    session.screen.gap();
    let ended = session.ask(json!({"prompt": PUBLISH, "session": before.session})).await?;
    session.account.last_words(&mut session.screen, &ended.summary);
    session.screen.gap();
    let log = world.git(&["log", "--oneline", "--decorate", "--no-color"])?;
    shell(&mut session.screen, "git log --oneline --decorate", &log);
    Ok(ended)
}

fn open(screen: &mut Screen, world: &World) {
    screen.say(Tone::Strong, "countersign demo");
    tell(
        screen,
        "The server, its walls, git and the journal are the real ones. Only the model is a recording. Your own settings and files are not \
         touched; everything happens in",
    );
    screen.say(Tone::Quiet, &format!("  {}", printable(&world.root().display().to_string())));
}

fn close(screen: &mut Screen, world: &World, ended: &Ended) -> Result<(), CliError> {
    chapter(screen, "5", "The record");
    tell(
        screen,
        "Every request to the model, command, denial and decision is in the journal, each line chained to the one before by its hash.",
    );
    let verified = world.countersign(&["audit", "verify", &ended.session])?;
    shell(screen, "countersign audit verify", &verified);
    chapter(screen, "→", "Next");
    for (command, what) in [
        ("countersign doctor", "what this machine can do, and what helps"),
        ("countersign init", "choose a model and where its key comes from"),
        ("countersign ask \"...\"", "the same in a terminal, in your project"),
        ("countersign lsp", "for your editor; docs/editors.md has the lines to copy"),
    ] {
        screen.line(&format!("  {} {}", screen.paint(Tone::Key, &format!("{command:<22}")), screen.paint(Tone::Quiet, what)));
    }
    screen.gap();
    Ok(())
}

fn chapter(screen: &mut Screen, number: &str, title: &str) {
    screen.gap();
    let line = format!("{}  {}", screen.paint(Tone::Key, number), screen.paint(Tone::Strong, title));
    screen.line(&line);
}

fn tell(screen: &mut Screen, text: &str) {
    screen.paragraph("  ", Tone::Plain, text);
}

fn shell(screen: &mut Screen, command: &str, output: &str) {
    screen.line(&format!("  {} {command}", screen.paint(Tone::Quiet, "$")));
    for line in output.lines() {
        screen.paragraph("    ", Tone::Quiet, line);
    }
}

fn name(path: &str) -> Result<WsPath, CliError> {
    WsPath::parse(path).map_err(|error| CliError::new(Code::Failed, error))
}
