//! The workspace of a task whose editor has several folders: which of them are open to it, what holds in each, and how its
//! prompt tells of them. The set is fixed when the task starts, so that names mean the same until it ends.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use tokio::sync::mpsc;

use super::{
    Setup,
    actor::Actor,
    effective::{Effective, effective_policy},
    input::Input,
    insights::ManyInsights,
    query::EditorInsight,
    versioning::ActorDesk,
};
use crate::{
    agent::{Ground, Grounds},
    config::TrustStore,
    event::{ProposalId, TaskId},
    path::{
        WsPath,
        roots::{Closed, Root, Roots},
    },
    policy::Policy,
    seams::{Insight, Workspace},
    workspace::{self, ManyFolders, Secrecy, TaskWorkspace, World},
};

/// A folder beside the task's own, as it was when the task started.
pub struct Neighbour {
    folder: usize,
    name: String,
    canonical: PathBuf,
    open: Arc<AtomicBool>,
    /// What the task proposes there gets this id.
    proposal: ProposalId,
    insight: Option<EditorInsight>,
}

impl Actor {
    /// The folders beside this one.
    pub fn neighbours(&mut self, task: &TaskId, own: usize) -> Vec<Neighbour> {
        let found = self.folders.beside(own);
        let first = self.counter + 1;
        self.counter += found.len() as u64;
        let folders = found.into_iter().zip(first..).filter_map(|(folder, number)| {
            let about = self.folders.get(folder)?;
            Some(Neighbour {
                folder,
                name: about.name.clone(),
                canonical: about.canonical.clone(),
                open: about.openness(),
                proposal: ProposalId(format!("p{number}")),
                insight: EditorInsight::of(self, task, folder),
            })
        });
        folders.collect()
    }
}

/// The task's own folder.
pub struct Own {
    pub name: String,
    pub canonical: PathBuf,
    pub policy: Arc<Policy>,
    pub world: Arc<World>,
    pub insight: Option<EditorInsight>,
}

/// The folders of a task.
pub struct Surroundings<'a> {
    pub setup: &'a Setup,
    pub mailbox: &'a mpsc::UnboundedSender<Input>,
    pub task: &'a TaskId,
    /// The editor vouches for all folders.
    pub trusted: bool,
}

/// What a task works with.
pub struct Whole {
    /// The task's own folder alone.
    pub own: TaskWorkspace,
    /// All folders, where there are several; else the same.
    pub all: Arc<dyn Workspace>,
    pub grounds: Grounds,
    /// What the editor knows.
    pub insight: Option<Box<dyn Insight>>,
}

/// A neighbour that may be used.
struct Reached {
    root: Root,
    policy: Arc<Policy>,
    world: Arc<World>,
    folder: usize,
    open: Arc<AtomicBool>,
    proposal: ProposalId,
    insight: Option<EditorInsight>,
}

