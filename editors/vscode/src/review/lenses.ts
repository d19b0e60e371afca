// Accept and Reject above each pending change.
import * as vscode from "vscode";
import type { Proposals } from "../proposals.ts";
import { changes } from "../statusText.ts";
import { what } from "./hunks.ts";
import { LensEvent } from "./lensEvent.ts";

/** What a command about a hunk or file is given. */
export interface Chosen {
  readonly proposal: string;
  readonly hunks?: readonly string[];
  readonly uri?: string;
}

export class Lenses implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #proposals: Proposals;
  readonly #changed = new LensEvent();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(proposals: Proposals) {
    this.#proposals = proposals;
    this.#subscriptions = [
      this.#changed,
      vscode.languages.registerCodeLensProvider({ scheme: "file" }, this),
      proposals.onDidChange(() => this.#changed.fire()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("countersign.review")) this.#changed.fire();
      }),
    ];
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    if (!vscode.workspace.getConfiguration("countersign.review", document).get<boolean>("lenses", true)) return [];
    const all = this.#proposals.hunksOf(document.uri);
    const out: vscode.CodeLens[] = [];
    for (const [index, { proposal, file, hunk }] of all.entries()) {
      const line = Math.min(hunk.range.start.line, document.lineCount - 1);
      const range = new vscode.Range(line, 0, line, 0);
      const chosen: Chosen = { proposal: proposal.proposal, hunks: [hunk.id], uri: document.uri.toString() };
      const lens = (title: string, command: string, tooltip: string) => {
        out.push(new vscode.CodeLens(range, { title, command: `countersign.${command}`, tooltip, arguments: [chosen] }));
      };
      if (hunk.state === "stale") {
        lens(`$(warning)\u00a0Stale: ${hunk.why ?? "you changed these lines"}`, "diffFile", "The change does not fit your text any more");
        lens("Propose Again", "proposeAgain", "Put the change on your lines, where both go together");
        lens("Dismiss", "rejectChange", "Reject this change");
        continue;
      }
      lens(`$(check)\u00a0Accept ${what(hunk, file)}`, "acceptChange", hunk.steering ? "This file steers tools: look twice" : "Put this change into your text");
      lens("$(close)\u00a0Reject", "rejectChange", "Drop this change");
      lens("Reject because...", "rejectChangeBecause", "Drop it and tell the agent why");
      lens("Diff", "diffFile", "Show the whole file as a diff");
      if (index === 0 && all.length > 1) {
        const whole: Chosen = { proposal: proposal.proposal, uri: document.uri.toString() };
        const accept = new vscode.CodeLens(range, {
          title: `$(check-all)\u00a0Accept file (${changes(all.length)})`, command: "countersign.acceptFile", arguments: [whole],
        });
        out.push(accept);
      }
    }
    return out;
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
