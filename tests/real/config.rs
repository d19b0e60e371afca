//! What the user set, read from real folders: broken files, files of others, hostile workspaces.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use countersign::config::{
    Config, Environment, Folders, Save, TrustStore, keys,
    model::{self, Provider},
    policy::organisation,
    policy_layers,
    tasks::{Mode, Origin, Tasks, Variables, When},
};
use countersign::policy::LayerKind;
use tempfile::TempDir;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// A user's folders below a temporary one.
fn folders(home: &TempDir) -> Folders {
    Folders::of(&environment(&[("HOME", home.path().to_str().unwrap())])).unwrap()
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    path.to_owned()
}

fn config(text: &str) -> Result<Config, countersign::config::ConfigError> {
    let home = TempDir::new().unwrap();
    write(&folders(&home).config.join("config.toml"), text);
    Config::load(&folders(&home))
}

#[test]
fn folders_follow_xdg_and_ignore_relative_ones() {
    let all = environment(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "relative"), ("XDG_CACHE_HOME", "")]);
    let folders = Folders::of(&all).unwrap();
    assert_eq!(folders.config, Path::new("/c/countersign"));
    assert_eq!(folders.state, Path::new("/h/.local/state/countersign"));
    assert_eq!(folders.cache, Path::new("/h/.cache/countersign"));
    assert!(Folders::of(&environment(&[("HOME", "relative")])).unwrap_err().to_string().contains("HOME"));
}

#[test]
fn debug_never_shows_a_value() {
    let environment = environment(&[("ANTHROPIC_API_KEY", "sk-hidden"), ("OTHER", "sk-hidden")]);
    let secret = environment.secret("ANTHROPIC_API_KEY").unwrap().unwrap();
    assert_eq!(secret.expose(), "sk-hidden");
    let shown = format!("{environment:?} {secret:?}");
    assert!(shown.contains("ANTHROPIC_API_KEY") && !shown.contains("hidden\""), "{shown}");
    assert!(!shown.contains("sk-"), "{shown}");
}

#[test]
fn an_absent_file_means_the_defaults_and_a_full_one_is_read() {
    let home = TempDir::new().unwrap();
    let defaults = Config::load(&folders(&home)).unwrap();
    assert_eq!((defaults.approval.timeout_s, defaults.approval.min_seconds, defaults.review.save), (1800, 1.0, Save::Clean));
    let full = config(
        "[model]\nname = 'anthropic:m'\nkey_command = ['pass', 'show']\nmax_tokens = 16000\n\
         [model.base_url]\nopenai = 'http://127.0.0.1:1/v1'\n\
         [model.prices.m]\ninput = 3\noutput = 15.5\n[model.capabilities.m]\ncontext = 200000\n\
         [review]\nsave = 'never'\ndiagnostics = 'always'\n[git]\nbranch = 'agent'\nallow_file_remotes = true\n\
         [checks]\ncommands = ['make test']\n[approval]\ntimeout_s = 60\nmin_seconds = 0.5\n[journal]\n",
    )
    .unwrap();
    assert_eq!(full.model.prices["m"].output, 15.5);
    assert_eq!((full.review.save, full.approval.timeout_s, full.git.allow_file_remotes), (Save::Never, 60, true));
}

#[test]
fn a_broken_file_is_refused_whole_with_its_line() {
    for (text, line, word) in [
        ("[model]\nnmae = 'x'\n", 2, "nmae"),
        ("\n\n[modell]\n", 3, "modell"),
        ("[model]\nname = 7\n", 2, "string"),
        ("[model\n", 1, ""),
        ("[approval]\ntimeout_s = 5\n", 2, "10 to 86400"),
        ("[approval]\n\nmin_seconds = -1\n", 3, "0 to 60"),
        ("[approval]\nmin_seconds = nan\n", 2, "0 to 60"),
        ("[review]\nsave = 'sometimes'\n", 2, "sometimes"),
        ("[model]\nkey_command = []\n", 2, "program"),
        ("[model]\nmax_tokens = 1\n", 2, "256"),
        ("[model.base_url]\nanthropic = 'ftp://x'\n", 2, "http"),
        ("[model.base_url]\nanthropic = 'https://u:p@x'\n", 2, "no user"),
        ("[model.prices.m]\ninput = -1\noutput = 1\n", 2, "price"),
        ("[journal]\nkeep = 1\n", 2, "keep"),
    ] {
        let error = config(text).expect_err(text);
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.to_string().contains(word), "{text}: {error}");
        assert!(error.file.as_ref().unwrap().ends_with("config.toml"));
        assert!(!error.to_string().contains('\n'), "one sentence: {error}");
    }
}

