// The tree of what waits for the user: tasks, their files, their changes.
import * as vscode from "vscode";
import type { FileOf, HunkOf, Proposals } from "../proposals.ts";
import type { Proposal, Receipt } from "../protocol.ts";
import { diff, lines, open, what } from "../review/hunks.ts";
import type { Chosen } from "../review/lenses.ts";
import type { Runs } from "../runs/runs.ts";
import { changes } from "../statusText.ts";

type Row = { readonly chosen: Chosen } & (
  | { readonly row: "proposal"; readonly proposal: Proposal }
  | ({ readonly row: "file" } & FileOf)
  | ({ readonly row: "hunk" } & HunkOf)
  | { readonly row: "receipt"; readonly receipt: Receipt }
);

export class ChangesTree implements vscode.TreeDataProvider<Row>, vscode.Disposable {
  readonly #proposals: Proposals;
  readonly #runs: Runs;
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly #view: vscode.TreeView<Row>;
  readonly #subscription: vscode.Disposable;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(proposals: Proposals, runs: Runs) {
    this.#proposals = proposals;
    this.#runs = runs;
    this.#view = vscode.window.createTreeView("countersign.changes", { treeDataProvider: this, showCollapseAll: true });
    this.#subscription = proposals.onDidChange(() => {
      const count = proposals.count();
      this.#view.badge = count > 0 ? { value: count, tooltip: `${changes(count)} to review` } : undefined;
      this.#changed.fire(undefined);
    });
  }

  getChildren(row?: Row): Row[] {
    const waiting = this.#proposals.waiting();
    if (!row) {
      const all = [...new Set(waiting.map(({ proposal }) => proposal))];
      return all.map((proposal) => ({ row: "proposal", proposal, chosen: { proposal: proposal.proposal } }));
    }
    if (row.row === "proposal") {
      const mine = waiting.filter(({ proposal }) => proposal === row.proposal);
      const files = mine.map((of): Row => ({ row: "file", ...of, chosen: { proposal: of.proposal.proposal, uri: of.file.uri } }));
      return [...files, ...row.proposal.receipts.map((receipt): Row => ({ row: "receipt", receipt, chosen: row.chosen }))];
    }
    if (row.row === "file") {
      const { proposal, file } = row;
      return open(file).map((hunk) => {
        return { row: "hunk", proposal, file, hunk, chosen: { proposal: proposal.proposal, hunks: [hunk.id], uri: file.uri } };
      });
    }
    return [];
  }

  getTreeItem(row: Row): vscode.TreeItem {
    switch (row.row) {
      case "proposal":
        return this.#proposalItem(row.proposal);
      case "file":
        return fileItem(row);
      case "hunk":
        return hunkItem(row);
      case "receipt":
        return receiptItem(row.receipt);
    }
  }

  #proposalItem(proposal: Proposal): vscode.TreeItem {
    const title = this.#runs.get(proposal.task)?.title || `task ${proposal.task}`;
    const item = new vscode.TreeItem(title, vscode.TreeItemCollapsibleState.Expanded);
    item.id = proposal.proposal;
    item.contextValue = "proposal";
    // Said only where there is a choice of folders.
    if ((vscode.workspace.workspaceFolders?.length ?? 0) > 1) item.description = proposal.folder ?? "";
    item.tooltip = title;
    return item;
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#view.dispose();
    this.#changed.dispose();
  }
}

/** What a check said; one of before the last edit says so. */
function receiptItem({ command, exit, ms, summary, fresh }: Receipt): vscode.TreeItem {
  const item = new vscode.TreeItem(command);
  const how = exit === 0 ? "passed" : exit === null ? "did not run" : `failed with ${exit}`;
  item.description = `${how} in ${(ms / 1000).toFixed(1)} s${fresh ? "" : ", before the last edit"}`;
  item.tooltip = `${command}: ${item.description}\n${summary}`;
  const [icon, color] = exit === 0 ? ["pass", "testing.iconPassed"] : exit === null ? ["circle-slash", "testing.iconSkipped"] : ["error", "testing.iconFailed"];
  item.iconPath = new vscode.ThemeIcon(icon ?? "pass", new vscode.ThemeColor(color ?? "foreground"));
  return item;
}

function fileItem({ proposal, file }: FileOf): vscode.TreeItem {
  const item = new vscode.TreeItem(vscode.Uri.parse(file.uri), vscode.TreeItemCollapsibleState.Expanded);
  const words = { edit: "", create: "new", delete: "deleted", move: "moved" }[file.op];
  item.id = `${proposal.proposal} ${file.uri}`;
  item.contextValue = "file";
  item.description = [file.path.includes("/") ? file.path.replace(/\/[^/]*$/, "") : "", words].filter((word) => word !== "").join(" · ");
  item.iconPath = vscode.ThemeIcon.File;
  return item;
}

function hunkItem({ proposal, file, hunk }: HunkOf): vscode.TreeItem {
  const first = lines(hunk.new_text).find((line) => line.trim() !== "") ?? lines(hunk.old_text)[0] ?? "";
  const label = hunk.kind === "lines" && !file.binary ? first.trim() || "(blank lines)" : what(hunk, file);
  const item = new vscode.TreeItem(label);
  item.id = `${proposal.proposal} ${hunk.id}`;
  item.contextValue = hunk.state;
  const place = hunk.kind === "lines" ? `line ${hunk.range.start.line + 1} · ${what(hunk, file)}` : "";
  item.description = `${place}${hunk.state === "stale" ? ` · stale: ${hunk.why ?? "you changed these lines"}` : ""}`;
  item.tooltip = diff(hunk) || label;
  const icon = hunk.state === "stale" ? "warning" : hunk.steering ? "shield" : hunk.old_text === "" ? "diff-added" : "diff-modified";
  item.iconPath = new vscode.ThemeIcon(hunk.new_text === "" && icon === "diff-modified" ? "diff-removed" : icon);
  const selection = new vscode.Range(hunk.range.start.line, 0, hunk.range.start.line, 0);
  item.command = file.op === "edit"
    ? { title: "Show", command: "vscode.open", arguments: [vscode.Uri.parse(file.uri), { selection, preview: true }] }
    : { title: "Show", command: "countersign.diffAll", arguments: [{ proposal: proposal.proposal }] };
  return item;
}
