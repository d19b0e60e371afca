//! Pushes: resolved to one URL, one refspec and two ids, and then exactly that or nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::seams::{PushPlan, PushSpec, VcsError};

use super::{
    Git,
    desk::{Desk, REMOTE},
    names::check_branch,
    remote::{self, Target},
    run::{LOCAL, Limits, NETWORK, Output},
    words::{digest, fail, fail_hint, shown},
};

const DIFF: usize = 4 << 20;
/// Commits that a plan lists by name.
const COMMITS: usize = 20;
/// Most bytes of a remote's list of branches.
const HEADS: usize = 16 << 20;

/// How it is said that there is nothing to push.
pub const ALREADY: &str = "at this commit already";

/// Everything that an approval stands on.
struct Resolved<'a> {
    remote: String,
    branch: String,
    target: Target,
    new: String,
    /// A desk whose only remote to push to is the target.
    desk: Desk<'a>,
    /// The remote's branches: name and commit.
    heads: BTreeMap<String, String>,
}

impl Resolved<'_> {
    fn old(&self) -> Option<&str> {
        self.heads.get(&self.branch).map(String::as_str)
    }

    fn refspec(&self) -> String {
        format!("{}:refs/heads/{}", self.new, self.branch)
    }

    fn digest(&self) -> String {
        digest(&["push", &self.remote, &self.target.url, &self.refspec(), self.old().unwrap_or_default(), &self.new])
    }
}

pub(super) async fn plan(git: &Git, spec: PushSpec) -> Result<PushPlan, VcsError> {
    let found = resolve(git, spec.remote.as_deref(), spec.branch.as_deref()).await?;
    let Resolved { desk, new, remote, branch, .. } = &found;
    let fast_forward = match found.old() {
        None => true,
        Some(old) if old == new => return Err(fail(format!("{remote} has {branch} {ALREADY}"))),
        Some(old) => {
            let fetch = format!("fetch {remote}, then merge or rebase");
            if desk.line(&["cat-file", "-e", &format!("{old}^{{commit}}")]).await?.is_none() {
                return Err(fail_hint(format!("{remote}/{branch} has commits that are not here"), fetch));
            }
            let forward = desk.line(&["merge-base", "--is-ancestor", old, new]).await?.is_some();
            if !forward && git.is_protected(branch) {
                return Err(fail_hint(format!("{branch} is protected and this push would rewrite it on {remote}"), fetch));
            }
            forward
        }
    };
    let (commits, base) = outgoing(&found).await?;
    Ok(PushPlan {
        remote: remote.clone(),
        url: found.target.display.clone(),
        branch: branch.clone(),
        old: found.old().map(str::to_owned),
        new: new.clone(),
        fast_forward,
        commits,
        diff: desk.diff(&base, new, DIFF).await?,
        digest: found.digest(),
    })
}

pub(super) async fn push(git: &Git, plan: &PushPlan) -> Result<(), VcsError> {
    let found = resolve(git, Some(&plan.remote), Some(&plan.branch))
        .await
        .map_err(|error| VcsError { message: format!("nothing was pushed: {}", error.message), ..error })?;
    if found.digest() != plan.digest {
        let what = if found.new != plan.new {
            format!("the branch {} moved", plan.branch)
        } else if found.old() != plan.old.as_deref() {
            format!("{}/{} moved", plan.remote, plan.branch)
        } else {
            format!("the URL of {} changed", plan.remote)
        };
        return Err(fail_hint(format!("nothing was pushed: {what} since the question"), "plan the push again"));
    }
    let name = format!("refs/heads/{}", found.branch);
    let lease = format!("--force-with-lease={name}:{}", found.old().unwrap_or_default());
    let mut args =
        vec!["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-thin", "--recurse-submodules=no", &lease, REMOTE];
    let refspec = found.refspec();
    args.push(&refspec);
    let complaint = match network(&found.desk, &found.target, &args, 1 << 20).await {
        Ok(output) if output.code == 0 => None,
        Ok(output) => {
            let rejected = output.text().lines().find_map(|line| line.strip_prefix("!\t").map(shown));
            Some(
                rejected
                    .map_or_else(|| output.complaint(), |line| format!("{} ({})", line.replace('\t', " "), output.complaint())),
            )
        }
        Err(error) => Some(error.message),
    };
    if let Some(complaint) = complaint {
        // what the remote has now decides, not how the connection ended
        return match heads(&found.desk, &found.target).await {
            Ok(now) if now.get(&found.branch) == Some(&found.new) => {
                follow(&found).await;
                Ok(())
            }
            Ok(now) if now.get(&found.branch).map(String::as_str) == found.old() => {
                Err(fail(format!("nothing was pushed: {complaint}")))
            }
            Ok(_) => Err(fail_hint(format!("nothing was pushed, the remote moved: {complaint}"), "plan the push again")),
            Err(_) => Err(fail_hint(
                format!("whether the push arrived is not known: {complaint}"),
                format!("look at {} on {}", found.branch, found.target.display),
            )),
        };
    }
    follow(&found).await;
    Ok(())
}

