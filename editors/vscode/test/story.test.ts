// The first task: asked in the menu, streamed, reviewed hunk by hunk while typing, checked, committed, not pushed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { at, step, until } from "./lab.ts";

const SOURCE = `"""Prices of a small shop."""


def total(prices):
    sum = 0
    for price in prices:
        sum = sum + price
    return sum


def discount(price, percent):
    return price - price * percent / 100


def label(name, price):
    return name + ": " + str(price)


def cheapest(prices):
    return sorted(prices)[0]
`;

// A shell stands in every wall; a Python need not.
const CHECK = `grep -q "return sum(prices)" shop.py || { echo "total is not simple"; exit 1; }
echo "1 check passed"
`;

const EDITS = [
  { old: "    sum = 0\n    for price in prices:\n        sum = sum + price\n    return sum\n", new: "    return sum(prices)\n" },
  { old: "    return price - price * percent / 100\n", new: "    if not 0 <= percent <= 100:\n        raise ValueError(\"percent must lie between 0 and 100\")\n    return price - price * percent / 100\n" },
  { old: "    return name + \": \" + str(price)\n", new: "    return f\"{name}: {price:.2f}\"\n" },
];

const DESK = {
    files: { "shop.py": SOURCE, "check.sh": CHECK },
    settings: { "editor.codeActionsOnSave": { "source.fixAll": "explicit", "source.organizeImports": "explicit" } },
    config: "[checks]\ncommands = [\"sh check.sh\"]\n\n[git]\nallow_file_remotes = true\n",
};

