// Pending changes over the text: old lines marked, new text beside them, the whole of it in the hover.
import * as vscode from "vscode";
import type { HunkOf, Proposals } from "../proposals.ts";
import { diff, preview, what } from "./hunks.ts";

export class Decorations implements vscode.Disposable {
  readonly #proposals: Proposals;
  readonly #subscriptions: vscode.Disposable[] = [];
  readonly #removed = lines("diffEditor.removedLineBackground", "editorOverviewRuler.modifiedForeground");
  readonly #stale = lines("editorWarning.background", "editorOverviewRuler.warningForeground");
  readonly #ghost = vscode.window.createTextEditorDecorationType({ rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed });
  readonly #place = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.addedForeground"),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });

  constructor(proposals: Proposals) {
    this.#proposals = proposals;
    this.#subscriptions.push(
      this.#removed, this.#stale, this.#ghost, this.#place,
      proposals.onDidChange(() => this.refresh()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.refresh()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("countersign.review")) this.refresh();
      }),
    );
  }

  refresh(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      // The sides of a diff have no column; they show the change themselves.
      const shows = editor.document.uri.scheme === "file" && editor.viewColumn !== undefined;
      if (shows) this.#show(editor);
    }
  }

  #show(editor: vscode.TextEditor): void {
    const settings = vscode.workspace.getConfiguration("countersign.review", editor.document);
    const beside = settings.get<string>("preview", "lines") === "lines";
    const removed: vscode.DecorationOptions[] = [];
    const stale: vscode.DecorationOptions[] = [];
    const ghosts: vscode.DecorationOptions[] = [];
    const places: vscode.DecorationOptions[] = [];
    for (const of of this.#proposals.hunksOf(editor.document.uri)) {
      const { hunk } = of;
      const shown = preview(hunk);
      const hoverMessage = hover(of);
      if (shown.removed) {
        const [first, last] = shown.removed;
        const range = editor.document.validateRange(new vscode.Range(first, 0, last, Number.MAX_SAFE_INTEGER));
        (hunk.state === "stale" ? stale : removed).push({ range, hoverMessage });
      } else {
        const line = Math.min(hunk.range.start.line, editor.document.lineCount - 1);
        places.push({ range: new vscode.Range(line, 0, line, 0), hoverMessage });
      }
      if (!beside || hunk.state === "stale") continue;
      for (const ghost of shown.ghosts) {
        const end = editor.document.validatePosition(new vscode.Position(ghost.line, Number.MAX_SAFE_INTEGER));
        ghosts.push({ range: new vscode.Range(end, end), hoverMessage, renderOptions: { after: after(ghost.text) } });
      }
    }
    editor.setDecorations(this.#removed, removed);
    editor.setDecorations(this.#stale, stale);
    editor.setDecorations(this.#ghost, ghosts);
    editor.setDecorations(this.#place, places);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}

function lines(background: string, ruler: string): vscode.TextEditorDecorationType {
  return vscode.window.createTextEditorDecorationType({
    // Only under the text: the new text beside it keeps its own colour.
    backgroundColor: new vscode.ThemeColor(background),
    overviewRulerColor: new vscode.ThemeColor(ruler),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
}

function after(text: string): vscode.ThemableDecorationAttachmentRenderOptions {
  return {
    // Blanks of the text stay as they are; they would collapse otherwise.
    contentText: ` ${text.replaceAll(" ", "\u00a0")} `,
    margin: "0 0 0 1.5em",
    color: new vscode.ThemeColor("editor.foreground"),
    backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
  };
}

/** The change as a diff. Fenced by more backticks than the text has, so that nothing in it is markup. */
function hover({ hunk, file, proposal }: HunkOf): vscode.MarkdownString {
  const text = diff(hunk);
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  const markdown = new vscode.MarkdownString(undefined, true);
  const why = hunk.state === "stale" ? ` · stale: ${hunk.why ?? "you changed these lines"}` : hunk.steering ? " · steers tools: accepted on its own" : "";
  markdown.appendMarkdown("**Agent** ");
  markdown.appendText(`${what(hunk, file)} · task ${proposal.task}${why}`);
  if (hunk.reason) {
    markdown.appendMarkdown("\n\n");
    markdown.appendText(`“${hunk.reason}”`);
  }
  if (text !== "") markdown.appendMarkdown(`\n\n${fence}diff\n${text}\n${fence}\n`);
  return markdown;
}
