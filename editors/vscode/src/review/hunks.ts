// Hunks as text: the proposed text of a file, and which new text stands beside which old line. No editor in here.
import type { Hunk, Position, ProposedFile } from "../protocol.ts";

/** Longest ghost text of one line, and of several lines put into one, characters. */
const GHOST = 120;
const JOINED = 70;

/** Hunks that can still be decided. */
export function open(file: ProposedFile): readonly Hunk[] {
  return file.hunks.filter((hunk) => hunk.state === "pending" || hunk.state === "stale");
}

/** The text as it would be with all pending hunks accepted. Positions count UTF-16 units, as in the editor. */
export function proposed(text: string, file: ProposedFile): string {
  if (file.op === "delete" || file.binary) return "";
  const starts = lineStarts(text);
  const at = (position: Position): number => {
    const start = starts[position.line];
    const next = starts[position.line + 1] ?? text.length;
    return start === undefined ? text.length : Math.min(start + position.character, next);
  };
  let out = "";
  let done = 0;
  const pending = file.hunks.filter((hunk) => hunk.state === "pending" || hunk.state === "applying");
  for (const hunk of [...pending].sort((a, b) => at(a.range.start) - at(b.range.start))) {
    const start = at(hunk.range.start);
    if (start < done) continue;
    out += text.slice(done, start) + hunk.new_text;
    done = Math.max(start, at(hunk.range.end));
  }
  return out + text.slice(done);
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|\r|\n/g)) starts.push(match.index + match[0].length);
  return starts;
}

/** The lines of a text without their breaks; no empty one for a break at the end. */
export function lines(text: string): string[] {
  if (text === "") return [];
  const all = text.split(/\r\n|\r|\n/);
  if (all.at(-1) === "") all.pop();
  return all;
}

/** What accepting a hunk does, in a few words: `−2 +5`, `move to src/b.rs`. */
export function what(hunk: Pick<Hunk, "kind" | "mode" | "old_text" | "new_text">, file: Pick<ProposedFile, "to" | "binary">): string {
  switch (hunk.kind) {
    case "create":
      return file.binary ? `new file (${file.binary.words})` : `new file, +${lines(hunk.new_text).length}`;
    case "delete":
      return "delete this file";
    case "move":
      return `move to ${decodeURIComponent(file.to?.split("/").at(-1) ?? "?")}`;
    case "mode":
      return `mode ${hunk.mode?.old ?? "?"} → ${hunk.mode?.new ?? "?"}`;
    default:
      return file.binary ? file.binary.words : size(hunk);
  }
}

/** `−2 +5` */
export function size(hunk: Pick<Hunk, "old_text" | "new_text">): string {
  return `−${lines(hunk.old_text).length} +${lines(hunk.new_text).length}`;
}

/** New text that is shown at the end of a line of the editor. */
export interface Ghost {
  readonly line: number;
  readonly text: string;
}

export interface Preview {
  /** First and last line that the hunk replaces; nothing for one that only inserts. */
  readonly removed: readonly [number, number] | undefined;
  readonly ghosts: readonly Ghost[];
}

/** Which lines go, and what stands beside them. */
export function preview(hunk: Hunk): Preview {
  const old = lines(hunk.old_text);
  const fresh = lines(hunk.new_text);
  const first = hunk.range.start.line;
  // What is about the file as a whole is said in the lens, not over its text.
  if (hunk.kind !== "lines" || (old.length === 0 && fresh.length === 0)) return { removed: undefined, ghosts: [] };
  if (old.length === 0) {
    // An insertion stands behind the line before it; at the very top there is none.
    return { removed: undefined, ghosts: [{ line: Math.max(first - 1, 0), text: `+ ${joined(fresh)}` }] };
  }
  const removed = [first, first + old.length - 1] as const;
  const ghosts: Ghost[] = [];
  for (let index = 0; index < Math.min(old.length, fresh.length); index += 1) {
    const last = index === old.length - 1;
    const here = last ? fresh.slice(index) : fresh.slice(index, index + 1);
    if (here.length === 1 && here[0] === old[index]) continue;
    ghosts.push({ line: first + index, text: joined(here) });
  }
  return { removed, ghosts };
}

/** Several lines as one; what is too long for that is counted. */
function joined(all: readonly string[]): string {
  const words = all.map((line) => line.trim());
  const whole = words.join(" ⏎ ");
  if (words.length < 2 || whole.length <= JOINED) return clip(whole);
  const first = words.findIndex((line) => line !== "");
  const more = words.length - 1;
  return `${clip(words[first] ?? "")} ⏎ ${more} more ${more === 1 ? "line" : "lines"}`;
}

function clip(text: string): string {
  return text.length > GHOST ? `${text.slice(0, GHOST - 1)}…` : text;
}

/** The hunk as a unified diff, for hovers. */
export function diff(hunk: Pick<Hunk, "old_text" | "new_text">): string {
  const minus = lines(hunk.old_text).map((line) => `-${line}`);
  const plus = lines(hunk.new_text).map((line) => `+${line}`);
  return [...minus, ...plus].join("\n");
}

/** Whether a line of the editor belongs to a hunk: to its end, or to where it inserts. */
export function covers(hunk: Pick<Hunk, "range">, line: number): boolean {
  const { start, end } = hunk.range;
  const last = end.character === 0 && end.line > start.line ? end.line - 1 : end.line;
  return start.line <= line && line <= last;
}

/** Whether a line of the proposed text belongs to a hunk, for each hunk that is in it. */
export function proposedPlaces(file: ProposedFile): { readonly hunk: Hunk; covers(line: number): boolean }[] {
  const pending = file.hunks.filter((hunk) => hunk.state === "pending" || hunk.state === "applying");
  pending.sort((a, b) => a.range.start.line - b.range.start.line || a.range.start.character - b.range.start.character);
  let shift = 0;
  return pending.map((hunk) => {
    if (hunk.kind === "create") return { hunk, covers: () => true };
    const { start, end } = hunk.range;
    const fresh = hunk.new_text.split(/\r\n|\r|\n/);
    const first = { line: start.line + shift, character: start.character };
    const character = (fresh.length === 1 ? start.character : 0) + (fresh.at(-1)?.length ?? 0);
    const range = { start: first, end: { line: first.line + fresh.length - 1, character } };
    shift += fresh.length - 1 - (end.line - start.line);
    return { hunk, covers: (line: number) => covers({ range }, line) };
  });
}

/** The next place after (or before) a line, going round. */
export function nextPlace<T extends { readonly file: string; readonly line: number }>(
  places: readonly T[], from: { readonly file: string; readonly line: number }, step: 1 | -1,
): T | undefined {
  const before = (a: { file: string; line: number }, b: { file: string; line: number }) =>
    a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line;
  const sorted = [...places].sort(before);
  if (step === 1) return sorted.find((place) => before(place, from) > 0) ?? sorted[0];
  return sorted.findLast((place) => before(place, from) < 0) ?? sorted.at(-1);
}
