// The side view of a run: what the agent says, does and prints, and the box to talk to it.
//
// The page shows text only, through `textContent`; its policy lets it load nothing but its own script and style.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { describe, type Asking } from "../ask.ts";
import type { Server } from "../server.ts";
import { spent } from "../statusText.ts";
import type { Tasks } from "../tasks.ts";
import type { Typing } from "../typing.ts";
import { isOver, type Run } from "./run.ts";
import type { Change, Runs } from "./runs.ts";

/** What the page sends. */
type FromPage =
  | { readonly type: "ready" }
  | { readonly type: "send"; readonly text: string; readonly key: "plain" | "control" }
  | { readonly type: "typing" }
  | { readonly type: "stop" }
  | { readonly type: "way" }
  | { readonly type: "review" }
  | { readonly type: "decide"; readonly approval: string };

export class RunView implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #folder: vscode.Uri;
  readonly #runs: Runs;
  readonly #server: Server;
  readonly #asking: Asking;
  readonly #tasks: Tasks;
  readonly #typing: Typing;
  readonly #subscriptions: vscode.Disposable[];
  #view: vscode.WebviewView | undefined;
  /** The run that the user chose in the tree; else it is the current one. */
  #chosen: string | undefined;
  #shown: string | undefined;

  constructor(extension: vscode.Uri, parts: { runs: Runs; server: Server; asking: Asking; tasks: Tasks; typing: Typing }) {
    this.#folder = vscode.Uri.joinPath(extension, "media");
    this.#runs = parts.runs;
    this.#server = parts.server;
    this.#asking = parts.asking;
    this.#tasks = parts.tasks;
    this.#typing = parts.typing;
    this.#subscriptions = [
      vscode.window.registerWebviewViewProvider("countersign.run", this),
      parts.runs.onDidChange((changes) => this.#follow(changes)),
      parts.server.onDidChange(() => this.#head()),
      vscode.window.onDidChangeTextEditorSelection(() => void this.#along()),
      vscode.window.onDidChangeActiveTextEditor(() => void this.#along()),
      vscode.commands.registerCommand("countersign.showRun", (given?: { task?: string }) => this.show(given?.task)),
    ];
  }

  /** Brings the view up, at a run. */
  async show(task?: string): Promise<void> {
    this.#chosen = task;
    await vscode.commands.executeCommand("countersign.run.focus");
    this.#whole();
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    view.webview.options = { enableScripts: true, localResourceRoots: [this.#folder], enableCommandUris: false };
    view.webview.onDidReceiveMessage((message: FromPage) => this.#heard(message));
    view.onDidDispose(() => { if (this.#view === view) this.#view = undefined; });
    view.webview.html = page(view.webview, this.#folder);
  }

  #run(): Run | undefined {
    return (this.#chosen === undefined ? undefined : this.#runs.get(this.#chosen)) ?? this.#runs.current();
  }

  async #heard(message: FromPage): Promise<void> {
    const run = this.#run();
    switch (message.type) {
      case "ready":
        return this.#whole();
      case "stop":
        return void (await this.#server.run("stop", run ? { task: run.task } : {}));
      case "review":
        return void vscode.commands.executeCommand("countersign.diffAll");
      case "decide":
        return void vscode.commands.executeCommand("countersign.decide", { approval: String(message.approval) });
      case "way":
        return void vscode.commands.executeCommand(wayOut(this.#server)?.command ?? "countersign.menu");
      case "typing":
        return this.#typing.note();
      case "send": {
        const text = String(message.text);
        // The page keeps its text until it was taken.
        this.#post({ type: "sent", text, taken: await this.#send(text.trim(), message.key === "control", run).catch(() => false) });
      }
    }
  }

  /** Enter talks to the task at once, Ctrl+Enter after it; where nothing runs Enter goes on and Ctrl+Enter tries again. */
  async #send(text: string, control: boolean, run: Run | undefined): Promise<boolean> {
    if (!(await this.#asking.isAllowed())) return false;
    if (run && !isOver(run)) return text !== "" && (control ? this.#tasks.queue(run, text) : this.#tasks.steer(run, text));
    this.#chosen = undefined;
    if (run && !run.gone && control) return this.#tasks.retry(run, text);
    if (text === "") return false;
    if (!goesOn(run)) return this.#asking.send(text);
    return isOneFolder() ? this.#asking.send(text, undefined, "edit", run.session) : this.#tasks.queue(run, text);
  }

  #follow(changes: readonly Change[]): void {
    const run = this.#run();
    if (!run || run.task !== this.#shown) return this.#whole();
    const change = changes.find((one) => one.run.task === run.task);
    if (!change) return;
    const entries = change.entries.map((number) => [number, run.entries[number - run.first]]);
    this.#post({ type: "entries", first: run.first, entries });
    this.#head();
  }

  /** Everything about the run in view. */
  #whole(): void {
    const run = this.#run();
    this.#shown = run?.task;
    this.#post({ type: "run", entries: run ? run.entries.map((entry, index) => [index + run.first, entry]) : [] });
    this.#head();
    void this.#along();
  }

  #head(): void {
    const run = this.#run();
    const head = run && {
      title: run.title, state: run.state, gone: run.gone, doing: run.doing, over: isOver(run),
      steps: run.iterations > 0 ? `${run.iteration}/${run.iterations}` : "", spent: run.iteration > 0 ? spent(run) : "",
      model: run.model,
    };
    this.#post({ type: "head", way: wayOut(this.#server), head });
  }

  /** What would go along with a new ask. */
  async #along(): Promise<void> {
    if (!this.#view?.visible) return;
    // A session belongs to one folder: with several of them what goes on is told without a file.
    const goes = isOneFolder() || !goesOn(this.#run());
    this.#post({ type: "along", text: goes ? describe(await this.#asking.about()) : "" });
  }

  #post(message: unknown): void {
    void this.#view?.webview.postMessage(message);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}

/** Whether the next ask belongs to the session of this run. */
function goesOn(run: Run | undefined): run is Run {
  return run !== undefined && !run.gone && run.session !== "";
}

function isOneFolder(): boolean {
  return (vscode.workspace.workspaceFolders?.length ?? 0) < 2;
}

/** Why nothing can be asked now, and the one click that helps. */
function wayOut({ state, why, difference }: Server): { text: string; title: string; command: string } | undefined {
  switch (state) {
    case "restricted":
      return { text: "This window is in Restricted Mode, so the agent does not run.", title: "Manage Trust", command: "workbench.trust.manage" };
    case "missing":
      return { text: `The agent is not running: ${why}.`, title: "Get the Program", command: "countersign.getBinary" };
    case "stopped":
      return { text: `The agent is not running: ${why}.`, title: "Restart", command: "countersign.restartServer" };
    case "starting":
      return why === "" ? undefined : { text: `${why}.`, title: "Show Log", command: "countersign.showLog" };
    case "ready":
      if (difference === undefined) return undefined;
      return { text: `${difference} Until then its changes stand in the text and under Problems only.`, title: "Show Problems", command: "workbench.actions.view.problems" };
  }
}

function page(webview: vscode.Webview, folder: vscode.Uri): string {
  const nonce = randomBytes(16).toString("base64url");
  const uri = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="stylesheet" href="${uri("run.css")}">
<title>Run</title>
</head>
<body>
<header id="head" hidden>
  <div id="title"></div>
  <div id="line"><span id="state"></span><span id="steps"></span><span id="spent"></span><button id="stop" hidden>Stop</button></div>
</header>
<main id="entries" role="log" aria-live="polite"></main>
<p id="empty">Ask below, from the code-action menu, or with Ctrl+Alt+A. Type on while the agent works: what it wants to change waits over your text.</p>
<aside id="notice" hidden><p id="why"></p><button id="way"></button></aside>
<footer>
  <div id="along"></div>
  <textarea id="box" rows="2" aria-label="Message to the agent"></textarea>
  <div id="keys"><button id="plain"></button><button id="control" class="quiet"></button></div>
</footer>
<script nonce="${nonce}" src="${uri("run.js")}"></script>
</body>
</html>`;
}
