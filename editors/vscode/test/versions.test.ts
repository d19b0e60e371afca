// A program that speaks another protocol than the extension: one sentence says which to update, and plain LSP goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, step } from "./lab.ts";

test("another protocol", () => at({ protocol: 2, listening: true, files: { "list.txt": "line 1\nline 2\nline 3\n" } }, async (lab) => {
  const { page } = lab;
  await lab.openFile("list.txt");

  await step("one sentence says what to update", async () => {
    await lab.told(/countersign [\d.]+ speaks protocol 2, this extension 1: update the extension\./);
    await lab.statusShows(/^\s*agent$/);
    const said = lab.wire().filter(({ message }) => message.method === "initialize").map(({ message }) => message.params.initializationOptions.countersign.rich);
    assert.deepEqual(said, [true, false], "started once more, as a plain client");
    assert.equal(await lab.timesTold("speaks protocol"), 1, "said once");
    await lab.command("countersign: Show Run");
    await lab.run().locator("#why").filter({ hasText: "update the extension" }).waitFor();
    await page.locator(".sidebar").getByText("its changes stand in the text and under Problems only").waitFor();
  });

  await step("a plain client asks, reviews by code actions and accepts", async () => {
    await lab.clearToasts();
    await lab.command("countersign: Ask Agent...");
    await page.locator(".quick-input-widget input").fill("Mark line 2.");
    await page.keyboard.press("Enter");
    // The server believes only clients of its own protocol that the editor trusts the folder, so it asks.
    await lab.dialog().filter({ hasText: "let the agent work in" }).waitFor();
    await lab.choose("Trust");
    await lab.asked();
    lab.answer({ type: "tool_use", id: "e", name: "edit_file", input: { path: "list.txt", edits: [{ old: "line 2\n", new: "line 2, marked\n" }] } });
    await lab.asked();
    lab.answer({ type: "text", text: "Marked." });
    await lab.told("countersign done");
    // What a plain server does not tell the end of is not shown as going on.
    await lab.statusShows(/^\s*agent$/);
    await page.locator("#countersign\\.countersign\\.countersign\\.stop").waitFor({ state: "hidden" });
    // The server's own diagnostic and lens stand where the extension's would.
    await page.locator(".squiggly-info").first().waitFor();
    await lab.go(2);
    await lab.act("Accept change");
    await page.locator(".view-line").filter({ hasText: /line.2,.marked/ }).waitFor();
    assert.equal(lab.read("list.txt"), "line 1\nline 2\nline 3\n", "a plain client saves by hand");
  });
}));