async fn resolve<'a>(git: &'a Git, remote: Option<&str>, branch: Option<&str>) -> Result<Resolved<'a>, VcsError> {
    let desk = git.desk().await?;
    let branch = match branch {
        Some(name) => check_branch(name)?,
        None => {
            let current = desk.head().await?.branch;
            check_branch(&current.ok_or_else(|| fail_hint("HEAD is on no branch", "name the branch to push"))?)?
        }
    };
    let new = desk.branch_commit(&branch).await?;
    let new = new
        .ok_or_else(|| fail_hint(format!("there is no local branch {branch:?} with a commit"), "ask branch for what there is"))?;
    let remote = remote::choose(&desk, remote, &branch)?;
    let target = remote::url(git, &desk, &remote).await?;
    drop(desk);
    let desk = Desk::set(&git.place, &git.program, &git.settings.scratch, Some(&target.url)).await?;
    if remote::push_urls(&desk, REMOTE).await? != [target.url.as_str()] {
        return Err(fail_hint(
            format!("your gitconfig rewrites {} once more", target.display),
            "make url.*.insteadOf lead to the last URL at once",
        ));
    }
    let heads = heads(&desk, &target).await?;
    Ok(Resolved { remote, branch, target, new, desk, heads })
}

/// Every branch of the remote.
async fn heads(desk: &Desk<'_>, target: &Target) -> Result<BTreeMap<String, String>, VcsError> {
    let output = network(desk, target, &["ls-remote", REMOTE, "refs/heads/*"], HEADS).await?;
    if output.code != 0 || output.cut {
        let why = if output.cut { "it has too many branches".to_owned() } else { output.complaint() };
        return Err(fail_hint(format!("{} does not answer: {why}", target.display), "try `git ls-remote` in a terminal"));
    }
    let mut heads = BTreeMap::new();
    for line in output.text().lines() {
        if let Some((id, name)) = line.split_once('\t')
            && let Some(branch) = name.strip_prefix("refs/heads/")
            && id.chars().all(|c| c.is_ascii_hexdigit())
        {
            heads.insert(branch.to_owned(), id.to_owned());
        }
    }
    Ok(heads)
}

/// The commits that the remote's branch gains, newest first, and what their diff starts from.
///
/// For a new branch everything that another branch of the remote has (by the remote's own word) is left out.
async fn outgoing(found: &Resolved<'_>) -> Result<(Vec<String>, String), VcsError> {
    let Resolved { desk, new, .. } = found;
    let known: Vec<&str> = match found.old() {
        Some(old) => vec![old],
        None => found.heads.values().map(String::as_str).collect(),
    };
    let mut input = format!("{new}\n");
    known.iter().for_each(|id| input += &format!("^{id}\n"));
    let input = Some(input.as_bytes());
    let most = format!("--max-count={COMMITS}");
    let list = desk
        .git_with(&["log", "--format=%h %s", "--no-show-signature", &most, "--ignore-missing", "--stdin"], input, &[])
        .await?;
    let mut commits: Vec<String> = list.text().lines().map(shown).collect();
    let count = desk.git_with(&["rev-list", "--count", "--ignore-missing", "--stdin"], input, &[]).await?.text();
    let count: usize = count.trim().parse().unwrap_or(commits.len());
    if count > commits.len() {
        commits.push(format!("and {} more", count - commits.len()));
    }
    let base = match found.old() {
        Some(old) => old.to_owned(),
        None => {
            let edge = desk.git_with(&["rev-list", "--boundary", "--ignore-missing", "--stdin"], input, &[]).await?.text();
            let first = edge.lines().find_map(|line| line.strip_prefix('-').map(str::to_owned));
            let nothing_new = if count == 0 { new.as_str() } else { desk.empty_tree() };
            first.unwrap_or_else(|| nothing_new.to_owned())
        }
    };
    Ok((commits, base))
}

/// Runs a command that talks to the target, with its protocol and no other.
async fn network(desk: &Desk<'_>, target: &Target, args: &[&str], bytes: usize) -> Result<Output, VcsError> {
    let mut env: Vec<(&str, OsString)> = vec![("GIT_ALLOW_PROTOCOL", target.protocol.into())];
    if target.protocol == "ssh" && desk.value("core", None, "sshcommand").is_none() {
        env.push(("GIT_SSH_COMMAND", "ssh -o BatchMode=yes".into()));
    }
    desk.raw(args, None, &env, Limits { time: NETWORK, bytes }).await
}

/// Lets the remote-tracking branch follow, where the remote is fetched in the usual way.
async fn follow(found: &Resolved<'_>) {
    let Resolved { desk, remote, branch, new, .. } = found;
    let usual = format!("+refs/heads/*:refs/remotes/{remote}/*");
    if desk.repo_value("remote", Some(remote), "fetch") != Some(usual.as_str()) {
        return;
    }
    let name = format!("refs/remotes/{remote}/{branch}");
    let done =
        desk.raw(&["update-ref", "-m", "update by push", &name, new], None, &[], Limits { time: LOCAL, bytes: 4096 }).await;
    if !done.is_ok_and(|output| output.code == 0) {
        tracing::warn!(%name, "pushed, but the tracking branch stays behind");
    }
}
