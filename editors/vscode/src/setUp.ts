// First steps: getting the program, and its own commands in a terminal where the user sees them.
import * as vscode from "vscode";
import { findBinary } from "./binary.ts";
import type { Server } from "./server.ts";

const INSTALL = "cargo install --path .";
/** The setting that names the program. */
const PATH = "countersign.server.path";

export function registerSetUp(server: Server): vscode.Disposable[] {
  const command = (name: string, act: () => unknown) => vscode.commands.registerCommand(`countersign.${name}`, act);
  return [
    command("doctor", () => inTerminal("doctor")),
    command("demo", () => inTerminal("demo")),
    command("setUp", () => inTerminal("init")),
    command("chooseModel", () => openSetting("countersign.model")),
    command("chooseProgram", () => openSetting(PATH)),
    command("getBinary", () => getBinary(server)),
    command("firstSteps", () => vscode.commands.executeCommand("workbench.action.openWalkthrough", "countersign.countersign#first", false)),
  ];
}

/** One sentence and a button; nothing is downloaded. */
export async function getBinary(server: Server): Promise<void> {
  const found = await program();
  if ("path" in found) {
    void vscode.window.showInformationMessage(`countersign is here: ${found.path}`);
    if (server.state === "missing") await server.restart();
    return;
  }
  const isNamed = vscode.workspace.getConfiguration().get<string>(PATH, "") !== "";
  const way = isNamed ? "correct the setting, or empty it" : `run \`${INSTALL}\` in a clone of its repository, or name the program in the settings`;
  const ways = isNamed ? ["Settings", "Try Again"] : ["Copy Command", "Settings", "Try Again"];
  const choice = await vscode.window.showWarningMessage(`${found.missing}: ${way}.`, ...ways);
  if (choice === "Copy Command") await vscode.env.clipboard.writeText(INSTALL);
  if (choice === "Settings") await openSetting(PATH);
  if (choice === "Try Again") {
    await server.restart();
    // Said again: a button that seems to do nothing would be pressed for ever.
    if (server.state === "missing") await getBinary(server);
  }
}

/** Opens the settings at one of ours. They belong to the machine: in a remote window they stand among the remote ones only. */
async function openSetting(query: string): Promise<void> {
  const where = vscode.env.remoteName === undefined ? "openSettings" : "openRemoteSettings";
  await vscode.commands.executeCommand(`workbench.action.${where}`, { query });
}

async function inTerminal(command: string): Promise<void> {
  const found = await program();
  if ("missing" in found) return void vscode.commands.executeCommand("countersign.getBinary");
  const terminal = vscode.window.createTerminal({ name: `countersign ${command}`, iconPath: new vscode.ThemeIcon("shield") });
  terminal.show();
  terminal.sendText(`'${found.path.replaceAll("'", "'\\''")}' ${command}`);
}

function program() {
  return findBinary(vscode.workspace.getConfiguration("countersign").get<string>("server.path", ""), process.env);
}
