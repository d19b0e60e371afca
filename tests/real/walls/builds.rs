//! What developers do must work: builds, tests, tools.

use std::fs;

use countersign::seams::Level;

use super::bench::*;

#[tokio::test]
async fn cargo_builds_and_tests_without_network() {
    let bench = Bench::with(|root, _| {
        put(root, "w/Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        put(root, "w/src/lib.rs", "pub fn two() -> u32 { 2 }\n#[test]\nfn is_two() { assert_eq!(two(), 2); }\n");
    })
    .await;
    let built = bench.sh("cargo build --offline 2>&1 && cargo test --offline --lib 2>&1").await;
    assert!(built.ok() && built.output.contains("1 passed"), "{built:?}");
    let again = bench.must("cargo build --offline 2>&1").await;
    assert!(!again.contains("Compiling"), "nothing changed, nothing is rebuilt: {again}");
    let edited = shadow([typed("src/lib.rs", "pub fn two() -> u32 { 3 }\n#[test]\nfn is_two() { assert_eq!(two(), 2); }\n")]);
    let failing = bench.with_shadow("cargo test --offline --lib 2>&1", &edited).await;
    assert!(!failing.ok() && failing.output.contains("1 failed"), "unsaved text is what is tested: {failing:?}");
    assert!(!bench.path("w/target").exists() && !bench.path("w/Cargo.lock").exists());
}

const PYTHON_TESTS: &str = r"
import multiprocessing, subprocess, tempfile, unittest

def square(n):
    return n * n

class Everything(unittest.TestCase):
    def test_pool(self):
        with multiprocessing.get_context('forkserver').Pool(2) as pool:
            self.assertEqual(pool.map(square, [1, 2, 3]), [1, 4, 9])
    def test_manager(self):
        with multiprocessing.Manager() as manager:
            self.assertEqual(list(manager.list([1])), [1])
    def test_child(self):
        self.assertEqual(subprocess.check_output(['echo', 'x']), b'x\n')
    def test_file(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b'x')

if __name__ == '__main__':
    unittest.main()
";

#[tokio::test]
async fn python_tests_with_processes_and_shared_memory() {
    let bench = Bench::with(|root, _| put(root, "w/test_all.py", PYTHON_TESTS)).await;
    let said = bench.must("python3 -m unittest -v test_all 2>&1").await;
    assert!(said.contains("Ran 4 tests"), "{said}");
}

#[tokio::test]
async fn c_and_make() {
    let bench = Bench::with(|root, _| {
        put(root, "w/main.c", "#include <stdio.h>\nint main(void) { puts(\"built\"); return 0; }\n");
        put(root, "w/Makefile", "all: one two\none two: main.c\n\tgcc -o $@ main.c\n");
    })
    .await;
    let said = bench.must("make -j2 >/dev/null && ./one && ./two && make").await;
    assert!(said.starts_with("built\nbuilt\n") && said.contains("Nothing to be done"), "{said}");
}

#[tokio::test]
async fn node_with_children_and_threads() {
    let script = "const {execSync} = require('child_process'); const {Worker} = require('worker_threads');\n\
                  const fs = require('fs'); fs.watch('.').close();\n\
                  new Worker('require(\"worker_threads\").parentPort.postMessage(7)', {eval: true})\n\
                  .on('message', n => console.log(n, execSync('echo child').toString().trim()));\n";
    let bench = Bench::with(|root, _| put(root, "w/all.js", script)).await;
    assert_eq!(bench.must("node all.js").await, "7 child\n");
}

#[tokio::test]
async fn git_works_in_the_shadow_and_leaves_no_trace() {
    let bench = Bench::with(|root, _| {
        let made = unwalled(
            "git init -q . && git add a.txt && git -c user.name=A -c user.email=a@example.com commit -qm first",
            &root.join("w"),
        );
        assert!(made.status.success(), "{made:?}");
        put(root, "home/.gitconfig", "[user]\n\tname = A\n\temail = a@example.com\n");
    })
    .await;
    let before = bench.world();
    let ran = bench.sh("git status --short && cd d && git rev-parse --show-prefix && echo x >> ../a.txt && git add -A .. && git commit -qm second && git log --format=%s && git stash list && git diff HEAD~1 --stat | tail -1 && cd .. && git init -q sub && git mv a.txt c.txt").await;
    assert!(ran.ok(), "{ran:?}");
    assert!(ran.output.starts_with("?? d/\nd/\nsecond\nfirst\n"), "{}", ran.output);
    assert_eq!(ran.outcome.changed, ["a.txt", "c.txt"], "git's own folders are left out");
    assert!(ran.outcome.git, "and their change is told");
    assert!(!bench.sh("git status; git log; git diff; touch .git/index").await.outcome.git, "looking changes nothing");
    assert!(bench.sh("git stash").await.outcome.git);
    assert_eq!(bench.world(), before);
    bench.must("mv .git .g2 && mkdir .git").await;
    assert_eq!(bench.world(), before);
}

#[tokio::test]
async fn a_linked_work_tree_finds_its_repository() {
    let bench = Bench::with(|root, spec| {
        let made = unwalled(
            "git init -q ../home/main && cd ../home/main && git -c user.name=A -c user.email=a@example.com commit -q --allow-empty -m first && git config http.extraheader canary-4711-do-not-leak && git worktree add -q ../tree",
            &root.join("w"),
        );
        assert!(made.status.success(), "{made:?}");
        put(root, "home/main/.git/modules/libs/one/HEAD", "ref: refs/heads/main\n");
        put(root, "home/main/.git/modules/libs/one/config", "[http]\n\textraheader = canary-4711-do-not-leak\n");
        spec.folder = root.join("home/tree");
    })
    .await;
    let said =
        bench.must("git log --format=%s; git status --short; cat ../main/.git/config; grep -rs canary ../main; true").await;
    assert!(said.starts_with("first\n") && !said.contains(CANARY), "{said}");
    let plant = "echo x > ../main/.git/hooks/pre-commit";
    assert!(!bench.sh(plant).await.ok() && !bench.path("home/main/.git/hooks/pre-commit").exists());
    assert!(unwalled(plant, &bench.path("home/tree")).status.success(), "the control");
    // A pointer that nobody answers opens nothing.
    let forged = Bench::with(|root, spec| {
        put(root, "home/tree/.git", &format!("gitdir: {}\n", root.join("home/.ssh").display()));
        spec.folder = root.join("home/tree");
    })
    .await;
    assert!(!forged.sh("ls ../.ssh | grep .").await.ok());
    assert!(unwalled("ls ../.ssh | grep .", &forged.path("home/tree")).status.success(), "the control");
}

#[tokio::test]
async fn small_tools() {
    let bench = Bench::new().await;
    let said = bench.must("script -qc 'tty; echo pty' /dev/null | tail -1; sed -i s/alpha/ALPHA/ a.txt; cat a.txt; tar cf - . | tar tf - | wc -l; find . -name b.txt -delete; ls d | wc -l; diff <(echo 1) <(echo 1) && echo same").await;
    assert_eq!(said.replace('\r', ""), "pty\nALPHA\n4\n0\nsame\n");
    let memory_program =
        "import os; fd = os.memfd_create('x'); os.write(fd, open('/bin/true', 'rb').read()); os.execve(fd, ['x'], {})";
    bench.must(&format!("/usr/bin/python3 -I -c \"{memory_program}\"")).await;
    assert!(fs::read_to_string(bench.path("w/a.txt")).unwrap().starts_with("alpha"));
}

#[tokio::test]
async fn cargo_builds_in_the_copy_and_rebuilds_nothing_unchanged() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    put(&bench.path("w"), "Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    put(&bench.path("w"), "src/lib.rs", "pub fn two() -> u32 { 2 }\n#[test]\nfn is_two() { assert_eq!(two(), 2); }\n");
    let built = bench.sh("cargo build --offline 2>&1 && cargo test --offline --lib 2>&1").await;
    assert!(built.ok() && built.output.contains("1 passed"), "{built:?}");
    let again = bench.must("cargo build --offline 2>&1").await;
    assert!(!again.contains("Compiling"), "nothing changed, nothing is rebuilt: {again}");
    assert!(!bench.path("w/target").exists());
}
