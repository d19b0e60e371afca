//! A small world for verdicts: the fixture folder that the recorded cases were judged in.

use std::collections::BTreeMap;

use countersign::{
    path::WsPath,
    policy::{Action, Decision, LayerKind, LayerText, Level, Policy, Resolved, Surroundings, Verdict},
};

/// Symbolic links, git aliases and tracked files; everything else is what it reads like.
#[derive(Default)]
pub struct World {
    /// Link name to what it leads to; `None` leads out of the workspace.
    pub links: BTreeMap<&'static str, Option<&'static str>>,
    pub aliases: BTreeMap<&'static str, &'static str>,
    pub tracked: Vec<&'static str>,
    pub files: Vec<&'static str>,
}

impl World {
    /// The recorded cases' fixture.
    pub fn fixture() -> World {
        World {
            links: [("out", None), ("notes.txt", Some(".env")), ("g", Some(".git"))].into(),
            aliases: [("p", "push"), ("yolo", "!sh -c 'echo hi'"), ("st", "status")].into(),
            tracked: vec!["src/lib.rs", "README.md", "certs/public.pem"],
            files: vec![".env", ".env.example", "README.md", "src/lib.rs", "secrets/k.pem"],
        }
    }
}

impl Surroundings for World {
    fn resolve(&self, path: &WsPath) -> Resolved {
        for (link, target) in &self.links {
            let Some(rest) = path.as_str().strip_prefix(link) else { continue };
            if !rest.is_empty() && !rest.starts_with('/') {
                continue;
            }
            return match target {
                Some(target) => Resolved::Inside(WsPath::parse(&format!("{target}{rest}")).unwrap()),
                None => Resolved::Outside,
            };
        }
        Resolved::Inside(path.clone())
    }

    fn tracked(&self, path: &WsPath) -> bool {
        self.tracked.contains(&path.as_str())
    }

    fn git_alias(&self, name: &str) -> Option<String> {
        self.aliases.get(name).map(|alias| (*alias).to_owned())
    }

    fn glob(&self, pattern: &str, _: &WsPath) -> Vec<WsPath> {
        let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build().map(|glob| glob.compile_matcher());
        let Ok(glob) = glob else { return Vec::new() };
        self.files.iter().filter(|file| glob.is_match(file)).map(|file| WsPath::parse(file).unwrap()).collect()
    }

    fn folder(&self) -> &str {
        "/home/dev/w"
    }
}

pub fn layer(kind: LayerKind, text: &str) -> LayerText<'_> {
    LayerText { kind, name: format!("{kind}.toml"), text }
}

/// The built-in default behind full walls.
pub fn default_policy() -> Policy {
    Policy::load(&[]).unwrap().behind(Level::L3)
}

/// A user's policy behind full walls.
pub fn user(text: &str) -> Policy {
    Policy::load(&[layer(LayerKind::User, text)]).unwrap().behind(Level::L3)
}

pub fn run(command: &str) -> Action {
    Action::Run { command: command.to_owned(), cwd: WsPath::root() }
}

pub fn judge(policy: &Policy, action: &Action) -> Decision {
    policy.decide(action, &World::fixture())
}

/// Asserts verdicts of commands, one line for every failure.
pub fn expect_runs(policy: &Policy, cases: &[(&str, Verdict)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(command, expected)| (command, expected, judge(policy, &run(command))))
        .filter(|(_, expected, decision)| decision.verdict != **expected)
        .map(|(command, expected, decision)| {
            format!("{command:?}: {} instead of {expected} ({})", decision.verdict, decision.reason)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
