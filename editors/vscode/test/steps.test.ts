// The first steps: every link of the walkthrough leads somewhere, and every key of its last page does what it says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, step, until, type Lab } from "./lab.ts";

const TEXT = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join("");

async function terminal(lab: Lab, name: string, words: RegExp): Promise<void> {
  await lab.page.locator(".terminal-outer-container, .terminal-wrapper").first().waitFor();
  const rows = lab.page.locator(".terminal-wrapper.active .xterm-rows");
  await rows.filter({ hasText: words }).waitFor();
  await lab.command("Terminal: Kill the Active Terminal Instance");
  await until(`the end of ${name}`, () => "", () => lab.processes(`countersign ${name}`).length === 0);
}

test("first steps", () => at({ files: { "list.txt": TEXT } }, async (lab) => {
  const { page } = lab;
  await lab.openFile("list.txt");
  await lab.statusShows(/^\s*agent$/);

  await step("the program", async () => {
    await lab.firstStep("The program", "Get the Program");
    await lab.told("countersign is here: ");
    await page.locator(".getting-started-step").filter({ hasText: "The program" }).locator(".codicon-getting-started-step-checked").waitFor();
    await lab.clearToasts();
  });
  await step("the demo, the set-up and the doctor run in a terminal", async () => {
    await lab.firstStep("See it without a key", "Play the Demo");
    await terminal(lab, "demo", /accept this change/);
    await lab.firstStep("Model and key", "Set Up Model and Key");
    await terminal(lab, "init", /anthropic/i);
    await lab.firstStep("How high the walls are here", "Check This Machine");
    await terminal(lab, "doctor", /every chain holds/);
  });
  await step("the setting, where it counts", async () => {
    await lab.firstStep("Model and key", "Choose the Model in the Settings");
    await page.locator(".settings-editor .setting-item").filter({ hasText: "Countersign: Model" }).waitFor();
  });
  await step("ask", async () => {
    await lab.openFile("list.txt");
    await lab.firstStep("Select some lines and ask", "Ask Agent...");
    await page.locator(".quick-input-widget").filter({ hasText: "Ask agent: may propose changes" }).waitFor();
    await page.keyboard.press("Escape");
  });

  await step("ask, by its key", async () => {
    await lab.openFile("list.txt");
    await page.keyboard.press("Control+Alt+A");
    await page.locator(".quick-input-widget input").fill("Mark three lines.");
    await page.keyboard.press("Enter");
    await lab.asked();
    const edits = [3, 15, 27].map((line) => ({ old: `line ${line}\n`, new: `line ${line}, marked\n` }));
    lab.answer({ type: "tool_use", id: "e", name: "edit_file", input: { path: "list.txt", edits } });
    await lab.asked();
    await lab.lens("Accept −1 +1").first().waitFor();
  });
  const cursor = (line: number) => page.locator(".statusbar-item").filter({ hasText: `Ln ${line}, Col 1` }).waitFor();
  await step("next and previous, round the end", async () => {
    await lab.go(1);
    for (const [key, line] of [["J", 3], ["J", 15], ["K", 3], ["K", 27], ["J", 3]] as const) {
      await page.keyboard.press(`Control+Alt+${key}`);
      await cursor(line);
    }
  });
  await step("accept, reject", async () => {
    await page.keyboard.press("Control+Alt+Enter");
    await until("the accepted line", () => lab.read("list.txt"), () => lab.read("list.txt").includes("line 3, marked\n"));
    await page.keyboard.press("Control+Alt+J");
    await cursor(15);
    await page.keyboard.press("Control+Alt+Backspace");
    await until("the rejection", () => lab.journal(), () => lab.journal().includes('"kind":"hunk.rejected"'));
    assert.equal(lab.read("list.txt"), TEXT.replace("line 3\n", "line 3, marked\n"));
    // Where no change stands, the keys change nothing.
    await lab.go(20);
    await page.keyboard.press("Control+Alt+Enter");
    await lab.told("no change is pending here");
    await lab.clearToasts();
  });
  await step("what can be done now, and stop", async () => {
    await page.keyboard.press("Control+Alt+M");
    await page.locator(".quick-input-list .monaco-list-row").filter({ hasText: "Stop: Mark three lines." }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+Alt+.");
    await until("the end", () => lab.journal(), () => /"kind":"task.end"[^\n]*"cancelled"/.test(lab.journal()));
    await lab.statusShows("1 change");
  });
  await step("without a model the first ask leads to the set-up", async () => {
    lab.setMachine({ "countersign.model": "" });
    await lab.told("1 pending change from before the restart");
    await page.keyboard.press("Control+Alt+A");
    await page.locator(".quick-input-widget input").fill("Mark line 9.");
    await page.keyboard.press("Enter");
    await lab.messages();
    const asked = page.locator(".notifications-center .notification-list-item").filter({ hasText: "no model is set and no key was found" });
    await asked.locator(".monaco-button").filter({ hasText: "Drop the Ask" }).waitFor();
    // As fast as a person reads: what comes faster is asked again.
    await page.waitForTimeout(1200);
    await asked.locator(".monaco-button").filter({ hasText: "Set up" }).click();
    // A key may be typed there: the page that opens beside it does not take the keyboard.
    await page.locator(".tab").filter({ hasText: /setup/ }).waitFor();
    await page.locator(".terminal-wrapper.active .xterm-rows").filter({ hasText: /anthropic/i }).waitFor();
    await page.locator(".terminal-wrapper.active textarea:focus").waitFor({ state: "attached" });
    await terminal(lab, "init", /anthropic/i);
  });
}));