#[test]
fn a_file_that_is_no_text_or_has_no_end_is_refused() {
    let home = TempDir::new().unwrap();
    let path = write(&folders(&home).config.join("config.toml"), "");
    fs::write(&path, b"\n\xff\n").unwrap();
    let error = Config::load(&folders(&home)).unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (Some(2), "is not UTF-8"));
    for device in ["/dev/zero", "/dev/null"] {
        fs::remove_file(&path).unwrap();
        symlink(device, &path).unwrap();
        assert!(Config::load(&folders(&home)).unwrap_err().message.contains("regular file"));
    }
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Config::load(&folders(&home)).unwrap_err().message.contains("regular file"));
    fs::remove_file(&path).unwrap();
    write(&path, &"#".repeat(2 << 20));
    assert!(Config::load(&folders(&home)).unwrap_err().message.contains("1 MiB"));
}

#[test]
fn the_model_comes_from_flag_file_or_first_key() {
    let none = environment(&[]);
    let named = config("[model]\nname = 'ollama:x'\n").unwrap();
    assert_eq!(model::spec(Some("script:f"), &none, &named).unwrap(), "script:f");
    assert_eq!(model::spec(None, &none, &named).unwrap(), "ollama:x");
    let both = environment(&[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k")]);
    assert!(model::spec(None, &both, &Config::default()).unwrap().starts_with("anthropic:"));
    let openai = environment(&[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", " ")]);
    assert!(model::spec(None, &openai, &Config::default()).unwrap().starts_with("openai:"));
    assert!(model::spec(None, &none, &Config::default()).unwrap_err().to_string().contains("no key was found"));
}

#[test]
fn a_foreign_base_url_is_known_as_one() {
    let at = |url: &str| model::endpoint(Provider::Anthropic, &environment(&[("ANTHROPIC_BASE_URL", url)]), &Config::default());
    let vendor = model::endpoint(Provider::Anthropic, &environment(&[]), &Config::default()).unwrap();
    assert!(!vendor.foreign);
    for (url, foreign) in [
        ("https://api.anthropic.com/", false),
        ("http://127.0.0.1:8080", false),
        ("http://[::1]:8080", false),
        ("http://localhost:1", false),
        ("https://gateway.example.com", true),
        ("https://api.anthropic.com.evil.example", true),
        ("https://api.anthropic.com:8443", true),
    ] {
        assert_eq!(at(url).expect(url).foreign, foreign, "{url}");
    }
    for bad in [
        "nonsense",
        "file:///etc/passwd",
        "https://k@api.anthropic.com",
        "https://x?key=1",
        "http://api.anthropic.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
    ] {
        assert!(at(bad).is_err(), "{bad}");
    }
    // No key goes to Ollama.
    let far = environment(&[("OLLAMA_HOST", "gpu.example.com:11434")]);
    assert!(model::endpoint(Provider::Ollama, &far, &Config::default()).unwrap().foreign);
    let ollama = environment(&[("OLLAMA_HOST", "127.0.0.1:9")]);
    assert_eq!(model::endpoint(Provider::Ollama, &ollama, &Config::default()).unwrap().url.port(), Some(9));
}

#[tokio::test]
async fn keys_come_from_environment_then_command_then_file_and_go_to_one_vendor() {
    let home = TempDir::new().unwrap();
    let folders = folders(&home);
    let none = environment(&[]);
    let find = |provider, environment: &Environment, config: &Config| {
        let (environment, folders, config) = (environment.clone(), folders.clone(), config.clone());
        async move { keys::find(provider, &environment, &folders, &config).await }
    };
    let commanded = config("[model]\nname = 'anthropic:m'\nkey_command = ['printf', 'from-command\\nnotes']\n").unwrap();
    assert!(find(Provider::Anthropic, &none, &Config::default()).await.unwrap().is_none());
    let (key, source) = find(Provider::Anthropic, &none, &commanded).await.unwrap().unwrap();
    assert_eq!((key.expose(), source), ("from-command", keys::Source::Command));
    assert!(find(Provider::OpenAi, &none, &commanded).await.unwrap().is_none(), "another vendor's");

    let file = write(&folders.config.join("anthropic.key"), "from-file\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = find(Provider::Anthropic, &none, &Config::default()).await.unwrap_err();
    assert!(open.to_string().contains("chmod 600") && !open.to_string().contains("from-file"), "{open}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(find(Provider::Anthropic, &none, &Config::default()).await.unwrap().unwrap().0.expose(), "from-file");
    assert_eq!(find(Provider::Anthropic, &none, &commanded).await.unwrap().unwrap().0.expose(), "from-command");
    assert!(find(Provider::OpenAi, &none, &Config::default()).await.unwrap().is_none(), "another vendor's");

    let set = environment(&[("ANTHROPIC_API_KEY", " from-environment ")]);
    assert_eq!(find(Provider::Anthropic, &set, &commanded).await.unwrap().unwrap().0.expose(), "from-environment");
    let injected = environment(&[("ANTHROPIC_API_KEY", "a\r\nhost: evil")]);
    assert!(find(Provider::Anthropic, &injected, &commanded).await.is_err());

    fs::remove_file(&file).unwrap();
    for (command, word) in [
        ("['sh', '-c', 'echo locked >&2; exit 3']", "locked"),
        ("['true']", "empty"),
        ("['no-such-program-here']", "no-such-program-here"),
    ] {
        let broken = config(&format!("[model]\nname = 'anthropic:m'\nkey_command = {command}\n")).unwrap();
        let error = find(Provider::Anthropic, &none, &broken).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn an_organisations_policy_counts_only_if_root_alone_writes_it() {
    let folder = TempDir::new().unwrap();
    assert_eq!(organisation(&folder.path().join("policy.toml")).unwrap(), None);
    // The control: a file that root alone can write on every machine.
    let layer = organisation(Path::new("/etc/passwd")).unwrap().unwrap();
    assert_eq!(layer.kind, LayerKind::Organisation);
    let own = write(&folder.path().join("policy.toml"), "schema = 1\n");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(organisation(&own).unwrap_err().to_string().contains("root"));
    let link = folder.path().join("link.toml");
    symlink("/etc/passwd", &link).unwrap();
    assert!(organisation(&link).is_err(), "a link could be turned elsewhere");
}

#[test]
fn policy_layers_are_read_and_a_workspaces_only_when_trusted() {
    let home = TempDir::new().unwrap();
    let folders = folders(&home);
    let workspace = home.path().join("w");
    write(&workspace.join(".countersign/policy.toml"), "schema = 1\n");
    let kinds = |trusted, instead: Option<&Path>| {
        let layers = policy_layers(&folders, Some(&workspace), trusted, instead).unwrap();
        layers.into_iter().map(|layer| layer.kind).filter(|kind| *kind != LayerKind::Organisation).collect::<Vec<_>>()
    };
    assert_eq!(kinds(false, None), []);
    assert_eq!(kinds(true, None), [LayerKind::Workspace]);
    let user = write(&folders.config.join("policy.toml"), "schema = 1\n");
    assert_eq!(kinds(true, None), [LayerKind::User, LayerKind::Workspace]);
    fs::remove_file(&user).unwrap();
    let other = write(&home.path().join("other.toml"), "schema = 1\nname = 'other'\n");
    assert_eq!(kinds(false, Some(&other)), [LayerKind::User]);
    assert!(policy_layers(&folders, None, false, Some(Path::new("/nowhere.toml"))).is_err());
}

#[test]
fn a_workspaces_policy_is_not_read_through_links() {
    let home = TempDir::new().unwrap();
    let secret = write(&home.path().join("secret"), "schema = 1\n");
    for setup in ["file", "folder", "fifo"] {
        let workspace = home.path().join(setup);
        let dot = workspace.join(".countersign");
        match setup {
            "file" => {
                fs::create_dir_all(&dot).unwrap();
                symlink(&secret, dot.join("policy.toml")).unwrap();
            }
            "folder" => {
                fs::create_dir_all(&workspace).unwrap();
                write(&home.path().join("outside/policy.toml"), "schema = 1\n");
                symlink("../outside", &dot).unwrap();
            }
            _ => {
                fs::create_dir_all(&dot).unwrap();
                nix::unistd::mkfifo(&dot.join("policy.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
            }
        }
        let error = policy_layers(&folders(&home), Some(&workspace), true, None).expect_err(setup);
        assert!(error.file.unwrap().ends_with(".countersign/policy.toml"), "{setup}");
    }
}

#[test]
fn trust_is_for_one_folder_as_it_was() {
    let home = TempDir::new().unwrap();
    let store = TrustStore::new(&folders(&home));
    let project = home.path().join("project");
    fs::create_dir_all(project.join("below")).unwrap();
    assert!(!store.is_trusted(&project).unwrap());
    store.add(&project).unwrap();
    assert!(store.is_trusted(&project).unwrap());
    assert!(!store.is_trusted(&project.join("below")).unwrap());
    let link = home.path().join("link");
    symlink(&project, &link).unwrap();
    assert!(store.is_trusted(&link).unwrap(), "the same folder by another name");

    // Moved away and replaced: the same path, another folder.
    fs::rename(&project, home.path().join("moved")).unwrap();
    fs::create_dir(&project).unwrap();
    assert!(!store.is_trusted(&project).unwrap());
    assert!(!store.is_trusted(&home.path().join("moved")).unwrap());
    fs::remove_dir(&project).unwrap();
    fs::rename(home.path().join("moved"), &project).unwrap();
    assert!(store.is_trusted(&project).unwrap());

    // A git folder that was not there, or leads elsewhere now, brings settings that nobody agreed to.
    fs::create_dir(project.join(".git")).unwrap();
    assert!(!store.is_trusted(&project).unwrap());
    store.add(&project).unwrap();
    assert!(store.is_trusted(&project).unwrap());
    fs::rename(project.join(".git"), home.path().join("real-git")).unwrap();
    fs::create_dir(home.path().join("other-git")).unwrap();
    write(&project.join(".git"), "gitdir: ../other-git\n");
    assert!(!store.is_trusted(&project).unwrap());
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn trust_knows_the_common_folder_of_a_git_worktree() {
    let home = TempDir::new().unwrap();
    let git = |folder: &Path, arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(arguments).env("HOME", home.path());
        assert!(command.output().unwrap().status.success(), "{arguments:?}");
    };
    let main = home.path().join("main");
    fs::create_dir_all(main.join("src")).unwrap();
    git(&main, &["init", "-q"]);
    git(&main, &["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&main, &["worktree", "add", "-q", "../linked"]);
    let store = TrustStore::new(&folders(&home));
    let common = fs::canonicalize(main.join(".git")).unwrap();
    for folder in [main.clone(), main.join("src"), home.path().join("linked")] {
        assert_eq!(store.add(&folder).unwrap().git.as_ref(), Some(&common), "{folder:?}");
    }
}

#[test]
fn a_broken_list_trusts_nobody_and_says_so() {
    let home = TempDir::new().unwrap();
    let store = TrustStore::new(&folders(&home));
    let project = home.path().join("project");
    fs::create_dir(&project).unwrap();
    store.add(&project).unwrap();
    let file = folders(&home).state.join("trust.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for broken in ["", "[]", "{\"v\":2,\"entries\":[]}", "{\"v\":1,\"entries\":[{\"path\":\"/\"}]}"] {
        fs::write(&file, broken).unwrap();
        assert!(store.is_trusted(&project).is_err(), "{broken}");
        assert!(store.add(&project).is_err(), "nothing is overwritten: {broken}");
        assert_eq!(fs::read_to_string(&file).unwrap(), broken);
    }
}

#[test]
fn two_that_add_at_once_lose_nothing() {
    let home = TempDir::new().unwrap();
    let folders = folders(&home);
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (folders, project) = (&folders, home.path().join(format!("p{i}")));
            scope.spawn(move || {
                fs::create_dir(&project).unwrap();
                TrustStore::new(folders).add(&project).unwrap();
            });
        }
    });
    assert_eq!(TrustStore::new(&folders).list().unwrap().len(), 8);
    let left: Vec<_> = fs::read_dir(&folders.state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn every_built_in_task_is_there_and_renders() {
    let home = TempDir::new().unwrap();
    let tasks = Tasks::load(&folders(&home), None, false);
    assert_eq!(tasks.problems, []);
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/tasks")).unwrap();
    let mut stems: Vec<String> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    stems.sort();
    assert_eq!(tasks.tasks.keys().cloned().collect::<Vec<_>>(), stems, "each prompt file is in the binary");
    let variables =
        Variables { file: "src/a.rs", range: "1-2", selection: "fn a() {{ {% x %}", diagnostics: "unused", prompt: "why?" };
    for task in tasks.tasks.values() {
        let text = task.render(&variables).unwrap();
        assert!(text.contains("src/a.rs") && text.contains("why?"), "{}: {text}", task.name);
        assert!(task.when != When::Selection || text.contains("fn a() {{ {% x %}"), "inserted as it is: {text}");
        assert!(!text.contains("{{ file"), "{text}");
    }
    assert_eq!((tasks.tasks["ask"].when, tasks.tasks["explain"].mode), (When::Always, Mode::Explain));
}

#[test]
fn a_users_task_replaces_and_a_workspaces_only_adds() {
    let home = TempDir::new().unwrap();
    let (folders, workspace) = (folders(&home), home.path().join("w"));
    write(&folders.config.join("tasks/review.md"), "---\ntitle: Mine\nmode: plan\nwhen: always\n---\nLook at {{ file }}.\n");
    write(&workspace.join(".countersign/tasks/release-notes.md"), "---\ntitle: \"Release notes\"\n---\nWrite them.\n");
    write(&workspace.join(".countersign/tasks/review.md"), "---\ntitle: Theirs\n---\nx\n");
    symlink(home.path().join("w/.countersign/tasks/release-notes.md"), workspace.join(".countersign/tasks/link.md")).unwrap();
    let untrusted = Tasks::load(&folders, Some(&workspace), false);
    assert!(!untrusted.tasks.contains_key("release-notes"));
    let tasks = Tasks::load(&folders, Some(&workspace), true);
    assert_eq!((tasks.tasks["review"].title.as_str(), tasks.tasks["review"].origin), ("Mine", Origin::User));
    assert_eq!(tasks.tasks["release-notes"].title, "Release notes");
    let problems: Vec<String> = tasks.problems.iter().map(ToString::to_string).collect();
    assert!(problems.len() == 2 && problems[0].contains("link.md") && problems[1].contains("review.md"), "{problems:?}");
}

#[test]
fn a_broken_task_is_a_problem_with_its_line_and_the_others_load() {
    for (text, line, word) in [
        ("no front matter\n", 1, "front matter"),
        ("---\ntitle: x\nno end\n", 1, "front matter"),
        ("---\nmode: edit\n---\nx\n", 1, "needs a title"),
        ("---\ntitle: x\nmode: destroy\n---\nx\n", 3, "destroy"),
        ("---\ntitle: x\nwhen: never\n---\nx\n", 3, "never"),
        ("---\ntitle: x\nmodel: other\n---\nx\n", 3, "model"),
        ("---\ntitle\n---\nx\n", 2, "key: value"),
        ("---\ntitle: x\n---\n\n{{ secret }}\n", 5, "secret"),
        ("---\ntitle: x\n---\n{{ file | upper }}\n", 4, "file | upper"),
        ("---\ntitle: x\n---\n{% for i in range %}{% endfor %}\n", 4, "for i in range"),
        ("---\ntitle: x\n---\n{{ 'a' * 1000000000 }}\n", 4, "*"),
        ("---\ntitle: x\n---\na\n{% if file %}\n", 5, ""),
        ("---\ntitle: x\n---\n{{ file\n", 4, ""),
    ] {
        let home = TempDir::new().unwrap();
        write(&folders(&home).config.join("tasks/broken.md"), text);
        let tasks = Tasks::load(&folders(&home), None, false);
        assert!(!tasks.tasks.contains_key("broken") && tasks.tasks.contains_key("ask"), "{text}");
        assert_eq!(tasks.problems.len(), 1, "{text}");
        let problem = &tasks.problems[0];
        assert!(problem.to_string().contains(word) && problem.file.as_ref().unwrap().ends_with("tasks/broken.md"), "{problem}");
        assert_eq!(problem.line, Some(line), "{text}: {problem}");
    }
    let home = TempDir::new().unwrap();
    write(&folders(&home).config.join("tasks/Bad Name.md"), "---\ntitle: x\n---\nx\n");
    assert!(Tasks::load(&folders(&home), None, false).problems[0].to_string().contains("lower-case"));
}
