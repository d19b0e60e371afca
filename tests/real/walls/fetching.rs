//! Packages: fetched with network through the proxy, kept beside the session, used without network; nothing of the user's own
//! caches is ever changed.

use std::{path::PathBuf, time::Duration};

use countersign::{
    path::WsPath,
    seams::{Command, ConnectionNews, NetTerms, Sandbox, SandboxSpec, Shadow, Stopped},
};
use tokio_util::sync::CancellationToken;

use super::{bench::*, stock::Stock};

/// A bench whose package managers use a stock of their own, which the user's policy names.
async fn stocked(change: impl FnOnce(&std::path::Path)) -> (Bench, Stock) {
    let stock = Stock::open();
    let bench = Bench::with(|root, spec| {
        stock.serve(&root.join("home"));
        spec.net = NetTerms { private: vec![stock.host.clone()], ..NetTerms::default() };
        change(root);
    })
    .await;
    (bench, stock)
}

/// Runs with network to the stock; the hosts that it was let to, and those that it was refused.
async fn fetch(bench: &Bench, stock: &Stock, text: &str) -> (Ran, Vec<String>, Vec<String>) {
    let ran = bench.net(text, std::slice::from_ref(&stock.host)).await;
    let hosts = |of: fn(&ConnectionNews) -> bool| {
        let some = ran.news.iter().filter(move |one| of(&one.news));
        some.map(|one| format!("{}:{}", one.host, one.port)).collect::<Vec<_>>()
    };
    let opened = hosts(|news| matches!(news, ConnectionNews::Opened(_)));
    let refused = hosts(|news| matches!(news, ConnectionNews::Refused(_)));
    (ran, opened, refused)
}

/// A registry that no command here is let to.
const ELSEWHERE: &str = "packages.example:80";

const CRATE: &str = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nadder = \"1\"\n";
const LIB: &str = "pub fn three() -> u32 { adder::add(1, 2) }\n#[test]\nfn is_three() { assert_eq!(three(), 3); }\n";

#[tokio::test]
async fn cargo_fetches_with_network_and_builds_without() {
    let (bench, stock) = stocked(|root| {
        put(root, "w/Cargo.toml", CRATE);
        put(root, "w/src/lib.rs", LIB);
    })
    .await;
    let before = bench.world();
    let closed = bench.sh("cargo fetch 2>&1").await;
    assert!(!closed.ok() && stock.times("") == 0, "{closed:?}");
    let elsewhere = "cargo fetch --config 'source.stock.registry=\"sparse+http://packages.example/index/\"' 2>&1";
    let (denied, _, refused) = fetch(&bench, &stock, elsewhere).await;
    assert!(!denied.ok() && stock.times("") == 0, "{denied:?}");
    assert!(refused.contains(&ELSEWHERE.to_owned()), "{:?}", refused);
    assert!(denied.output.contains("not among the hosts"), "{}", denied.output);

    let (fetched, opened, refused) = fetch(&bench, &stock, "cargo fetch 2>&1").await;
    assert!(fetched.ok() && refused.is_empty() && opened.contains(&stock.host), "{fetched:?}");
    assert_eq!(fetched.outcome.changed, ["Cargo.lock"]);
    assert_eq!(stock.times("/crates/adder/"), 1);
    let built = bench.must("cargo test --offline --lib 2>&1").await;
    assert!(built.contains("Compiling adder") && built.contains("1 passed"), "{built}");
    // Only what an unsaved text changed is built anew.
    let edited = shadow([typed("src/lib.rs", &LIB.replace("1, 2", "1, 3"))]);
    let again = bench.with_shadow("cargo test --offline --lib 2>&1", &edited).await;
    assert!(!again.ok() && again.output.contains("1 failed"), "{again:?}");
    assert!(again.output.contains("Compiling small") && !again.output.contains("Compiling adder"), "{again:?}");
    assert_eq!(bench.world(), before, "neither the user's caches nor the workspace changed");
}

const PACKAGE: &str = "{\"name\": \"w\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node test.js\"}}\n";
const SCRIPT: &str = "if (require('tiny') !== 42) throw new Error('odd'); console.log('all well');\n";

