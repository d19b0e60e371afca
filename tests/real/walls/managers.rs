//! Package managers: their hosts as their own configuration has them, and that configuration without credentials.

use std::{collections::BTreeMap, fs};

use countersign::{
    path::WsPath,
    policy::host_and_port,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Registry, Sandbox, SandboxSession, Shadow},
};
use tokio_util::sync::CancellationToken;

use super::bench::*;

/// The hosts that a name stands for in this home, with these variables changed.
async fn found(root: &Folders, name: &str, changes: &[(&str, String)]) -> Result<Registry, String> {
    let mut variables: BTreeMap<String, String> = environment(&root.path().join("home"));
    variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let found = LinuxSandbox::with_environment(paths, variables).registry(name, &root.path().join("w")).await;
    assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 0, "nothing is left of the question");
    if let Ok(Registry { hosts, .. }) = &found {
        assert!(!hosts.is_empty() && hosts.iter().all(|host| host_and_port(host).is_some()), "{hosts:?}");
    }
    found
}

#[tokio::test]
async fn npm_names_the_users_registries_and_none_of_the_workspace() {
    let root = folders();
    let own = found(&root, "npm", &[]).await.unwrap();
    let none = found(&root, "npm", &[("PATH", "/nonexistent".into())]).await.unwrap_err();
    assert!(none.contains("npm is not installed") && none.contains("host:port"), "{none}");
    put(root.path(), "w/.npmrc", "registry=https://npm.hostile.example/\n");
    put(root.path(), "w/package.json", "{}");
    assert_eq!(found(&root, "npm", &[("npm_config_registry", "https://npm.hostile.example/".into())]).await.unwrap(), own);
    put(
        root.path(),
        "home/.npmrc",
        "registry = https://me:secret@npm.example/x/\n@team:registry=http://team.example:8080/\n//npm.example/:_authToken=x\n",
    );
    let set = found(&root, "npm", &[]).await.unwrap();
    assert_eq!(set.hosts, ["npm.example:443", "team.example:8080"]);
}

#[tokio::test]
async fn pip_names_what_it_is_set_to_and_else_what_it_knows() {
    let root = folders();
    let path = ("PATH", "/usr/bin:/bin".to_owned());
    let own = found(&root, "pip", std::slice::from_ref(&path)).await.unwrap();
    assert_eq!(own.hosts.len(), 2, "an index and its files: {own:?}");
    put(root.path(), "w/pip.conf", "[global]\nindex-url = https://pip.hostile.example/\n");
    put(
        root.path(),
        "home/.config/pip/pip.conf",
        "[global]\nextra-index-url =\n    https://one.example/simple\n    https://me:secret@two.example:8443/simple\n",
    );
    let changed = [path.clone(), ("PIP_INDEX_URL", "https://pip.hostile.example/".into())];
    let more = found(&root, "pip", &changed).await.unwrap();
    let mut expected = own.hosts.clone();
    expected.extend(["one.example:443".to_owned(), "two.example:8443".to_owned()]);
    expected.sort();
    assert_eq!(more.hosts, expected);
    put(root.path(), "home/.config/pip/pip.conf", "[install]\nindex-url = https://pip.example/simple\n");
    let other = found(&root, "pip", &[path]).await.unwrap();
    assert_eq!(other.hosts, ["pip.example:443"]);
    assert!(other.notes[0].contains("files"), "{other:?}");
}

