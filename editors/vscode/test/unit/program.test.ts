// The server's process: its last words, and its certain end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Program } from "../../src/program.ts";

const scratch = mkdtempSync(join(tmpdir(), "countersign-program-"));
after(() => rmSync(scratch, { recursive: true }));

function script(name: string, text: string): Program {
  const path = join(scratch, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return new Program(path);
}

test("the last line that it said is kept, and no more than a line", async () => {
  const program = script("talks", "echo first >&2; echo 'the last word' >&2; exit 3");
  await program.start(scratch);
  assert.equal(await program.farewell(), "the last word");
  const long = script("long", "printf '%0500d' 7 >&2");
  await long.start(scratch);
  assert.equal((await long.farewell())?.length, 200);
});

test("one that cannot be started says why, and has no last word", async () => {
  const program = new Program(join(scratch, "nowhere"));
  await assert.rejects(program.start(scratch), /ENOENT/);
  assert.equal(await program.farewell(), undefined);
});

test("a folder that is gone does not keep it from starting", async () => {
  const program = script("starts", "exit 0");
  const child = await program.start(join(scratch, "gone"));
  assert.equal(child.exitCode ?? (await once(child, "exit"))[0], 0);
});

test("one that hears nothing is ended all the same", async () => {
  const program = script("deaf", "trap '' TERM; while :; do sleep 1; done");
  const child = await program.start(scratch);
  await program.ended();
  assert.equal(child.signalCode, "SIGKILL");
  const other = script("other", "exec sleep 1000");
  const second = await other.start(scratch);
  other.kill();
  await other.ended();
  assert.equal(second.signalCode, "SIGKILL");
  await assert.rejects(other.start(scratch), /not wanted/);
});
