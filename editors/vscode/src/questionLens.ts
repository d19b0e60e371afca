// Above the document that shows a question: the way back to deciding it.
import { basename } from "node:path";
import * as vscode from "vscode";
import type { Questions } from "./questions.ts";
import { LensEvent } from "./review/lensEvent.ts";

export class QuestionLens implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #questions: Questions;
  readonly #changed = new LensEvent();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(questions: Questions) {
    this.#questions = questions;
    this.#subscriptions = [
      this.#changed,
      questions.onDidChange(() => this.#changed.fire()),
      vscode.languages.registerCodeLensProvider({ scheme: "file", pattern: "**/question-*.md" }, this),
    ];
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const approval = /^question-(\w+)\.md$/.exec(basename(document.uri.path))?.[1];
    const question = this.#questions.all().find((open) => open.approval === approval);
    if (!question) return [];
    const command = { title: `$(question)\u00a0${question.kind}: decide...`, command: "countersign.decide", arguments: [{ approval }] };
    return [new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), command)];
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
