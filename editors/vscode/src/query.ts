// `countersign/query` and `countersign/save`: what the editor and its other language servers know, told to the agent.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { SCHEME } from "./review/proposedText.ts";

interface Query {
  readonly kind: string;
  readonly uri?: string;
  readonly position?: { readonly line: number; readonly character: number };
  readonly severity?: number;
}

/** Diagnostics that are told at most. */
const MOST = 500;

export function answerQueries(client: LanguageClient): void {
  client.onRequest("countersign/query", (query: Query) => answer(client, query));
  client.onRequest("countersign/save", ({ uris }: { uris: string[] }) => save(uris));
}

async function answer(client: LanguageClient, query: Query): Promise<unknown> {
  const convert = client.code2ProtocolConverter;
  const uri = query.uri === undefined ? undefined : client.protocol2CodeConverter.asUri(query.uri);
  const at = query.position && new vscode.Position(query.position.line, query.position.character);
  switch (query.kind) {
    case "diagnostics":
      return diagnostics(client, uri, query.severity);
    case "openBuffers":
      return openBuffers(client);
    case "selection": {
      const editor = vscode.window.activeTextEditor;
      if (editor?.document.uri.scheme !== "file") return null;
      return { uri: convert.asUri(editor.document.uri), range: convert.asRange(editor.selection) };
    }
    case "outline":
      return uri ? (await symbols(uri)).map((symbol) => asSymbol(client, symbol)) : [];
    case "definition":
    case "references": {
      const command = query.kind === "definition" ? "vscode.executeDefinitionProvider" : "vscode.executeReferenceProvider";
      const found = await ask<(vscode.Location | vscode.LocationLink)[]>(command, uri, at);
      return (found ?? []).map((one) => location(client, one));
    }
    case "hover": {
      const found = await ask<vscode.Hover[]>("vscode.executeHoverProvider", uri, at);
      const words = (found ?? []).flatMap((hover) => hover.contents.map(plain)).filter((text) => text.trim() !== "" && !isOurs(text));
      return words.length === 0 ? null : { contents: words.join("\n\n") };
    }
    default:
      throw new Error(`this editor knows no query ${query.kind}`);
  }
}

/** Asks the language servers of the editor. A document that is not open is opened without being shown. */
async function ask<T>(command: string, uri: vscode.Uri | undefined, at?: vscode.Position): Promise<T | undefined> {
  if (!uri) return undefined;
  await vscode.workspace.openTextDocument(uri);
  return vscode.commands.executeCommand<T | undefined>(command, ...(at ? [uri, at] : [uri]));
}

function diagnostics(client: LanguageClient, uri: vscode.Uri | undefined, severity: number | undefined): unknown[] {
  const files: readonly [vscode.Uri, readonly vscode.Diagnostic[]][] = uri
    ? [[uri, vscode.languages.getDiagnostics(uri)]]
    : vscode.languages.getDiagnostics().filter(([file]) => file.scheme === "file");
  const rows = files.flatMap(([file, all]) =>
    all.filter((one) => one.source !== "countersign" && (severity === undefined || one.severity + 1 <= severity)).map((one) => {
      const code = typeof one.code === "object" ? one.code.value : one.code;
      return {
        uri: client.code2ProtocolConverter.asUri(file), range: client.code2ProtocolConverter.asRange(one.range),
        severity: one.severity + 1, message: one.message,
        ...(one.source === undefined ? {} : { source: one.source }), ...(code === undefined ? {} : { code }),
      };
    }));
  return rows.slice(0, MOST);
}

function openBuffers(client: LanguageClient): unknown[] {
  const visible = new Set(vscode.window.visibleTextEditors.map((editor) => editor.document));
  const active = vscode.window.activeTextEditor?.document;
  return vscode.workspace.textDocuments.filter((document) => document.uri.scheme === "file" && !document.isClosed).map((document) => ({
    uri: client.code2ProtocolConverter.asUri(document.uri), dirty: document.isDirty, visible: visible.has(document),
    active: document === active,
  }));
}

async function symbols(uri: vscode.Uri): Promise<(vscode.DocumentSymbol | vscode.SymbolInformation)[]> {
  return (await ask<(vscode.DocumentSymbol | vscode.SymbolInformation)[]>("vscode.executeDocumentSymbolProvider", uri)) ?? [];
}

/** LSP's DocumentSymbol; providers that give a flat list become one without children. */
function asSymbol(client: LanguageClient, symbol: vscode.DocumentSymbol | vscode.SymbolInformation): unknown {
  const convert = client.code2ProtocolConverter;
  const kind = symbol.kind + 1;
  if (!("selectionRange" in symbol)) {
    const range = convert.asRange(symbol.location.range);
    return { name: symbol.name, kind, range, selectionRange: range, children: [] };
  }
  return {
    name: symbol.name, kind, range: convert.asRange(symbol.range), selectionRange: convert.asRange(symbol.selectionRange),
    ...(symbol.detail === "" ? {} : { detail: symbol.detail }), children: symbol.children.map((child) => asSymbol(client, child)),
  };
}

function location(client: LanguageClient, found: vscode.Location | vscode.LocationLink): unknown {
  const [uri, range] = "targetUri" in found ? [found.targetUri, found.targetSelectionRange ?? found.targetRange] : [found.uri, found.range];
  return { uri: client.code2ProtocolConverter.asUri(uri), range: client.code2ProtocolConverter.asRange(range) };
}

function plain(content: vscode.MarkdownString | vscode.MarkedString): string {
  return typeof content === "string" ? content : content.value;
}

/** Our own hovers are no news to the agent. */
function isOurs(text: string): boolean {
  return text.startsWith("**Agent**") || /^Agent: "/.test(text);
}

async function save(uris: readonly string[]): Promise<{ saved: string[]; failed: { uri: string; why: string }[] }> {
  const saved: string[] = [];
  const failed: { uri: string; why: string }[] = [];
  for (const uri of uris) {
    try {
      const target = vscode.Uri.parse(uri, true);
      if (target.scheme === SCHEME) throw new Error("it is no file");
      const document = await vscode.workspace.openTextDocument(target);
      if (!document.isDirty || (await document.save())) saved.push(uri);
      else failed.push({ uri, why: "the editor did not save it" });
    } catch (error) {
      failed.push({ uri, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return { saved, failed };
}
