// The words of the status item, from what is known. No editor in here.
import { isOver, type Run } from "./runs/run.ts";

export interface Known {
  readonly runs: readonly Run[];
  /** Kinds of the open questions, oldest first. */
  readonly questions: readonly string[];
  readonly pending: number;
  /** Reached wall level, such as `L3`; unknown before the first task that edits. */
  readonly level: string | null;
  readonly server: "starting" | "ready" | "missing" | "stopped" | "restricted";
}

/** `12.4k` of 12 400. */
export function tokens(count: number): string {
  if (count < 1000) return String(count);
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

/** `12.4k tok · $0.04`; the cost only where prices are known. */
export function spent(run: Pick<Run, "usage" | "cost">): string {
  const { input, cache_read, cache_creation, output } = run.usage;
  const text = `${tokens(input + cache_read + cache_creation + output)} tok`;
  return run.cost === undefined ? text : `${text} · $${run.cost.toFixed(2)}`;
}

export function changes(count: number): string {
  return count === 1 ? "1 change" : `${count} changes`;
}

/** How a task stands, in the words of the run view. */
export function stateWord({ state }: Pick<Run, "state">): string {
  return { ended: "done", cancelled: "stopped", failed: "did not work" }[state] ?? state;
}

/** What the status item shows, with codicons. */
export function statusText(known: Known): string {
  switch (known.server) {
    case "missing":
      return "$(warning) agent: not installed";
    case "stopped":
      return "$(error) agent: stopped";
    case "starting":
      return "$(sync~spin) agent: starting";
    case "restricted":
      return "$(shield) agent: restricted";
    case "ready":
      break;
  }
  const question = known.questions[0];
  const active = known.runs.filter((run) => !isOver(run));
  const run = active.find((one) => one.state !== "queued") ?? active[0];
  if (question) return `$(question) agent asks: ${question}`;
  if (run) {
    const more = active.length > 1 ? ` (+${active.length - 1})` : "";
    if (run.state === "queued") return `$(clock) agent: queued${more}`;
    if (run.iteration === 0) return `$(sync~spin) agent: ${run.state === "running" ? "thinking" : "starting"}${more}`;
    return `$(sync~spin) agent ${run.iteration}/${run.iterations} · ${spent(run)}${more}`;
  }
  if (known.pending > 0) return `$(diff) agent: ${changes(known.pending)}`;
  return known.level ? `$(shield) agent ${known.level}` : "$(shield) agent";
}
