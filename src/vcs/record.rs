//! Writes a planned commit: steps 5 and 6, after checking that everything the plan stood on still stands.

use crate::seams::{CommitPlan, VcsError};

use super::{
    Git,
    commit::{author, plan_digest, refuse_unfinished},
    desk::Desk,
    names::check_branch,
    run::{LOCAL, Limits, NETWORK},
    stage,
    words::fail_hint,
};

const AGAIN: &str = "nothing was committed; plan the commit again";

pub(super) async fn commit(git: &Git, plan: &CommitPlan) -> Result<String, VcsError> {
    let desk = git.desk().await?;
    refuse_unfinished(&desk)?;
    let moved = |what: &str| fail_hint(format!("{what} since the commit was planned"), AGAIN);
    let branch = check_branch(&plan.branch)?;
    let author = author(&desk).await?;
    if plan_digest(plan.parent.as_deref(), &plan.tree, &branch, &plan.message, &author) != plan.digest {
        return Err(moved("the author or the plan changed"));
    }
    let head = desk.head().await?;
    if head.commit != plan.parent {
        return Err(moved("HEAD moved"));
    }
    if plan.creates_branch && desk.branch_commit(&branch).await?.is_some() {
        return Err(moved(&format!("somebody created the branch {branch:?}")));
    }
    if !plan.creates_branch && head.branch.as_deref() != Some(branch.as_str()) {
        return Err(moved(&format!("HEAD left the branch {branch:?}")));
    }
    let id = write(&desk, plan).await?;
    let subject = plan.message.lines().next().unwrap_or_default();
    let old = if plan.creates_branch { None } else { plan.parent.as_deref() };
    move_ref(&desk, &branch, &id, old, &format!("commit: {subject}")).await?;
    if plan.creates_branch {
        switch(&desk, &branch).await?;
    }
    if let Err(error) = refresh(&desk, plan).await {
        tracing::warn!(%error, "committed, but the index still holds the old entries");
    }
    Ok(id)
}

/// The commit object. It is signed where the user's own configuration says so, by the program that it names.
async fn write(desk: &Desk<'_>, plan: &CommitPlan) -> Result<String, VcsError> {
    let signs = desk.flag("commit", "gpgsign") == Some(true);
    let mut args = vec!["commit-tree"];
    args.extend(signs.then_some("-S"));
    if let Some(parent) = &plan.parent {
        args.extend(["-p", parent]);
    }
    args.extend(["-F", "-", &plan.tree]);
    let time = if signs { NETWORK } else { LOCAL };
    let output = desk.raw(&args, Some(plan.message.as_bytes()), &[], Limits { time, bytes: 4096 }).await?;
    if output.code != 0 {
        let hint = if signs { "your gitconfig asks for signed commits: unlock the key, then commit again" } else { AGAIN };
        return Err(fail_hint(format!("the commit could not be written: {}", output.complaint()), hint));
    }
    Ok(output.text().trim().to_owned())
}

/// Moves (`old`: creates) a local branch if it still stands where it stood.
pub(super) async fn move_ref(desk: &Desk<'_>, branch: &str, new: &str, old: Option<&str>, why: &str) -> Result<(), VcsError> {
    let none = desk.no_id();
    let args = ["update-ref", "-m", why, &format!("refs/heads/{branch}"), new, old.unwrap_or(&none)];
    let output = desk.raw(&args, None, &[], Limits { time: LOCAL, bytes: 4096 }).await?;
    if output.code != 0 {
        return Err(fail_hint(format!("the branch {branch:?} could not be moved: {}", output.complaint()), AGAIN));
    }
    Ok(())
}

/// Points HEAD at a branch; index and working tree stay.
pub(super) async fn switch(desk: &Desk<'_>, branch: &str) -> Result<(), VcsError> {
    desk.git(&["symbolic-ref", "-m", &format!("checkout: moving to {branch}"), "HEAD", &format!("refs/heads/{branch}")]).await?;
    Ok(())
}

/// Follows the commit in the user's index, but only for paths that stood there as in the parent: what the user staged stays.
async fn refresh(desk: &Desk<'_>, plan: &CommitPlan) -> Result<(), VcsError> {
    let changed = stage::changed(desk, plan.parent.as_deref().unwrap_or(desk.empty_tree()), &plan.tree).await?;
    let paths: Vec<&str> = changed.keys().map(String::as_str).collect();
    let staged = stage::staged(desk, &paths).await?;
    let mut lines = Vec::new();
    for (path, (old, new)) in &changed {
        let mine = match staged.get(path) {
            Some(None) => continue, // in conflict
            Some(entry) => entry.as_ref(),
            None => None,
        };
        if mine != old.as_ref() {
            continue;
        }
        let line = match new {
            Some(entry) => format!("{} {}\t{path}\0", entry.mode, entry.id),
            None => format!("0 {}\t{path}\0", desk.no_id()),
        };
        lines.extend_from_slice(line.as_bytes());
    }
    if lines.is_empty() {
        return Ok(());
    }
    desk.git_with(&["update-index", "-z", "--index-info"], Some(&lines), &[]).await.map(drop)
}
