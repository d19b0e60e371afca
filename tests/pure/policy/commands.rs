//! Commands under the built-in default: what runs without a question, what is denied however it is written.

use countersign::{
    path::WsPath,
    policy::{
        Action, LayerKind, LayerText, Level, Lexical, Policy, STRICT,
        Verdict::{Allow, Ask, Deny},
    },
};

use super::world::{default_policy, expect_runs, judge, run, user};

#[test]
fn everyday_work_runs_without_a_question() {
    let cases = [
        "cargo test -p core 2>&1 | tail -40",
        "npm test -- --watch=false",
        "ls -la && cat README.md",
        "for f in src/*.rs; do wc -l \"$f\"; done",
        "python3 -c 'print(1)'",
        "cat > notes.md <<'EOF'\nsudo git push\nEOF",
        "cat /usr/include/stdio.h > /tmp/x && rm -rf /tmp/x",
        "/home/dev/w/run.sh && touch /home/dev/w/new.txt",
        "cd src && cat ../README.md",
        "mkdir -p build && cd build && cmake .. && rm -rf ../build",
        "cd src && ls $(rm -f ../x)",
        "cd src && ls > ../x",
        "git status && git diff HEAD -- src/lib.rs && git log --oneline -5 && git st",
        "echo 'git push' && grep -rn 'sudo' src",
        "find . -name '*.rs' -exec wc -l {} +",
        "X=1 LD_LIBRARY_PATH=x ./run",
        "cargo test publish",
        "git remote -v && git stash list && git config --get user.name",
        "terraform fmt && helm template ./x",
        "cat .env.example",
        "grep -n .env README.md",
        "rg --glob=!.env foo",
        "ls .env && test -f .env && echo .env >> notes.md",
        "sed -n '1,20p' src/lib.rs",
        "sh build.sh; true",
        "printf 'a\\tb\\n' | sort -u",
        "case $x in sudo) ls;; mount|su) true;; esac",
        "a=(sudo mount); mount() { ls; }; echo \"(git push)\" # git push",
        "cat <<-EOF | wc -l\n\tgit push\n\tEOF\ncd src && rm ../x",
    ];
    expect_runs(&default_policy(), &cases.map(|command| (command, Allow)));
}

#[test]
fn a_denied_program_is_found_however_it_is_written() {
    let cases = [
        "git push",
        "git add . && git commit -m x && git push",
        "git -c alias.x=push x origin",
        "git -c 'alias.x=!git push' x",
        "git p origin main",
        "git --no-pager -C . push",
        "git --git-dir=/tmp/x push",
        "g\"i\"t pu'sh'",
        "\\git push",
        "g\\it p\\ush",
        "git \\\npush",
        "gi\\\nt push",
        "$'git' $'\\x70ush'",
        "$\"git\" push",
        "/usr/bin/git push",
        "true & git push",
        "ls | git push",
        "{ git push; }",
        "(cd /tmp; git push)",
        "echo $(git push)",
        "echo \"a $(git push) b\"",
        "echo `git push`",
        "cat <(git push)",
        "ls | tee >(git push)",
        "f() { git push; }; f",
        "if true; then git push; fi",
        "while git push; do :; done",
        "for i in 1; do git push; done",
        "case x in x) git push;; esac",
        "until false; do git push; break; done",
        "! git push",
        "time git push",
        "trap 'git push' EXIT",
        "alias x='git push'; x",
        "eval git push",
        "eval 'git push'",
        "eval \"git\" push",
        "exec git push",
        "command git push",
        "command -p git push",
        "env git push",
        "env -i A=b git push",
        "env -S 'git push'",
        "nohup nice -n 5 timeout -s KILL 5 git push",
        "timeout 5 stdbuf -oL git push",
        "xargs git push < list",
        "echo x | xargs -I {} git push {}",
        "find . -exec git push \\;",
        "find . -execdir git push +",
        "bash -c 'git push'",
        "bash -lc 'git push'",
        "bash -e -c 'git push'",
        "sh -c \"bash -c 'git push'\"",
        "bash -o pipefail -c 'git push'",
        "bash <<EOF\ngit push\nEOF",
        "bash <<< 'git push'",
        "sh -s <<'EOF'\ncd x\ngit push\nEOF",
        "watch -n 1 git push",
        "flock x git push",
        "flock x -c 'git push'",
        "su -c 'git push'",
        "strace -f git push",
        "npx git push",
        "uv run git push",
        "busybox sh -c 'git push'",
        "git${X}status; git push",
        "ls )( ; git push",
        "a=(1 2); git push",
        "X=$(git push)",
        "declare x=$(git push)",
        "[[ -n $(git push) ]]",
        "echo $((1 + $(git push)))",
        "cat > x < README.md; git push",
        "git<README.md push",
        "git 2>/dev/null push",
        "> x git push",
        "true || git push",
        "coproc git push",
        "parallel git push ::: a",
        "git push\n\\;",
        "ls # x \\\ngit push",
        "ls ${x:-$(git push)}",
        "cat <<EOF\n$(git push)\nEOF",
        "cat <<'EOF'\nx\nEOF\ngit push",
    ];
    expect_runs(&default_policy(), &cases.map(|command| (command, Deny)));
}

