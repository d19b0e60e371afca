//! The whole story of a first hour, in both Neovims, on a screen and without one: an untrusted folder, a stream, three hunks
//! inline, one accepted, one rejected, typing in between, checks, a commit, a push that is dismissed and reopened, Stop in the
//! middle of a command, a server that is killed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{NEW, OLD, Seat, picture};
use crate::editors::lab::{Desk, until};

const SHOP: &str = "\"\"\"Prices of the shop.\"\"\"

TAX = 0.19


def net(items):
    total = 0
    for item in items:
        total = total + item.price * item.count
    return total


def gross(items):
    return net(items) * (1 + TAX)


def label(item):
    return item.name + \": \" + str(item.price)


def discount(total, percent):
    if percent > 100:
        return 0
    return total - total * percent / 100
";

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn call(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

fn three_edits() -> Value {
    let edits = json!([
        {
            "old": "    total = 0\n    for item in items:\n        total = total + item.price * item.count\n    return total\n",
            "new": "    return sum(item.price * item.count for item in items)\n",
        },
        {"old": "    return item.name + \": \" + str(item.price)\n", "new": "    return f\"{item.name}: {item.price:.2f}\"\n"},
        {
            "old": "    if percent > 100:\n        return 0\n",
            "new": "    if not 0 <= percent <= 100:\n        raise ValueError(f\"not a percentage: {percent}\")\n",
        },
    ]);
    json!([
        text("I make the sums plain and let wrong discounts fail."),
        call("e", "edit_file", json!({"path": "shop.py", "edits": edits}))
    ])
}

/// Where pictures go, when they are wanted: `.ci/pictures-neovim` sets it.
fn gallery() -> Option<PathBuf> {
    std::env::var_os("COUNTERSIGN_PICTURES").map(PathBuf::from)
}

/// Two pictures of the screen, on dark and on light.
fn photograph(seat: &Seat<'_>, name: &str, title: &str) {
    let still = || {
        // The terminal shows a moment later what the editor has drawn.
        let now = seat.screen().coloured();
        std::thread::sleep(Duration::from_millis(150));
        (seat.screen().coloured() == now).then_some(now)
    };
    for ground in ["dark", "light"] {
        seat.lua(&format!("vim.cmd('set background={ground}')"));
        let (fore, back) = if ground == "dark" { ("#e0e2ea", "#14161b") } else { ("#14161b", "#e0e2ea") };
        let svg = picture::svg(&until("a still screen", String::new, still), fore, back, title);
        assert!(svg.len() < 80_000, "{} bytes are no small picture", svg.len());
        assert!(svg.contains("</svg>") && svg.contains(title));
        if let Some(folder) = gallery() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{name}-{ground}.svg")), svg).unwrap();
        }
    }
    seat.lua("vim.cmd('set background=dark')");
}

fn desk() -> Desk {
    let desk = Desk::manual();
    fs::write(desk.path("shop.py"), SHOP).unwrap();
    desk.configure(
        "[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.0\n[checks]\ncommands = [\"grep -q 'return sum' shop.py\"]\n",
    );
    let remote = desk.home("remote.git").display().to_string();
    desk.git(&["add", "shop.py"]);
    desk.git(&["commit", "--quiet", "--message=Open the shop"]);
    desk.git(&["init", "--quiet", "--bare", &remote]);
    desk.git(&["remote", "add", "origin", &remote]);
    desk.git(&["push", "--quiet", "--set-upstream", "origin", "work"]);
    desk
}

/// Processes on this machine with these words in their command line.
fn runs(words: &str) -> bool {
    let of = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    let mut lines = fs::read_dir("/proc").unwrap().flatten().filter_map(of);
    lines.any(|line| String::from_utf8_lossy(&line).contains(words))
}

