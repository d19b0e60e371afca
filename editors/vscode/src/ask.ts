// The ask box: one line, with what the editor shows going along.
import * as vscode from "vscode";
import type { Started } from "./protocol.ts";
import type { Runs } from "./runs/runs.ts";
import type { Server } from "./server.ts";
import type { Typing } from "./typing.ts";

type Mode = "edit" | "explain" | "plan";

/** What an ask is about, as the server takes it. */
export interface About {
  readonly uri?: string;
  readonly range?: unknown;
  readonly diagnostics?: unknown;
}

const MODES: readonly { mode: Mode; icon: string; words: string }[] = [
  { mode: "edit", icon: "edit", words: "may propose changes" },
  { mode: "explain", icon: "book", words: "explains, changes nothing" },
  { mode: "plan", icon: "checklist", words: "plans, changes nothing" },
];

export class Asking {
  readonly #server: Server;
  readonly #runs: Runs;
  readonly #typing: Typing;
  #mode: Mode = "edit";
  /** What was typed into a box that was closed without sending. */
  #draft = "";

  constructor(server: Server, runs: Runs, typing: Typing) {
    this.#typing = typing;
    this.#server = server;
    this.#runs = runs;
  }

  /** Opens the box. `about` is what a code action points at; else it is what the active editor shows. */
  async box(about?: About): Promise<void> {
    if (!(await this.isAllowed())) return;
    const along = about ?? (await this.about());
    const text = await this.#typed(describe(along));
    // What was not taken is in the box when it is opened again.
    if (text !== undefined && !(await this.send(text, along, this.#mode))) this.#draft = text;
  }

  /** Starts a task, in a session where one goes on. Answers whether it did. */
  async send(prompt: string, about?: About, mode: Mode = "edit", session?: string): Promise<boolean> {
    if (!(await this.isAllowed())) return false;
    const along = about ?? (await this.about());
    const started = await this.#server.run<Started>("ask", { prompt, mode, ...along, ...(session === undefined ? {} : { session }) });
    // A plain server tells nothing more of it than its own messages and progress.
    if (started && this.#server.isRich) this.#runs.started(started.task, started.session, prompt);
    return started !== undefined;
  }

  /** In Restricted Mode nothing is asked; the user is told how to leave it. */
  async isAllowed(): Promise<boolean> {
    if (vscode.workspace.isTrusted) return true;
    const words = "countersign works only in folders that you trust, and this window is in Restricted Mode.";
    const choice = await vscode.window.showWarningMessage(words, "Manage Trust");
    if (choice) await vscode.commands.executeCommand("workbench.trust.manage");
    return false;
  }

  /** Selection and problems of the active editor. */
  async about(): Promise<About> {
    const editor = vscode.window.activeTextEditor;
    const client = this.#server.client;
    if (!editor || !client || editor.document.uri.scheme !== "file") return {};
    // Neither a file from elsewhere nor a question of ours goes along.
    if (!vscode.workspace.getWorkspaceFolder(editor.document.uri)) return {};
    const { selection, document } = editor;
    const all = vscode.languages.getDiagnostics(document.uri).filter((one) => one.source !== "countersign");
    const line = document.lineAt(Math.min(selection.active.line, document.lineCount - 1)).range;
    const here = all.filter((one) => one.range.intersection(selection.isEmpty ? line : selection) !== undefined);
    const convert = client.code2ProtocolConverter;
    return {
      uri: convert.asUri(document.uri),
      ...(selection.isEmpty ? {} : { range: convert.asRange(selection) }),
      ...(here.length === 0 ? {} : { diagnostics: await convert.asDiagnostics(here) }),
    };
  }

  #typed(about: string): Promise<string | undefined> {
    const box = vscode.window.createInputBox();
    const show = () => {
      const { words } = MODES.find(({ mode }) => mode === this.#mode) ?? { words: "" };
      box.title = `Ask agent: ${words}`;
      box.prompt = about === "" ? "Sent without a file" : `Sent with it: ${about}`;
      box.buttons = MODES.filter(({ mode }) => mode !== this.#mode).map(({ mode, icon, words }) => ({
        iconPath: new vscode.ThemeIcon(icon), tooltip: `${mode}: ${words}`, mode,
      }));
    };
    box.placeholder = "What is to be done?";
    box.value = this.#draft;
    show();
    return new Promise((resolve) => {
      box.onDidTriggerButton((button) => {
        this.#mode = (button as unknown as { mode: Mode }).mode;
        show();
      });
      box.onDidChangeValue(() => this.#typing.note());
      let sent = false;
      box.onDidAccept(() => {
        const text = box.value.trim();
        if (text === "") return;
        sent = true;
        resolve(text);
        box.hide();
      });
      box.onDidHide(() => {
        // A click elsewhere loses nothing.
        this.#draft = sent ? "" : box.value;
        resolve(undefined);
        box.dispose();
      });
      box.show();
    });
  }
}

/** `list.txt, lines 3-5, 2 problems` */
export function describe(about: About): string {
  if (about.uri === undefined) return "";
  const name = vscode.workspace.asRelativePath(vscode.Uri.parse(about.uri), false);
  const range = about.range as { start: { line: number }; end: { line: number; character: number } } | undefined;
  const parts = [name];
  if (range) {
    const first = range.start.line + 1;
    const last = Math.max(first, range.end.line + (range.end.character === 0 ? 0 : 1));
    parts.push(first === last ? `line ${first}` : `lines ${first}-${last}`);
  }
  const problems = Array.isArray(about.diagnostics) ? about.diagnostics.length : 0;
  if (problems > 0) parts.push(problems === 1 ? "1 problem" : `${problems} problems`);
  return parts.join(", ");
}