#[test]
fn deployments_publishing_and_privileges_are_peoples() {
    let cases = [
        ("kubectl -n prod delete pod x", Deny),
        ("npx --yes vercel deploy", Deny),
        ("docker --context prod push x", Deny),
        ("docker build .", Allow),
        ("terraform apply", Deny),
        ("cargo +nightly publish", Deny),
        ("npm --tag next publish", Deny),
        ("npm run publish-docs", Allow),
        ("twine upload dist/x", Deny),
        ("gh pr create", Deny),
        ("sudo -u root ls", Deny),
        ("doas ls", Deny),
        ("mount", Deny),
        ("python3 manage.py mount", Allow),
    ];
    expect_runs(&default_policy(), &cases);
    let decision = judge(&default_policy(), &run("make x && sudo make install"));
    assert_eq!((decision.rule.as_str(), decision.part.as_deref()), ("no-privileges", Some("sudo make install")));
    assert!(decision.reason.contains("tell the user"), "{}", decision.reason);
}

/// The part that decided is always named, a redirect without a command of its own included.
#[test]
fn a_denial_names_the_redirect_that_it_is_about() {
    for (text, part) in [
        ("head -c 4 a > ~/b", "> ~/b"),
        ("{ ls; } >> /etc/x", "> /etc/x"),
        ("> ~/b", "> ~/b"),
        ("while read x; do :; done < .env", "< .env"),
    ] {
        let decision = judge(&default_policy(), &run(text));
        assert_eq!(decision.verdict, Deny, "{text}");
        assert!(decision.part.as_deref().is_some_and(|named| named.ends_with(part)), "{text}: {:?}", decision.part);
    }
}

#[test]
fn secrets_and_places_outside_are_seen_in_operands() {
    let cases = [
        ("cat .env", Deny),
        ("cat ./src/../.env", Deny),
        ("cat .ENV", Deny),
        ("cat notes.txt", Deny),
        ("cat /home/dev/w/.env", Deny),
        ("cd src && cat ../.env", Deny),
        ("cd secrets && cat k.pem", Deny),
        ("cd src\ncat secrets/k.pem \"$x\"", Deny),
        ("cat < .env", Deny),
        ("cat < README.md .env", Deny),
        ("cat .en*", Deny),
        ("cat .e{x,nv}", Deny),
        ("cat {a,{b,.env}}", Deny),
        ("cat {README,LICENSE}.md", Allow),
        ("cat READ*", Allow),
        ("grep -f.env x", Deny),
        ("python3 show.py --file=.env", Deny),
        ("python3 show.py .env", Deny),
        ("git show HEAD:.env", Deny),
        ("git diff -- .env", Deny),
        ("cp .env.example .env", Deny),
        ("rm .env", Deny),
        ("cat ~/.netrc", Deny),
        ("cat $HOME/.aws/credentials", Deny),
        ("cd ~ && cat .ssh/id_ed25519", Deny),
        ("cat /home/other/.ssh/id_rsa", Deny),
        ("cat /etc/hostname", Allow),
        ("echo x > ~/.bashrc", Deny),
        ("echo x >> /etc/passwd", Deny),
        ("rm -rf /", Deny),
        ("rm -rf ~", Deny),
        ("rm -rf ../w2", Deny),
        ("rm -rf out/x", Deny),
        ("rm -rf target", Allow),
        ("tee ../x", Deny),
        ("mv src/lib.rs ..", Deny),
        ("dd if=/dev/zero of=/etc/x", Deny),
        ("sed -i s/a/b/ ../x", Deny),
        ("echo x > .git/hooks/pre-commit", Deny),
        ("echo x > g/config", Deny),
        ("rm -rf .git", Deny),
        ("echo x > Makefile", Allow),
        ("cat README.md > /dev/null 2>&1", Allow),
        ("cat certs/private.pem", Deny),
    ];
    expect_runs(&default_policy(), &cases);
}

