// Whether the user is typing: nothing takes the keyboard away in the middle of a word.
import * as vscode from "vscode";

/** Rest after the last key that counts as a pause, ms. */
const PAUSE = 1200;

export class Typing implements vscode.Disposable {
  readonly #subscription: vscode.Disposable;
  #last = 0;

  constructor() {
    this.#subscription = vscode.workspace.onDidChangeTextDocument((event) => {
      const typed = event.document === vscode.window.activeTextEditor?.document && event.contentChanges.length > 0;
      if (typed) this.#last = Date.now();
    });
  }

  /** A key went into a box of ours. Nothing is returned, so that it serves as a check of inputs. */
  note(): undefined {
    this.#last = Date.now();
  }

  /** Resolves when the keyboard has rested. */
  async pause(): Promise<void> {
    for (;;) {
      const left = this.#last + PAUSE - Date.now();
      if (left <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, left));
    }
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}
