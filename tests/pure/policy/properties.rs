//! Laws that hold for every text: nothing panics, layers only tighten, order and quotes do not matter.

use std::sync::LazyLock;

use countersign::policy::{
    Action, LayerKind, Level, Policy, PushKind, STRICT, Verdict, check,
    shell::{loose, plain, tree},
};
use proptest::prelude::*;

use super::world::{World, default_policy, layer, run};

static DEFAULT: LazyLock<Policy> = LazyLock::new(default_policy);
static STRICT_POLICY: LazyLock<Policy> = LazyLock::new(|| load(&[(LayerKind::User, STRICT)]));

/// Pieces that shell texts are made of, so that random texts are often valid.
fn shell_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "ls",
        "git",
        "push",
        "status",
        "sudo",
        "cat",
        ".env",
        "src/lib.rs",
        "..",
        "~",
        "$HOME",
        "echo",
        "bash",
        "-c",
        "'git push'",
        "\"",
        "'",
        "\\",
        "\n",
        " ",
        " ",
        " ",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "(",
        ")",
        "{",
        "}",
        "$(",
        "`",
        "<",
        ">",
        ">>",
        "<<EOF",
        "EOF",
        "<<<",
        "2>&1",
        "/dev/null",
        "#",
        "!",
        "if",
        "then",
        "fi",
        "for",
        "x",
        "in",
        "do",
        "done",
        "case",
        "esac",
        "[[",
        "]]",
        "X=1",
        "$x",
        "${x@P}",
        "*",
        "?",
        "eval",
        "env",
        "xargs",
        "find",
        "-exec",
        "+",
        "\\;",
        "cd",
        "out",
        "/tmp",
        "/etc/passwd",
        "-",
        "--",
        "a'b",
        "time",
        "rm",
        "-rf",
        "=",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

/// Texts that cannot swallow the line after them into a quote, comment, group or here-document.
fn calm_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "ls",
        "git",
        "push",
        "cat",
        ".env",
        "..",
        "echo",
        "'git push'",
        "\"a b\"",
        "\\;",
        "\n",
        " ",
        " ",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "2>&1",
        "if",
        "then",
        "fi",
        "x",
        "in",
        "do",
        "done",
        "X=1",
        "$x",
        "${x@P}",
        "$(ls)",
        "`ls`",
        "*",
        "eval",
        "env",
        "xargs",
        "cd",
        "-",
        "--",
        "=",
        "[[ -f x ]]",
        "{ ls; }",
        "(ls)",
        "\u{e4}",
        "case x in y) ls;; esac",
        "f() { ls; }",
        "for i in a; do ls; done",
        "<x",
        ">x",
        "!",
    ]);
    prop::collection::vec(pieces, 0..16).prop_map(|pieces| pieces.concat())
}

fn actions() -> impl Strategy<Value = Action> {
    let path = prop::sample::select(vec![
        "src/lib.rs",
        ".env",
        "Makefile",
        "../x",
        "/etc/x",
        "out/x",
        "notes.txt",
        ".git/config",
        "docs/a.md",
        "a.pem",
        "new/f",
    ]);
    let branch = prop::sample::select(vec!["main", "agent/x", "release/1", "refs/heads/main", "-x"]);
    let kind = prop::sample::select(vec![PushKind::Ff, PushKind::New, PushKind::Force, PushKind::Delete]);
    let host = prop::sample::select(vec!["docs.rs:443", "x.example:80", "127.0.0.1:1", "X:1"]);
    prop_oneof![
        shell_text().prop_map(|text| run(&text)),
        path.clone().prop_map(|path| Action::Read(path.to_owned())),
        path.clone().prop_map(|path| Action::Write(path.to_owned())),
        path.prop_map(|path| Action::Delete(path.to_owned())),
        (branch.clone(), kind).prop_map(|(branch, kind)| Action::GitPush { branch: branch.to_owned(), kind }),
        branch.prop_map(|branch| Action::GitBranch(branch.to_owned())),
        host.clone().prop_map(|host| Action::Net(host.to_owned())),
        host.prop_map(|host| Action::Fetch(host.to_owned())),
    ]
}