#[test]
fn texts_that_cannot_be_checked_are_denied() {
    let cases = [
        ("ls \u{202e}gnp", "hidden-characters"),
        ("ls\u{a0}-l", "hidden-characters"),
        ("ls \u{3000}x", "hidden-characters"),
        ("ls \u{1b}[2K", "hidden-characters"),
        ("ls\r", "hidden-characters"),
        ("ls \u{e0041}", "hidden-characters"),
    ];
    let policy = default_policy();
    for (command, rule) in cases {
        let decision = judge(&policy, &run(command));
        assert_eq!((decision.verdict, decision.rule.as_str()), (Deny, rule), "{command:?}");
    }
    assert_eq!(judge(&policy, &run(&"x".repeat(16_385))).rule, "max_bytes");
    assert_eq!(judge(&policy, &run(&"x".repeat(16_384))).verdict, Allow);
    assert_eq!(judge(&policy, &run(&vec!["true"; 65].join(";"))).rule, "max_commands");
    assert_eq!(judge(&policy, &run(&vec!["true"; 64].join(";"))).verdict, Allow);
    let mut nested = "git status".to_owned();
    for _ in 0..12 {
        nested = format!("eval {nested}");
    }
    assert_eq!(judge(&policy, &run(&nested)).rule, "max_commands");
}

#[test]
fn the_walls_decide_what_a_default_allow_is_worth() {
    let policy = Policy::load(&[]).unwrap();
    let at = |level| policy.behind(level).decide(&run("ls"), &Lexical);
    assert_eq!(policy.decide(&run("ls"), &Lexical).verdict, Deny, "unknown walls");
    assert_eq!([Level::L3, Level::L2].map(|level| at(level).verdict), [Allow, Allow]);
    let asked = at(Level::L1);
    assert_eq!((asked.verdict, asked.rule.as_str(), asked.grantable), (Ask, "ask_below", true));
    assert_eq!((at(Level::L1Weak).verdict, at(Level::L0).verdict), (Deny, Deny));
    assert_eq!(policy.behind(Level::L1).decide(&run("git push"), &Lexical).verdict, Deny);
    let weak = user("schema = 1\n[default]\nrun = \"allow\"\n[run]\nmin_level = \"L1-weak\"\n");
    assert_eq!(weak.behind(Level::L1Weak).decide(&run("ls"), &Lexical).verdict, Ask);
}

#[test]
fn strict_asks_outside_its_plain_list() {
    let cases = [
        ("ls -la src | head -5", Allow),
        ("cargo test -p core 2>&1", Allow),
        ("bash -c 'cargo check && ls'", Allow),
        ("timeout 60 cargo test", Allow),
        ("RUST_LOG=debug cargo test", Allow),
        ("env RUST_LOG=debug cargo test", Allow),
        ("cd src && cat lib.rs", Allow),
        ("cd out && ls", Deny),
        ("env -u PATH cargo test", Ask),
        ("LD_PRELOAD=x cargo test", Ask),
        ("env LD_PRELOAD=x cargo test", Ask),
        ("bash -ic 'ls'", Ask),
        ("bash -c \"$X\"", Ask),
        ("cargo test --tests", Allow),
        ("cargo test --con x", Ask),
        ("cargo -Zx test", Ask),
        ("./cargo test", Ask),
        ("/usr/bin/cargo test", Allow),
        ("/tmp/cargo test", Ask),
        ("CARGO test", Ask),
        ("ls > x", Ask),
        ("ls *", Ask),
        ("ls # x", Ask),
        ("cat /etc/hostname", Deny),
        ("ls ..", Deny),
        ("sed -n '1w /tmp/x' f", Ask),
        ("awk 'BEGIN{system(\"id\")}'", Ask),
        ("python3 -c 'x'", Ask),
        ("gitx status", Ask),
        ("rg -zn foo", Ask),
        ("git status", Allow),
        ("git log --outpu=x", Ask),
        ("time ls", Ask),
        ("ls ''", Allow),
        ("'' ls", Ask),
        ("sudo ls", Deny),
    ];
    expect_runs(&user(STRICT), &cases);
}

