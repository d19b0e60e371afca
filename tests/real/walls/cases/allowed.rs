//! What developers do must work: each line a command, and what it says when it does. Nothing of the tools is patched or told
//! that there are walls.

use std::fs;

use super::{super::bench::*, Scene};

/// Files of the workspace that the commands below work on.
const FILES: &[(&str, &str)] = &[
    ("main.c", "#include <stdio.h>\nint main(void) { puts(\"built\"); return 0; }\n"),
    (
        "CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.10)\nproject(x C)\nadd_executable(x main.c)\nenable_testing()\nadd_test(NAME t COMMAND x)\n",
    ),
    ("Makefile", "one two: main.c\n\tgcc -o $@ main.c\n"),
    ("package.json", "{\"name\": \"x\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node --test\"}}\n"),
    (
        "package-lock.json",
        "{\"name\": \"x\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"packages\": {\"\": {\"name\": \"x\", \"version\": \"1.0.0\"}}}\n",
    ),
    ("x.test.js", "require('node:test')('adds', () => require('assert').equal(1 + 1, 2));\n"),
    (
        "watch.js",
        "const fs = require('fs'), {execSync} = require('child_process'), {Worker} = require('worker_threads');\n\
        const watcher = fs.watch('.', () => { watcher.close();\n\
        new Worker('require(\"worker_threads\").parentPort.postMessage(7)', {eval: true})\n\
        .on('message', n => console.log('seen', n, execSync('echo child').toString().trim())); });\n\
        setTimeout(() => fs.writeFileSync('seen', ''), 20);\n",
    ),
    (
        "test_pool.py",
        "import multiprocessing, os, pytest\n\ndef square(n):\n    return n * n\n\n\
        @pytest.mark.parametrize('how', ['fork', 'spawn', 'forkserver'])\ndef test_pool(how):\n\
        \x20   with multiprocessing.get_context(how).Pool(2) as pool:\n        assert pool.map(square, [1, 2]) == [1, 4]\n\n\
        def test_manager():\n    with multiprocessing.Manager() as manager:\n        assert list(manager.list([1])) == [1]\n\n\
        def test_lock():\n    with multiprocessing.Lock():\n        pass\n",
    ),
    (
        "socket_here.py",
        "import os, socket\nserver = socket.socket(socket.AF_UNIX)\nserver.bind('own.sock')\nserver.listen()\n\
        socket.socket(socket.AF_UNIX).connect('own.sock')\na, b = socket.socketpair()\na.send(b'x')\nprint('heard', b.recv(1))\n",
    ),
    ("Main.java", "class Main { public static void main(String[] a) { System.out.println(\"java \" + (1 + 1)); } }\n"),
    (
        "pom.xml",
        "<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1</version>\
        <packaging>pom</packaging></project>\n",
    ),
    ("a.patch", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-alpha\n+patched\n"),
];

/// By line of the catalogue: a command that must end with 0, and how its output ends.
const WORKS: &[(&str, &str, &str)] = &[
    ("A13", "echo x > /dev/null; cat /dev/null; head -c 3 /dev/zero | wc -c", "3\n"),
    ("H03", "npm test 2>&1 | grep -E '^(# |ℹ )pass'", "pass 1\n"),
    ("H03", "npm ci --offline --no-audit --no-fund 2>&1 && node -e 'console.log(7)'", "7\n"),
    ("H04", "/usr/bin/python3 -m pytest -q -n 2 -p no:cacheprovider 2>&1 | tail -n 1 | cut -d' ' -f1,2", "5 passed\n"),
    ("H05", "/usr/bin/python3 socket_here.py", "heard b'x'\n"),
    ("H08", "gcc -c main.c && ld -r -o whole.o main.o && gcc -o linked whole.o && ./linked", "built\n"),
    ("H08", "make -s -j2 one two && ./one && ./two", "built\nbuilt\n"),
    (
        "H08",
        "cmake -S . -B out >/dev/null && cmake --build out >/dev/null && (cd out && ctest 2>&1) | grep -c '100% tests passed'",
        "1\n",
    ),
    ("H09", "node watch.js", "seen 7 child\n"),
    ("H11", "java -version 2>&1 | grep -c -i version", "1\n"),
    ("H11", "javac -d /tmp Main.java && java -cp /tmp Main", "java 2\n"),
    ("H11", "MAVEN_OPTS=-Duser.home=$HOME mvn -o -q validate && echo valid", "valid\n"),
    ("H12", "script -qc 'tty | cut -c1-8; echo pty' /dev/null | tr -d '\\r'", "/dev/pts\npty\n"),
    ("H12", "/usr/bin/python3 -c \"import pty; pty.spawn(['echo', 'spawned'])\" | tr -d '\\r'", "spawned\n"),
    ("H15", "rg --no-heading -N alpha a.txt", "alpha\n"),
    ("H15", "$(command -v fd || command -v fdfind) -e patch", "a.patch\n"),
    ("H15", "sed -i s/beta/BETA/ d/b.txt && cat d/b.txt", "BETA\n"),
    ("H15", "patch -s -p1 < a.patch && cat a.txt", "patched\n"),
    ("H15", "tar cf - d | tar tf - | sort", "d/\nd/b.txt\n"),
    ("H15", "find d -name b.txt -delete && ls d | wc -l", "0\n"),
    ("D11", "git init -q sub && git init -q /tmp/repository && git -C /tmp/repository status --short && ls -A sub", ".git\n"),
];

pub fn ids() -> impl Iterator<Item = &'static str> {
    WORKS.iter().map(|(id, ..)| *id)
}

