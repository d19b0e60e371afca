// Documents that hold the text as it would be: the right side of diffs.
import * as vscode from "vscode";
import type { FileOf, Proposals } from "../proposals.ts";
import { proposed } from "./hunks.ts";

export const SCHEME = "countersign-proposed";

export class ProposedText implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #proposals: Proposals;
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChange = this.#changed.event;

  constructor(proposals: Proposals) {
    this.#proposals = proposals;
    this.#subscriptions = [
      this.#changed,
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      proposals.onDidChange(() => {
        for (const document of vscode.workspace.textDocuments) {
          if (document.uri.scheme === SCHEME) this.#changed.fire(document.uri);
        }
      }),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const { proposal, file } = chosenOf(uri);
    const found = this.#proposals.get(proposal)?.files.find((one) => vscode.Uri.parse(one.uri).toString() === file.toString());
    const text = found?.op === "create" ? "" : await textOf(file);
    return found ? proposed(text, found) : text;
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}

/** The document with a file's proposed text. It keeps the name, so that it gets the same language. */
export function proposedUri({ proposal, file }: FileOf): vscode.Uri {
  const target = vscode.Uri.parse(file.uri);
  return target.with({ scheme: SCHEME, query: proposal.proposal });
}

/** What such a document is about. */
export function chosenOf(uri: vscode.Uri): { proposal: string; file: vscode.Uri } {
  return { proposal: uri.query, file: uri.with({ scheme: "file", query: "" }) };
}

/** The text as the editor has it, else as the disk has it. */
async function textOf(uri: vscode.Uri): Promise<string> {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open) return open.getText();
  try {
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return "";
  }
}
