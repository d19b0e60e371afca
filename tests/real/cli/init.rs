//! First steps: `init`, with and without a terminal.

use super::*;

#[test]
fn init_without_a_terminal_needs_its_flags_and_overwrites_nothing() {
    let user = User::new();
    let ran = user.run(["init"]);
    assert!(ran.code == 2 && ran.err.contains("--model"), "{ran:?}");
    assert_eq!(user.run(["init", "--model", "script:x"]).code, 2);
    assert!(!user.path(".config").exists(), "nothing was written");

    let mut child = user.command(["init", "--model", "anthropic:some-model", "--key-stdin"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"sk-ant-0123\n").unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.contains("sk-ant") && !ran.err.contains("sk-ant"));
    let policy = user.path(".config/countersign/policy.toml");
    assert_eq!(user.run(["policy", "check", policy.to_str().unwrap()]).code, 0);
    let (config, key) = (user.path(".config/countersign/config.toml"), user.path(".config/countersign/anthropic.key"));
    for file in [&config, &key] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_to_string(&key).unwrap(), "sk-ant-0123\n");
    let doctor = user.run(["doctor", "--offline"]);
    assert!(doctor.out.contains("anthropic:some-model") && doctor.out.contains("from the file anthropic.key"), "{}", doctor.out);
    assert!(!doctor.out.contains("sk-ant"));

    fs::write(&config, "# mine\n").unwrap();
    let own = format!("# mine\n{}", fs::read_to_string(&policy).unwrap());
    fs::write(&policy, &own).unwrap();
    let ran = user.run(["init", "--model", "anthropic:other"]);
    assert!(ran.code == 2 && ran.err.contains("nothing was written") && ran.err.contains("--force"), "{ran:?}");
    assert_eq!(fs::read_to_string(&config).unwrap(), "# mine\n");
    let command = ["init", "--force", "--model", "anthropic:a\"b", "--key-command", "printf", "%s", "k-\"1\""];
    assert_eq!(user.run(command).code, 0);
    assert_eq!(fs::read_to_string(&policy).unwrap(), own, "a policy that is there is never replaced");
    let doctor = user.run(["doctor", "--offline"]);
    assert!(doctor.out.contains("anthropic:a\"b") && doctor.out.contains("from key_command"), "{}", doctor.out);
}

#[test]
fn a_model_that_cannot_be_reached_yet_is_neither_written_nor_called_fine() {
    let user = User::new();
    let config = user.path(".config/countersign/config.toml");
    for spec in ["openai:gpt-5", "ollama:x"] {
        let ran = user.run(["init", "--model", spec]);
        assert!(ran.code == 2 && ran.err.contains("not available yet") && !config.exists(), "{ran:?}");
    }
    assert_eq!(user.run(["init", "--model", "anthropic:x"]).code, 0);
    let doctor = |user: &User| {
        let report = user.run(["doctor", "--offline", "--json"]).json()[0].clone();
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "model").cloned().unwrap()
    };
    assert_eq!(doctor(&user)["state"], "ok");
    fs::write(&config, "[model]\nname = 'openai:gpt-5'\n").unwrap();
    let check = doctor(&user);
    assert!(check["state"] == "fails" && check["found"].as_str().unwrap().contains("not available yet"), "{check}");
}

/// Runs a command at a terminal and types each answer when a question (a text that ends in a colon) waits for it.
pub fn at_terminal(mut command: Command, answers: &[&str]) -> (i32, String) {
    use std::io::Read;
    let pair = nix::pty::openpty(None, None).unwrap();
    for end in [&pair.master, &pair.slave] {
        // Children of other tests must not hold it open.
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).unwrap();
    }
    let terminal = fs::File::from(pair.slave);
    command.env("TERM", "xterm").stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The command holds the terminal's last handles: reading ends when it does.
    drop(command);
    let (mut master, mut said, mut block) = (fs::File::from(pair.master), String::new(), [0; 4096]);
    let mut answers = answers.iter();
    while let Ok(n @ 1..) = master.read(&mut block) {
        said.push_str(std::str::from_utf8(&block[..n]).unwrap());
        if said.ends_with(": ")
            && let Some(answer) = answers.next()
        {
            master.write_all(answer.as_bytes()).unwrap();
        }
    }
    (child.wait().unwrap().code().expect("ended by itself"), said)
}

#[test]
fn init_asks_at_a_terminal_and_never_shows_the_key() {
    let user = User::new();
    let (code, said) = at_terminal(user.command(["init"]), &["1\n", "my-model\n", "3\n", "sk-ant-typed\n"]);
    assert!(code == 0 && said.contains("Next: countersign doctor") && !said.contains("sk-ant"), "{said}");
    let folder = user.path(".config/countersign");
    assert_eq!(fs::read_to_string(folder.join("anthropic.key")).unwrap(), "sk-ant-typed\n");
    let before = fs::read_to_string(folder.join("config.toml")).unwrap();
    assert!(before.contains("name = \"anthropic:my-model\""), "{before}");

    let (code, said) = at_terminal(user.command(["init"]), &["1\n", "other\n", "1\n", "n\n"]);
    assert!(code == 0 && said.contains("Left alone"), "{said}");
    assert_eq!(fs::read_to_string(folder.join("config.toml")).unwrap(), before);
    let (code, said) = at_terminal(user.command(["init"]), &["9\n", "2\n", "1\n", "other\n", "2\n", "printf key\n", "y\n"]);
    assert!(code == 0 && said.contains("is none of 1, 2 and 3") && said.contains("not available yet"), "{said}");
    assert!(user.run(["doctor", "--offline"]).out.contains("from key_command"));
    // Enter chooses what brings a key.
    let unset = at_terminal(user.command(["init"]), &["\n", "\n", "\n", "\n"]);
    assert!(unset.0 == 2 && unset.1.contains("which is not set here") && unset.1.contains("1, 2 or 3 [3]"), "{}", unset.1);
    let mut set = user.command(["init"]);
    set.env("ANTHROPIC_API_KEY", "sk-ant-set");
    let (code, said) = at_terminal(set, &["\n", "\n", "\n", "n\n"]);
    assert!(code == 0 && said.matches("1, 2 or 3 [1]").count() == 2 && !said.contains("not set"), "{said}");
    // The end of input, as Ctrl-D types it.
    let (code, said) = at_terminal(user.command(["init"]), &["\u{4}"]);
    assert!(code == 130 && said.contains("nothing was written"), "{said}");
}
