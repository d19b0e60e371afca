// The server: started, compared, restarted within bounds, and asked to do things.
import * as vscode from "vscode";
import type { LanguageClient, LanguageClientOptions, Middleware } from "vscode-languageclient/node";
import { findBinary } from "./binary.ts";
import { PROTOCOL } from "./protocol.ts";
import { mismatch, spoken } from "./versions.ts";

/** Restarts after crashes within so many ms; then the user decides. */
const RESTARTS = 4;
const WINDOW = 3 * 60 * 1000;

/** The client library, loaded when the server starts: the editor's own start does not wait for it. */
const library = () => import("vscode-languageclient/node");
type Library = Awaited<ReturnType<typeof library>>;

export type ServerState = "starting" | "ready" | "missing" | "stopped" | "restricted";

/** Commands of the server that this extension does in its own way, by name without the prefix. */
export type Overrides = Readonly<Record<string, (argument: Record<string, unknown>) => unknown>>;

export class Server implements vscode.Disposable {
  readonly #log: vscode.LogOutputChannel;
  readonly #overrides: Overrides;
  readonly #prepare: (client: LanguageClient) => void;
  readonly #changed = new vscode.EventEmitter<ServerState>();
  #client: LanguageClient | undefined;
  #state: ServerState = "starting";
  #crashes: number[] = [];
  /** Off after the versions were found to differ: then plain LSP is spoken. */
  #rich = true;
  #why = "";
  /** The start that is in work, and whether one more is wanted after it. */
  #turn: Promise<void> | undefined;
  #again = false;
  readonly onDidChange = this.#changed.event;

  constructor(log: vscode.LogOutputChannel, overrides: Overrides, prepare: (client: LanguageClient) => void) {
    this.#log = log;
    this.#overrides = overrides;
    this.#prepare = prepare;
  }

  get state(): ServerState {
    return this.#state;
  }

  /** Why it is missing or stopped. */
  get why(): string {
    return this.#why;
  }

  /** Whether it speaks this extension's protocol; else it is served as plain LSP. */
  get isRich(): boolean {
    return this.#rich;
  }

  get client(): LanguageClient | undefined {
    return this.#client;
  }

  /** Starts, or starts anew. Several wishes at a time (trust came, and with it settings) are one. */
  async start(): Promise<void> {
    if (this.#turn) {
      this.#again = true;
      return this.#turn;
    }
    this.#turn = this.#begin();
    await this.#turn;
    this.#turn = undefined;
    if (this.#again) {
      this.#again = false;
      await this.start();
    }
  }

  async #begin(): Promise<void> {
    await this.#stop();
    // Without trust there is nothing to serve: no document of the folder even reaches the server.
    if (!vscode.workspace.isTrusted) return this.#become("restricted", "");
    this.#become("starting", "");
    const setting = vscode.workspace.getConfiguration("countersign").get<string>("server.path", "");
    const found = await findBinary(setting, process.env);
    if ("missing" in found) return this.#become("missing", found.missing);
    const lsp = await library();
    const client = new lsp.LanguageClient("countersign", "countersign", { command: found.path, args: ["lsp"] }, this.#options(lsp));
    this.#client = client;
    this.#prepare(client);
    client.onDidChangeState(({ newState }) => {
      if (this.#client !== client) return;
      if (newState === lsp.State.Running) void this.#greet(client);
      else if (newState === lsp.State.Starting) this.#become("starting", "");
    });
    try {
      await client.start();
    } catch (error) {
      this.#become("stopped", `${found.path} does not start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** By the user's own wish: the count of crashes begins anew. */
  async restart(): Promise<void> {
    this.#crashes = [];
    this.#rich = true;
    await this.start();
  }

  /** Runs one of the server's commands. An error is shown, and answered by nothing. */
  async run<T>(name: string, argument: object = {}): Promise<T | undefined> {
    const client = this.#client;
    if (!client?.isRunning()) {
      const words = this.#state === "starting" ? " yet: it starts; try again in a moment" : this.#why && `: ${this.#why}`;
      void vscode.window.showWarningMessage(`countersign is not running${words}.`);
      return undefined;
    }
    try {
      return (await client.sendRequest("workspace/executeCommand", { command: `countersign.${name}`, arguments: [argument] })) as T;
    } catch (error) {
      void vscode.window.showErrorMessage(`countersign: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** Compares the versions; when they differ the server is started once more as for a plain client. */
  async #greet(client: LanguageClient): Promise<void> {
    const result = client.initializeResult;
    const words = mismatch(spoken(result?.capabilities.experimental, result?.serverInfo?.version));
    if (words && this.#rich) {
      this.#rich = false;
      void vscode.window.showWarningMessage(`${words} Until then changes are reviewed by code actions only.`);
      return this.start();
    }
    this.#become("ready", "");
  }

  #options(lsp: Library): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file" }],
      outputChannel: this.#log,
      // Read at each start: trust may have come since.
      initializationOptions: () => {
        const model = vscode.workspace.getConfiguration("countersign").get<string>("model", "");
        const own = { rich: this.#rich, protocol: PROTOCOL, trusted: vscode.workspace.isTrusted };
        return { countersign: model === "" ? own : { ...own, model } };
      },
      errorHandler: {
        error: () => ({ action: lsp.ErrorAction.Continue, handled: true }),
        closed: () => this.#closed(lsp),
      },
      initializationFailedHandler: () => false,
      middleware: this.#middleware(),
    };
  }

  #middleware(): Middleware {
    return {
      executeCommand: (command, args, next) => {
        const own = this.#overrides[command.replace(/^countersign\./, "")];
        const argument = (args[0] ?? {}) as Record<string, unknown>;
        return own && this.#rich ? own(argument) : next(command, args);
      },
      // The status item says it, and stops it.
      handleWorkDoneProgress: (token, params, next) => {
        if (!this.#rich) next(token, params);
      },
    };
  }

  #closed(lsp: Library) {
    const now = Date.now();
    this.#crashes = [...this.#crashes.filter((then) => now - then < WINDOW), now];
    if (this.#crashes.length <= RESTARTS) {
      this.#log.warn("the server ended unexpectedly and is started again");
      return { action: lsp.CloseAction.Restart, handled: true };
    }
    const why = `the server ended ${this.#crashes.length} times within three minutes`;
    this.#become("stopped", why);
    void vscode.window.showErrorMessage(`countersign: ${why}, so it is not started again.`, "Restart", "Show Log").then((choice) => {
      if (choice === "Restart") void this.restart();
      if (choice === "Show Log") this.#log.show();
    });
    return { action: lsp.CloseAction.DoNotRestart, handled: true };
  }

  #become(state: ServerState, why: string): void {
    this.#state = state;
    this.#why = why;
    this.#changed.fire(this.state);
  }

  async #stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client?.needsStop()) await client.dispose().catch((error: unknown) => this.#log.warn(`stopping: ${String(error)}`));
  }

  async dispose(): Promise<void> {
    await this.#stop();
    this.#changed.dispose();
  }
}
