// Where the program is looked for.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findBinary } from "../../src/binary.ts";

const scratch = mkdtempSync(join(tmpdir(), "countersign-binary-"));
after(() => rmSync(scratch, { recursive: true }));

function folder(mode: number): string {
  const path = mkdtempSync(join(scratch, "bin-"));
  writeFileSync(join(path, "countersign"), "");
  chmodSync(join(path, "countersign"), mode);
  return path;
}

test("the first program on PATH is taken", async () => {
  const [one, two] = [folder(0o755), folder(0o755)];
  assert.deepEqual(await findBinary("", { PATH: `${one}:${two}` }), { path: join(one, "countersign") });
});

test("what is no program is passed over", async () => {
  const [text, program] = [folder(0o644), folder(0o755)];
  const directory = mkdtempSync(join(scratch, "bin-"));
  mkdirSync(join(directory, "countersign"));
  assert.deepEqual(await findBinary("", { PATH: `${text}:${directory}:${program}` }), { path: join(program, "countersign") });
});

test("a relative entry of PATH is never looked at", async () => {
  const before = process.cwd();
  // Cargo's folder of the tester must not be the answer.
  process.env["HOME"] = scratch;
  process.chdir(folder(0o755));
  try {
    assert.deepEqual(await findBinary("", { PATH: ".:" }), { missing: "countersign is neither on PATH nor in ~/.cargo/bin" });
  } finally {
    process.chdir(before);
  }
});

test("the setting comes first, and is told when it is wrong", async () => {
  const [one, two] = [folder(0o755), folder(0o755)];
  assert.deepEqual(await findBinary(join(one, "countersign"), { PATH: two }), { path: join(one, "countersign") });
  assert.match(JSON.stringify(await findBinary("bin/countersign", { PATH: two })), /no absolute path/);
  assert.match(JSON.stringify(await findBinary(join(two, "other"), { PATH: two })), /no program is there/);
});
