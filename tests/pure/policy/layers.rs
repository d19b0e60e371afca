//! The algebra: who may loosen, who may only tighten.

use countersign::policy::{
    Action, LayerKind,
    LayerKind::{Organisation, User, Workspace},
    Level, Policy,
    Verdict::{self, Allow, Ask, Deny},
};

use super::world::{judge, layer, run};

fn load(layers: &[(LayerKind, &str)]) -> Policy {
    let texts: Vec<_> = layers.iter().map(|(kind, text)| layer(*kind, text)).collect();
    Policy::load(&texts).unwrap().behind(Level::L3)
}

fn rule(id: &str, verdict: Verdict, argv: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\naction = \"run\"\nverdict = \"{verdict}\"\nargv = [\"{argv}\"]\n")
}

#[test]
fn the_strictest_matching_rule_wins_and_else_the_strictest_default() {
    let organisation = format!("schema = 1\n[default]\nrun = \"ask\"\n{}", rule("o", Deny, "rm"));
    let user = format!("schema = 1\n[default]\nrun = \"allow\"\n{}{}", rule("u", Allow, "rm"), rule("l", Allow, "ls"));
    let policy = load(&[(Organisation, &organisation), (User, &user)]);
    let decision = judge(&policy, &run("rm x"));
    assert_eq!((decision.verdict, decision.rule.as_str(), decision.layer.as_str()), (Deny, "o", "organisation"));
    let decision = judge(&policy, &run("make"));
    assert_eq!((decision.verdict, decision.rule.as_str(), decision.layer.as_str()), (Ask, "default", "organisation"));
    assert_eq!(judge(&policy, &run("ls")).verdict, Allow);
}

#[test]
fn a_sealed_action_is_the_organisations() {
    let organisation = "schema = 1\nseal = [\"run\"]\n[default]\nrun = \"ask\"\n";
    let user = format!("schema = 1\n[default]\nrun = \"allow\"\n{}{}", rule("l", Allow, "ls"), rule("d", Deny, "make"));
    let policy = load(&[(Organisation, organisation), (User, &user)]);
    assert_eq!([run("ls"), run("x"), run("make")].map(|action| judge(&policy, &action).verdict), [Ask, Ask, Deny]);
    assert!(policy.notes().iter().any(|note| note.contains("seals")), "{:?}", policy.notes());
    let no_default = load(&[(Organisation, "schema = 1\nseal = [\"run\"]\n"), (User, &user)]);
    assert_eq!(judge(&no_default, &run("x")).verdict, Ask);
    let not_his = load(&[(User, "schema = 1\nseal = [\"run\"]\n[default]\nrun = \"allow\"\n")]);
    assert_eq!(judge(&not_his, &run("ls")).verdict, Allow);
    assert!(not_his.notes().iter().any(|note| note.contains("only the organisation")));
}

#[test]
fn only_an_organisation_can_allow_a_push_and_never_of_a_protected_branch() {
    let allow = "schema = 1\n[branches]\nprotected = [\"main\"]\n[default]\n\"git.push\" = \"ask\"\n\
                 [[rule]]\nid = \"p\"\naction = \"git.push\"\nverdict = \"allow\"\n";
    let push = |branch: &str, kind: &str| Action::from_words(&["git.push", branch, kind]).unwrap();
    let by_organisation = load(&[(Organisation, allow)]);
    assert_eq!(judge(&by_organisation, &push("agent/x", "ff")).verdict, Allow);
    assert_eq!(judge(&by_organisation, &push("agent/x", "force")).verdict, Ask);
    assert_eq!(judge(&by_organisation, &push("main", "ff")).verdict, Ask);
    let by_user = load(&[(User, allow)]);
    assert_eq!(judge(&by_user, &push("agent/x", "ff")).verdict, Ask);
    assert!(by_user.notes().iter().any(|note| note.contains("always asks")), "{:?}", by_user.notes());
}

/// A list of registries lifts the default for hosts; where that is the organisation's, so is the list.
#[test]
fn a_sealed_net_is_lifted_by_no_list_of_the_users() {
    let user = "schema = 1\n[default]\nrun = \"allow\"\n\"run.net\" = \"allow\"\n[run]\nregistries = [\"npm\", \"mirror.example:443\"]\n";
    let fetch = Action::from_words(&["run.net", "npm ci", "mirror.example:443"]).unwrap();
    for (organisation, verdict, listed) in [
        ("schema = 1\n[default]\nnet = \"deny\"\n", Allow, 2),
        ("schema = 1\nseal = [\"net\"]\n[default]\nnet = \"deny\"\n", Deny, 0),
        (
            "schema = 1\nseal = [\"net\"]\n[default]\nnet = \"deny\"\n[run]\nregistries = [\"mirror.example:443\", \"go\"]\n",
            Allow,
            1,
        ),
    ] {
        let policy = load(&[(Organisation, organisation), (User, user)]);
        assert_eq!(judge(&policy, &fetch).verdict, verdict, "{organisation}");
        assert_eq!(policy.run().registries.len(), listed, "{organisation}");
        let told =
            policy.notes().iter().any(|note| note.contains("run.registries is ignored: the organisation's policy seals net"));
        assert_eq!(told, listed == 0, "{:?}", policy.notes());
    }
}

