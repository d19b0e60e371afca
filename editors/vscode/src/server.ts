// The server: started, compared, restarted within bounds, and asked to do things.
import * as vscode from "vscode";
import type { DynamicFeature, LanguageClient, LanguageClientOptions, Middleware, StaticFeature } from "vscode-languageclient/node";
import { findBinary } from "./binary.ts";
import { Program } from "./program.ts";
import { PROTOCOL } from "./protocol.ts";
import { mismatch, spoken } from "./versions.ts";

/** Restarts after crashes within so many ms; then the user decides. */
const RESTARTS = 4;
const WINDOW = 3 * 60 * 1000;
/** An answer to the first request that takes longer is told, ms. */
const SLOW = 15_000;

/** The client library, loaded when the server starts: the editor's own start does not wait for it. */
const library = () => import("vscode-languageclient/node");
type Library = Awaited<ReturnType<typeof library>>;

/** What can be done about a server that does not run. */
const WAYS = ["Restart", "Settings", "Show Log"] as const;

export type ServerState = "starting" | "ready" | "missing" | "stopped" | "restricted";

/** Commands of the server that this extension does in its own way, by name without the prefix. */
export type Overrides = Readonly<Record<string, (argument: Record<string, unknown>) => unknown>>;

export class Server implements vscode.Disposable {
  readonly #log: vscode.LogOutputChannel;
  readonly #overrides: Overrides;
  readonly #prepare: (client: LanguageClient) => void;
  readonly #changed = new vscode.EventEmitter<ServerState>();
  #client: LanguageClient | undefined;
  #program: Program | undefined;
  #state: ServerState = "starting";
  #crashes: number[] = [];
  /** How the versions were found to differ: then plain LSP is spoken. */
  #difference: string | undefined;
  #why = "";
  /** The start that is in work, and whether one more is wanted after it. */
  #turn: Promise<void> | undefined;
  #again = false;
  #isOver = false;
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
    return this.#difference === undefined;
  }

  /** The sentence about protocols that differ. */
  get difference(): string | undefined {
    return this.#difference;
  }

  get client(): LanguageClient | undefined {
    return this.#client;
  }

  /** Starts, or starts anew. Several wishes at a time (trust came, and with it settings) are one. */
  async start(): Promise<void> {
    if (this.#turn) {
      this.#again = true;
      // A program that never answers must not hold up the next one.
      if (this.#program?.hasAnswered === false) this.#program.kill();
      return this.#turn;
    }
    this.#turn = this.#begin().catch((error: unknown) => this.#giveUp(`the server does not start: ${words(error)}`));
    await this.#turn;
    this.#turn = undefined;
    if (this.#again && !this.#isOver) {
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
    if (this.#isOver || this.#again) return;
    const program = new Program(found.path);
    const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === "file")?.uri.fsPath;
    const client = new (own(lsp, this.isRich))("countersign", "countersign", () => program.start(folder), this.#options(lsp, program));
    this.#client = client;
    this.#program = program;
    this.#prepare(client);
    const slow = setTimeout(() => this.#slow(program), SLOW);
    client.onDidChangeState(({ newState }) => {
      if (this.#client !== client) return;
      if (newState === lsp.State.Running) {
        clearTimeout(slow);
        program.hasAnswered = true;
        this.#greet(client);
      } else if (newState === lsp.State.Starting) {
        this.#become("starting", "");
      } else if (newState === lsp.State.StartFailed && program.hasAnswered && this.#state === "starting") {
        this.#giveUp(`${program.path} ended and does not start again`);
      }
    });
    try {
      await client.start();
    } catch (error) {
      // What ended on purpose is no news, and what came later is for `#closed`.
      if (program.hasAnswered || program.isUnwanted) return;
      const said = await program.farewell();
      if (!program.isUnwanted) this.#giveUp(`${program.path} ${said === undefined ? `does not start: ${words(error)}` : neverAnswered(said)}`);
    } finally {
      clearTimeout(slow);
    }
  }

  /** By the user's own wish: the count of crashes begins anew. */
  async restart(): Promise<void> {
    this.#crashes = [];
    this.#difference = undefined;
    await this.start();
  }

  /** Runs one of the server's commands. An error is shown, and answered by nothing. */
  async run<T>(name: string, argument: object = {}): Promise<T | undefined> {
    const client = this.#client;
    if (!client?.isRunning()) {
      this.#explain();
      return undefined;
    }
    try {
      return (await client.sendRequest("workspace/executeCommand", { command: `countersign.${name}`, arguments: [argument] })) as T;
    } catch (error) {
      if (client.isRunning()) void vscode.window.showErrorMessage(`countersign: ${words(error)}`);
      else void vscode.window.showWarningMessage("countersign: the server ended before it answered. Look what was done, and try again.");
      return undefined;
    }
  }

  /** Why nothing can be asked of it now, and the way out. */
  #explain(): void {
    switch (this.#state) {
      case "missing":
        return void vscode.commands.executeCommand("countersign.getBinary");
      case "stopped":
        return this.#offer(vscode.window.showWarningMessage(`countersign is not running: ${this.#why}.`, ...WAYS));
      case "restricted":
        return void vscode.window.showWarningMessage("countersign does not run in Restricted Mode.", "Manage Trust").then((choice) => {
          if (choice) void vscode.commands.executeCommand("workbench.trust.manage");
        });
      default:
        void vscode.window.showInformationMessage("countersign: the server is being started; try again in a moment.");
    }
  }

  /** Compares the versions; when they differ the server is started once more as for a plain client. */
  #greet(client: LanguageClient): void {
    const result = client.initializeResult;
    const words = mismatch(spoken(result?.capabilities.experimental, result?.serverInfo?.version));
    if (words && this.isRich) {
      this.#difference = words;
      void vscode.window.showWarningMessage(`${words} Until then changes are reviewed by code actions only.`);
      return void this.start();
    }
    this.#become("ready", "");
  }

  #options(lsp: Library, program: Program): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: "file" }],
      outputChannel: this.#log,
      // Read at each start: trust may have come since.
      initializationOptions: () => {
        const model = vscode.workspace.getConfiguration("countersign").get<string>("model", "");
        const own = { rich: this.isRich, protocol: PROTOCOL, trusted: vscode.workspace.isTrusted };
        return { countersign: model === "" ? own : { ...own, model } };
      },
      errorHandler: {
        error: () => ({ action: lsp.ErrorAction.Continue, handled: true }),
        closed: () => this.#closed(lsp, program),
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
        return own && this.isRich ? own(argument) : next(command, args);
      },
      // The terminal that asks for the key beside it keeps the keyboard: a key is no text.
      window: {
        showDocument: (params, token, next) =>
          next(params.uri.endsWith("/countersign/documents/setup.md") ? { ...params, takeFocus: false } : params, token),
      },
      // The status item says it, and stops it.
      handleWorkDoneProgress: (token, params, next) => {
        if (!this.isRich) next(token, params);
      },
    };
  }

  #closed(lsp: Library, program: Program) {
    const end = { action: lsp.CloseAction.DoNotRestart, handled: true };
    // One that never answered would not do so the next time; its start fails, and says so.
    if (program.isUnwanted || !program.hasAnswered) return end;
    const now = Date.now();
    this.#crashes = [...this.#crashes.filter((then) => now - then < WINDOW), now];
    if (this.#crashes.length <= RESTARTS) {
      this.#log.warn("the server ended unexpectedly and is started again");
      return { action: lsp.CloseAction.Restart, handled: true };
    }
    this.#giveUp(`the server ended ${this.#crashes.length} times within three minutes, so it is not started again`);
    return end;
  }

  /** It is not tried any more, until the user wishes it. */
  #giveUp(why: string): void {
    if (this.#isOver) return;
    this.#become("stopped", why);
    this.#offer(vscode.window.showErrorMessage(`countersign: ${why.replace(/\.$/, "")}.`, ...WAYS));
  }

  /** A program that keeps silent. It may only be slow, so it is told and left alone. */
  #slow(program: Program): void {
    if (this.#program !== program || this.#state !== "starting") return;
    const why = `${program.path} has not answered for ${SLOW / 1000} seconds`;
    this.#become("starting", why);
    this.#offer(vscode.window.showWarningMessage(`countersign: ${why}.`, ...WAYS));
  }

  #offer(message: Thenable<(typeof WAYS)[number] | undefined>): void {
    void message.then((choice) => {
      if (choice === "Restart") void this.restart();
      if (choice === "Settings") void vscode.commands.executeCommand("countersign.chooseProgram");
      if (choice === "Show Log") this.#log.show();
    });
  }

  #become(state: ServerState, why: string): void {
    if (this.#isOver) return;
    this.#state = state;
    this.#why = why;
    this.#changed.fire(this.state);
  }

  async #stop(): Promise<void> {
    const [client, program] = [this.#client, this.#program];
    this.#client = undefined;
    this.#program = undefined;
    if (client?.isRunning()) await client.dispose().catch((error: unknown) => this.#isOver || this.#log.warn(`stopping: ${words(error)}`));
    else program?.kill();
    await program?.ended();
  }

  async dispose(): Promise<void> {
    this.#isOver = true;
    await this.#stop();
    this.#changed.dispose();
  }
}

/** The client, with two things left out. */
function own(lsp: Library, isRich: boolean) {
  return class extends lsp.LanguageClient {
    /** Its own messages name no next step; they stand in the log. */
    override error(message: string, data?: unknown): void {
      super.error(message, data, false);
    }

    /** The lenses are this extension's own. The editor blanks all of them for a second whenever a provider comes or goes, as the
     * server's would when it is started again. */
    override registerFeature(feature: StaticFeature | DynamicFeature<unknown>): void {
      const isLens = "registrationType" in feature && feature.registrationType.method === "textDocument/codeLens";
      if (!isRich || !isLens) super.registerFeature(feature);
    }
  };
}

function neverAnswered(said: string): string {
  return `ended before it answered: it is no countersign, or it cannot run here${said === "" ? "" : `. It said: ${said}`}`;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