#[tokio::test]
async fn everyday_tools_work() {
    let failed = failing(&Scene::open(|_, _| {}).await).await;
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Tries all of them; those that do not work, with what is said. None changes anything outside.
pub async fn failing(scene: &Scene) -> Vec<(&'static str, String)> {
    FILES.iter().for_each(|(path, text)| put(&scene.path("w"), path, text));
    let before = scene.picture("");
    let mut failed = Vec::new();
    for (id, command, end) in WORKS {
        let ran = scene.walled(command).await;
        if !ran.ok() || !ran.output.ends_with(end) {
            failed.push((*command, format!("{id}: {:?}, {}", ran.outcome.exit, ran.output)));
        }
    }
    assert_eq!(scene.picture(""), before);
    failed
}

/// Git from a folder below, over a work tree with a secret that commands find empty and a configuration that is rebuilt.
#[tokio::test]
async fn git_finds_its_work_tree_from_below_and_sees_no_noise() {
    let scene = Scene::open(|root, _| {
        put(root, "w/.gitignore", ".env\n");
        put(root, "w/.env", CANARY);
        put(root, "w/deep/er/file", "x\n");
        let who = "-c user.name=A -c user.email=a@example.com";
        let made = unwalled(&format!("git init -q . && git add -A && git {who} commit -qm first"), &root.join("w"));
        assert!(made.status.success(), "{made:?}");
    })
    .await;
    let text = "cd deep/er && git rev-parse --show-toplevel && git status --porcelain && git diff --stat && git log --format=%s";
    let ran = scene.walled_over(text, &masking(&[".env"])).await;
    assert_eq!(ran.output, format!("{}\nfirst\n", scene.path("w").display()), "{ran:?}");
    // Control: a change is seen.
    let changed = scene.walled_over("echo y > deep/er/file; git status --porcelain", &masking(&[".env"])).await;
    assert_eq!(changed.output, " M deep/er/file\n");
}

/// The repository lies above the folder that is open. Its configuration is shown without credentials, wherever it is.
#[tokio::test]
async fn a_repository_above_the_workspace_shows_no_credentials() {
    let place = visible();
    let folder = place.path().join("repository/sub");
    put(&folder, "file", "x\n");
    let top = place.path().join("repository");
    let address = format!("https://me:{CANARY}@example.com/a.git");
    let made = unwalled(
        &format!(
            "git init -q . && git add -A && git -c user.name=A -c user.email=a@example.com commit -qm first && \
             git remote add origin {address} && git config http.extraheader {CANARY}"
        ),
        &top,
    );
    assert!(made.status.success(), "{made:?}");
    let scene = Scene::open(|_, spec| spec.folder = folder.clone()).await;
    let said = scene.must("git remote -v; git config -l; cat ../.git/config; git log --format=%s; git status --porcelain").await;
    assert!(!said.contains(CANARY) && said.contains("https://example.com/a.git") && said.ends_with("first\n"), "{said}");
    assert!(fs::read_to_string(top.join(".git/config")).unwrap().contains(CANARY), "the control");
    // A configuration that is a link, as dotfile managers make them.
    fs::rename(top.join(".git/config"), top.join(".git/real")).unwrap();
    std::os::unix::fs::symlink("real", top.join(".git/config")).unwrap();
    let said = scene.must("git remote -v; cat ../.git/config ../.git/real").await;
    assert!(!said.contains(CANARY) && said.contains("https://example.com/a.git"), "{said}");
    let scene = Scene::open(|_, spec| spec.folder = folder.clone()).await;
    let said = scene.must("git remote -v; cat ../.git/config ../.git/real").await;
    assert!(!said.contains(CANARY) && said.contains("https://example.com/a.git"), "{said}");
}
