// The server's questions. Grave ones are modal with the safe button in focus; a question that is put off stays open and can be
// taken up again from the status item, the tree and the document that shows it. Only a choice is an answer.
import * as vscode from "vscode";
import type { MessageActionItem, ShowMessageRequestParams } from "vscode-languageclient/node";
import { isGrave, readQuestion, type QuestionText } from "./questionText.ts";
import type { Typing } from "./typing.ts";

/** A key that was meant for the text before the dialog came; answers that fast are no answers, ms. Nobody reads faster. */
const STRAY = 1000;
/** The title that opens the whole diff; the server shows the document and asks anew. */
const SHOW = "Show";
const LATER = "Decide Later";
/** The title that leads to a model and its key. */
const SET_UP = "Set up";

export interface OpenQuestion extends QuestionText {
  readonly titles: readonly string[];
}

interface Waiting extends OpenQuestion {
  /** Answers the latest showing. */
  answer(choice: MessageActionItem | null): void;
  /** A dialog with it is on the screen. */
  shown: boolean;
}

export class Questions implements vscode.Disposable {
  readonly #typing: Typing;
  readonly #waiting = new Map<string, Waiting>();
  /** Questions whose document the user is reading: the next showing does not come over it. */
  readonly #reading = new Set<string>();
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.#changed.event;

  constructor(typing: Typing) {
    this.#typing = typing;
  }

  /** The open questions, oldest first. */
  all(): OpenQuestion[] {
    return [...this.#waiting.values()];
  }

  /** `window/showMessageRequest`: answered when the user chooses, or by nothing when the question is gone. */
  ask(params: ShowMessageRequestParams): Promise<MessageActionItem | null> {
    const text = readQuestion(params.message);
    const titles = (params.actions ?? []).map((action) => action.title);
    return new Promise((resolve) => {
      // An earlier showing of the same question does not count any more.
      this.#waiting.get(text.approval)?.answer(null);
      const question: Waiting = { ...text, titles, answer: resolve, shown: false };
      this.#waiting.set(text.approval, question);
      this.#changed.fire();
      void this.#present(question);
    });
  }

  /** The task told how a question ended, or the server is gone. */
  closed(approval: string): void {
    this.#waiting.get(approval)?.answer(null);
    this.#reading.delete(approval);
    if (this.#waiting.delete(approval)) this.#changed.fire();
  }

  clear(): void {
    for (const approval of [...this.#waiting.keys()]) this.closed(approval);
  }

  /** Takes a question up again: this one, else the oldest. */
  async decide(approval?: string): Promise<void> {
    const question = approval === undefined ? [...this.#waiting.values()][0] : this.#waiting.get(approval);
    if (!question) {
      void vscode.window.showInformationMessage("countersign: no question is open.");
    } else if (!question.shown) {
      await this.#modal(question);
    }
  }

  async #present(question: Waiting): Promise<void> {
    // Nothing comes over what the user is reading; the lens above it, the status item and the tree lead back here.
    if (this.#reading.delete(question.approval)) return;
    if (!isGrave(question.kind)) return this.#toast(question);
    await this.#typing.pause();
    if (this.#isOpen(question) && !question.shown) await this.#modal(question);
  }

  /** A message that takes no key. Closing it answers nothing. */
  async #toast(question: Waiting): Promise<void> {
    const choice = await vscode.window.showInformationMessage(question.line, ...choices(question));
    if (choice === undefined || question.shown) return;
    if (this.#isOpen(question)) return this.#choose(question, choice.means);
    tooLate();
  }

  async #modal(question: Waiting): Promise<void> {
    const again = question.again ? "The last answer came faster than this can be read, so it did not count.\n\n" : "";
    const [head, rest] = parted(question.line);
    const detail = `${again}${rest}Escape decides nothing: the question stays open under “Questions and Tasks”.`;
    const later = { title: LATER, means: LATER, isCloseAffordance: true };
    for (;;) {
      question.shown = true;
      const since = Date.now();
      const choice = await vscode.window.showWarningMessage(head, { modal: true, detail }, ...choices(question), later);
      const chose = choice !== undefined && choice !== later;
      if (!this.#isOpen(question)) {
        if (chose) tooLate();
        return;
      }
      question.shown = false;
      if (chose && Date.now() - since < STRAY) {
        // Whoever is typing goes on with that first.
        this.#typing.note();
        await this.#typing.pause();
        if (this.#isOpen(question) && !question.shown) continue;
        return;
      }
      if (chose) this.#choose(question, choice.means);
      return;
    }
  }

  #choose(question: Waiting, title: string): void {
    if (title === SHOW) this.#reading.add(question.approval);
    this.#waiting.delete(question.approval);
    question.answer({ title });
    this.#changed.fire();
    // The server opens a page that names this command; here it is one click.
    if (question.kind === "Setup" && title === SET_UP) void vscode.commands.executeCommand("countersign.setUp");
  }

  #isOpen(question: Waiting): boolean {
    return this.#waiting.get(question.approval) === question;
  }

  dispose(): void {
    this.clear();
    this.#changed.dispose();
  }
}

function tooLate(): void {
  void vscode.window.showInformationMessage("countersign: that question is no longer open; nothing was done.");
}

/** The question itself, and the rest of the line as a paragraph. */
function parted(line: string): [string, string] {
  const at = line.indexOf("? ");
  return at < 0 ? [line, ""] : [line.slice(0, at + 1), `${line.slice(at + 2)}\n\n`];
}

/** The server's titles, in words that fit what is asked. */
function choices({ kind, titles }: OpenQuestion): { title: string; means: string }[] {
  const diff = ["Commit", "Push", "Open pull request"].includes(kind);
  return titles.map((means) => {
    if (means === SHOW) return { title: diff ? "Show Full Diff" : "Show Details", means };
    return { title: means === "Reject" && kind === "Setup" ? "Drop the Ask" : means, means };
  });
}
