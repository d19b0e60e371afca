// The first task: asked in the menu, streamed, reviewed hunk by hunk while typing, checked, committed, not pushed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "./lab.ts";

const TEXT = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join("");

test("scratch", async () => {
  const lab = await Lab.open({ files: { "list.txt": TEXT, "other.txt": "other\n" } });
  try {
    const page = lab.page;
    await lab.openFile("list.txt");
    await lab.statusShows("agent");
    console.log("status", await lab.status().innerText());
    await lab.command("countersign: Ask Agent...");
    await page.locator(".quick-input-widget input").fill("Mark three lines.");
    await page.screenshot({ path: "/tmp/s1.png" });
    await page.keyboard.press("Enter");
    await lab.asked();
    await lab.command("countersign: Show Run");
    await page.waitForTimeout(1500);
    await page.screenshot({ path: "/tmp/s2.png" });
    lab.answer(
      { type: "text", text: "I mark the lines 3, 15 and 27.\n" },
      { type: "tool_use", id: "e", name: "edit_file", input: { path: "list.txt", edits: [
        { old: "line 3\n", new: "line 3, first\n" }, { old: "line 15\n", new: "line 15, second\n" }, { old: "line 27\n", new: "line 27, third\nand below\n" },
      ] } },
      { type: "tool_use", id: "r", name: "run", input: { command: "for i in 1 2 3; do echo part $i; sleep 0.3; done" } },
    );
    await lab.asked();
    await page.waitForTimeout(1500);
    await page.screenshot({ path: "/tmp/s3.png" });
    lab.answer({ type: "text", text: "Marked." });
    await page.waitForTimeout(1500);
    await page.screenshot({ path: "/tmp/s4.png" });
    console.log(lab.journal().slice(-1500));
    assert.ok(true);
  } catch (error) {
    await lab.page.screenshot({ path: "/tmp/fail.png" });
    throw error;
  } finally {
    await lab.close();
  }
});
