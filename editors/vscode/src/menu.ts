// What can be done now, as one list: behind the status item.
import * as vscode from "vscode";
import type { Proposals } from "./proposals.ts";
import type { Questions } from "./questions.ts";
import { open } from "./review/hunks.ts";
import type { Runs } from "./runs/runs.ts";
import type { Server } from "./server.ts";
import { changes } from "./statusText.ts";

interface Item extends vscode.QuickPickItem {
  readonly command?: string;
  readonly argument?: unknown;
}

function item(label: string, command: string, description = "", argument?: unknown): Item {
  return { label, command, description, argument };
}

function heading(label: string): Item {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

export async function openMenu(parts: { runs: Runs; server: Server; proposals: Proposals; questions: Questions }): Promise<void> {
  const { runs, server, proposals, questions } = parts;
  const items: Item[] = [];
  if (server.state === "missing") items.push(item("$(cloud-download) Get the countersign program", "getBinary", server.why));
  if (server.state === "stopped") items.push(item("$(debug-restart) Restart the server", "restartServer", server.why));
  if (server.state === "restricted") {
    items.push({ label: "$(shield) Trust this folder...", command: "workbench.trust.manage", description: "Restricted Mode: the agent does not run" });
  }
  for (const question of questions.all()) {
    items.push(item(`$(question) ${question.kind}: decide...`, "decide", question.line, { approval: question.approval }));
  }
  for (const run of runs.active()) items.push(item(`$(debug-stop) Stop: ${run.title}`, "stopTask", run.doing, { task: run.task }));
  if (proposals.count() > 0) {
    items.push(heading("Review"));
    items.push(item("$(diff-multiple) Review all changes", "diffAll", changes(proposals.count())));
    items.push(item("$(arrow-down) Next change", "nextChange", "Ctrl+Alt+J"));
    const apart = proposals.waiting().some(({ file }) => open(file).some((hunk) => hunk.steering));
    items.push(item("$(check-all) Accept all", "acceptEverything", apart ? "without those that steer tools, such as build scripts" : ""));
    items.push(item("$(close-all) Reject all...", "rejectEverything"));
  }
  if (server.state === "ready") {
    items.push(heading("Ask"));
    items.push(item("$(comment-discussion) Ask agent...", "askAgent", "Ctrl+Alt+A"));
    items.push(item("$(pulse) Show run", "showRun"));
    const last = runs.all().at(-1);
    if (last && !last.gone && runs.active().length === 0) {
      items.push(item("$(debug-restart) Try the last ask again...", "retryTask", last.title, { task: last.task }));
      items.push(item("$(discard) Take its accepted changes back...", "undoTask", last.title, { task: last.task }));
    }
    items.push(heading("Git"));
    items.push(item("$(git-commit) Commit accepted changes...", "commitAccepted", "asks first"));
    items.push(item("$(cloud-upload) Push...", "pushCommits", "asks first"));
  }
  items.push(heading("Help"));
  items.push(item("$(heart) Check this machine", "doctor", "walls, git, model, journal"));
  items.push(item("$(rocket) First steps", "firstSteps"));
  items.push(item("$(output) Show log", "showLog"));
  const chosen = await vscode.window.showQuickPick(items, { title: "countersign", placeHolder: "What can be done now", matchOnDescription: true });
  if (!chosen?.command) return;
  const command = chosen.command.includes(".") ? chosen.command : `countersign.${chosen.command}`;
  await vscode.commands.executeCommand(command, ...(chosen.argument === undefined ? [] : [chosen.argument]));
}