/// Rules of a layer, each with an id of its own.
fn rules() -> impl Strategy<Value = Vec<String>> {
    let verdict = prop::sample::select(vec!["allow", "ask", "deny"]);
    let body = prop::sample::select(vec![
        "action = \"run\"\nargv = [\"ls\"]",
        "action = \"run\"\nargv = [\"git\", [\"status\", \"push\"]]",
        "action = \"run\"\nargv = [\"rm\"]\npaths_outside = true",
        "action = \"run\"\nargv = [\"*\"]\nrefuse = [\"-c\"]",
        "action = \"read\"\npaths = [\"*.rs\"]",
        "action = \"write\"\npaths = [\"docs/**\", \"src/**\"]",
        "action = \"delete\"",
        "action = \"git.push\"\nbranch = [\"main\", \"agent/*\"]",
        "action = \"git.branch\"\nbranch = [\"agent/*\"]",
        "action = \"net\"\nhosts = [\"docs.rs:443\"]",
        "action = \"fetch\"\nhosts = [\"docs.rs:443\"]",
    ]);
    prop::collection::vec((verdict, body), 0..6).prop_map(|rules| {
        let text =
            |(at, (verdict, body)): (usize, (&str, &str))| format!("[[rule]]\nid = \"r{at}\"\nverdict = \"{verdict}\"\n{body}\n");
        rules.into_iter().enumerate().map(text).collect()
    })
}

fn defaults() -> impl Strategy<Value = String> {
    let verdict = prop::sample::select(vec!["allow", "ask", "deny"]);
    let action = prop::sample::select(vec![
        "run",
        "read",
        "write",
        "delete",
        "net",
        "fetch",
        "git.push",
        "git.branch",
        "read.outside",
        "write.outside",
    ]);
    let head = prop::sample::select(vec![
        "schema = 1\n",
        "schema = 1\n[paths]\nsecret = [\"src/**\"]\nsecret_except = [\".env\"]\n",
        "schema = 1\n[paths]\nsteering = [\"*.md\"]\nnever_write = [\"new\"]\n",
        "schema = 1\n[run]\nenv_allow = [\"X\"]\nmax_commands = 3\nask_below = \"L3\"\n",
        "schema = 1\nseal = [\"run\", \"read\"]\n",
    ]);
    (head, prop::collection::btree_map(action, verdict, 0..4)).prop_map(|(head, entries)| {
        let lines: String = entries.iter().map(|(action, verdict)| format!("\"{action}\" = \"{verdict}\"\n")).collect();
        format!("{head}[default]\n{lines}")
    })
}

