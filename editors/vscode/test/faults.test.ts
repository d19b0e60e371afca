// What goes wrong: a command that is stopped, a server that is killed, a server that keeps dying.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { at, step, until, type Lab } from "./lab.ts";

const TEXT = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join("");

/** Commands on this machine that hold these words. */
function running(words: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").includes(words);
    } catch {
      return false;
    }
  }).length;
}

async function ask(lab: Lab, words: string): Promise<void> {
  await lab.command("countersign: Ask Agent...");
  await lab.page.locator(".quick-input-widget input").fill(words);
  await lab.page.keyboard.press("Enter");
  await lab.asked();
}

function mark(line: number): object {
  const edits = [{ old: `line ${line}\n`, new: `line ${line}, marked\n` }];
  return { type: "tool_use", id: `e${line}`, name: "edit_file", input: { path: "list.txt", edits } };
}

test("faults", () => at({ files: { "list.txt": TEXT } }, async (lab) => {
  const { page } = lab;
  await lab.openFile("list.txt");
  await lab.statusShows(/^\s*agent$/);
  const seconds = `9${Date.now() % 100_000}`;

  await step("Stop in the middle of a command ends it and its children", async () => {
    await ask(lab, "Mark line 3 and wait.");
    lab.answer(mark(3), { type: "tool_use", id: "r", name: "run", input: { command: `echo begun; (sleep ${seconds} & sleep ${seconds}); echo over` } });
    await until("the command to run", () => lab.journal(), () => running(`sleep ${seconds}`) >= 2);
    const stop = page.locator("#countersign\\.countersign\\.countersign\\.stop");
    await stop.click();
    const start = Date.now();
    // By itself it would end tomorrow.
    await until("the end of the command", () => "", () => running(`sleep ${seconds}`) === 0);
    console.log(`stopped in ${Date.now() - start} ms`);
    await stop.waitFor({ state: "hidden" });
    assert.match(lab.journal(), /"kind":"task.end"[^\n]*"cancelled"/);
    await lab.lens("Accept −1 +1").waitFor();
  });

  await step("the killed server comes back with the pending change", async () => {
    await lab.kept("line 3, marked");
    const [pid] = lab.processes("countersign lsp");
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    // Watched on the page itself: the lenses of an editor blink when a provider of lenses comes or goes.
    await page.evaluate(`window.missed = 0; window.watch = setInterval(() => {
      if (!document.querySelector(".codelens-decoration a")) window.missed += 1;
    }, 10)`);
    await until("another server", () => "", () => lab.processes("countersign lsp").some((other) => other !== pid));
    await lab.told("1 pending change from before the restart");
    const missed = await page.evaluate("clearInterval(window.watch), window.missed");
    assert.equal(missed, 0, "the change stays on the screen");
    await lab.lens("Accept −1 +1").click();
    await until("the accepted text", () => lab.read("list.txt"), () => lab.read("list.txt").includes("line 3, marked\n"));
  });

  await step("a task that was cut off says so, and the next one works", async () => {
    await ask(lab, "Mark line 9.");
    const [pid] = lab.processes("countersign lsp");
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    await lab.command("countersign: Show Run");
    await lab.run().locator(".entry.end.failed").filter({ hasText: "The server ended before the task did" }).waitFor();
    await lab.statusShows(/^\s*agent/);
    await ask(lab, "Mark line 9 again.");
    lab.answer(mark(9));
    await lab.asked();
    lab.answer({ type: "text", text: "Marked." });
    await lab.run().locator(".entry.end").filter({ hasText: "done" }).waitFor();
  });

  await step("a server that keeps dying is given up, and started again on request", async () => {
    await lab.kept("line 9, marked");
    for (let count = 0; count < 3; count += 1) {
      // One that has not answered yet is no server that dies, but one that does not start.
      if (count > 0) await lab.told("1 pending change from before the restart");
      await lab.clearToasts();
      const pid = await until("a server", () => "", () => lab.processes("countersign lsp")[0]);
      process.kill(pid, "SIGKILL");
      await until("its end", () => "", () => !lab.processes("countersign lsp").includes(pid));
    }
    await lab.statusShows("agent: stopped");
    assert.deepEqual(lab.processes("countersign lsp"), []);
    await lab.told("not started again", "Restart");
    await lab.statusShows("1 change");
    await lab.lens("Accept −1 +1").waitFor();
  });

  await step("the editor of all changes does not come back empty with the window", async () => {
    await lab.command("countersign: Review All Changes", page.locator(".multiDiffEntry").first());
    await page.reload();
    await lab.statusShows("1 change");
    await lab.lens("Accept −1 +1").waitFor();
    await page.locator(".tab").filter({ hasText: "The agent's changes" }).waitFor({ state: "detached" });
  });
}));