#[test]
fn a_workspace_only_tightens() {
    let user = "schema = 1\n[default]\nrun = \"deny\"\nread = \"allow\"\n[run]\ntimeout_s = 60\nenv_allow = [\"CI\"]\n\
                [budget]\niterations = 10\n[tools]\nenabled = [\"read_file\", \"run\"]\n[branches]\nprotected = [\"main\"]\n";
    let workspace = "schema = 1\n[default]\nrun = \"allow\"\nread = \"ask\"\n[run]\ntimeout_s = 30\nmemory_mb = 0\nenv_allow = [\"PATH\"]\n\
                     [budget]\niterations = 50\ncommands = 3\n[tools]\nenabled = [\"run\", \"fetch\"]\n\
                     [branches]\nprotected = [\"dev\"]\nagent = \"*\"\n";
    let asks = rule("w", Ask, "ls");
    let policy = load(&[(User, user), (Workspace, &format!("{workspace}{asks}"))]);
    assert_eq!(judge(&policy, &run("ls")).verdict, Deny, "an ask rule of the workspace must not lift a denied default");
    assert_eq!(judge(&policy, &Action::Read("x".to_owned())).verdict, Ask);
    assert_eq!((policy.run().timeout_s, policy.run().memory_mb), (30, 4096));
    assert_eq!(policy.run().env_allow, ["CI"]);
    assert_eq!((policy.budget().iterations, policy.budget().commands), (10, 3));
    assert_eq!(policy.tools(), Some(&["run".to_owned()][..]));
    assert_eq!(policy.branches().protected, ["dev", "main"]);
    assert_eq!(policy.branches().agent, "agent/*");
    for key in ["default run", "run.memory_mb", "run.env_allow", "budget.iterations", "branches.agent"] {
        assert!(policy.notes().iter().any(|note| note.contains(key)), "no note about {key}: {:?}", policy.notes());
    }
}

#[test]
fn a_workspace_cannot_make_an_answer_rememberable() {
    let asks = "[[rule]]\nid = \"x\"\naction = \"run\"\nverdict = \"ask\"\nargv = [\"x\"]\n";
    let granting = format!("schema = 1\n{asks}grantable = true\n");
    let by = |kind| judge(&load(&[(kind, &granting)]), &run("x"));
    assert_eq!((by(User).grantable, by(Organisation).grantable, by(Workspace).grantable), (true, true, false));
    let plain = format!("schema = 1\n{asks}");
    let by = |kind| judge(&load(&[(kind, &plain)]), &run("x"));
    assert_eq!((by(User).grantable, by(Organisation).grantable), (true, false));
}

#[test]
fn numbers_that_no_layer_names_are_the_built_in_ones() {
    let policy = load(&[]);
    assert_eq!(policy.budget().iterations, 20);
    assert_eq!((policy.run().timeout_s, policy.run().max_timeout_s), (120, 600));
    assert_eq!((policy.approval().timeout_s, policy.approval().min_seconds), (0, 0.0));
    assert_eq!((policy.run().min_level, policy.run().ask_below), (Level::L1, Level::L2));
    assert!(policy.notes().is_empty(), "{:?}", policy.notes());
}

#[test]
fn numbers_beyond_reason_are_refused_by_name() {
    let with = |key: &str, number: u64| {
        let (table, key) = key.split_once('.').unwrap();
        Policy::load(&[layer(User, &format!("schema = 1\n[{table}]\n{key} = {number}\n"))]).map(drop)
    };
    let (year, mibs) = (31_536_000, 1 << 30);
    for (key, most) in [
        ("run.timeout_s", year),
        ("run.max_timeout_s", year),
        ("run.cpu_s", year),
        ("approval.timeout_s", year),
        ("run.memory_mb", mibs),
        ("run.file_mb", mibs),
        ("run.tmp_mb", mibs),
        ("run.shadow_mb", mibs),
        ("run.processes", 1 << 22),
    ] {
        assert!(with(key, most).is_ok() && with(key, 1).is_ok(), "{key}");
        for number in [most + 1, i64::MAX as u64] {
            let told = with(key, number).unwrap_err().to_string();
            assert!(told.contains(key) && told.contains(&most.to_string()), "{key}: {told}");
        }
    }
}

#[test]
fn read_only_looks_and_does_nothing_else() {
    let policy = Policy::read_only().behind(Level::L3);
    assert_eq!(judge(&policy, &Action::Read("src/lib.rs".to_owned())).verdict, Allow);
    assert_eq!(judge(&policy, &Action::Read(".env".to_owned())).verdict, Deny);
    for words in [
        ["write", "x"],
        ["delete", "x"],
        ["run", "ls"],
        ["fetch", "docs.rs:443"],
        ["git.commit", "x"],
        ["git.push", "x"],
        ["git.pr", "x"],
    ] {
        assert_eq!(judge(&policy, &Action::from_words(&words).unwrap()).verdict, Deny, "{words:?}");
    }
}