fn load(layers: &[(LayerKind, &str)]) -> Policy {
    let texts: Vec<_> = layers.iter().map(|(kind, text)| layer(*kind, text)).collect();
    Policy::load(&texts).unwrap().behind(Level::L3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_workspace_layer_never_lowers_a_verdict(
        user in (defaults(), rules()), workspace in (defaults(), rules()), actions in prop::collection::vec(actions(), 12),
    ) {
        let user = format!("{}{}", user.0, user.1.concat());
        let workspace = format!("{}{}", workspace.0, workspace.1.concat());
        let (without, with) = (load(&[(LayerKind::User, &user)]), load(&[(LayerKind::User, &user), (LayerKind::Workspace, &workspace)]));
        for action in &actions {
            let [before, after] = [&without, &with].map(|policy| policy.decide(action, &World::fixture()).verdict);
            prop_assert!(after >= before, "{action}: {before} became {after}\n{user}\n{workspace}");
        }
    }

    #[test]
    fn the_order_of_rules_and_layers_does_not_matter(
        head in defaults(), rules in rules(), other in rules(), actions in prop::collection::vec(actions(), 8),
    ) {
        let user = format!("{head}{}", rules.concat());
        let turned = format!("{head}{}", rules.iter().rev().cloned().collect::<String>());
        let workspace = format!("schema = 1\n{}", other.concat());
        let one = load(&[(LayerKind::User, &user), (LayerKind::Workspace, &workspace)]);
        let two = load(&[(LayerKind::Workspace, &workspace), (LayerKind::User, &turned)]);
        prop_assert_eq!(one.prompt_text(), two.prompt_text());
        for action in &actions {
            prop_assert_eq!(one.decide(action, &World::fixture()), two.decide(action, &World::fixture()));
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quoting_never_lowers_a_denied_command(styles in prop::collection::vec(0..6usize, 16), which in 0..4usize) {
        let words = [vec!["git", "push"], vec!["sudo", "ls"], vec!["nice", "-n", "5", "cargo", "publish"], vec!["cat", ".env"]];
        let mut styles = styles.iter().cycle();
        let quoted: Vec<String> = words[which].iter().map(|word| {
            word.chars().map(|c| match styles.next().unwrap() {
                0 => format!("'{c}'"),
                1 => format!("\"{c}\""),
                2 => format!("\\{c}"),
                3 => format!("$'{c}'"),
                4 => format!("{c}''"),
                _ => c.to_string(),
            }).collect()
        }).collect();
        let text = quoted.join(" ");
        let decision = DEFAULT.decide(&run(&text), &World::fixture());
        prop_assert_eq!(decision.verdict, Verdict::Deny, "{}", text);
    }

    #[test]
    fn what_stands_before_or_after_never_lowers_a_denied_command(before in calm_text(), after in calm_text()) {
        let text = format!("{before}\ngit push\n{after}");
        prop_assert_eq!(DEFAULT.decide(&run(&text), &World::fixture()).verdict, Verdict::Deny, "{}", text);
    }

    #[test]
    fn the_deep_readings_find_every_plain_command(text in shell_text()) {
        let Ok(parts) = plain::parse(&text) else { return Ok(()) };
        let mut deep = tree::read(&text).parts;
        deep.extend(loose::read(&text));
        for part in parts.iter().filter(|part| !part.words.is_empty()) {
            let same = deep.iter().any(|other| other.words.iter().map(|word| &word.text).eq(part.words.iter().map(|word| &word.text)));
            prop_assert!(same, "{text:?}: {part:?} is not among {deep:?}");
        }
    }

    #[test]
    fn the_deep_reading_never_lowers(text in shell_text()) {
        // Under `strict` an "allow" needs every command of the exact reading to be allowed by itself.
        let whole = STRICT_POLICY.decide(&run(&text), &World::fixture()).verdict;
        match plain::parse(&text) {
            Err(_) => prop_assert!(whole >= Verdict::Ask, "{text:?} is not plain and yet allowed"),
            Ok(parts) => for part in parts.iter().filter(|part| part.assignments.is_empty()) {
                let alone: Vec<String> = part.words.iter().map(|word| format!("'{}'", word.text)).collect();
                let single = STRICT_POLICY.decide(&run(&alone.join(" ")), &World::fixture());
                let ruled = single.rule != "default" && single.verdict == Verdict::Deny && single.rule != "secret";
                prop_assert!(!ruled || whole == Verdict::Deny || part.words.is_empty(), "{text:?}: {whole} although {single:?}");
            },
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), shell in shell_text(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = String::from_utf8_lossy(&bytes).into_owned();
        for text in [&text, &shell, &bytes] {
            for policy in [&*DEFAULT, &*STRICT_POLICY] {
                let _ = policy.decide(&run(text), &World::fixture());
                for name in ["read", "write", "delete", "net", "fetch", "ticket", "mcp", "git.commit", "git.branch", "git.push", "git.pr"] {
                    let _ = policy.decide(&Action::from_words(&[name, text]).unwrap(), &World::fixture());
                }
            }
            let _ = tree::read(text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_panic(text in any::<String>(), key in "[a-z_]{1,12}", words in prop::collection::vec(any::<String>(), 0..3)) {
        let _ = check("x.toml", &text);
        let _ = check("x.toml", &format!("schema = 1\n[paths]\nsecret = {words:?}\n{key} = {text:?}\n"));
        let rule = String::from("schema = 1\n[[rule]]\nid = \"x\"\naction = \"run\"\nverdict = \"deny\"\n");
        let _ = check("x.toml", &format!("{rule}argv = {words:?}\nmatch = {words:?}\nrefuse = {words:?}\n"));
    }
}

#[test]
fn deep_nesting_is_a_verdict_and_not_a_crash() {
    for (open, close) in [("<<E\n", ""), ("eval ", ""), ("(", ")"), ("$(", ")"), ("{ ", ";}"), ("\"$(", ")\""), ("if ", "")] {
        let text = format!("{}git push{}", open.repeat(1000), close.repeat(1000));
        let decision = DEFAULT.decide(&run(&text), &World::fixture());
        assert_eq!(decision.verdict, Verdict::Deny, "{open}: {}", decision.reason);
    }
}
