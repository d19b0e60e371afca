// What the editor loads. The parts have a file of their own and a turn of their own: nobody else's start waits for them.
import type * as vscode from "vscode";
import type { Server } from "./server.ts";

let running: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  const before = { used: process.cpuUsage(), clock: performance.now() };
  const { begin } = await import("./parts.ts");
  running = begin(context, before);
}

export async function deactivate(): Promise<void> {
  await running?.dispose();
}
