// One task as the user sees it: its entries in order, and how far it is. Updates of the server are folded in here; nothing else.
import type { Update, Usage } from "../protocol.ts";

export type Entry =
  | { kind: "ask"; text: string }
  | { kind: "text"; text: string }
  | { kind: "thinking"; text: string }
  | { kind: "tool"; call: string; title: string; status: string; output: string; result: string; refused?: string }
  | { kind: "said"; text: string; how: "now" | "unsent"; seen: boolean }
  | { kind: "question"; approval: string; text: string; state: string }
  | { kind: "end"; state: string; text: string };

export interface Run {
  readonly task: string;
  session: string;
  title: string;
  /** queued, preparing, running, ended, cancelled or failed. */
  state: string;
  /** What it does now; empty while the model thinks. */
  doing: string;
  iteration: number;
  iterations: number;
  usage: Usage;
  cost: number | undefined;
  model: string;
  /** Of a server that is gone: it can be read, and nothing can be done with it. */
  gone: boolean;
  /** What each check said that did not pass the last time, by its title. */
  readonly checks: Map<string, string>;
  /** Number of the entry that `entries` begins with: old ones go. */
  first: number;
  entries: Entry[];
}

/** Longest text of one entry, and most entries of one run, that are kept. */
const TEXT = 64 * 1024;
const ENTRIES = 600;

export function newRun(task: string): Run {
  const usage = { input: 0, cache_read: 0, cache_creation: 0, output: 0 };
  return {
    task, session: "", title: "", state: "preparing", doing: "", iteration: 0, iterations: 0, usage, cost: undefined, model: "", gone: false,
    checks: new Map(), first: 0, entries: [],
  };
}

export function isOver(run: Pick<Run, "state">): boolean {
  return run.state === "ended" || run.state === "cancelled" || run.state === "failed";
}

/** Adds an entry and answers its number. */
export function add(run: Run, entry: Entry): number {
  run.entries.push(entry);
  if (run.entries.length > ENTRIES) {
    run.first += run.entries.length - ENTRIES;
    run.entries.splice(0, run.entries.length - ENTRIES);
  }
  return run.first + run.entries.length - 1;
}

/** Folds an update in. Answers the numbers of the entries that changed. */
export function apply(run: Run, update: Update): number[] {
  run.session = update.session ?? run.session;
  run.model = update.model ?? run.model;
  switch (update.kind) {
    case "text":
    case "thinking":
      return stream(run, update.kind, update.text ?? "");
    case "tool_call":
      return toolCall(run, update);
    case "tool_output":
      return changed(run, (entry) => entry.kind === "tool" && entry.call === update.call, (entry) => {
        if (entry.kind === "tool") entry.output = tail(entry.output + (update.text ?? ""));
      });
    case "usage":
      run.iteration = update.iteration ?? run.iteration;
      run.iterations = update.iterations ?? run.iterations;
      run.usage = update.usage ?? run.usage;
      run.cost = update.cost_usd ?? run.cost;
      return [];
    case "state":
      return state(run, update);
    case "question":
      return question(run, update);
    default:
      return [];
  }
}

function stream(run: Run, kind: "text" | "thinking", text: string): number[] {
  if (text === "") return [];
  const last = run.entries.at(-1);
  if (last?.kind === kind && last.text.length < TEXT) {
    last.text += text;
    return [run.first + run.entries.length - 1];
  }
  return [add(run, { kind, text })];
}

function toolCall(run: Run, update: Update): number[] {
  const call = update.call ?? "";
  if (update.result === undefined) {
    run.doing = update.title ?? update.tool ?? "";
    const entry: Entry = { kind: "tool", call, title: update.title ?? update.tool ?? "", status: "running", output: "", result: "" };
    return [add(run, entry)];
  }
  run.doing = "";
  const done = (entry: Entry) => {
    if (entry.kind !== "tool") return;
    Object.assign(entry, { status: update.status ?? "ok", result: tail(update.result ?? "") });
    if (update.refused) entry.refused = tail(update.refused);
    if (update.tool !== "check") return;
    if (entry.status === "error") run.checks.set(entry.title, entry.result);
    else run.checks.delete(entry.title);
  };
  return changed(run, (entry) => entry.kind === "tool" && entry.call === call, done);
}

function state(run: Run, update: Update): number[] {
  const numbers: number[] = [];
  for (const text of update.heard ?? []) {
    numbers.push(...changed(run, (entry) => entry.kind === "said" && !entry.seen && entry.text === text, (entry) => {
      if (entry.kind === "said") entry.seen = true;
    }));
  }
  if (update.title) run.title = update.title;
  switch (update.state) {
    case "queued":
    case "preparing":
    case "running":
      if (!isOver(run)) run.state = update.state;
      return numbers;
    case "thinking":
    case "calling":
      run.doing = "";
      if (!isOver(run)) run.state = "running";
      return numbers;
    case "cancelled":
    case "failed":
      break;
    case "ended":
      // The loop says `ended` for itself first; the task's own end has a summary.
      if (update.summary === undefined) return numbers;
      break;
    default:
      return numbers;
  }
  run.state = update.state;
  run.doing = "";
  for (const [index, entry] of run.entries.entries()) {
    if (entry.kind === "tool" && entry.status === "running") {
      entry.status = "cancelled";
      numbers.push(run.first + index);
    }
  }
  const said = run.entries.findLast((entry) => entry.kind === "text");
  const words = update.message ?? update.summary ?? "";
  const repeats = said?.kind === "text" && said.text.trim() === words.trim();
  // Done is not well: the task ends too when its checks go on failing.
  const text = [repeats ? "" : words, ...run.checks.values()].filter((line) => line !== "").join("\n");
  numbers.push(add(run, { kind: "end", state: update.state, text }));
  return numbers;
}

function question(run: Run, update: Update): number[] {
  const approval = update.approval ?? "";
  if (update.state === "open") {
    run.doing = "waiting for you";
    return [add(run, { kind: "question", approval, text: update.text ?? "", state: "open" })];
  }
  run.doing = "";
  return changed(run, (entry) => entry.kind === "question" && entry.approval === approval, (entry) => {
    if (entry.kind === "question") entry.state = update.state ?? "";
  });
}

/** Changes the latest entry that matches. */
function changed(run: Run, matches: (entry: Entry) => boolean, change: (entry: Entry) => void): number[] {
  const index = run.entries.findLastIndex(matches);
  const entry = run.entries[index];
  if (!entry) return [];
  change(entry);
  return [run.first + index];
}

function tail(text: string): string {
  return text.length > TEXT ? `…${text.slice(-TEXT)}` : text;
}
