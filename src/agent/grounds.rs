//! Which policy and which world a path is judged by when the workspace has several folders.

use std::sync::Arc;

use crate::{
    path::{
        WsPath,
        roots::{Place, RootError, Roots},
    },
    policy::{Action, Decision, Policy, Surroundings},
};

/// A folder other than the task's own.
#[derive(Clone)]
pub struct Ground {
    /// With what this folder's own policy file tightens.
    pub policy: Arc<Policy>,
    pub around: Arc<dyn Surroundings + Send + Sync>,
}

/// The folders of a task. Its own is judged by the task's policy; in another one that and the folder's own policy hold, and
/// the stricter verdict counts.
#[derive(Clone, Default)]
pub struct Grounds {
    roots: Roots,
    /// Those of the roots after the first, in their order.
    others: Vec<Ground>,
}

impl Grounds {
    /// `others` are the roots after the first, in their order.
    pub fn new(roots: Roots, others: Vec<Ground>) -> Self {
        Grounds { roots, others }
    }

    /// The folders' names.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The other folders whose policy is not `own`, for the prompt.
    pub fn with_other_policy<'a>(&'a self, own: &Policy) -> impl Iterator<Item = (&'a str, &'a Policy)> {
        let named = self.roots.all().iter().skip(1).zip(&self.others);
        let own = own.sha().to_owned();
        named.filter(move |(_, ground)| ground.policy.sha() != own).map(|(root, ground)| (root.name.as_str(), &*ground.policy))
    }

    /// Whether the paths of these actions lead anywhere.
    ///
    /// # Errors
    /// [`RootError`] for the model.
    pub fn check(&self, actions: &[Action]) -> Result<(), RootError> {
        for action in actions {
            // What is no path at all is the policy's to refuse.
            if let Some(Ok(path)) = written(action).map(WsPath::parse) {
                self.roots.split(&path)?;
            }
        }
        Ok(())
    }

    /// The verdict: for a path in the folder that it names, for everything else in the task's own.
    pub fn judge(&self, policy: &Policy, around: &dyn Surroundings, action: &Action) -> Decision {
        let Some(text) = written(action).filter(|_| self.roots.are_several()) else { return policy.decide(action, around) };
        let Ok(path) = WsPath::parse(text) else { return policy.decide(action, around) };
        let decide = |index: usize, path: &WsPath| {
            let action = about(action, path);
            match index.checked_sub(1).map(|other| self.others.get(other)) {
                None => policy.decide(&action, around),
                Some(Some(ground)) => {
                    stricter(policy.decide(&action, &*ground.around), ground.policy.decide(&action, &*ground.around))
                }
                // A folder that nobody knows: as a path that leads out.
                Some(None) => policy.decide(&about_text(&action, ".."), around),
            }
        };
        match self.roots.split(&path) {
            Ok(Place::In(index, path)) => decide(index, &path),
            Ok(Place::All) => {
                let root = WsPath::root();
                (1..self.roots.all().len()).map(|index| decide(index, &root)).fold(decide(0, &root), stricter)
            }
            Err(_) => policy.decide(&about_text(action, ".."), around),
        }
    }
}

fn stricter(one: Decision, other: Decision) -> Decision {
    let steering = one.steering || other.steering;
    let decision = if other.verdict > one.verdict { other } else { one };
    Decision { steering, ..decision }
}

/// The path of an action that a file tool was given.
fn written(action: &Action) -> Option<&str> {
    match action {
        Action::Read(path) | Action::Write(path) | Action::Delete(path) => Some(path),
        _ => None,
    }
}

fn about(action: &Action, path: &WsPath) -> Action {
    about_text(action, &path.to_string())
}

fn about_text(action: &Action, path: &str) -> Action {
    match action {
        Action::Read(_) => Action::Read(path.to_owned()),
        Action::Write(_) => Action::Write(path.to_owned()),
        Action::Delete(_) => Action::Delete(path.to_owned()),
        other => other.clone(),
    }
}