#[tokio::test]
async fn cargo_names_its_configuration_and_else_what_it_would_ask() {
    let root = folders();
    let own = found(&root, "cargo", &[]).await.unwrap();
    let [index] = own.hosts.as_slice() else { panic!("one index of its own: {own:?}") };
    assert!(own.notes[0].contains("not used here yet"), "{own:?}");
    // An index that it used tells where its crates lie; one that is not configured tells nothing.
    let (name, _) = host_and_port(index).unwrap();
    let config = |host: &str| format!("{{\"dl\": \"https://{host}/crates/{{crate}}\"}}");
    put(root.path(), &format!("home/.cargo/registry/index/{name}-0123456789abcdef/config.json"), &config("files.example"));
    put(root.path(), "home/.cargo/registry/index/hostile.example-0123456789abcdef/config.json", &config("worse.example"));
    put(root.path(), "w/.cargo/config.toml", "[registries.x]\nindex = \"sparse+https://hostile.example/\"\n");
    let used = found(&root, "cargo", &[]).await.unwrap();
    let mut expected = vec![index.clone(), "files.example:443".to_owned()];
    expected.sort();
    assert_eq!((used.hosts, used.notes), (expected, vec![]));
    put(
        root.path(),
        "home/.cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"a\"\n[source.a]\nreplace-with = \"b\"\n[source.b]\nregistry = \"sparse+https://mirror.example/\"\n[registries.mine]\nindex = \"sparse+https://me:x@mine.example:8443/i/\"\ntoken = \"x\"\n",
    );
    let set = found(&root, "cargo", &[]).await.unwrap();
    assert_eq!(set.hosts, ["mine.example:8443", "mirror.example:443"]);
    put(
        root.path(),
        "home/.cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"a\"\n[source.a]\ndirectory = \"/srv/vendor\"\n",
    );
    let local = found(&root, "cargo", &[]).await.unwrap_err();
    assert!(local.contains("host:port"), "{local}");
}

#[tokio::test]
async fn go_names_its_proxies_and_says_what_is_not_named() {
    let root = folders();
    let tool = |text: &str| {
        program(&root.path().join("tools/go"), text);
        [
            ("PATH", format!("{}:/usr/bin:/bin", root.path().join("tools").display())),
            ("GOPROXY", "https://hostile.example".into()),
        ]
    };
    // It is asked in an empty folder and without the server's variables.
    let answers = r#"#!/bin/sh
[ "$*" = "env -json GOPROXY GOSUMDB" ] && [ -z "$GOPROXY" ] && [ -z "$(ls -A)" ] || exit 1
printf '{"GOPROXY": "https://proxy.example,direct", "GOSUMDB": "sums.example"}'
"#;
    let named = found(&root, "go", &tool(answers)).await.unwrap();
    assert_eq!(named.hosts, ["proxy.example:443", "sums.example:443"]);
    assert!(named.notes[0].contains("own hosts"), "{named:?}");
    let failing = found(&root, "go", &tool("#!/bin/sh\nexit 3\n")).await.unwrap_err();
    assert!(failing.contains("go env") && failing.contains("3"), "{failing}");
    let none = found(&root, "go", &[("PATH", "/nonexistent".into())]).await.unwrap_err();
    assert!(none.contains("go is not installed"), "{none}");
    assert!(found(&root, "gem", &[]).await.unwrap_err().contains("gem"));
}

/// What an editor may have taken from the workspace: a toolchain there would run outside the walls.
#[tokio::test]
async fn no_program_of_the_workspace_is_asked() {
    let root = folders();
    let w = root.path().join("w");
    let mark = root.path().join("ran");
    let toolchain = |at: &std::path::Path| {
        program(&at.join("bin/cargo"), format!("#!/bin/sh\necho ran >> {}\nexit 1\n", mark.display()));
        program(&at.join("bin/rustc"), "#!/bin/sh\nexit 1\n");
        at.display().to_string()
    };
    let (inside, outside) = (toolchain(&w.join("toolchain")), toolchain(&root.path().join("toolchain")));
    std::os::unix::fs::symlink(&w, root.path().join("link")).unwrap();
    let own = found(&root, "cargo", &[]).await.unwrap();
    let linked = root.path().join("link/toolchain").display().to_string();
    let climbing = root.path().join("home/../w/toolchain").display().to_string();
    for value in [inside, linked, climbing] {
        assert_eq!(found(&root, "cargo", &[("RUSTUP_TOOLCHAIN", value.clone())]).await.as_ref(), Ok(&own), "{value}");
        assert!(!mark.exists(), "{value}");
    }
    // The control: one of the user's own is asked.
    found(&root, "cargo", &[("RUSTUP_TOOLCHAIN", outside)]).await.unwrap_err();
    assert!(mark.exists());
    // Its folder and its configuration there count as little.
    put(root.path(), "w/home/config.toml", "[registries.x]\nindex = \"sparse+https://hostile.example/\"\n");
    let set = ("CARGO_HOME", w.join("home").display().to_string());
    assert_eq!(found(&root, "cargo", &[set]).await, Ok(own));
    let paths = SandboxPaths { exe: exe(), cache: w.join("cache") };
    let within = LinuxSandbox::with_environment(paths, environment(&root.path().join("home"))).registry("npm", &w).await;
    assert!(within.as_ref().is_err_and(|why| why.contains("lies in the workspace")), "{within:?}");
    assert!(!w.join("cache").exists());
}