#[test]
fn a_command_with_network_is_asked_about_with_its_hosts() {
    let policy = default_policy();
    let net = |command: &str, host: &str| {
        let action = Action::RunNet { command: command.to_owned(), cwd: WsPath::root(), hosts: vec![host.to_owned()] };
        judge(&policy, &action)
    };
    assert_eq!(net("cargo fetch", "index.example.org:443").verdict, Ask);
    assert!(!net("cargo fetch", "index.example.org:443").grantable);
    assert_eq!(net("git push", "index.example.org:443").rule, "git-writes");
    assert_eq!(net("cargo fetch > ~/.bashrc", "index.example.org:443").verdict, Deny);
    assert_eq!(net("cargo fetch > fetched.txt", "index.example.org:443").verdict, Ask);
    assert_eq!(net("cargo fetch", "127.0.0.1:443").verdict, Deny);
    assert_eq!(net("cargo fetch", "Index.example.org:443").verdict, Deny);
    // Behind walls that cannot hold the network back, a command has none.
    for level in [Level::L2, Level::L1] {
        let action = Action::RunNet {
            command: "cargo fetch".to_owned(),
            cwd: WsPath::root(),
            hosts: vec!["index.example.org:443".to_owned()],
        };
        let decision = default_policy().behind(level).decide(&action, &Lexical);
        assert_eq!((decision.verdict, decision.rule.as_str()), (Deny, "network"), "{decision:?}");
        assert!(decision.reason.contains(&format!("level L3 only, and this machine has {level}")), "{}", decision.reason);
    }
    let listed = user(
        "schema = 1\n[[rule]]\nid = \"fetch\"\naction = \"run.net\"\nverdict = \"allow\"\nargv = [\"cargo\", \"fetch\"]\n\
         hosts = [\"index.example.org:443\"]\n[[rule]]\nid = \"index\"\naction = \"net\"\nverdict = \"allow\"\n\
         hosts = [\"index.example.org:443\"]\n",
    );
    let listed_net = |command: &str, host: &str| {
        judge(&listed, &Action::RunNet { command: command.to_owned(), cwd: WsPath::root(), hosts: vec![host.to_owned()] }).verdict
    };
    assert_eq!(listed_net("cargo fetch", "index.example.org:443"), Allow);
    assert_eq!(listed_net("cargo fetch; curl x", "index.example.org:443"), Ask);
    assert_eq!(listed_net("cargo fetch", "other.example.org:443"), Deny);
}

