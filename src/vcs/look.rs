//! Read-only questions to git, with operands that cannot become options.

use std::ffi::OsString;

use crate::path::WsPath;
use crate::seams::VcsError;

use super::{
    Git,
    desk::Desk,
    names::check_rev,
    run::{LOCAL, Limits},
    words::{fail, fail_hint},
};

/// Most bytes of an answer.
const BYTES: usize = 1 << 20;
/// Commits of a log.
const COMMITS: &str = "--max-count=100";
const LINE: &str = "--format=%h %ad %an: %s";
const PLAIN: &[&str] = &["--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=all"];

pub(super) async fn look(git: &Git, op: &str, paths: &[WsPath], rev: Option<&str>) -> Result<String, VcsError> {
    let desk = git.desk().await?;
    let revs = match (op, rev) {
        ("status" | "branch", Some(_)) => return Err(fail_hint(format!("git {op} takes no revision"), "leave rev out")),
        (_, Some(rev)) => resolve(&desk, rev, op).await?,
        (_, None) => Vec::new(),
    };
    let mut args: Vec<&str> = Vec::new();
    match op {
        "status" => args.extend(["status", "--short", "--branch", "--untracked-files=normal", "--ignore-submodules=all"]),
        "diff" => {
            args.push("diff");
            args.extend(PLAIN);
            if revs.is_empty() && desk.head().await?.commit.is_some() {
                args.push("HEAD");
            }
        }
        "log" => args.extend(["log", COMMITS, LINE, "--date=short", "--no-show-signature", "--no-color", "--no-decorate"]),
        "show" => {
            args.extend([
                "show",
                "--date=iso",
                "--format=commit %H%nAuthor: %an <%ae>%nDate: %ad%n%n%w(0,4,4)%B",
                "--no-show-signature",
            ]);
            args.extend(PLAIN);
        }
        "blame" if paths.len() == 1 => args.extend(["blame", "--date=short"]),
        "blame" => return Err(fail_hint("git blame needs exactly one path", "give one file")),
        "branch" => args.extend([
            "for-each-ref",
            "--count=200",
            "--format=%(HEAD) %(refname:short) %(objectname:short) %(subject)",
            "refs/heads",
        ]),
        other => {
            return Err(fail_hint(
                format!("git {other:?} is no question that can be asked here"),
                "ask status, diff, log, show, blame or branch",
            ));
        }
    }
    args.extend(revs.iter().map(String::as_str));
    let specs = if op == "branch" { Vec::new() } else { pathspecs(git, op, paths) };
    if !specs.is_empty() {
        args.push("--");
        args.extend(specs.iter().map(String::as_str));
    }
    let magic: &[(&str, OsString)] = &[("GIT_LITERAL_PATHSPECS", "0".into())];
    let output = desk.raw(&args, None, magic, Limits { time: LOCAL, bytes: BYTES }).await?;
    if output.code != 0 && !output.cut {
        return Err(fail(format!("git {op}: {}", output.complaint())));
    }
    let mut text = output.text();
    if output.cut {
        text += &format!("\n[cut at {} KiB: ask about fewer paths or commits]\n", BYTES >> 10);
    }
    Ok(text)
}

/// The paths (or the whole folder) literally, and the hidden files excluded.
fn pathspecs(git: &Git, op: &str, paths: &[WsPath]) -> Vec<String> {
    if op == "blame" {
        return paths.iter().map(|path| git.place.in_repo(path)).collect();
    }
    let mut specs: Vec<String> = paths.iter().map(|path| format!(":(top,literal){}", git.place.in_repo(path))).collect();
    if paths.is_empty() {
        specs.push(format!(":(top,literal){}", git.place.in_repo(&WsPath::root())));
    }
    let folder = git.place.in_repo(&WsPath::root());
    if matches!(op, "diff" | "show") {
        for glob in &git.settings.hidden {
            let glob = glob.trim_end_matches('/');
            let anywhere = !glob.trim_start_matches('/').contains('/');
            let glob = glob.trim_start_matches('/');
            let base = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let full = if anywhere { format!("{base}**/{glob}") } else { format!("{base}{glob}") };
            specs.push(format!(":(top,exclude,icase,glob){full}"));
        }
    }
    if specs.len() == 1 && paths.is_empty() && folder.is_empty() { Vec::new() } else { specs }
}

/// The revision as commit ids, which git cannot read in any other way.
async fn resolve(desk: &Desk<'_>, rev: &str, op: &str) -> Result<Vec<String>, VcsError> {
    if let Some((_, path)) = rev.split_once(':') {
        return Err(fail_hint(
            format!("{rev:?} names a file in a revision"),
            format!("give rev and paths apart (paths: [{path:?}])"),
        ));
    }
    check_rev(rev)?;
    let (from, dots, to) = match rev.split_once("..") {
        Some((from, to)) => (from, if to.starts_with('.') { "..." } else { ".." }, to.trim_start_matches('.')),
        None => return Ok(vec![commit_id(desk, rev).await?]),
    };
    if !matches!(op, "diff" | "log") {
        return Err(fail_hint(format!("git {op} takes one revision, not a range"), "ask log or diff for a range"));
    }
    let from = commit_id(desk, if from.is_empty() { "HEAD" } else { from }).await?;
    let to = commit_id(desk, if to.is_empty() { "HEAD" } else { to }).await?;
    Ok(vec![format!("{from}{dots}{to}")])
}

async fn commit_id(desk: &Desk<'_>, rev: &str) -> Result<String, VcsError> {
    check_rev(rev)?;
    let found = desk.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{rev}^{{commit}}")]).await?;
    // `rev-parse --end-of-options` echoes the option itself in some versions
    let id = found.and_then(|text| text.lines().last().map(str::to_owned)).filter(|id| id.chars().all(|c| c.is_ascii_hexdigit()));
    id.ok_or_else(|| fail_hint(format!("there is no revision {rev:?}"), "ask log or branch for what there is"))
}
