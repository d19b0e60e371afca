// Above the document that shows a question: the way back to deciding it, or that it is decided.
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
    const approval = /\/countersign\/documents\/question-(\w+)\.md$/.exec(document.uri.path)?.[1];
    if (approval === undefined) return [];
    const question = this.#questions.all().find((open) => open.approval === approval);
    const command = question
      ? { title: `$(question)\u00a0${question.kind}: decide...`, command: "countersign.decide", arguments: [{ approval }] }
      : { title: "This question is no longer open", command: "" };
    return [new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), command)];
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
