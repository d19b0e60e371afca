// What the user does about tasks: stop, steer, queue, retry, go on, take back, read.
import * as vscode from "vscode";
import type { Started } from "./protocol.ts";
import type { Run } from "./runs/run.ts";
import type { Runs } from "./runs/runs.ts";
import type { Server } from "./server.ts";
import type { Typing } from "./typing.ts";

/** Iterations of a continuation. */
const MORE = 20;

export class Tasks implements vscode.Disposable {
  readonly #server: Server;
  readonly #runs: Runs;
  readonly #typing: Typing;
  readonly #subscriptions: vscode.Disposable[];

  constructor(server: Server, runs: Runs, typing: Typing) {
    this.#typing = typing;
    this.#server = server;
    this.#runs = runs;
    const command = (name: string, act: (run: Run) => unknown) =>
      vscode.commands.registerCommand(`countersign.${name}`, (given?: { task?: string }) => {
        const run = given?.task === undefined ? runs.current() : runs.get(given.task);
        if (run) return act(run);
        return vscode.window.showInformationMessage("countersign: nothing was asked yet.");
      });
    this.#subscriptions = [
      vscode.commands.registerCommand("countersign.stopRun", () => server.run("stop", {})),
      command("stopTask", (run) => server.run("stop", { task: run.task })),
      command("undoTask", (run) => this.undo(run)),
      command("retryTask", (run) => this.#retryAsked(run)),
      command("continueTask", (run) => this.#follow("continue", run, { iterations: MORE }, "Go on.")),
      command("showTranscript", (run) => server.run("transcript", { task: run.task })),
    ];
  }

  /** Said to the running task: it reads it at its next iteration. */
  async steer(run: Run, message: string): Promise<boolean> {
    this.#runs.said(run.task, message);
    const done = await this.#server.run("steer", { task: run.task, message });
    if (done === undefined) this.#runs.unsaid(run.task, message);
    return done !== undefined;
  }

  /** A further ask of the same session, after the task. */
  queue(run: Run, message: string): Promise<boolean> {
    return this.#follow("queue", run, { message }, message);
  }

  retry(run: Run, note: string): Promise<boolean> {
    return this.#follow("retry", run, note === "" ? {} : { note }, note === "" ? "Try again." : `Try again. ${note}`);
  }

  async undo(run: Run): Promise<void> {
    const detail = "Your own text around them stays. A commit that holds them stays too.";
    const choice = await vscode.window.showWarningMessage(`Take back what you accepted of “${run.title}”?`, { modal: true, detail }, "Take Back");
    if (choice) await this.#server.run("undo", { task: run.task });
  }

  async #retryAsked(run: Run): Promise<void> {
    const note = await vscode.window.showInputBox({
      title: `Try Again: ${run.title}`, prompt: "What is to be different this time?", ignoreFocusOut: true,
      validateInput: () => this.#typing.note(),
    });
    if (note !== undefined) await this.retry(run, note.trim());
  }

  async #follow(name: string, run: Run, argument: object, words: string): Promise<boolean> {
    const started = await this.#server.run<Started>(name, { task: run.task, ...argument });
    if (started) this.#runs.started(started.task, started.session, words);
    return started !== undefined;
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
