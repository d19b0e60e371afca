// What keybindings and menus go by.
import * as vscode from "vscode";

export type Key = "running" | "pending" | "asking" | "onChange" | "reviewing" | "fileHasChanges" | "ready" | "missing" | "plain" | "stopped";

const known = new Map<Key, boolean>();

export function setContext(key: Key, value: boolean): void {
  if (known.get(key) === value) return;
  known.set(key, value);
  void vscode.commands.executeCommand("setContext", `countersign.${key}`, value);
}
