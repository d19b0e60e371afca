// Above the document that shows a question: the way back to deciding it.
import { basename } from "node:path";
import * as vscode from "vscode";
import type { Questions } from "./questions.ts";

export class QuestionLens implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #questions: Questions;
  readonly #subscription: vscode.Disposable;
  readonly onDidChangeCodeLenses: vscode.Event<void>;

  constructor(questions: Questions) {
    this.#questions = questions;
    this.onDidChangeCodeLenses = questions.onDidChange;
    this.#subscription = vscode.languages.registerCodeLensProvider({ scheme: "file", pattern: "**/question-*.md" }, this);
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const approval = /^question-(\w+)\.md$/.exec(basename(document.uri.path))?.[1];
    const question = this.#questions.all().find((open) => open.approval === approval);
    if (!question) return [];
    const command = { title: `$(question)\u00a0${question.kind}: decide...`, command: "countersign.decide", arguments: [{ approval }] };
    return [new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), command)];
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}
