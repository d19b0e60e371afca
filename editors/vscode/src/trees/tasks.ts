// The tree of open questions and tasks; tasks of one session stand together.
import * as vscode from "vscode";
import type { OpenQuestion, Questions } from "../questions.ts";
import { isOver, type Run } from "../runs/run.ts";
import type { Runs } from "../runs/runs.ts";
import { spent, stateWord } from "../statusText.ts";

export type TaskRow =
  | { readonly row: "question"; readonly approval: string; readonly question: OpenQuestion }
  | { readonly row: "session"; readonly session: string; readonly runs: readonly Run[] }
  | { readonly row: "task"; readonly task: string; readonly run: Run };

const ICONS: Readonly<Record<string, string>> = {
  queued: "clock", preparing: "sync~spin", running: "sync~spin", ended: "check", cancelled: "circle-slash", failed: "error",
};

export class TasksTree implements vscode.TreeDataProvider<TaskRow>, vscode.Disposable {
  readonly #runs: Runs;
  readonly #questions: Questions;
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly #view: vscode.TreeView<TaskRow>;
  readonly #subscriptions: vscode.Disposable[];
  #shown = "";
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(runs: Runs, questions: Questions) {
    this.#runs = runs;
    this.#questions = questions;
    this.#view = vscode.window.createTreeView("countersign.tasks", { treeDataProvider: this });
    this.#subscriptions = [
      runs.onDidChange(() => this.#refresh()),
      questions.onDidChange(() => {
        const count = questions.all().length;
        this.#view.badge = count > 0 ? { value: count, tooltip: "the agent waits for you" } : undefined;
        this.#refresh();
      }),
    ];
  }

  /** Streamed text changes no row. */
  #refresh(): void {
    const rows = this.#runs.all().map((run) => [run.task, run.session, run.title, run.state, run.gone, run.iteration, run.doing]);
    const now = JSON.stringify([rows, this.#questions.all()]);
    if (now !== this.#shown) {
      this.#shown = now;
      this.#changed.fire(undefined);
    }
  }

  getChildren(row?: TaskRow): TaskRow[] {
    if (row?.row === "session") return row.runs.map(asTask);
    if (row) return [];
    const questions: TaskRow[] = this.#questions.all().map((question) => ({ row: "question", approval: question.approval, question }));
    const sessions = new Map<string, Run[]>();
    for (const run of this.#runs.all()) {
      const key = run.session || run.task;
      sessions.set(key, [...(sessions.get(key) ?? []), run]);
    }
    const rest = [...sessions].reverse().map(([session, runs]): TaskRow => {
      const [only, ...others] = runs;
      return only && others.length === 0 ? asTask(only) : { row: "session", session, runs };
    });
    return [...questions, ...rest];
  }

  getTreeItem(row: TaskRow): vscode.TreeItem {
    switch (row.row) {
      case "question":
        return questionItem(row.question);
      case "session": {
        const item = new vscode.TreeItem(row.runs[0]?.title ?? row.session, vscode.TreeItemCollapsibleState.Expanded);
        item.id = `session ${row.session}`;
        item.iconPath = new vscode.ThemeIcon("comment-discussion");
        item.description = `${row.runs.length} tasks`;
        return item;
      }
      case "task":
        return taskItem(row.run);
    }
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#view.dispose();
    this.#changed.dispose();
  }
}

function asTask(run: Run): TaskRow {
  return { row: "task", task: run.task, run };
}

function questionItem(question: OpenQuestion): vscode.TreeItem {
  const item = new vscode.TreeItem(`${question.kind}: decide...`);
  item.id = `question ${question.approval}`;
  item.contextValue = "question";
  item.description = question.line;
  item.tooltip = question.line;
  item.iconPath = new vscode.ThemeIcon("question", new vscode.ThemeColor("list.warningForeground"));
  item.command = { title: "Decide", command: "countersign.decide", arguments: [{ approval: question.approval }] };
  return item;
}

function taskItem(run: Run): vscode.TreeItem {
  const item = new vscode.TreeItem(run.title || run.task);
  const steps = run.iterations > 0 ? ` ${run.iteration}/${run.iterations} · ${spent(run)}` : "";
  item.id = `task ${run.task}`;
  item.contextValue = run.gone ? "gone" : isOver(run) ? "over" : "running";
  item.description = `${run.doing || stateWord(run)}${steps}`;
  item.tooltip = `${run.title}\n${run.task} · ${stateWord(run)}${steps}`;
  item.iconPath = new vscode.ThemeIcon(ICONS[run.state] ?? "circle-outline");
  item.command = { title: "Show", command: "countersign.showRun", arguments: [{ task: run.task }] };
  return item;
}