#[test]
fn only_trusted_rules_open_private_addresses_and_methods() {
    let rule = |verdict: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"{verdict}\"\naction = \"net\"\nverdict = \"{verdict}\"\n\
             hosts = [\"10.0.0.{}:443\", \"mirror.example.org:{}\"]\n{more}",
            verdict.len(),
            if verdict == "deny" { 443 } else { 80 },
        )
    };
    let text = format!("schema = 1\n{}{}{}", rule("allow", "methods = [\"POST\"]\n"), rule("ask", ""), rule("deny", ""));
    let terms = user(&text).net_terms();
    assert_eq!(terms.private, ["10.0.0.5:443", "10.0.0.3:443"], "what is denied opens nothing");
    let post = |host: &str| (host.to_owned(), "POST".to_owned());
    assert_eq!(terms.methods, [post("10.0.0.5:443"), post("mirror.example.org:80")]);
    assert!(user(&text).prompt_text().contains("methods = ['POST']"));
    // The strictest layer decides, also about the address behind a name.
    for denying in [LayerKind::Organisation, LayerKind::User, LayerKind::Workspace] {
        let allows = format!("schema = 1\n{}", rule("allow", "methods = [\"POST\"]\n"));
        let hosts = if denying == LayerKind::User { "" } else { "hosts = [\"10.0.0.5:443\", \"mirror.example.org:80\"]\n" };
        let denies = format!("[[rule]]\nid = \"never\"\naction = \"net\"\nverdict = \"deny\"\n{hosts}");
        let other = format!("schema = 1\n{denies}");
        let both = format!("{allows}{denies}");
        let mut layers = match denying {
            LayerKind::User => vec![super::world::layer(LayerKind::User, &both)],
            _ => vec![super::world::layer(LayerKind::User, &allows), super::world::layer(denying, &other)],
        };
        layers.sort_by_key(|layer| layer.kind);
        let terms = Policy::load(&layers).unwrap().net_terms();
        assert!(terms.private.is_empty() && terms.methods.is_empty(), "{denying}: {terms:?}");
    }
    let workspace = format!("schema = 1\n{}", rule("ask", ""));
    let layers = [super::world::layer(LayerKind::Workspace, &workspace)];
    assert_eq!(Policy::load(&layers).unwrap().net_terms().private, Vec::<String>::new(), "a workspace opens nothing");
    let host = "hosts = [\"a.test:80\"]\n";
    for (bad, why) in [
        (format!("action = \"net\"\nverdict = \"deny\"\n{host}methods = [\"POST\"]\n"), "`methods` opens more"),
        ("action = \"net\"\nverdict = \"allow\"\nmethods = [\"POST\"]\n".to_owned(), "`methods` opens more"),
        (format!("action = \"net\"\nverdict = \"allow\"\n{host}methods = [\"post\"]\n"), "no method of HTTP"),
        (format!("action = \"fetch\"\nverdict = \"allow\"\n{host}methods = [\"POST\"]\n"), "means nothing"),
    ] {
        let text = format!("schema = 1\n[[rule]]\nid = \"x\"\n{bad}");
        let error = Policy::load(&[super::world::layer(LayerKind::User, &text)]).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn listed_registries_are_judged_by_the_word_about_commands_with_network() {
    let with = |run_net: &str, net: &str, more: &str| {
        user(&format!(
            "schema = 1\n[default]\nrun = \"allow\"\n\"run.net\" = \"{run_net}\"\nnet = \"{net}\"\n[run]\n\
             registries = [\"cargo\", \"mirror.example.org:443\", \"127.0.0.1:80\"]\n{more}"
        ))
    };
    let verdict = |policy: &Policy, hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        judge(policy, &Action::RunNet { command: "cargo fetch".to_owned(), cwd: WsPath::root(), hosts }).verdict
    };
    for (word, expected) in [("allow", Allow), ("ask", Ask), ("deny", Deny)] {
        let policy = with(word, "deny", "");
        assert_eq!(verdict(&policy, &["mirror.example.org:443"]), expected, "{word}");
        assert_eq!(verdict(&policy, &["index.example.org:443"]), Deny, "nobody named it");
        let found = ["index.example.org:443".to_owned(), "10.0.0.1:443".to_owned(), "bad".to_owned()];
        let knowing = policy.knowing_registries(&found);
        assert_eq!((knowing.sha(), knowing.prompt_text()), (policy.sha(), policy.prompt_text()));
        assert_eq!(verdict(&knowing, &["index.example.org:443", "mirror.example.org:443"]), expected, "{word}");
        for host in ["other.example.org:443", "10.0.0.1:443", "127.0.0.1:80", "cargo"] {
            assert_eq!(verdict(&knowing, &[host]), Deny, "{host}");
        }
    }
    let ruled = "[[rule]]\nid = \"no\"\naction = \"net\"\nverdict = \"deny\"\nhosts = [\"mirror.example.org:443\"]\n";
    assert_eq!(verdict(&with("allow", "allow", ruled), &["mirror.example.org:443"]), Deny, "rules count");
    for wrong in ["gem", "Mirror.example.org:443", "https://mirror.example.org", "mirror.example.org"] {
        let text = format!("schema = 1\n[run]\nregistries = [\"{wrong}\"]\n");
        let layer = LayerText { kind: LayerKind::User, name: "policy.toml".to_owned(), text: &text };
        let error = Policy::load(&[layer]).unwrap_err();
        assert!(error.to_string().contains("registries") && error.line == Some(3), "{error}");
    }
}
