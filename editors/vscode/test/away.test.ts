// A server that is not there: a wrong program, one that never answers, one that is being started again.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { at, step, until, type Lab } from "./lab.ts";

const TEXT = Array.from({ length: 9 }, (_, index) => `line ${index + 1}\n`).join("");

/** A program that is a shell script. */
function script(lab: Lab, name: string, text: string): string {
  const path = join(lab.root, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

/** The right program, as soon as a file says so. */
function late(lab: Lab, gate: string): string {
  const wait = `until [ -e '${gate}' ]; do sleep 0.05; done`;
  return script(lab, "late", `${wait}\nexec '${join(process.env["LAB_SERVER"] ?? "", "countersign")}' "$@"`);
}

/** The page's box, with text that was sent. */
async function send(lab: Lab, text: string): Promise<void> {
  await lab.run().locator("#box").fill(text);
  await lab.run().locator("#box").press("Enter");
}

test("a wrong program", () => at({ files: { "list.txt": TEXT } }, async (lab) => {
  const box = lab.run().locator("#box");
  await lab.openFile("list.txt");
  await lab.statusShows(/^\s*agent$/);
  await lab.command("countersign: Show Run");

  await step("a path with no program is told, each time that it is tried", async () => {
    lab.setMachine({ "countersign.server.path": join(lab.root, "nowhere") });
    await lab.statusShows("agent: not installed");
    const told = lab.toast("and no program is there: correct the setting, or empty it.");
    await told.waitFor();
    // The next one may be there before this one is seen going.
    await told.evaluate((toast: unknown) => (toast as { id: string }).id = "before");
    await told.locator(".monaco-button").filter({ hasText: "Try Again" }).click();
    await lab.page.locator(".notifications-toasts .notification-list-item:not(#before)").filter({ hasText: "and no program is there" }).waitFor();
    await lab.clearToasts();
  });

  await step("what cannot be sent stays in the box, and the way out is one click", async () => {
    await send(lab, "Mark line 3.");
    await lab.told("and no program is there");
    assert.equal(await box.inputValue(), "Mark line 3.");
    await lab.run().locator("#why").filter({ hasText: "no program is there" }).waitFor();
    await lab.run().locator("#way").filter({ hasText: "Get the Program" }).waitFor();
    await lab.clearToasts();
  });

  await step("a program that is no server is told once, with its last words", async () => {
    lab.setMachine({ "countersign.server.path": script(lab, "broken", "echo 'libsomething.so.6 is missing' >&2\nexit 1") });
    await lab.told(/broken ended before it answered: .*It said: libsomething\.so\.6 is missing\./);
    await lab.statusShows("agent: stopped");
    await lab.run().locator("#way").filter({ hasText: "Restart" }).waitFor();
    await lab.page.waitForTimeout(1000);
    assert.equal(await lab.timesTold("broken"), 1);
    await lab.clearToasts();
  });

  await step("a program that never answers does not hold up the right one", async () => {
    const seconds = `8${Date.now() % 100_000}`;
    lab.setMachine({ "countersign.server.path": script(lab, "silent", `exec sleep ${seconds}`) });
    await until("the silent program", () => "", () => lab.processes(`sleep ${seconds}`).length === 1);
    lab.setMachine({});
    await until("its end", () => "", () => lab.processes(`sleep ${seconds}`).length === 0);
    await until("the right one", () => "", () => lab.processes("countersign lsp").length === 1);
    await lab.run().locator("#notice").waitFor({ state: "hidden" });
  });

  await step("what was in the box is sent now", async () => {
    assert.equal(await box.inputValue(), "Mark line 3.");
    await box.press("Enter");
    assert.match(JSON.stringify(await lab.asked()), /Mark line 3\./);
    await lab.run().locator("#box:placeholder-shown").waitFor();
    lab.answer({ type: "text", text: "No." });
    await lab.run().getByText("No.", { exact: true }).waitFor();
  });
}));

test("a server that is started again", () => at({ files: { "list.txt": TEXT } }, async (lab) => {
  await lab.openFile("list.txt");
  await lab.statusShows(/^\s*agent$/);
  await lab.command("countersign: Show Run");
  const gate = join(lab.root, "gate");
  lab.setMachine({ "countersign.server.path": late(lab, gate) });
  await lab.statusShows("agent: starting");
  writeFileSync(gate, "");
  await lab.statusShows(/^\s*agent$/);

  await step("a change is proposed", async () => {
    await send(lab, "Mark line 3.");
    await lab.asked();
    const edits = [{ old: "line 3\n", new: "line 3, marked\n" }];
    lab.answer({ type: "tool_use", id: "e", name: "edit_file", input: { path: "list.txt", edits } });
    await lab.asked();
    lab.answer({ type: "text", text: "Marked." });
    await lab.run().locator(".entry.end").filter({ hasText: "done" }).waitFor();
    await send(lab, "And explain it.");
    assert.match(JSON.stringify(await lab.asked()), /list\.txt/, "the file that the box names goes along with what follows");
    lab.answer({ type: "text", text: "It is a mark." });
    await lab.run().getByText("It is a mark.").waitFor();
    await lab.run().locator(".entry.end").filter({ hasText: "done" }).waitFor();
    await lab.kept("line 3, marked");
  });

  await step("a decision in between is answered, and takes nothing away", async () => {
    const pid = await until("the server", () => "", () => lab.processes("countersign lsp")[0]);
    rmSync(gate);
    process.kill(pid, "SIGKILL");
    await until("its end", () => "", () => !lab.processes("countersign lsp").includes(pid));
    await lab.lens("Accept −1 +1").click();
    await lab.told("the server is being started again: decide in a moment");
    await send(lab, "What is left?");
    await lab.told("the server is being started; try again in a moment");
    assert.equal(await lab.run().locator("#box").inputValue(), "What is left?");
    assert.equal(await lab.lens("Accept −1 +1").count(), 1);
    assert.equal(lab.read("list.txt"), TEXT);
    writeFileSync(gate, "");
    await lab.told("1 pending change from before the restart");
    await lab.lens("Accept −1 +1").click();
    await until("the accepted text", () => lab.read("list.txt"), () => lab.read("list.txt").includes("line 3, marked\n"));
  });

  await step("a task of the server that is gone takes no further ask for its own", async () => {
    await lab.row("And explain it.").first().click();
    // The click shows the run, which takes the focus a moment later; a key before that goes elsewhere.
    await lab.run().locator("body").evaluate(`() => new Promise((seen) => {
      const look = () => (document.hasFocus() ? seen() : setTimeout(look, 20));
      look();
    })`);
    await lab.run().locator("#box").press("Enter");
    assert.match(JSON.stringify(await lab.asked()), /What is left\?/);
    lab.answer({ type: "text", text: "Nothing." });
    await lab.run().getByText("Nothing.", { exact: true }).waitFor();
  });
}));
