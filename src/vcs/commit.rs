//! Plans a commit: steps 1 to 4, up to what a person is asked about. Nothing that the user sees has moved afterwards.

use crate::seams::{CommitPlan, CommitSpec, VcsError};

use super::{
    Git,
    desk::{Desk, Head},
    hooks::{self, HookRun},
    names::check_branch,
    stage::{self, Built},
    words::{clean_message, digest, fail, fail_hint, shown, slug},
};

/// Most bytes of the plan's diff.
const DIFF: usize = 4 << 20;

pub(super) async fn plan(git: &Git, spec: CommitSpec) -> Result<CommitPlan, VcsError> {
    let desk = git.desk().await?;
    refuse_unfinished(&desk)?;
    let head = desk.head().await?;
    let mut message = clean_message(&spec.message)?;
    let Target { branch, creates_branch, why_branch } = target(git, &desk, &head, spec.branch.as_deref(), &message).await?;
    let author = author(&desk).await?;
    let built = stage::build(&desk, head.commit.as_deref(), &spec.accepted).await?;
    let base = head.commit.as_deref().unwrap_or(desk.empty_tree());
    let files: Vec<String> = stage::changed(&desk, base, &built.tree).await?.into_keys().collect();
    if files.is_empty() {
        let why: Vec<String> = built.refused.iter().map(|(path, why)| format!("{path}: {why}")).collect();
        let why = if why.is_empty() { "HEAD holds every accepted change already".to_owned() } else { why.join("; ") };
        return Err(fail(format!("there is nothing to commit: {why}")));
    }
    let mut warnings = run_hooks(git, &desk, &head, &built, &mut message).await?;
    if desk.repo_flag("commit", "gpgsign") == Some(true) && desk.flag("commit", "gpgsign") != Some(true) {
        warnings.push(
            "the commit will not be signed: the repository asks for it, but only your own gitconfig may name a program".into(),
        );
    }
    let diff = desk.diff(base, &built.tree, DIFF).await?;
    let digest = plan_digest(head.commit.as_deref(), &built.tree, &branch, &message, &author);
    let (tree, refused, parent) = (built.tree, built.refused, head.commit);
    Ok(CommitPlan { branch, creates_branch, why_branch, parent, tree, message, diff, files, refused, warnings, digest })
}

/// What an approval of a commit covers.
pub(super) fn plan_digest(parent: Option<&str>, tree: &str, branch: &str, message: &str, author: &str) -> String {
    digest(&["commit", parent.unwrap_or_default(), tree, branch, message, author])
}

pub(super) fn refuse_unfinished(desk: &Desk<'_>) -> Result<(), VcsError> {
    match desk.place.unfinished() {
        Some(what) => {
            Err(fail_hint(format!("a {what} has been begun in this repository"), format!("end or abort the {what} first")))
        }
        None => Ok(()),
    }
}

/// `Name <address>` as configured.
pub(super) async fn author(desk: &Desk<'_>) -> Result<String, VcsError> {
    let ident = desk.line(&["var", "GIT_AUTHOR_IDENT"]).await?;
    let name = ident.as_deref().and_then(|ident| ident.rfind('>').map(|end| ident[..=end].to_owned()));
    name.ok_or_else(|| {
        let included = desk.repo_config().iter().any(|entry| entry.section.starts_with("include"));
        let hint = if included { " (files included by the repository's own configuration are not read)" } else { "" };
        fail_hint(
            "git does not know who commits",
            format!("run `git config --global user.name NAME` and user.email ADDRESS{hint}"),
        )
    })
}

/// The branch to commit on.
struct Target {
    branch: String,
    creates_branch: bool,
    why_branch: Option<String>,
}

/// Where the commit goes, and why if that is a branch which nobody named.
async fn target(git: &Git, desk: &Desk<'_>, head: &Head, wanted: Option<&str>, message: &str) -> Result<Target, VcsError> {
    if let Some(wanted) = wanted {
        let name = check_branch(wanted)?;
        if head.branch.as_deref() != Some(name.as_str()) {
            if git.is_protected(&name) {
                return Err(fail_hint(
                    format!("the branch name {name:?} is protected"),
                    "choose another name, such as agent/topic",
                ));
            }
            if desk.branch_commit(&name).await?.is_some() {
                return Err(fail_hint(
                    format!("the branch {name:?} exists but is not checked out"),
                    "name a new branch, or none",
                ));
            }
            return Ok(Target { branch: name, creates_branch: true, why_branch: None });
        }
    }
    let current = head.branch.as_deref().ok_or_else(|| fail_hint("HEAD is on no branch", "name a branch to create"))?;
    // the first commit of a repository has no other place to stand
    let why = if head.commit.is_none() {
        None
    } else if git.is_protected(current) {
        Some(format!("{current} is protected"))
    } else if git.settings.always_agent && !current.starts_with(&git.settings.agent_prefix) {
        Some("your settings say so".to_owned())
    } else {
        None
    };
    if why.is_none() {
        return Ok(Target { branch: current.to_owned(), creates_branch: false, why_branch: None });
    }
    let name = check_branch(&format!("{}{}", git.settings.agent_prefix, slug(message)))?;
    for number in 1..1000 {
        let name = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        if desk.branch_commit(&name).await?.is_none() {
            return Ok(Target { branch: name, creates_branch: true, why_branch: why });
        }
    }
    Err(fail_hint(format!("a thousand branches are called {name:?}"), "name a branch to create"))
}

/// Step 3. Returns what the user should know; a failing hook is an error.
async fn run_hooks(
    git: &Git,
    desk: &Desk<'_>,
    head: &Head,
    built: &Built,
    message: &mut String,
) -> Result<Vec<String>, VcsError> {
    let mut warnings = Vec::new();
    for hook in ["pre-commit", "commit-msg"] {
        let Some(program) = hooks::find(desk, hook) else { continue };
        let Some(runner) = &git.settings.hooks else {
            warnings.push(format!("the repository's {hook} hook ({}) does not run", program.display()));
            continue;
        };
        let run = HookRun {
            hook: hook.into(),
            program,
            parent: head.commit.clone(),
            tree: built.tree.clone(),
            index: built.index.clone(),
            changes: built.changes.clone(),
            message: message.clone(),
        };
        let outcome = runner.run(run).await?;
        if !outcome.passed {
            let said: String = shown(&outcome.output).chars().take(2000).collect();
            return Err(fail_hint(format!("the {hook} hook refused the commit: {}", said.trim()), "correct what it names"));
        }
        if let Some(changed) = outcome.message {
            *message = clean_message(&changed)?;
        }
    }
    Ok(warnings)
}
