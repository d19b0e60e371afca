// All runs of this server, oldest first, with what has changed since the last look.
import * as vscode from "vscode";
import type { Status, Update } from "../protocol.ts";
import { add, apply, isOver, newRun, type Run } from "./run.ts";

/** Runs that are kept; the oldest ended ones go first. */
const MOST = 50;
/** Streamed text is shown at most this often, ms. */
const PAUSE = 50;

export interface Change {
  readonly run: Run;
  /** Numbers of the entries that are new or different. */
  readonly entries: readonly number[];
}

export class Runs implements vscode.Disposable {
  readonly #all = new Map<string, Run>();
  readonly #dirty = new Map<string, Set<number>>();
  readonly #changed = new vscode.EventEmitter<readonly Change[]>();
  #timer: NodeJS.Timeout | undefined;
  /** What changed, a moment later and in one go. */
  readonly onDidChange = this.#changed.event;

  /** Oldest first. */
  all(): Run[] {
    return [...this.#all.values()];
  }

  get(task: string): Run | undefined {
    return this.#all.get(task);
  }

  active(): Run[] {
    return this.all().filter((run) => !isOver(run));
  }

  /** The run to look at: one that is at work, else the latest. */
  current(): Run | undefined {
    return this.active().find((run) => run.state !== "queued") ?? this.all().at(-1);
  }

  update(update: Update): void {
    if (update.task === null) return;
    const run = this.#of(update.task);
    run.gone = false;
    this.#touch(run, apply(run, update));
  }

  /** An ask of the user has become a task. */
  started(task: string, session: string, words: string): void {
    const run = this.#of(task);
    run.session = session;
    run.title ||= words.split(/\s+/).join(" ").slice(0, 60);
    // Updates may have come before the answer: the ask is the first entry all the same.
    run.entries.unshift({ kind: "ask", text: words });
    this.#touch(run, run.entries.map((_, index) => run.first + index));
  }

  /** The user said something to a task. */
  said(task: string, text: string): void {
    const run = this.#of(task);
    this.#touch(run, [add(run, { kind: "said", text, how: "now", seen: false })]);
  }

  /** What was said did not get there. */
  unsaid(task: string, text: string): void {
    const run = this.#of(task);
    const index = run.entries.findLastIndex((entry) => entry.kind === "said" && entry.text === text && !entry.seen);
    const entry = run.entries[index];
    if (entry?.kind !== "said") return;
    entry.how = "unsent";
    this.#touch(run, [run.first + index]);
  }

  /** What the server knows about tasks whose updates never came here: those of before a restart. */
  learn(status: Status): void {
    for (const row of status.tasks) {
      const run = this.#of(row.task);
      // Kept for its pending changes: the conversation goes on, and so can be talked to.
      if (run.gone) this.#touch(run, []);
      run.gone = false;
      run.session = row.session;
      run.title ||= row.title;
      run.model ||= row.model ?? "";
      if (run.entries.length > 0 || run.state === row.state) continue;
      run.state = row.state;
      this.#touch(run, row.summary ? [add(run, { kind: "end", state: row.state, text: row.summary })] : []);
    }
  }

  /** The server is gone, and its tasks with it. */
  lost(why: string): void {
    for (const run of this.all()) {
      run.gone = true;
      this.#touch(run, []);
    }
    for (const run of this.active()) {
      run.state = "failed";
      run.doing = "";
      this.#touch(run, [add(run, { kind: "end", state: "failed", text: why })]);
    }
  }

  #of(task: string): Run {
    const known = this.#all.get(task);
    if (known) return known;
    const run = newRun(task);
    this.#all.set(task, run);
    const ended = this.all().find(isOver);
    if (this.#all.size > MOST && ended) this.#all.delete(ended.task);
    return run;
  }

  #touch(run: Run, entries: readonly number[]): void {
    const dirty = this.#dirty.get(run.task) ?? new Set();
    for (const entry of entries) dirty.add(entry);
    this.#dirty.set(run.task, dirty);
    this.#timer ??= setTimeout(() => this.#flush(), PAUSE);
  }

  #flush(): void {
    this.#timer = undefined;
    const changes: Change[] = [];
    for (const [task, entries] of this.#dirty) {
      const run = this.#all.get(task);
      if (run) changes.push({ run, entries: [...entries].filter((entry) => entry >= run.first).sort((a, b) => a - b) });
    }
    this.#dirty.clear();
    this.#changed.fire(changes);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#changed.dispose();
  }
}