#[tokio::test]
async fn npm_fetches_with_network_and_works_without() {
    let (bench, stock) = stocked(|root| {
        put(root, "w/package.json", PACKAGE);
        put(root, "w/test.js", SCRIPT);
    })
    .await;
    let before = bench.world();
    let elsewhere = "npm install tiny --no-audit --fetch-retries=0 --registry=http://packages.example/ 2>&1";
    let (denied, _, refused) = fetch(&bench, &stock, elsewhere).await;
    assert!(!denied.ok() && stock.times("") == 0 && refused.contains(&ELSEWHERE.to_owned()), "{denied:?}");
    assert!(denied.output.contains("not open for this command"), "{denied:?}");

    let (fetched, opened, refused) = fetch(&bench, &stock, "npm install tiny --no-audit 2>&1").await;
    assert!(fetched.ok() && refused.is_empty() && opened.contains(&stock.host), "{fetched:?}");
    assert_eq!(stock.times(".tgz"), 1);
    assert!(bench.must("npm test 2>&1").await.contains("all well"));
    // From the cache alone.
    let anew = bench.must("rm -r node_modules && npm ci --offline --no-audit 2>&1 && npm test 2>&1").await;
    assert!(anew.contains("all well"), "{anew}");
    // What is installed stands, whatever text is typed.
    let edited = shadow([typed("test.js", &SCRIPT.replace("all well", "all better"))]);
    let text = "stat -c %y node_modules/tiny/index.js; npm install --offline --no-audit 2>&1 && npm test && stat -c %y node_modules/tiny/index.js";
    let warm = bench.with_shadow(text, &edited).await;
    let lines: Vec<&str> = warm.output.trim().lines().collect();
    assert!(warm.ok() && warm.output.contains("up to date") && warm.output.contains("all better"), "{warm:?}");
    assert_eq!(lines.first(), lines.last(), "{warm:?}");
    assert_eq!(stock.times(".tgz"), 1);
    assert_eq!(bench.world(), before);
}

#[tokio::test]
async fn pip_fetches_with_network_and_its_packages_work_without() {
    let (bench, stock) = stocked(|root| put(root, "w/main.py", "import pytiny\nprint(pytiny.ANSWER)\n")).await;
    let before = bench.world();
    let install = "/usr/bin/python3 -m pip install --retries 0 --target libs pytiny 2>&1";
    let elsewhere = format!(
        "{} --index-url http://packages.example/simple --trusted-host packages.example 2>&1",
        install.trim_end_matches(" 2>&1")
    );
    let (denied, _, refused) = fetch(&bench, &stock, &elsewhere).await;
    assert!(!denied.ok() && stock.times("") == 0 && refused.contains(&ELSEWHERE.to_owned()), "{denied:?}");
    // pip swallows what it is answered; the proxy's own word is what the result shows.
    let why = denied.news.iter().map(|one| format!("{:?}", one.news)).collect::<String>();
    assert!(why.contains("not among the hosts"), "{why}");
    let (fetched, opened, refused) = fetch(&bench, &stock, install).await;
    assert!(fetched.ok() && refused.is_empty() && opened.contains(&stock.host), "{fetched:?}");
    assert_eq!(bench.must("PYTHONPATH=libs /usr/bin/python3 main.py").await, "42\n");
    assert_eq!(stock.times(".whl"), 1);
    assert_eq!(bench.world(), before);
}

