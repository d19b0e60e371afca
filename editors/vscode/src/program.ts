// The server's process: started, listened to for its last words, and ended for certain. No editor in here.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** What is kept of the last thing that it said on stderr, characters. */
const WORDS = 200;
/** Grace after the stop was asked for, ms; then it is killed. */
const GRACE = 2000;

export class Program {
  readonly path: string;
  /** It answered the editor: it is a server. */
  hasAnswered = false;
  /** It was ended on purpose: that is no crash. */
  isUnwanted = false;
  #child: ChildProcessWithoutNullStreams | undefined;
  #said = "";

  constructor(path: string) {
    this.path = path;
  }

  /** The last line that it said on stderr, when all of it was read; nothing where there was no process. */
  async farewell(): Promise<string | undefined> {
    const child = this.#child;
    if (!child || child.pid === undefined) return undefined;
    if (!child.stderr.closed) await Promise.race([once(child, "close"), delay(GRACE)]);
    return this.#said;
  }

  /** Starts it in a folder, or anew after it ended. */
  async start(folder: string | undefined): Promise<ChildProcessWithoutNullStreams> {
    this.#said = "";
    const isThere = folder !== undefined && (await stat(folder).catch(() => undefined))?.isDirectory();
    return new Promise((resolve, reject) => {
      if (this.isUnwanted) throw new Error("it is not wanted any more");
      const child = spawn(this.path, ["lsp"], isThere ? { cwd: folder } : {});
      this.#child = child;
      child.on("error", reject);
      child.once("spawn", () => resolve(child));
      child.stderr.on("data", (data: Buffer) => {
        const line = data.toString().trim().split("\n").at(-1) ?? "";
        if (line !== "") this.#said = line.length > WORDS ? `${line.slice(0, WORDS - 1)}…` : line;
      });
    });
  }

  /** Kills it. A program that does not answer would not hear a request to stop. */
  kill(): void {
    this.isUnwanted = true;
    this.#child?.kill("SIGKILL");
  }

  /** Waits for its end, which was asked for, and brings it about where it does not come. */
  async ended(): Promise<void> {
    this.isUnwanted = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const exit = once(child, "exit");
    const late = setTimeout(() => child.kill("SIGKILL"), GRACE);
    await exit;
    clearTimeout(late);
  }
}
