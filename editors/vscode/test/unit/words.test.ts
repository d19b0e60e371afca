// The words of the status item, of questions and of version checks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isGrave, readQuestion } from "../../src/questionText.ts";
import { newRun, type Run } from "../../src/runs/run.ts";
import { spent, statusText, tokens, type Known } from "../../src/statusText.ts";
import { mismatch, spoken } from "../../src/versions.ts";

const QUIET: Known = { runs: [], questions: [], pending: 0, level: null, server: "ready" };

function running(task: string, more: Partial<Run> = {}): Run {
  return { ...newRun(task), state: "running", iteration: 3, iterations: 20, ...more };
}

test("tokens are short", () => {
  assert.deepEqual([0, 999, 1000, 12_449, 2_500_000].map(tokens), ["0", "999", "1.0k", "12.4k", "2.5M"]);
});

test("the cost is told only where it is known", () => {
  const usage = { input: 400, cache_read: 100, cache_creation: 0, output: 12 };
  assert.equal(spent({ usage, cost: undefined }), "512 tok");
  assert.equal(spent({ usage, cost: 0.041 }), "512 tok · $0.04");
});

test("the status item says the most pressing thing", () => {
  assert.equal(statusText(QUIET), "$(shield) agent");
  assert.equal(statusText({ ...QUIET, level: "L3" }), "$(shield) agent L3");
  assert.equal(statusText({ ...QUIET, level: "L3", pending: 1 }), "$(diff) agent: 1 change");
  assert.equal(statusText({ ...QUIET, pending: 2, runs: [running("t1")] }), "$(sync~spin) agent 3/20 · 0 tok");
  assert.equal(statusText({ ...QUIET, runs: [running("t1"), running("t2", { state: "queued" })] }), "$(sync~spin) agent 3/20 · 0 tok (+1)");
  assert.equal(statusText({ ...QUIET, runs: [running("t1")], questions: ["Push"] }), "$(question) agent asks: Push");
  assert.equal(statusText({ ...QUIET, runs: [running("t1", { state: "preparing", iteration: 0 })] }), "$(sync~spin) agent: starting");
  assert.equal(statusText({ ...QUIET, runs: [running("t1", { iteration: 0 })] }), "$(sync~spin) agent: thinking");
  assert.equal(statusText({ ...QUIET, runs: [running("t1", { state: "ended" })] }), "$(shield) agent");
  assert.equal(statusText({ ...QUIET, server: "missing", pending: 3 }), "$(warning) agent: not installed");
  assert.equal(statusText({ ...QUIET, server: "restricted" }), "$(shield) agent: restricted");
});

test("questions are read off their line", () => {
  const push = readQuestion("Push 1 commit to main of origin (url), abc to def? [k3f9]");
  assert.deepEqual(push, { approval: "k3f9", kind: "Push", line: "Push 1 commit to main of origin (url), abc to def?", again: false });
  assert.equal(readQuestion("Commit a.rs to x? Message: \"[abcd]\" [k3f9.2]").approval, "k3f9");
  const again = readQuestion("Answered in 0.20 s, faster than it can be read. Again: Commit a.rs to x? [k3f9.2]");
  assert.deepEqual([again.kind, again.again, again.line], ["Commit", true, "Commit a.rs to x?"]);
  assert.equal(readQuestion("Trust · let the agent work in /x? [abcd]").kind, "Trust");
  assert.equal(readQuestion("Open pull request for x? [abcd]").kind, "Open pull request");
  assert.equal(readQuestion("The agent asks: \"a or b?\" [abcd]").kind, "Question");
});

test("what leaves the working tree is grave", () => {
  assert.deepEqual(["Trust", "Commit", "Push", "Endpoint", "Run", "Question"].map(isGrave), [true, true, true, true, false, false]);
});

test("versions that differ are told in one sentence, those that agree are not", () => {
  const told = (experimental: unknown) => mismatch(spoken(experimental, "0.3.0"));
  assert.equal(told({ countersign: { protocol: 1, version: "0.1.0" } }), undefined);
  assert.equal(told({ countersign: { protocol: 2, version: "0.4.0" } }), "countersign 0.4.0 speaks protocol 2, this extension 1: update the extension.");
  assert.equal(told({ countersign: { protocol: 0, version: "0.0.9" } }), "countersign 0.0.9 speaks protocol 0, this extension 1: update the program.");
  assert.equal(told(undefined), "countersign 0.3.0 is older than this extension, which speaks protocol 1: update the program.");
  assert.equal(told({ countersign: { protocol: "1" } }), "countersign 0.3.0 is older than this extension, which speaks protocol 1: update the program.");
});
