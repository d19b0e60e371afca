// Hunks as text.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Hunk, ProposedFile } from "../../src/protocol.ts";
import { covers, diff, lines, nextPlace, preview, proposed, proposedPlaces, size, what } from "../../src/review/hunks.ts";

function hunk(from: [number, number], to: [number, number], old_text: string, new_text: string, state: Hunk["state"] = "pending"): Hunk {
  const range = { start: { line: from[0], character: from[1] }, end: { line: to[0], character: to[1] } };
  return { id: `h${from[0]}`, kind: "lines", range, old_text, new_text, state, steering: false };
}

function file(hunks: Hunk[], op: ProposedFile["op"] = "edit"): ProposedFile {
  return { uri: "file:///a", path: "a", op, hunks };
}

test("the proposed text holds all pending hunks, in any order", () => {
  const later = hunk([2, 0], [3, 0], "three\n", "THREE\nand more\n");
  const earlier = hunk([0, 0], [1, 0], "one\n", "");
  assert.equal(proposed("one\ntwo\nthree\n", file([later, earlier])), "two\nTHREE\nand more\n");
});

test("stale hunks are not in the proposed text, hunks that are being applied are", () => {
  const stale = hunk([0, 0], [1, 0], "one\n", "ONE\n", "stale");
  const applying = hunk([1, 0], [2, 0], "two\n", "TWO\n", "applying");
  assert.equal(proposed("one\ntwo\n", file([stale, applying])), "one\nTWO\n");
});

test("the lines of the proposed text know their hunks", () => {
  const removal = hunk([0, 0], [2, 0], "one\ntwo\n", "");
  const stale = hunk([2, 0], [3, 0], "three\n", "3\n", "stale");
  const longer = hunk([3, 0], [4, 0], "four\n", "FOUR\nand\nmore\n");
  const inside = hunk([4, 2], [4, 3], "x", "yz");
  const all = file([inside, longer, stale, removal]);
  assert.equal(proposed("one\ntwo\nthree\nfour\nfixes\nsix\n", all), "three\nFOUR\nand\nmore\nfiyzes\nsix\n");
  const of = (line: number) => proposedPlaces(all).filter(({ covers }) => covers(line)).map(({ hunk }) => hunk.id);
  // A removal is where its lines were; a stale hunk is not in the text.
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(of), [["h0"], ["h3"], ["h3"], ["h3"], ["h4"], []]);
  const created = { ...hunk([0, 0], [0, 0], "", "a\nb\n"), kind: "create" as const };
  assert.deepEqual(proposedPlaces(file([created], "create")).map(({ covers }) => covers(1)), [true]);
});

test("positions count UTF-16 units, and Windows line ends are one break", () => {
  const emoji = hunk([1, 3], [1, 4], "x", "y");
  assert.equal(proposed("a\r\n🙂ax\r\n", file([emoji])), "a\r\n🙂ay\r\n");
});

test("a place behind the end is the end", () => {
  assert.equal(proposed("a\n", file([hunk([9, 0], [9, 0], "", "b\n")])), "a\nb\n");
});

test("a deleted file is proposed empty, a new one from nothing", () => {
  assert.equal(proposed("a\n", file([hunk([0, 0], [1, 0], "a\n", "")], "delete")), "");
  assert.equal(proposed("", file([hunk([0, 0], [0, 0], "", "new\n")], "create")), "new\n");
});

test("new lines stand beside the old ones", () => {
  const { removed, ghosts } = preview(hunk([4, 0], [6, 0], "  a\n  b\n", "  a\n  c\n  d\n"));
  assert.deepEqual(removed, [4, 5]);
  assert.deepEqual(ghosts, [{ line: 5, text: "c ⏎ d" }]);
});

test("an insertion stands behind the line before it", () => {
  assert.deepEqual(preview(hunk([3, 0], [3, 0], "", "    x = 1\n")), { removed: undefined, ghosts: [{ line: 2, text: "+ x = 1" }] });
  assert.equal(preview(hunk([0, 0], [0, 0], "", "x\n")).ghosts[0]?.line, 0);
});

test("many new lines are counted, a long one is cut", () => {
  const many = preview(hunk([0, 0], [1, 0], "a\n", `${"word ".repeat(12)}\n${"more ".repeat(12)}\nlast\n`));
  assert.match(many.ghosts[0]?.text ?? "", / ⏎ 2 more lines$/);
  assert.equal(preview(hunk([0, 0], [1, 0], "a\n", `${"b".repeat(500)}\n`)).ghosts[0]?.text.length, 120);
});

test("a removal has no text beside it", () => {
  assert.deepEqual(preview(hunk([1, 0], [3, 0], "a\nb\n", "")), { removed: [1, 2], ghosts: [] });
});

test("a hunk covers its lines, not the one after", () => {
  const two = hunk([3, 0], [5, 0], "a\nb\n", "c\n");
  assert.deepEqual([2, 3, 4, 5].map((line) => covers(two, line)), [false, true, true, false]);
  assert.deepEqual([2, 3, 4].map((line) => covers(hunk([3, 0], [3, 0], "", "x\n"), line)), [false, true, false]);
});

test("sizes and diffs", () => {
  const one = hunk([0, 0], [2, 0], "a\nb\n", "c");
  assert.equal(size(one), "−2 +1");
  assert.equal(diff(one), "-a\n-b\n+c");
  assert.deepEqual(lines(""), []);
  assert.deepEqual(lines("a\n\n"), ["a", ""]);
});

test("next and previous go round over files", () => {
  const places = [{ file: "b", line: 2 }, { file: "a", line: 7 }, { file: "a", line: 3 }];
  assert.deepEqual(nextPlace(places, { file: "a", line: 3 }, 1), { file: "a", line: 7 });
  assert.deepEqual(nextPlace(places, { file: "a", line: 7 }, 1), { file: "b", line: 2 });
  assert.deepEqual(nextPlace(places, { file: "b", line: 2 }, 1), { file: "a", line: 3 });
  assert.deepEqual(nextPlace(places, { file: "a", line: 3 }, -1), { file: "b", line: 2 });
  assert.equal(nextPlace([], { file: "a", line: 0 }, 1), undefined);
});

test("what concerns a whole file is said in words, and has no text beside it", () => {
  const one = hunk([0, 0], [0, 0], "", "");
  assert.equal(what({ ...one, kind: "move" }, { to: "file:///a/b%20c.rs" }), "move to b c.rs");
  assert.equal(what({ ...one, kind: "mode", mode: { old: "100644", new: "100755" } }, {}), "mode 100644 → 100755");
  assert.equal(what({ ...one, kind: "delete" }, {}), "delete this file");
  assert.equal(what({ ...one, kind: "create", new_text: "a\nb\n" }, {}), "new file, +2");
  assert.equal(what(one, { binary: { words: "binary, 12 KiB" } }), "binary, 12 KiB");
  assert.deepEqual(preview({ ...one, kind: "mode" }), { removed: undefined, ghosts: [] });
});
