// Puts the extension's parts together and gives them what the server says.
import * as vscode from "vscode";
import type { LanguageClient, ShowMessageRequestParams } from "vscode-languageclient/node";
import { Asking } from "./ask.ts";
import { openMenu } from "./menu.ts";
import { Proposals } from "./proposals.ts";
import type { Proposal, Status, Update } from "./protocol.ts";
import { answerQueries } from "./query.ts";
import { Questions } from "./questions.ts";
import { Decorations } from "./review/decorations.ts";
import { Lenses } from "./review/lenses.ts";
import { ProposedText } from "./review/proposedText.ts";
import { QuestionLens } from "./questionLens.ts";
import { Review } from "./review/review.ts";
import { Runs } from "./runs/runs.ts";
import { RunView } from "./runs/runView.ts";
import { Server, type Overrides } from "./server.ts";
import { getBinary, registerSetUp } from "./setUp.ts";
import { StatusItem } from "./status.ts";
import { Tasks } from "./tasks.ts";
import { ChangesTree } from "./trees/changes.ts";
import { TasksTree } from "./trees/tasks.ts";
import { Typing } from "./typing.ts";

/** Processor time of the editor's process, and the clock, before these parts were loaded. */
export interface Before {
  readonly used: NodeJS.CpuUsage;
  readonly clock: number;
}

/** Makes everything and starts the server. */
export function begin(context: vscode.ExtensionContext, before: Before): Server {
  const log = vscode.window.createOutputChannel("countersign", { log: true });
  const proposals = new Proposals();
  const runs = new Runs();
  const typing = new Typing();
  const questions = new Questions(typing);
  // What the server's code actions lead to, done with this editor's own means.
  const overrides: Overrides = {
    ask: (about) => ("prompt" in about ? follow("ask", about) : asking.box(about)),
    runTask: (about) => follow("runTask", about),
    rejectWithReason: (chosen) => review.because([chosen as never]),
    showDiff: (chosen) => ("uri" in chosen ? review.diffFile(chosen) : review.diffAll(String(chosen["proposal"]))),
    approvals: () => questions.decide(),
  };
  const server = new Server(log, overrides, (client) => listen(client));
  const asking = new Asking(server, runs, typing);
  const review = new Review(server, proposals, typing);
  const tasks = new Tasks(server, runs, typing);
  const status = new StatusItem({ runs, server, proposals, questions });
  /** A task that a code action starts. */
  async function follow(name: string, argument: Record<string, unknown>): Promise<void> {
    if (!(await asking.isAllowed())) return;
    const started = await server.run<{ session?: string; task?: string }>(name, argument);
    if (started?.task) runs.started(started.task, started.session ?? "", String(argument["prompt"] ?? argument["name"] ?? "task"));
  }

  function listen(client: LanguageClient): void {
    client.onNotification("countersign/update", (update: Update) => {
      runs.update(update);
      if (update.kind === "question" && update.state !== "open") questions.closed(update.approval ?? "");
      if (update.level !== undefined) status.learn({ level: update.level });
    });
    client.onNotification("countersign/proposal", (proposal: Proposal) => {
      proposals.set(proposal);
      if (!runs.get(proposal.task)) void learn();
    });
    client.onNotification("countersign/restored", ({ proposals: ids }: { proposals: string[] }) => proposals.restored(ids));
    client.onRequest("window/showMessageRequest", (params: ShowMessageRequestParams) => questions.ask(params));
    answerQueries(client);
  }

  /** Asks the server about its tasks and itself. */
  async function learn(): Promise<void> {
    if (server.state !== "ready" || !server.isRich) return;
    const told = await server.run<Status>("status");
    if (!told) return;
    runs.learn(told);
    status.learn(told);
  }

  function serverChanged(): void {
    if (server.state === "ready") {
      void context.globalState.update("missing", undefined);
      // A plain server does not tell what is left.
      if (!server.isRich) proposals.clear();
      return void learn();
    }
    runs.lost("The server ended before the task did. Pending changes come back; ask again for the rest.");
    questions.clear();
    if (server.state === "starting") proposals.lost();
    else proposals.clear();
    if (server.state === "missing" && context.globalState.get("missing") !== server.why) {
      // Said once, not in every window.
      void context.globalState.update("missing", server.why);
      void getBinary(server);
    }
  }

  const parts = { runs, server, asking, tasks, questions, proposals, typing };
  context.subscriptions.push(
    log, proposals, runs, typing, questions, review, tasks, status, server.onDidChange(serverChanged),
    new Decorations(proposals), new Lenses(proposals), new QuestionLens(questions), new ProposedText(proposals), new RunView(context.extensionUri, parts),
    new ChangesTree(proposals, runs), new TasksTree(runs, questions), ...registerSetUp(server),
    vscode.commands.registerCommand("countersign.askAgent", () => asking.box()),
    vscode.commands.registerCommand("countersign.menu", () => openMenu(parts)),
    vscode.commands.registerCommand("countersign.decide", (given?: { approval?: string }) => questions.decide(given?.approval)),
    vscode.commands.registerCommand("countersign.commitAccepted", () => server.run("commit")),
    vscode.commands.registerCommand("countersign.pushCommits", () => server.run("push")),
    vscode.commands.registerCommand("countersign.restartServer", () => server.restart()),
    vscode.commands.registerCommand("countersign.showLog", () => log.show()),
    vscode.workspace.onDidGrantWorkspaceTrust(() => server.restart()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const ours = ["countersign.server.path", "countersign.model"].some((key) => event.affectsConfiguration(key));
      if (ours) void offerRestart(server, runs);
    }),
  );
  const { user, system } = process.cpuUsage(before.used);
  const clock = Math.ceil(performance.now() - before.clock);
  log.info(`the extension started in ${Math.ceil((user + system) / 1000)} ms of processor time, ${clock} ms by the clock`);
  void server.start();
  return server;
}

/** A changed program or model counts from the next start on. */
async function offerRestart(server: Server, runs: Runs): Promise<void> {
  if (runs.active().length === 0) return server.restart();
  const words = "countersign: the new setting counts when the server starts again; a task is running.";
  const choice = await vscode.window.showInformationMessage(words, "Restart Now");
  if (choice) await server.restart();
}