/// Configuration of a user with the canary wherever such files hold secrets, and what of it commands need.
const CONFIGURED: &[(&str, &str)] = &[
    (
        "home/.npmrc",
        "registry=https://me:canary-4711-do-not-leak@npm.example/\n@team:registry=https://canary-4711-do-not-leak@team.example/\n//npm.example/:_authToken=canary-4711-do-not-leak\n_auth=canary-4711-do-not-leak\n_password = canary-4711-do-not-leak\nproxy=http://canary-4711-do-not-leak@proxy.example\nignore-scripts=true\n",
    ),
    (
        "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://me:canary-4711-do-not-leak@pip.example/simple\npassword = canary-4711-do-not-leak\n  canary-4711-do-not-leak\nretries = 7\n[install]\nextra-index-url =\n    https://canary-4711-do-not-leak@more.example/simple\n    canary-4711-do-not-leak@odd.example\n",
    ),
    ("home/.pip/pip.conf", "[global]\nindex_url: https://me:canary-4711-do-not-leak@old.example/simple?a=b\n"),
    ("home/.config/go/env", "GOPROXY=https://me:canary-4711-do-not-leak@go.example,direct\nGOAUTH=canary-4711-do-not-leak\n"),
    (
        "home/.cargo/config.toml",
        "[registries.mine]\nindex = \"sparse+https://me:canary-4711-do-not-leak@crates.example/\"\ntoken = \"canary-4711-do-not-leak\"\n[registry]\ndefault = \"mine\"\ntoken = \"canary-4711-do-not-leak\"\n[http]\nproxy = \"http://canary-4711-do-not-leak@proxy.example\"\ntimeout = 9\n[patch.\"https://canary-4711-do-not-leak@x.example\"]\na = { git = \"https://canary-4711-do-not-leak@y.example\" }\n[patch.crates-io]\nb = { git = \"https://canary-4711-do-not-leak@z.example/b\" }\n",
    ),
];

#[tokio::test]
async fn configuration_is_there_without_its_credentials() {
    let place = visible();
    for (path, text) in [("bin/none", ""), ("etc/npmrc", CONFIGURED[0].1), ("pip.conf", CONFIGURED[1].1)] {
        put(place.path(), path, text);
    }
    let root = folders();
    CONFIGURED.iter().for_each(|(path, text)| put(root.path(), path, text));
    let mut variables = environment(&root.path().join("home"));
    let path = format!("{}:{}", place.path().join("bin").display(), variables["PATH"]);
    variables.insert("PATH".into(), path);
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let session = LinuxSandbox::with_environment(paths, variables).open_here(&spec(&root.path().join("w"))).unwrap();
    let text = format!(
        "cat ~/.npmrc ~/.config/pip/pip.conf ~/.pip/pip.conf ~/.config/go/env ~/.cargo/config.toml {0}/etc/npmrc {0}/pip.conf; \
         grep -rs canary ~ {0}; npm config get registry 2>/dev/null; npm config get ignore-scripts 2>/dev/null; \
         /usr/bin/python3 -m pip config list",
        place.path().display()
    );
    let command = Command { text, cwd: WsPath::root(), timeout: std::time::Duration::from_secs(60), network: Vec::new() };
    let mut said = Collect::default();
    let outcome = session.run(command, &Shadow::default(), &mut said, &CancellationToken::new()).await.unwrap();
    let said = said.text();
    assert!(outcome.exit == Some(0) && !said.contains(CANARY), "{said}");
    for part in [
        "registry=https://npm.example/\n",
        "@team:registry=https://team.example/\n",
        "ignore-scripts=true\n",
        "index-url=https://pip.example/simple\n",
        "    https://more.example/simple\n",
        "index_url=https://old.example/simple\n",
        "GOPROXY=https://go.example,direct\n",
        "sparse+https://crates.example/",
        "default = \"mine\"",
        "https://z.example/b",
        "timeout = 9",
        "\nhttps://npm.example/\ntrue\n",
        "global.retries='7'",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    // Control: the canary does stand in each of them.
    assert!(CONFIGURED.iter().all(|(path, _)| fs::read_to_string(root.path().join(path)).unwrap().contains(CANARY)));
}
