// Several workspace folders in one window.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { at, step, until } from "./lab.ts";

test("several folders", () => at({ files: { "list.txt": "one\ntwo\n" }, beside: { library: { "index.txt": "three\nfour\n" } } }, async (lab) => {
  const { page } = lab;
  const other = (name: string) => readFileSync(join(lab.root, "home", "library", name), "utf8");
  await lab.openFile("index.txt");
  await lab.statusShows(/^\s*agent$/);

  await step("a task works in the folder of the file that it is asked about", async () => {
    await lab.command("countersign: Ask Agent...");
    await page.locator(".quick-input-widget input").fill("Shout in both.");
    await page.locator(".quick-input-widget").filter({ hasText: "index.txt" }).waitFor();
    await page.keyboard.press("Enter");
    await lab.asked();
    lab.answer({ type: "tool_use", id: "r", name: "run", input: { command: "ls" } });
    const told = JSON.stringify((await lab.asked()).messages.at(-1));
    assert.match(told, /index\.txt/);
    assert.doesNotMatch(told, /list\.txt/);
  });

  await step("it proposes in both, and the trees say where", async () => {
    lab.answer(
      { type: "tool_use", id: "a", name: "edit_file", input: { path: "library/index.txt", edits: [{ old: "three\n", new: "THREE\n" }] } },
      { type: "tool_use", id: "b", name: "edit_file", input: { path: "project/list.txt", edits: [{ old: "two\n", new: "TWO\n" }] } },
    );
    await lab.asked();
    lab.answer({ type: "text", text: "Both shout." });
    await lab.command("countersign: Show Run");
    for (const folder of ["library", "project"]) await lab.row("Shout in both").filter({ hasText: folder }).first().waitFor();
    await lab.statusShows("2 changes");
    await lab.lens("Accept −1 +1").waitFor();
  });

  await step("the next change lies in the other folder", async () => {
    await lab.go(1);
    await page.keyboard.press("Control+Alt+J");
    await page.locator('.tab.active[data-resource-name="list.txt"]').waitFor();
    await page.locator(".statusbar-item").filter({ hasText: "Ln 2, Col 1" }).waitFor();
  });

  await step("one is accepted, the other rejected, each in its folder", async () => {
    await page.keyboard.press("Control+Alt+Enter");
    await until("the accepted text", () => lab.read("list.txt"), () => lab.read("list.txt") === "one\nTWO\n");
    assert.equal(other("index.txt"), "three\nfour\n");
    await page.keyboard.press("Control+Alt+J");
    await page.locator('.tab.active[data-resource-name="index.txt"]').waitFor();
    await lab.lens("Reject").first().waitFor();
    await page.keyboard.press("Control+Alt+Backspace");
    await until("the rejection", () => lab.journal(), () => lab.journal().includes('"kind":"hunk.rejected"'));
    await lab.statusShows(/^\s*agent( L\d)?$/);
    assert.equal(other("index.txt"), "three\nfour\n");
  });
}));
