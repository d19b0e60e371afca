// What keybindings and menus go by.
import * as vscode from "vscode";

export type Key = "running" | "pending" | "asking" | "onChange" | "fileHasChanges" | "ready" | "missing";

const known = new Map<Key, boolean>();

export function setContext(key: Key, value: boolean): void {
  if (known.get(key) === value) return;
  known.set(key, value);
  void vscode.commands.executeCommand("setContext", `countersign.${key}`, value);
}

/** Says it once more. A walkthrough sees what a step waits for only when it changes, and only after its page was opened. */
export async function repeatContext(key: Key): Promise<void> {
  const value = known.get(key);
  if (value === undefined) return;
  await vscode.commands.executeCommand("setContext", `countersign.${key}`, !value);
  await vscode.commands.executeCommand("setContext", `countersign.${key}`, value);
}