#[tokio::test]
async fn only_a_command_with_network_writes_to_package_caches_and_only_to_this_sessions() {
    let caches = [".cargo/registry", ".cargo/git", ".npm/_cacache", ".cache/pip", "go/pkg/mod"];
    let (bench, stock) = stocked(|root| put(root, "home/.npm/_cacache/theirs", "the user's\n")).await;
    let before = bench.world();
    let write: String = caches.iter().map(|cache| format!("mkdir -p ~/{cache} && echo ours > ~/{cache}/f && ")).collect();
    // Their folders are private to a command; the user's own cache is read-only.
    assert!(!bench.sh("echo x > ~/.npm/_cacache/f").await.ok());
    let (written, ..) =
        fetch(&bench, &stock, &format!("{write} echo changed > ~/.npm/_cacache/theirs && rm -r ~/.npm/_cacache/theirs && true"))
            .await;
    assert!(written.ok(), "{written:?}");
    for cache in caches {
        assert_eq!(bench.must(&format!("cat ~/{cache}/f")).await, "ours\n", "{cache}");
        let denied = bench.sh(&format!("echo x > ~/{cache}/f")).await;
        assert!(!denied.ok() && denied.output.contains("Read-only"), "{cache}: {denied:?}");
    }
    assert!(!bench.sh("cat ~/.npm/_cacache/theirs").await.ok(), "what the fetch removed stays removed in this session");
    assert_eq!(bench.world(), before, "the user's own caches");

    // Another session has the user's; handed over, it sees what was fetched and cannot change it.
    let another = async |packages: Option<PathBuf>| {
        let spec = SandboxSpec { packages, ..spec(&bench.path("w")) };
        let session = sandbox(&bench.path("")).open(spec).await.unwrap();
        let text = "cat ~/.cargo/registry/f; cat ~/.npm/_cacache/theirs; echo x > ~/.cargo/registry/g".to_owned();
        let mut said = Collect::default();
        let network = vec![stock.host.clone()];
        let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(20), network };
        let outcome = session.run(command, &Shadow::default(), &mut said, &CancellationToken::new()).await.unwrap();
        (outcome.exit, said.text())
    };
    let (exit, said) = another(None).await;
    assert!(exit == Some(0) && said.contains("the user's") && !said.contains("ours"), "{said}");
    let fetched = bench.session.packages();
    assert!(fetched.is_some());
    let (exit, said) = another(fetched).await;
    assert!(exit != Some(0) && said.contains("ours") && said.contains("Read-only") && !said.contains("the user's"), "{said}");
}

#[tokio::test]
async fn packages_count_as_what_commands_leave() {
    let stock = Stock::open();
    let bench = Bench::with(|_, spec| spec.shadow_size = 32 * MIB).await;
    let text = "mkdir -p ~/.npm/_cacache && head -c 64M /dev/zero > ~/.npm/_cacache/f && sleep 20";
    let (ended, ..) = fetch(&bench, &stock, text).await;
    assert_eq!(ended.outcome.stopped, Some(Stopped::Shadow), "{ended:?}");
    // Control: less than that may stay.
    let (fine, ..) = fetch(&bench, &stock, "rm -f ~/.npm/_cacache/f; head -c 1M /dev/zero > ~/.npm/_cacache/f").await;
    assert!(fine.ok(), "{fine:?}");
}

#[tokio::test]
async fn a_cache_that_cannot_be_layered_refuses_the_command() {
    let (bench, stock) = stocked(|_| {}).await;
    let (fetched, ..) = fetch(&bench, &stock, "echo x > ~/.npm/_cacache/f").await;
    assert!(fetched.ok(), "{fetched:?}");
    assert_eq!(bench.must("cat ~/.npm/_cacache/f").await, "x\n");
    let upper = bench.session.packages().unwrap().join("packages/2/upper");
    std::fs::rename(&upper, upper.with_extension("away")).unwrap();
    let run = async || bench.run("echo ran", &Shadow::default(), Duration::from_secs(10), &CancellationToken::new()).await;
    let refused = run().await.unwrap_err();
    assert!(refused.step == "package caches" && !refused.hint.is_empty(), "{refused:?}");
    std::fs::rename(upper.with_extension("away"), &upper).unwrap();
    assert_eq!(run().await.unwrap().output, "ran\n");
}

#[test]
fn a_person_names_a_package_manager_on_the_command_line() {
    let stock = Stock::open();
    let root = folders();
    let home = root.path().join("home");
    stock.serve(&home);
    put(root.path(), "w/Cargo.toml", CRATE);
    put(root.path(), "w/src/lib.rs", LIB);
    let run = |net: &str| {
        let mut command = std::process::Command::new(exe());
        command.args(["sandbox", "run", "--net", net, "--", "cargo", "fetch"]).current_dir(root.path().join("w"));
        command.env_clear().envs(environment(&home)).env_remove("LD_PRELOAD").env_remove("BASH_ENV");
        let ran = command.output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, said) = run("cargo");
    assert_eq!((code, stock.times("/crates/adder/")), (Some(0), 1), "{said}");
    assert!(said.contains("was not used here yet") && said.contains("Cargo.lock"), "{said}");
    // Control: another manager's name opens other hosts.
    put(root.path(), "home/.npmrc", "registry=http://npm.example/\n");
    let (code, said) = run("npm");
    assert!(code != Some(0) && stock.times("/crates/adder/") == 1, "{said}");
}
