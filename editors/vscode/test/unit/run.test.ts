// Updates folded into a run.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Update } from "../../src/protocol.ts";
import { add, apply, isOver, newRun, type Run } from "../../src/runs/run.ts";

let seq = 0;

function feed(run: Run, ...updates: Partial<Update>[]): number[] {
  return updates.flatMap((update) => apply(run, { task: run.task, seq: (seq += 1), kind: "text", ...update }));
}

test("streamed text is one entry until something else comes", () => {
  const run = newRun("t1");
  feed(run, { text: "one " }, { text: "two" }, { kind: "thinking", text: "hm" }, { text: "three" });
  assert.deepEqual(run.entries, [{ kind: "text", text: "one two" }, { kind: "thinking", text: "hm" }, { kind: "text", text: "three" }]);
});

test("a tool call shows its output while it runs, and how it ended", () => {
  const run = newRun("t1");
  feed(run, { kind: "tool_call", call: "a", tool: "run", title: "running make", status: "running" });
  assert.equal(run.doing, "running make");
  assert.deepEqual(feed(run, { kind: "tool_output", call: "a", text: "1\n" }, { kind: "tool_output", call: "a", text: "2\n" }), [0, 0]);
  feed(run, { kind: "tool_call", call: "a", tool: "run", status: "ok", result: "exit 0" });
  assert.deepEqual(run.entries, [{ kind: "tool", call: "a", title: "running make", status: "ok", output: "1\n2\n", result: "exit 0" }]);
  assert.equal(run.doing, "");
});

test("why a call was refused stands with its end", () => {
  const run = newRun("t1");
  feed(run, { kind: "tool_call", call: "a", tool: "run", title: "running make", status: "running" });
  feed(run, { kind: "tool_call", call: "a", tool: "run", status: "error", result: "exit 1", refused: "/usr/x: read-only here." });
  const refused = "/usr/x: read-only here.";
  assert.deepEqual(run.entries, [{ kind: "tool", call: "a", title: "running make", status: "error", output: "", result: "exit 1", refused }]);
});

test("output of a call that nobody knows changes nothing", () => {
  const run = newRun("t1");
  assert.deepEqual(feed(run, { kind: "tool_output", call: "x", text: "1\n" }), []);
});

test("long output keeps its end", () => {
  const run = newRun("t1");
  feed(run, { kind: "tool_call", call: "a", title: "t" }, { kind: "tool_output", call: "a", text: "x".repeat(70_000) }, { kind: "tool_output", call: "a", text: "END" });
  const entry = run.entries[0];
  assert.ok(entry?.kind === "tool" && entry.output.length <= 64 * 1024 + 1 && entry.output.endsWith("END"));
});

test("the task's own end counts, the loop's does not", () => {
  const run = newRun("t1");
  feed(run, { kind: "tool_call", call: "a", title: "t" }, { kind: "state", state: "ended" });
  assert.equal(isOver(run), false);
  feed(run, { kind: "state", state: "cancelled", summary: "stopped" });
  assert.equal(isOver(run), true);
  assert.deepEqual(run.entries.map((entry) => (entry.kind === "tool" ? entry.status : entry.kind)), ["cancelled", "end"]);
});

test("a summary that was streamed is not said twice", () => {
  const run = newRun("t1");
  feed(run, { text: "All done.\n" }, { kind: "state", state: "ended", summary: "All done." });
  assert.deepEqual(run.entries.at(-1), { kind: "end", state: "ended", text: "" });
});

test("the end says which checks failed the last time", () => {
  const run = newRun("t1");
  const check = (call: string, title: string, status: string): Partial<Update>[] => [
    { kind: "tool_call", tool: "check", call, title, status: "running" }, { kind: "tool_call", tool: "check", call, status, result: `${title}: ${status}` },
  ];
  feed(run, ...check("a", "checking make test", "error"), ...check("b", "checking make lint", "error"), ...check("c", "checking make test", "ok"));
  feed(run, { kind: "tool_call", tool: "run", call: "d", title: "running make", status: "running" }, { kind: "tool_call", tool: "run", call: "d", status: "error", result: "" });
  feed(run, { kind: "state", state: "ended", summary: "Done." });
  assert.deepEqual(run.entries.at(-1), { kind: "end", state: "ended", text: "Done.\nchecking make lint: error" });
});

test("what the user said is seen when the task has read it", () => {
  const run = newRun("t1");
  add(run, { kind: "said", text: "wait", how: "now", seen: false });
  add(run, { kind: "said", text: "wait", how: "now", seen: false });
  assert.deepEqual(feed(run, { kind: "state", state: "running", heard: ["wait"] }), [1]);
  assert.deepEqual(feed(run, { kind: "state", state: "running", heard: ["wait"] }), [0]);
});

test("a question is open until it is decided", () => {
  const run = newRun("t1");
  feed(run, { kind: "question", approval: "k", text: "Push?", state: "open" });
  assert.equal(run.doing, "waiting for you");
  feed(run, { kind: "question", approval: "k", state: "approved" });
  assert.deepEqual([run.entries[0]?.kind === "question" && run.entries[0].state, run.doing], ["approved", ""]);
});

test("old entries go, and numbers stay", () => {
  const run = newRun("t1");
  for (let count = 0; count < 700; count += 1) add(run, { kind: "ask", text: String(count) });
  assert.equal(run.entries.length, 600);
  assert.deepEqual(run.entries[0], { kind: "ask", text: String(run.first) });
});
