// The proposals that the server told, and what of them waits for the user.
import * as vscode from "vscode";
import type { Hunk, Proposal, ProposedFile } from "./protocol.ts";
import { open } from "./review/hunks.ts";

export interface FileOf {
  readonly proposal: Proposal;
  readonly file: ProposedFile;
}

export interface HunkOf extends FileOf {
  readonly hunk: Hunk;
}

export class Proposals implements vscode.Disposable {
  readonly #all = new Map<string, Proposal>();
  /** Of a server that is gone: shown until the next one has said what is left of them. */
  readonly #gone = new Set<string>();
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.#changed.event;

  set(proposal: Proposal): void {
    this.#gone.delete(proposal.proposal);
    this.#all.set(proposal.proposal, proposal);
    this.#changed.fire();
  }

  /** The server is gone, and another one starts in its place. */
  lost(): void {
    for (const id of this.#all.keys()) this.#gone.add(id);
  }

  /** The new server has these: it tells each of them anew. The others are gone for good. */
  restored(ids: readonly string[]): void {
    for (const id of this.#gone) if (!ids.includes(id)) this.#all.delete(id);
    this.#gone.clear();
    this.#changed.fire();
  }

  /** Nothing is shown any more. */
  clear(): void {
    this.#all.clear();
    this.restored([]);
  }

  /** Whether it is of a server that is gone: the next one has not said yet what is left of it. */
  isGone(id: string): boolean {
    return this.#gone.has(id);
  }

  get(id: string): Proposal | undefined {
    return this.#all.get(id);
  }

  /** Files in which something waits, in the proposals' order. */
  waiting(): FileOf[] {
    const files = [...this.#all.values()].flatMap((proposal) => proposal.files.map((file) => ({ proposal, file })));
    return files.filter(({ file }) => open(file).length > 0);
  }

  /** What waits in one document. */
  hunksOf(uri: vscode.Uri): HunkOf[] {
    const wanted = uri.toString();
    const mine = this.waiting().filter(({ file }) => vscode.Uri.parse(file.uri).toString() === wanted);
    return mine.flatMap(({ proposal, file }) => open(file).map((hunk) => ({ proposal, file, hunk })));
  }

  /** Hunks that wait, everywhere. */
  count(): number {
    return this.waiting().reduce((sum, { file }) => sum + open(file).length, 0);
  }

  dispose(): void {
    this.#changed.dispose();
  }
}
