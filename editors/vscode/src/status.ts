// The status item: what the agent does, what it costs, what it waits for. A click opens what can be done now; Stop stands beside.
import * as vscode from "vscode";
import { setContext } from "./context.ts";
import type { Proposals } from "./proposals.ts";
import type { Questions } from "./questions.ts";
import type { Runs } from "./runs/runs.ts";
import type { Server } from "./server.ts";
import { changes, spent, statusText } from "./statusText.ts";

export class StatusItem implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("countersign.status", vscode.StatusBarAlignment.Left, 100);
  readonly #stop = vscode.window.createStatusBarItem("countersign.stop", vscode.StatusBarAlignment.Left, 99);
  readonly #parts: { runs: Runs; server: Server; proposals: Proposals; questions: Questions };
  readonly #subscriptions: vscode.Disposable[];
  #level: string | null = null;
  #model: string | null = null;

  constructor(parts: { runs: Runs; server: Server; proposals: Proposals; questions: Questions }) {
    this.#parts = parts;
    this.#item.name = "countersign";
    this.#item.command = "countersign.menu";
    this.#stop.name = "countersign: stop";
    this.#stop.text = "$(debug-stop) Stop";
    this.#stop.tooltip = "Stop the agent and everything that it runs";
    this.#stop.command = "countersign.stopRun";
    const refresh = () => this.#refresh();
    this.#subscriptions = [
      this.#item, this.#stop, parts.runs.onDidChange(refresh), parts.server.onDidChange(refresh),
      parts.proposals.onDidChange(refresh), parts.questions.onDidChange(refresh),
      vscode.workspace.onDidGrantWorkspaceTrust(refresh),
    ];
    refresh();
    this.#item.show();
  }

  /** What the server said about itself. */
  learn(told: { readonly level?: string | null; readonly model?: string | null }): void {
    this.#level = told.level ?? this.#level;
    this.#model = told.model ?? this.#model;
    this.#refresh();
  }

  #refresh(): void {
    const { runs, server, proposals, questions } = this.#parts;
    const active = runs.active();
    const asking = questions.all();
    const known = {
      runs: runs.all(), questions: asking.map(({ kind }) => kind), pending: proposals.count(), level: this.#level, server: server.state,
    };
    this.#item.text = statusText(known);
    this.#item.tooltip = this.#tooltip();
    const waits = asking.length > 0 && server.state === "ready";
    const color = waits ? "statusBarItem.warningBackground" : server.state === "stopped" ? "statusBarItem.errorBackground" : undefined;
    this.#item.backgroundColor = color === undefined ? undefined : new vscode.ThemeColor(color);
    if (active.length > 0) this.#stop.show();
    else this.#stop.hide();
    setContext("running", active.length > 0);
    setContext("asking", asking.length > 0);
    setContext("ready", server.state === "ready");
    setContext("missing", server.state === "missing");
    setContext("plain", server.state === "ready" && !server.isRich);
    setContext("stopped", server.state === "stopped");
  }

  #tooltip(): string {
    const { runs, server, proposals, questions } = this.#parts;
    const rows = ["countersign"];
    if (server.why) rows.push(server.why);
    for (const run of runs.active()) rows.push(`${run.title}: ${run.doing || run.state}, ${spent(run)}`);
    for (const question of questions.all()) rows.push(`waits for you: ${question.line}`);
    if (proposals.count() > 0) rows.push(`${changes(proposals.count())} to review`);
    if (server.state === "ready") rows.push(`walls: ${this.#level ?? "proved when the first task runs"}`, `model: ${this.#model || "the one of your configuration"}`);
    return rows.join("\n");
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
