// What the user does about changes: accept, reject, go to the next, look at them as a diff.
import * as vscode from "vscode";
import { setContext } from "../context.ts";
import type { FileOf, HunkOf, Proposals } from "../proposals.ts";
import type { Decided } from "../protocol.ts";
import type { Server } from "../server.ts";
import type { Typing } from "../typing.ts";
import { covers, nextPlace, open, proposedPlaces } from "./hunks.ts";
import type { Chosen } from "./lenses.ts";
import { chosenOf, proposedUri, SCHEME } from "./proposedText.ts";

/** Titles of the editor with all changes, and of the one with those of a single proposal among several. */
const ALL = "The agent's changes";
const ONE = "One proposal of the agent";

export class Review implements vscode.Disposable {
  readonly #server: Server;
  readonly #proposals: Proposals;
  readonly #typing: Typing;
  readonly #subscriptions: vscode.Disposable[];

  constructor(server: Server, proposals: Proposals, typing: Typing) {
    this.#typing = typing;
    this.#server = server;
    this.#proposals = proposals;
    const command = (name: string, act: (chosen: unknown) => unknown) =>
      vscode.commands.registerCommand(`countersign.${name}`, act);
    this.#subscriptions = [
      command("acceptChange", (chosen) => this.#decide("accept", this.#hunks(chosen))),
      command("rejectChange", (chosen) => this.#decide("reject", this.#hunks(chosen))),
      command("rejectChangeBecause", (chosen) => this.because(this.#hunks(chosen))),
      command("proposeAgain", (chosen) => this.#each(this.#hunks(chosen), (one) => this.#server.run("renew", one))),
      command("acceptFile", (chosen) => this.#decide("accept", this.#files(chosen))),
      command("rejectFile", (chosen) => this.#decide("reject", this.#files(chosen))),
      command("acceptEverything", () => this.#decide("accept", this.#everything())),
      command("rejectEverything", () => this.#rejectEverything()),
      command("diffFile", (chosen) => this.diffFile(chosen)),
      command("diffAll", (chosen) => this.diffAll(asChosen(chosen)?.proposal)),
      command("nextChange", () => this.#go(1)),
      command("previousChange", () => this.#go(-1)),
      proposals.onDidChange(() => this.#contexts()),
      vscode.window.onDidChangeTextEditorSelection(() => this.#contexts()),
      vscode.window.onDidChangeActiveTextEditor(() => this.#contexts()),
      vscode.window.tabGroups.onDidChangeTabs(() => this.#contexts()),
      vscode.window.tabGroups.onDidChangeTabGroups(() => this.#contexts()),
    ];
    // The editor brings such a tab back with the window, but empty: it would say that nothing has changed.
    const left = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs).filter(({ label }) => shows(ALL, label) || shows(ONE, label));
    if (left.length > 0) void vscode.window.tabGroups.close(left);
  }

  /** Rejects with a reason, which the agent reads. */
  async because(chosen: readonly Chosen[]): Promise<void> {
    if (chosen.length === 0) return this.#nothing();
    const reason = await vscode.window.showInputBox({
      title: "Reject Change", prompt: "Why? The agent reads it.", placeHolder: "the name is part of the API", ignoreFocusOut: true,
      validateInput: () => this.#typing.note(),
    });
    if (reason === undefined) return;
    await this.#decide("reject", reason.trim() === "" ? chosen : chosen.map((one) => ({ ...one, reason: reason.trim() })));
  }

  /** One file as a diff: the text of now, and as it would be. */
  async diffFile(given?: unknown): Promise<void> {
    const uri = this.#uriOf(given);
    const found = this.#proposals.waiting().filter(({ file }) => uri === undefined || sameUri(file.uri, uri));
    const one = found[0];
    if (!one) return this.#nothing();
    if (one.file.op !== "edit" || found.length > 1) return this.diffAll(one.proposal.proposal);
    const hunk = open(one.file).find((hunk) => asChosen(given)?.hunks?.includes(hunk.id));
    const line = hunk?.range.start.line ?? open(one.file)[0]?.range.start.line ?? 0;
    const left = vscode.Uri.parse(one.file.uri);
    const options = { selection: new vscode.Range(line, 0, line, 0), preview: true };
    await vscode.commands.executeCommand("vscode.diff", left, proposedUri(one), `${one.file.path}: yours ↔ agent's`, options);
  }

  /** All files in one editor. */
  async diffAll(proposal?: string): Promise<void> {
    const files = this.#proposals.waiting().filter((one) => proposal === undefined || one.proposal.proposal === proposal);
    if (files.length === 0) return this.#nothing();
    const resources = files.map((one) => {
      const uri = vscode.Uri.parse(one.file.uri);
      return [uri, one.file.op === "create" ? undefined : uri, one.file.op === "delete" ? undefined : proposedUri(one)];
    });
    const isAll = files.length === this.#proposals.waiting().length;
    await vscode.commands.executeCommand("vscode.changes", isAll ? ALL : ONE, resources);
  }

  async #rejectEverything(): Promise<void> {
    const all = this.#everything();
    if (all.length === 0) return this.#nothing();
    const count = this.#proposals.count();
    const detail = "They are gone then; the agent would have to make them again.";
    const choice = await vscode.window.showWarningMessage(`Reject all ${count} pending changes?`, { modal: true, detail }, "Reject All");
    if (choice) await this.#decide("reject", all);
  }

  async #decide(verb: "accept" | "reject", chosen: readonly Chosen[]): Promise<void> {
    if (chosen.length === 0) return this.#nothing();
    await this.#each(chosen, async (one) => {
      const done = await this.#server.run<Decided>(verb, one);
      const refused = done?.refused ?? [];
      // The server itself says it when nothing at all could be taken.
      if (refused.length > 0 && (done?.accepted ?? []).length > 0) {
        const words = refused.map(({ hunk, why }) => `${hunk}: ${why}`).join("; ");
        void vscode.window.showWarningMessage(`countersign: not accepted: ${words}`);
      }
    });
  }

  async #each(chosen: readonly Chosen[], act: (one: Chosen) => unknown): Promise<void> {
    if (chosen.some(({ proposal }) => this.#proposals.isGone(proposal))) {
      return void vscode.window.showInformationMessage("countersign: the server is being started again: decide in a moment.");
    }
    for (const { proposal, hunks, uri, ...rest } of chosen) {
      // Either hunks or a file, never both: the server takes the one that is there.
      await act({ proposal, ...rest, ...(hunks ? { hunks } : uri === undefined ? {} : { uri }) });
    }
  }

  /** The hunks that a lens, a row or the cursor means. */
  #hunks(given: unknown): Chosen[] {
    const chosen = asChosen(given);
    if (chosen?.hunks) return [chosen];
    return grouped(this.#atCursor());
  }

  #files(given: unknown): Chosen[] {
    const chosen = asChosen(given);
    if (chosen) return [{ proposal: chosen.proposal, ...(chosen.uri === undefined ? {} : { uri: chosen.uri }) }];
    const uri = this.#uriOf(given);
    const found = this.#proposals.waiting().filter(({ file }) => uri !== undefined && sameUri(file.uri, uri));
    return found.map(({ proposal, file }) => ({ proposal: proposal.proposal, uri: file.uri }));
  }

  #everything(): Chosen[] {
    return [...new Set(this.#proposals.waiting().map(({ proposal }) => proposal.proposal))].map((proposal) => ({ proposal }));
  }

  /** The file that an argument, or else the active editor, is about. */
  #uriOf(given: unknown): string | undefined {
    const named = asChosen(given)?.uri;
    if (named !== undefined) return named;
    const uri = given instanceof vscode.Uri ? given : vscode.window.activeTextEditor?.document.uri;
    return (uri?.scheme === SCHEME ? chosenOf(uri).file : uri)?.toString();
  }

  #atCursor(): HunkOf[] {
    const editor = vscode.window.activeTextEditor;
    if (!editor) return [];
    const { start, end } = editor.selection;
    return this.#placesIn(editor.document.uri).filter(({ covers }) => {
      for (let line = start.line; line <= end.line; line += 1) if (covers(line)) return true;
      return false;
    });
  }

  /** The hunks of a document and their lines in it: of a file, or of its proposed text, which a diff shows. */
  #placesIn(uri: vscode.Uri): (HunkOf & { covers(line: number): boolean })[] {
    if (uri.scheme !== SCHEME) {
      return this.#proposals.hunksOf(uri).map((of) => ({ ...of, covers: (line) => covers(of.hunk, line) }));
    }
    const shown = chosenOf(uri);
    const mine = this.#proposals.waiting().filter(({ proposal, file }) => proposal.proposal === shown.proposal && sameUri(file.uri, shown.file.toString()));
    return mine.flatMap((of) => proposedPlaces(of.file).filter(({ hunk }) => hunk.state === "pending").map((place) => ({ ...of, ...place })));
  }

  async #go(step: 1 | -1): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const places = this.#proposals.waiting().flatMap(placesOf);
    const from = { file: editor?.document.uri.toString() ?? "", line: editor?.selection.active.line ?? -1 };
    const place = nextPlace(places, from, step);
    if (!place) return this.#nothing();
    if (place.of.file.op !== "edit") return this.diffAll(place.of.proposal.proposal);
    const shown = await vscode.window.showTextDocument(vscode.Uri.parse(place.file));
    const position = new vscode.Position(place.line, 0);
    shown.selection = new vscode.Selection(position, position);
    shown.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  #contexts(): void {
    const uri = vscode.window.activeTextEditor?.document.uri;
    setContext("pending", this.#proposals.count() > 0);
    setContext("onChange", this.#atCursor().length > 0);
    // The editor tells extensions no more about a tab with several diffs than its label.
    setContext("reviewing", shows(ALL, vscode.window.tabGroups.activeTabGroup.activeTab?.label ?? ""));
    setContext("fileHasChanges", uri !== undefined && this.#proposals.hunksOf(uri).length > 0);
  }

  #nothing(): void {
    void vscode.window.showInformationMessage("countersign: no change is pending here.");
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}

/** Whether the label of a tab is such a title, and the number of files that the editor puts behind it. */
function shows(title: string, label: string): boolean {
  return label === title || label.startsWith(`${title} (`);
}

function placesOf(of: FileOf) {
  return open(of.file).map((hunk) => ({ file: vscode.Uri.parse(of.file.uri).toString(), line: hunk.range.start.line, of }));
}

function grouped(hunks: readonly HunkOf[]): Chosen[] {
  const by = new Map<string, string[]>();
  for (const { proposal, hunk } of hunks) by.set(proposal.proposal, [...(by.get(proposal.proposal) ?? []), hunk.id]);
  return [...by].map(([proposal, ids]) => ({ proposal, hunks: ids }));
}

function sameUri(a: string, b: string): boolean {
  return vscode.Uri.parse(a).toString() === vscode.Uri.parse(b).toString();
}

/** Lenses give it, and so do the rows of the tree. */
function asChosen(given: unknown): Chosen | undefined {
  const value = (given as { chosen?: Chosen } | undefined)?.chosen ?? (given as Chosen | undefined);
  return typeof value?.proposal === "string" ? value : undefined;
}