impl Surroundings<'_> {
    /// The workspace of a task in `own`, with its neighbours as far as the user trusts them.
    pub fn workspace(&self, own: Own, own_desk: ActorDesk, neighbours: Vec<Neighbour>) -> Whole {
        let root = Root { name: own.name, path: own.canonical.display().to_string() };
        let (mut reached, mut closed) = (Vec::new(), Vec::new());
        for neighbour in neighbours {
            let name = neighbour.name.clone();
            match self.reach(neighbour) {
                Ok(folder) => reached.push(folder),
                Err(why) => closed.push(Closed { name, why }),
            }
        }
        let roots = Roots::new(root, reached.iter().map(|folder| folder.root.clone()).collect(), closed);
        let secrecy = own_secrecy(&own.policy, &roots, &reached);
        let desk = Arc::new(own_desk);
        let view = TaskWorkspace::new(self.task.clone(), desk, own.world, secrecy);
        if !roots.are_several() {
            let insight = own.insight.map(|insight| Box::new(insight) as Box<dyn Insight>);
            return Whole { all: Arc::new(view.clone()), own: view, grounds: Grounds::default(), insight };
        }
        let others = reached.iter().map(|folder| {
            let desk = ActorDesk::new(self.mailbox.clone(), folder.folder).while_open(folder.open.clone());
            let secrecy = strictest(own.policy.clone(), folder.policy.clone());
            TaskWorkspace::new(self.task.clone(), Arc::new(desk), folder.world.clone(), secrecy)
                .proposing(folder.proposal.clone())
        });
        let many = ManyFolders::new(roots.clone(), view.clone(), others.collect());
        let (mut grounds, mut insights) = (Vec::new(), Vec::new());
        for folder in reached {
            grounds.push(Ground { policy: folder.policy, around: folder.world });
            insights.extend(folder.insight);
        }
        let insight = own.insight.map(|own| Box::new(ManyInsights::new(roots.clone(), own, insights)) as Box<dyn Insight>);
        Whole { own: view, all: Arc::new(many), grounds: Grounds::new(roots, grounds), insight }
    }

    /// Opens a neighbour, or says why not.
    fn reach(&self, neighbour: Neighbour) -> Result<Reached, String> {
        let Neighbour { folder, name, canonical, open, proposal, insight } = neighbour;
        let Some(path) = canonical.to_str().map(str::to_owned) else {
            return Err("has a path that is not UTF-8".to_owned());
        };
        let disk = workspace::Folder::open(&canonical).map_err(|_| "is not there or cannot be opened".to_owned())?;
        if !self.trusted && !TrustStore::new(&self.setup.folders).is_trusted(&canonical).unwrap_or(false) {
            return Err("is not trusted by the user".to_owned());
        }
        let Effective { policy, problem, .. } = effective_policy(self.setup, &canonical, true);
        if let Some(problem) = problem {
            let _ = self.mailbox.send(problem.input(&canonical));
        }
        let environment = &self.setup.environment;
        let world = Arc::new(World::new(disk, environment.home(), environment.folder("XDG_CONFIG_HOME")));
        Ok(Reached { root: Root { name, path }, policy, world, folder, open, proposal, insight })
    }
}

/// In another folder the task's own secrets and that folder's are kept.
fn strictest(own: Arc<Policy>, other: Arc<Policy>) -> Secrecy {
    Arc::new(move |path, tracked| {
        let (one, two) = (own.path_class(path, tracked).secret, other.path_class(path, tracked).secret);
        one.filter(|secret| secret.hide_from_commands).or(two).or(one)
    })
}

/// In the task's own folder its policy counts, and in folders within it theirs as well.
fn own_secrecy(policy: &Arc<Policy>, roots: &Roots, reached: &[Reached]) -> Secrecy {
    let inner: Vec<(WsPath, Secrecy)> = roots
        .inner(0)
        .into_iter()
        .filter_map(|(index, path)| Some((path, strictest(policy.clone(), reached.get(index - 1)?.policy.clone()))))
        .collect();
    let keeper = policy.clone();
    Arc::new(move |path, tracked| {
        let below = |folder: &WsPath| WsPath::from_disk(path.as_str().strip_prefix(folder.as_str())?.strip_prefix('/')?);
        let within = inner.iter().find_map(|(folder, secrecy)| secrecy(&below(folder)?, tracked));
        keeper.path_class(path, tracked).secret.filter(|secret| secret.hide_from_commands || within.is_none()).or(within)
    })
}

/// The first words of a task's first message.
pub fn told(name: &str, roots: &Roots) -> String {
    if !roots.are_several() {
        return format!("Workspace folder: {name}");
    }
    let others: String = roots.all().iter().skip(1).map(|root| format!(", {}", root.name)).collect();
    let closed: Vec<String> = roots.closed().iter().map(|closed| format!("{} ({})", closed.name, closed.why)).collect();
    let closed = if closed.is_empty() { String::new() } else { format!(" Closed to you: {}.", closed.join(", ")) };
    format!(
        "Workspace folders: {name} (this task's own){others}. A path begins with its folder's name, for example {name}/README.md. \
         Commands, checks and git work in {name} alone: there its paths have no such name, and the other folders are not \
         there.{closed}"
    )
}
