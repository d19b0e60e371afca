// What the editor and its other language servers know, asked by the agent.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { at, step, until, type Lab, type Message } from "./lab.ts";

const CODE = `/** Adds. */
export function add(a: number, b: number): number {
  return a + b;
}

export const three: number = add(1, 2);
export const wrong: number = "three";
`;

/** Lets the model call a tool, and answers what it is told. */
async function told(lab: Lab, name: string, input: object): Promise<string> {
  lab.answer({ type: "tool_use", id: `t${Math.random().toString(36).slice(2)}`, name, input });
  return JSON.stringify((await lab.asked()).messages.at(-1));
}

test("what the editor knows", () => at({ listening: true, files: { "math.ts": CODE, "note.md": "# One\n" } }, async (lab) => {
  const { page } = lab;
  await lab.openFile("math.ts");
  await lab.statusShows(/^\s*agent$/);
  // The editor's own TypeScript server has looked.
  await page.locator(".squiggly-error").first().waitFor();
  await lab.go(7, 14);
  await lab.command("countersign: Ask Agent...");
  await page.locator(".quick-input-widget").filter({ hasText: "1 problem" }).waitFor();
  await page.locator(".quick-input-widget input").fill("What is wrong here?");
  await page.keyboard.press("Enter");

  await step("the problem under the cursor goes along", async () => {
    assert.match(JSON.stringify(await lab.asked()), /not assignable to type 'number'/);
  });
  await step("diagnostics", async () => {
    assert.match(await told(lab, "diagnostics", { path: "math.ts" }), /not assignable to type 'number'/);
  });
  await step("outline, definition, references, hover", async () => {
    assert.match(await told(lab, "symbols", { op: "outline", path: "math.ts" }), /add[\s\S]*three[\s\S]*wrong/);
    assert.match(await told(lab, "symbols", { op: "definition", path: "math.ts", line: 6, symbol: "add" }), /2\|export function add/);
    assert.match(await told(lab, "symbols", { op: "references", path: "math.ts", line: 2, symbol: "add" }), /6\|export const three/);
    assert.match(await told(lab, "symbols", { op: "hover", path: "math.ts", line: 6, symbol: "add" }), /Adds\./);
  });
  await step("open buffers and selection", async () => {
    assert.match(await told(lab, "editor", { op: "open_buffers" }), /math\.ts/);
    assert.match(await told(lab, "editor", { op: "selection" }), /7/);
  });
  await step("accepted files, a new one too, are saved where nothing unsaved stood", async () => {
    lab.answer(
      { type: "tool_use", id: "w", name: "write_file", input: { path: "sub/new.md", content: "# New\n" } },
      { type: "tool_use", id: "e", name: "edit_file", input: { path: "math.ts", edits: [{ old: "wrong: number = \"three\"", new: "right: number = 3" }] } },
    );
    await lab.asked();
    await lab.command("countersign: Show Run");
    await lab.row("new.md").waitFor();
    assert.ok(!existsSync(join(lab.work, "sub")), "nothing is on disk before it is accepted");
    await lab.command("countersign: Accept All Changes");
    await until("the new file", () => "", () => existsSync(join(lab.work, "sub/new.md")) && lab.read("sub/new.md") === "# New\n");
    await until("the saved text", () => lab.read("math.ts"), () => lab.read("math.ts").includes("right: number = 3"));
    await page.locator(".squiggly-error").first().waitFor({ state: "hidden" });
    // As the editor does it, and the server counts on it: the new document is told before the answer, its text before the request
    // to save it, and saving is what puts it on the disk.
    const seen = (what: string, fits: (message: Message) => boolean) => {
      const found = lab.wire().findIndex(({ message }) => fits(message));
      assert.ok(found >= 0, what);
      return found;
    };
    const about = (method: string) => (message: Message) => message.method === method && JSON.stringify(message.params).includes("/sub/new.md");
    const order = [
      seen("opened", about("textDocument/didOpen")), seen("answered", (message) => message.result?.applied === true),
      seen("changed", about("textDocument/didChange")), seen("to be saved", about("countersign/save")),
    ];
    assert.deepEqual(order, [...order].sort((a, b) => a - b), "opened, answered, changed, saved");
  });
  lab.answer({ type: "text", text: "A string is no number." });
  await lab.told("A string is no number");
}));