test("a first task", () => at(DESK, async (lab) => {
  const { page } = lab;
  lab.git("init", "--quiet", "--bare", join(lab.root, "remote.git"));
  lab.git("remote", "add", "origin", join(lab.root, "remote.git"));
  lab.git("push", "--quiet", "origin", "work");
  await lab.openFile("shop.py");
  await lab.statusShows(/^\s*agent$/);

  await step("no lightbulb of ours while the cursor just moves", async () => {
    for (const line of [4, 8, 12]) await lab.go(line);
    await page.waitForTimeout(600);
    assert.equal(await page.locator(".lightBulbWidget:visible, .codicon-gutter-lightbulb:visible").count(), 0);
  });

  await step("asked from the code-action menu, with the selection", async () => {
    await lab.go(4);
    await page.keyboard.press("Shift+ArrowDown");
    await page.locator(".statusbar-item").filter({ hasText: "selected" }).waitFor();
    await lab.act("Ask agent...");
    const input = page.locator(".quick-input-widget input");
    await input.fill("Make these functions safer and simpler.");
    await page.locator(".quick-input-widget").filter({ hasText: "shop.py, line 4" }).waitFor();
    await lab.shot("ask");
    await page.keyboard.press("Enter");
    const request = JSON.stringify(await lab.asked());
    assert.match(request, /Make these functions safer and simpler/);
    assert.match(request, /def total\(prices\)/);
  });

  await step("streams into the side view", async () => {
    await lab.command("countersign: Show Run");
    lab.answer(
      { type: "text", text: "`total` shadows the built-in sum, `discount` takes any percentage, and `label` shows prices with any number of digits. I change these three." },
      { type: "tool_use", id: "e1", name: "edit_file", input: { path: "shop.py", edits: EDITS } },
      { type: "tool_use", id: "e2", name: "write_file", input: { path: "tests/test_shop.py", content: "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n" } },
    );
    await lab.run().getByText("shadows the built-in sum").waitFor();
    await lab.run().locator(".tool .name").filter({ hasText: "editing shop.py" }).waitFor();
    await lab.asked();
    await lab.lens("Accept −4 +1").waitFor();
    await lab.lens("Accept −1 +3").or(lab.lens("Accept −0 +2")).waitFor();
    await lab.lens("Accept −1 +1").waitFor();
    assert.equal(lab.read("shop.py"), SOURCE, "nothing is on disk before it is accepted");
  });

  await step("what is said while it works is sent, then seen", async () => {
    await lab.run().locator("#box").fill("Leave cheapest alone.");
    await lab.run().locator("#box").press("Enter");
    await lab.run().locator(".said .mark").filter({ hasText: "sent, seen at the next step" }).waitFor();
  });

  await step("a command prints live", async () => {
    const command = "sh check.sh; for n in 1 2 3; do echo part $n; sleep 0.4; done; sleep 2";
    lab.answer({ type: "tool_use", id: "r1", name: "run", input: { command } });
    await lab.run().locator(".tool pre").filter({ hasText: "part 2" }).waitFor();
    await lab.statusShows(/agent \d+\/20/);
    const log = lab.run().locator("#entries");
    assert.ok(await log.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight < 2), "the end of the log is in view");
    await lab.shot("run");
    await lab.asked();
    await lab.run().locator(".said .mark.seen").filter({ hasText: "sent → seen" }).waitFor();
  });

  await step("what the walls refused stands with the command's end, without a click", async () => {
    lab.answer({ type: "tool_use", id: "r2", name: "run", input: { command: "echo x > ${PREFIX:-/usr}/by-a-command" } });
    await lab.run().locator(".tool .refused").filter({ hasText: "/usr/by-a-command: everything outside the workspace is read-only here." }).waitFor();
    assert.equal(await lab.run().getByText("There is no other way").count(), 0, "that is advice to the model");
    await lab.shot("refused");
    await lab.asked();
  });

  await step("one is accepted, one rejected with a reason, while the user types in between", async () => {
    await lab.go(11, 31);
    await page.keyboard.type("  # in percent");
    await lab.go(1);
    await page.keyboard.press("Control+Alt+J");
    await page.locator(".statusbar-item").filter({ hasText: "Ln 5, Col 1" }).waitFor();
    await page.keyboard.press("Control+Alt+Enter");
    await lab.lens("Accept −4 +1").waitFor({ state: "hidden" });
    assert.match(await lab.text(), /return sum\(prices\)/);
    assert.match(await lab.text(), /# in percent/);
    await lab.lens("Reject because...").first().click();
    await page.locator(".quick-input-widget input").fill("callers check the range");
    await page.keyboard.press("Enter");
    await until("the rejection on record", () => lab.journal(), () => lab.journal().includes("callers check the range"));
  });

  await step("the task ends with its checks, on exactly this text", async () => {
    lab.answer({ type: "tool_use", id: "f1", name: "finish", input: { summary: "Simplified total; label shows two digits." } });
    await lab.run().locator(".entry.end").filter({ hasText: "done" }).waitFor();
    await lab.row("sh check.sh").filter({ hasText: "passed" }).waitFor();
    await lab.told("2 changes to review");
    await lab.shot("review");
  });

  await step("a commit is asked about, modally, with the safe button in focus", async () => {
    await lab.run().locator("#box").fill("Commit what I accepted, then push it.");
    await lab.run().locator("#box").press("Enter");
    await lab.asked();
    // As a key does that falls on the dialog in the moment that it comes.
    await page.evaluate(`new MutationObserver((_, seen) => {
      const button = document.querySelector(".monaco-dialog-box .monaco-button:focus");
      if (button === null) return;
      seen.disconnect();
      button.click();
      window.fellOnIt = true;
    }).observe(document.body, { childList: true, subtree: true, attributes: true })`);
    // Nothing takes the keyboard while something is typed, in the box of the side view too.
    const box = lab.run().locator("#box");
    const typed = box.pressSequentially("and mind the message", { delay: 90 });
    lab.answer({ type: "tool_use", id: "c1", name: "git", input: { op: "commit", message: "Simplify total" } });
    await typed;
    assert.equal(await box.inputValue(), "and mind the message");
    await box.fill("");
    await page.waitForFunction("window.fellOnIt === true");
    await lab.dialog().waitFor({ state: "hidden" });
    await lab.dialog().filter({ hasText: "Commit shop.py to branch work?" }).waitFor();
    assert.doesNotMatch(lab.journal(), /"kind":"approval.decision"/);
    assert.equal(await page.locator(".monaco-dialog-box .monaco-button:focus").innerText(), "Reject");
    await page.waitForTimeout(300);
    await lab.shot("commit");
    assert.equal(lab.git("log", "--format=%s", "-1").trim(), "start", "nothing is committed before the answer");
    await lab.choose("Commit");
    await lab.asked();
    assert.equal(lab.git("log", "--format=%s", "-1").trim(), "Simplify total");
    const committed = lab.git("show", "HEAD:shop.py");
    assert.match(committed, /return sum\(prices\)/);
    assert.doesNotMatch(committed, /ValueError|in percent|:\.2f/, "only what was accepted is committed");
  });

  await step("a push is put off with Escape, read, and taken up again", async () => {
    lab.answer({ type: "tool_use", id: "p1", name: "git", input: { op: "push" } });
    await lab.dialog().filter({ hasText: "Push 1 commit to branch work of origin" }).waitFor();
    await page.waitForTimeout(600);
    await page.keyboard.press("Escape");
    await lab.dialog().waitFor({ state: "hidden" });
    await lab.statusShows("agent asks: Push");
    assert.doesNotMatch(lab.journal(), /"kind":"approval.decision"[^\n]*dismissed/, "putting off is no answer");
    await lab.row("Push: decide...").click();
    await lab.choose("Show Full Diff");
    await lab.page.locator(".tab.active").filter({ hasText: /question-/ }).waitFor();
    await page.waitForTimeout(1500);
    assert.equal(await lab.dialog().count(), 0, "no dialog comes over what is being read");
    await lab.lens("Push: decide...").waitFor();
    await lab.shot("push");
    assert.notEqual(lab.git("rev-parse", "HEAD"), lab.git("rev-parse", "origin/work"), "nothing is pushed before the answer");
    await lab.lens("Push: decide...").click();
    await lab.choose("Push");
    await lab.asked();
    assert.equal(lab.git("rev-parse", "HEAD"), lab.git("ls-remote", "origin", "work").split("\t")[0] + "\n");
    lab.answer({ type: "text", text: "Committed and pushed." });
    await lab.run().getByText("Committed and pushed.").waitFor();
  });

  await step("all changes stand in one editor, and can be decided there", async () => {
    await lab.command("countersign: Review All Changes");
    const line = (words: RegExp) => page.locator(".multiDiffEntry .modified .view-line").filter({ hasText: words });
    await line(/:\.2f/).waitFor();
    await line(/def.test_total/).waitFor();
    assert.equal(await page.locator(".multiDiffEntry").count(), 2, "the changed file and the new one");
    await lab.shot("diff");
    const accepted = (count: number) => until("the acceptance on record", () => lab.journal(), () => lab.journal().match(/"kind":"hunk.accepted"/g)?.length === count);
    await line(/:\.2f/).click();
    await page.keyboard.press("Control+Alt+Enter");
    await accepted(2);
    await page.locator('.editor-actions [aria-label*="Accept All Changes"]').click();
    await accepted(3);
  });

  await step("nothing was asked by saving", async () => {
    const before = lab.journal().match(/"kind":"task.start"/g)?.length;
    await lab.openFile("shop.py");
    await page.keyboard.press("Control+S");
    await until("the saved text", () => lab.read("shop.py"), () => lab.read("shop.py").includes("# in percent"));
    assert.equal(lab.journal().match(/"kind":"task.start"/g)?.length, before);
    assert.match(lab.read("tests/test_shop.py"), /def test_total/);
    assert.match(lab.read("shop.py"), /price:\.2f/);
    assert.doesNotMatch(lab.read("shop.py"), /ValueError/);
  });
}));
