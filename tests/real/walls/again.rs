//! Several commands of one task through the whole product: each result tells what its own command did, and nothing else.

use std::{collections::VecDeque, fs, process::Command};

use serde_json::{Value, json};

use super::bench::{exe, put};

/// `countersign ask` in a trusted project with these files, with a scripted model that runs these commands (or whole inputs of `run`);
/// their results.
fn told(files: &[(&str, &str)], commands: &[&str]) -> Vec<String> {
    let folders = tempfile::Builder::new().prefix("again-").tempdir().unwrap();
    let at = |name: &str| folders.path().join(name);
    ["project", "home"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    files.iter().for_each(|(path, text)| put(&at("project"), path, text));
    let call = |(number, text): (usize, &&str)| {
        let input = if text.starts_with('{') { serde_json::from_str(text).unwrap() } else { json!({"command": text}) };
        json!({"content": [{"type": "tool_use", "id": format!("call-{number}"), "name": "run", "input": input}]})
    };
    let mut script: Vec<Value> = commands.iter().enumerate().map(call).collect();
    script.push(json!({"content": [{"type": "text", "text": "done"}], "usage": {"input_tokens": 1, "output_tokens": 1}}));
    fs::write(at("script.jsonl"), script.iter().map(|reply| format!("{reply}\n")).collect::<String>()).unwrap();
    let binary = |arguments: &[&str]| {
        let mut command = Command::new(exe());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", at("home"));
        command.current_dir(at("project")).stdin(std::process::Stdio::null()).args(arguments).output().unwrap()
    };
    assert!(binary(&["trust", "add", "."]).status.success());
    let asked =
        binary(&["ask", "go", "--json", "--accept", "none", "--model", &format!("script:{}", at("script.jsonl").display())]);
    let mut results = VecDeque::new();
    for file in fs::read_dir(at("home/.local/state/countersign/journal")).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["kind"] == "tool.result" {
                results.push_back(event["content"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(results.len(), commands.len(), "{asked:?}");
    results.into()
}

/// A generator makes its folder anew, with the same texts; a later command adds one.
#[test]
fn what_stands_in_a_folder_made_anew_is_not_deleted_by_a_later_command() {
    let files = [("gen/a.txt", "a\n"), ("gen/b.txt", "b\n"), ("gen/c.txt", "c\n")];
    let anew = "rm -r gen; mkdir gen; echo a > gen/a.txt; echo b > gen/b.txt; echo c > gen/c.txt";
    let results = told(&files, &[anew, "echo d > gen/d.txt", "rm gen/a.txt", "ls gen"]);
    assert!(!results[0].contains("proposed"), "{}", results[0]);
    assert!(results[1].contains("gen/d.txt (new +1)") && !results[1].contains("deleted"), "{}", results[1]);
    assert!(results[2].contains("gen/a.txt (deleted -1)") && !results[2].contains("gen/b.txt"), "{}", results[2]);
    assert!(results[3].contains("b.txt\nc.txt\nd.txt") && !results[3].contains("proposed"), "{}", results[3]);
}

/// What was too much to be proposed is the first command's, not that of the next one.
#[test]
fn deletions_that_were_too_many_are_told_once() {
    let names: Vec<String> = (0..501).map(|number| format!("f{number}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x\n")).collect();
    let results = told(&files, &["rm f*; echo 1 > one", "true", "echo 2 > two"]);
    assert!(results[0].contains("changed 502 files"), "{}", results[0]);
    assert!(!results[1].contains("changed"), "{}", results[1]);
    assert!(results[2].contains("proposed, pending review: two (new +1)") && !results[2].contains("deleted"), "{}", results[2]);
}

/// Six hundred files are written anew, three of them with another text.
#[test]
fn files_that_hold_the_same_text_do_not_count() {
    let names: Vec<String> = (0..600).map(|number| format!("src/f{number}")).collect();
    let text = |number| if number < 3 { "old\n" } else { "other\n" };
    let files: Vec<(&str, &str)> = names.iter().enumerate().map(|(number, name)| (name.as_str(), text(number))).collect();
    let results = told(&files, &["sed -i s/old/new/ src/*"]);
    for name in ["src/f0 (-1 +1)", "src/f1 (-1 +1)", "src/f2 (-1 +1)"] {
        assert!(results[0].contains(name), "{name} is not in {}", results[0]);
    }
}

/// Packages and build outputs are many and lie near the root; what is written deeper is found all the same.
#[test]
fn many_packages_do_not_hide_a_change() {
    let fill = |folder: &str| format!("mkdir -p {folder}; (cd {folder}; seq 10100 | xargs touch)");
    let tag = "echo 'Signature: 8a477f597d28d172789f06886806bc55' > out/CACHEDIR.TAG";
    let commands =
        [fill("node_modules/x"), format!("{}; {tag}", fill("out/y")), "mkdir -p a/b/c/d; echo x > a/b/c/d/e".to_owned()];
    let results = told(&[("file", "x\n")], &commands.each_ref().map(String::as_str));
    assert!(!results[0].contains("changed") && !results[1].contains("changed"), "{results:?}");
    assert!(results[2].contains("a/b/c/d/e (new +1)"), "{}", results[2]);
}

/// A folder where a file was, and a file where a folder was: what cannot be proposed is told, and is there for the next command.
#[test]
fn files_and_folders_that_change_places_are_told_of() {
    let files = [("file", "f\n"), ("folder/x", "x\n"), ("back", "b\n"), ("case.txt", "c\n")];
    let swap = "rm file; mkdir file; echo in > file/in; rm -r folder; echo now > folder; rm back; mkdir back; rmdir back; \
                echo b > back; mv case.txt Case.txt";
    let results = told(&files, &[swap, "cat file/in folder; ls"]);
    for part in ["case.txt -> Case.txt (moved)", "file (deleted -1)", "file/in: ", "folder: a folder stands there on the disk"] {
        assert!(results[0].contains(part), "{part} is not in {}", results[0]);
    }
    assert!(!results[0].contains("back"), "{}", results[0]);
    assert!(results[1].contains("in\nnow\nCase.txt\nback\nfile\nfolder"), "{}", results[1]);
}

/// A folder that does not exist is a mistake of the call, not the end of all commands.
#[test]
fn a_missing_working_folder_is_named_and_commands_go_on() {
    let input = r#"{"command": "cat x", "cwd": "made"}"#;
    let results = told(&[("file", "x\n")], &[input, "mkdir made; echo here > made/x", input]);
    assert!(results[0].contains("made is not a folder. Nothing ran; name a folder of the workspace"), "{}", results[0]);
    assert!(!results[0].contains("without commands"), "{}", results[0]);
    assert!(results[2].contains("here\n"), "{}", results[2]);
}