fn story(desk: &Desk, seat: &Seat<'_>, pictures: bool) {
    let text_of = |n: usize| format!("vim.fn.getline({n})");
    let hunks = |n: usize| seat.until("#lab.hunks()", &n.to_string());
    let question = |kind: &str| seat.until(&format!("lab.question('{kind}') ~= nil"), "true");

    // An untrusted folder: nothing runs before the user's word.
    seat.command("Countersign ask Simplify this file.");
    question("Trust");
    assert!(!desk.home("model/1.request.json").exists(), "no model is called before trust");
    seat.command("Countersign answer 3");
    desk.request(1);

    // Three hunks inline, old lines marked, new ones below.
    desk.answer(1, &three_edits());
    hunks(3);
    seat.until("#lab.drawn()", "6");
    let drawn = "vim.inspect(lab.drawn()):gsub('%s+', ' ')";
    for part in [
        "{ 6, \"old\", \"CountersignDelete\", 10 }",
        "{ 9, \"below\", \"return sum(item.price * item.count for item in items)\" }",
        "{ 17, \"below\", 'return f\"{item.name}: {item.price:.2f}\"' }",
        "{ 21, \"old\", \"CountersignDelete\", 23 }",
    ] {
        assert!(seat.lua(drawn).contains(part), "{part} is not in {}", seat.lua(drawn));
    }
    assert_eq!(desk.read("shop.py"), SHOP, "the disk is as it was");
    desk.answer(2, &json!([text("Now I look whether it still holds."), call("t", "run", json!({"command": "echo 3 passed"}))]));
    seat.command("Countersign log");
    seat.until("lab.text():find('3 passed', 1, true) ~= nil", "true");
    if pictures {
        seat.lua("vim.cmd('set termguicolors | resize 8 | wincmd p | echo')");
        seat.lua("vim.fn.winrestview({topline = 5, lnum = 13, col = 0})");
        photograph(seat, "neovim", "Three changes to review in Neovim, and the run below");
        seat.lua("vim.cmd('wincmd p')");
    }
    seat.command("close");

    // The user types between them; marks move with the text.
    seat.types("4Go# net prices");
    seat.escape();
    seat.until("lab.drawn()[1][1]", "7");
    seat.until("lab.hunks()[1].lnum", "7");

    // The first is accepted where the cursor stands, the third rejected with a reason; then the agent ends with its checks.
    seat.command("8");
    seat.command("Countersign accept");
    seat.until(&text_of(8), "    return sum(item.price * item.count for item in items)");
    hunks(2);
    // Hover on it tells where it comes from.
    let hover = "vim.inspect(vim.lsp.buf_request_sync(0, 'textDocument/hover', \
                 {textDocument = {uri = vim.uri_from_bufnr(0)}, position = {line = 7, character = 8}}, 5000))";
    let told = seat.lua(hover);
    assert!(told.contains("Simplify this file") && told.contains("sums plain"), "{told}");
    seat.types("G");
    seat.command("Countersign prev");
    assert_eq!(seat.lua("vim.fn.line('.')"), "20");
    seat.command("Countersign reject callers rely on the zero");
    hunks(1);
    desk.answer(3, &json!([call("f", "finish", json!({"summary": "The sums are plain."}))]));
    seat.until("lab.said('The sums are plain.') ~= nil", "true");
    let journal = desk.journal();
    assert!(journal.contains("\"kind\":\"check.result\"") && journal.contains("return sum"), "the checks ran");

    // A commit that is approved, and holds what was accepted and nothing else.
    seat.command("Countersign queue Commit and push.");
    assert!(desk.request(4).contains("callers rely on the zero"), "the model reads the reason");
    desk.answer(4, &json!([call("c", "git", json!({"op": "commit", "message": "Sum plainly"}))]));
    question("Commit");
    if pictures {
        seat.lua("vim.cmd('echo')");
        photograph(seat, "neovim-question", "A question that takes no key, in Neovim");
    }
    seat.command("Countersign answer 3");
    desk.answer(5, &json!([call("p", "git", json!({"op": "push"}))]));
    assert_eq!(desk.git(&["log", "-1", "--format=%s"]), "Sum plainly\n");
    let committed = desk.git(&["show", "HEAD:shop.py"]);
    assert!(committed.contains("return sum(") && committed.contains("item.name + ") && !committed.contains("# net prices"));

    // The push is dismissed: nobody decided. The user raises it again, hides it, reopens it, and approves.
    question("Push");
    seat.command("Countersign dismiss");
    assert!(desk.request(6).contains("did not decide"), "{}", desk.request(6));
    desk.answer(6, &json!([text("Not pushed.")]));
    seat.until("lab.said('Not pushed.') ~= nil", "true");
    let remote = || desk.git(&["ls-remote", "origin", "work"]).split('\t').next().unwrap_or_default().to_owned();
    let head = desk.git(&["rev-parse", "HEAD"]).trim().to_owned();
    assert_ne!(remote(), head, "nothing was pushed");
    seat.command("Countersign push");
    question("Push");
    seat.command("lua for _, w in ipairs(vim.api.nvim_list_wins()) do if vim.bo[vim.api.nvim_win_get_buf(w)].filetype == 'countersign-question' then vim.api.nvim_win_close(w, false) end end");
    seat.command("Countersign approvals");
    question("Push");
    seat.command("Countersign answer 3");
    until("the push", || seat.shown(), || (remote() == head).then_some(()));

    // Stop in the middle of a command: once it is said to be stopped, it and its children are gone. (`run.lua` has the time.)
    let long = format!("sleep 98765{}", std::process::id());
    seat.command("Countersign ask Wait.");
    desk.answer(7, &json!([call("s", "run", json!({"command": format!("echo waiting; {long} & {long}")}))]));
    until("the command", || seat.shown(), || runs(&long[6..]).then_some(()));
    seat.command("Countersign stop");
    seat.until("lab.said('countersign stopped') ~= nil", "true");
    assert!(!runs(&long[6..]), "it is said to be stopped, and runs");

    // The server is killed while a change is pending: it comes back, and so does the change.
    seat.until("vim.lsp.get_clients({name = 'countersign'})[1].id", "1");
    let pending = seat.lua(drawn);
    seat.until("lab.is_kept()", "true");
    seat.command("lua for _, p in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do if vim.api.nvim_get_proc(p).name == 'countersign' then vim.uv.kill(p, 'sigkill') end end");
    seat.until("(vim.lsp.get_clients({name = 'countersign'})[1] or {id = 1}).id > 1", "true");
    assert!(pending.contains("{item.price:.2f}"), "{pending}");
    seat.until(drawn, &pending);
    // Until the new server has told what is left, accepting answers that it is too early.
    let items = "require('countersign.state').items()[1].client";
    seat.until(&format!("require('countersign.state').is_away({items})"), "false");
    assert_eq!(seat.lua(drawn), pending);
    seat.command("16");
    seat.command("Countersign accept");
    seat.until(&text_of(16), "    return f\"{item.name}: {item.price:.2f}\"");
    seat.until("require('countersign').status()", "");
    assert!(Path::new(&desk.path("shop.py")).exists());
}

#[test]
fn the_story_in_0_10_on_a_screen() {
    let desk = desk();
    story(&desk, &Seat::in_terminal(&desk, OLD, "shop.py"), false);
}

#[test]
fn the_story_in_0_12_on_a_screen() {
    let desk = desk();
    story(&desk, &Seat::in_terminal(&desk, NEW, "shop.py"), true);
}

#[test]
fn the_story_in_0_10_without_a_screen() {
    let desk = desk();
    story(&desk, &Seat::headless(&desk, OLD, "shop.py"), false);
}

#[test]
fn the_story_in_0_12_without_a_screen() {
    let desk = desk();
    story(&desk, &Seat::headless(&desk, NEW, "shop.py"), false);
}
