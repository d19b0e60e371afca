// A desk with the real VS Code on it: code-server, headless Chromium, a workspace in git, and a model that the test plays.
//
// Everything lies in a scratch folder; the environment names what is driven:
// LAB_CODE (start script of code-server), LAB_CHROMIUM, LAB_EXTENSIONS (folder with the installed extension), LAB_SERVER (folder of the
// countersign program), LAB_SHOTS (where pictures go).
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";

/** Longest wait, ms. At load 11 on two cores the editor itself needs 15 s to be there again after a reload. */
export const PATIENCE = 60_000;
/** A toast that did not come by then is looked for in the list of messages, ms. */
const TOAST = 3000;

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/real/editors/vscode.rs runs these tests`);
  return value;
}

/** Of the protocol; what is in it is for the tests to know. */
export interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: any;
  readonly result?: any;
}

export interface Options {
  readonly files: Readonly<Record<string, string>>;
  /** Settings of the user, beside those that keep the editor quiet. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The editor's own trust in the folder is asked for, and the folder has none. */
  readonly untrusted?: boolean;
  /** `config.toml` of the user. */
  readonly config?: string;
  /** The program is not on PATH. */
  readonly withoutServer?: boolean;
  /** The server says that it speaks this number of the protocol. */
  readonly protocol?: number;
  /** Messages between editor and server are kept, for `wire`. */
  readonly listening?: boolean;
  /** Further folders of the workspace, beside the project, with their files. */
  readonly beside?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export class Lab {
  readonly root: string;
  readonly work: string;
  readonly model: string;
  readonly page: Page;
  readonly #code: ChildProcess;
  readonly #browser: Browser;
  #requests = 0;

  static async open(options: Options): Promise<Lab> {
    const root = mkdtempSync(join(tmpdir(), "lab-"));
    const work = join(root, "home", "project");
    const model = join(root, "model");
    for (const folder of [work, model, join(root, "config", "countersign"), join(root, "user", "User"), join(root, "user", "Machine")]) {
      mkdirSync(folder, { recursive: true });
    }
    const beside = Object.keys(options.beside ?? {});
    for (const [folder, files] of [["project", options.files], ...Object.entries(options.beside ?? {})] as const) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(join(root, "home", folder, name, ".."), { recursive: true });
        writeFileSync(join(root, "home", folder, name), text);
      }
    }
    let program = setting("LAB_SERVER");
    if (options.protocol !== undefined || options.listening) {
      program = join(root, "bin");
      mkdirSync(program);
      const own = [process.execPath, join(import.meta.dirname, "proxy.mjs"), join(setting("LAB_SERVER"), "countersign")];
      writeFileSync(join(program, "countersign"), `#!/bin/sh\nexec ${own.map((word) => `'${word}'`).join(" ")} "$@"\n`, { mode: 0o755 });
    }
    writeFileSync(join(root, "config", "countersign", "config.toml"), options.config ?? "");
    const environment = {
      PATH: [...(options.withoutServer ? [] : [program]), process.env["PATH"] ?? ""].join(delimiter),
      HOME: join(root, "home"), LC_ALL: "C.UTF-8", SHELL: "/bin/sh", TERM: "xterm-256color",
      XDG_CONFIG_HOME: join(root, "config"), XDG_STATE_HOME: join(root, "state"), XDG_CACHE_HOME: join(root, "cache"),
      XDG_DATA_HOME: join(root, "data"), XDG_RUNTIME_DIR: root,
      ...(options.protocol === undefined ? {} : { LAB_PROTOCOL: String(options.protocol) }),
      ...(options.listening ? { LAB_WIRE: join(root, "wire") } : {}),
    };
    // The editor takes its PATH from the user's login shell.
    writeFileSync(join(root, "home", ".profile"), `PATH='${environment.PATH}'\n`);
    writeFileSync(join(root, "home", ".gitconfig"), "[user]\n\tname = Tess Ter\n\temail = tess@example.org\n");
    for (const folder of ["project", ...beside]) {
      const git = (...words: string[]) => execFileSync("git", words, { cwd: join(root, "home", folder), env: environment, stdio: "pipe" });
      git("init", "--quiet", "--initial-branch=work");
      git("add", ".");
      git("commit", "--quiet", "--message=start");
    }
    // One folder is opened as such, several as a workspace file.
    const several = join(root, "home", "all.code-workspace");
    if (beside.length > 0) writeFileSync(several, JSON.stringify({ folders: ["project", ...beside].map((path) => ({ path })) }));
    const opened = beside.length > 0 ? several : work;
    const settings = {
      "files.autoSave": "off", "telemetry.telemetryLevel": "off", "chat.disableAIFeatures": true, "workbench.startupEditor": "none",
      "security.workspace.trust.enabled": options.untrusted === true, "security.workspace.trust.startupPrompt": "never",
      "security.workspace.trust.banner": "never", "extensions.autoUpdate": false, "extensions.autoCheckUpdates": false,
      "update.mode": "none", "git.openRepositoryInParentFolders": "never", "editor.fontFamily": "DejaVu Sans Mono",
      "editor.minimap.enabled": false, "workbench.tips.enabled": false, "extensions.ignoreRecommendations": true,
      "window.autoDetectColorScheme": true, "workbench.preferredDarkColorTheme": "Default Dark Modern",
      "workbench.preferredLightColorTheme": "Default Light Modern", "window.restoreWindows": "none", "git.enabled": false,
      "terminal.integrated.shellIntegration.enabled": false, "terminal.integrated.gpuAcceleration": "off",
      "workbench.secondarySideBar.defaultVisibility": "hidden", "editor.occurrencesHighlight": "off", ...options.settings,
    };
    writeFileSync(join(root, "user", "User", "settings.json"), JSON.stringify(settings));
    writeFileSync(join(root, "user", "Machine", "settings.json"), JSON.stringify(machine(model, {})));
    const port = await freePort();
    const words = [
      "--bind-addr", `127.0.0.1:${port}`, "--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override",
      ...(options.untrusted ? [] : ["--disable-workspace-trust"]),
      "--user-data-dir", join(root, "user"), "--extensions-dir", setting("LAB_EXTENSIONS"), "--config", join(root, "code.yaml"), opened,
    ];
    const code = spawn(setting("LAB_CODE"), words, { env: environment, stdio: "pipe", detached: true });
    let said = "";
    code.stdout?.on("data", (data: Buffer) => { said += data.toString(); });
    code.stderr?.on("data", (data: Buffer) => { said += data.toString(); });
    await until("code-server to listen", () => said, () => said.includes("HTTP server listening"));
    const browser = await chromium.launch({
      executablePath: setting("LAB_CHROMIUM"),
      args: [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--force-device-scale-factor=1",
      ],
    });
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "dark", reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.goto(`http://127.0.0.1:${port}/?${opened === work ? "folder" : "workspace"}=${encodeURIComponent(opened)}`);
    const lab = new Lab({ root, work, model, page, code, browser });
    await page.locator(".monaco-workbench").waitFor();
    await page.locator(".explorer-folders-view, .welcome-view").first().waitFor();
    return lab;
  }

  private constructor(parts: {
    root: string; work: string; model: string; page: Page; code: ChildProcess; browser: Browser;
  }) {
    this.root = parts.root;
    this.work = parts.work;
    this.model = parts.model;
    this.page = parts.page;
    this.#code = parts.code;
    this.#browser = parts.browser;
  }

  /** Settings of the machine, beside the model. */
  setMachine(settings: Readonly<Record<string, unknown>>): void {
    writeFileSync(join(this.root, "user", "Machine", "settings.json"), JSON.stringify(machine(this.model, settings)));
  }

  // The model ------------------------------------------------------------------------------------------------------------------

  /** Waits for the next request to the model, and answers what it says. */
  async asked(): Promise<{ messages: { role: string; content: unknown }[] }> {
    this.#requests += 1;
    const file = join(this.model, `${this.#requests}.request.json`);
    return until(`request ${this.#requests} to the model`, () => this.journal(), () => {
      try {
        return JSON.parse(readFileSync(file, "utf8")) as { messages: { role: string; content: unknown }[] };
      } catch {
        return undefined;
      }
    });
  }

  /** Answers the request that `asked` saw last. */
  answer(...content: object[]): void {
    const usage = { input_tokens: 4200, output_tokens: 310 };
    const stop = content.some((block) => "name" in block) ? "tool_use" : "end_turn";
    const body = { id: "m", type: "message", role: "assistant", model: "manual", content, stop_reason: stop, usage };
    const file = join(this.model, `${this.#requests}.answer.json`);
    writeFileSync(`${file}.new`, JSON.stringify(body));
    renameSync(`${file}.new`, file);
  }

  // The editor -----------------------------------------------------------------------------------------------------------------

  /** Runs a command; once more where `done` does not come of it. */
  async command(title: string, done?: Locator): Promise<void> {
    await this.#pick("F1", `>${title}`, `[aria-label^="${title}"]`, done);
  }

  async openFile(name: string): Promise<void> {
    await this.#pick("Control+P", name, `[aria-label^="${name}"]`, this.page.locator(`.tab.active[data-resource-name="${name}"]`));
  }

  /** Brings a list up, types into it and takes the row with this attribute. A busy editor loses keys, changes lists in the last
   * moment, and finds files only a while after its start. */
  async #pick(key: string, text: string, wanted: string, done?: Locator): Promise<void> {
    const input = this.page.locator(".quick-input-widget input");
    const row = this.page.locator(`.quick-input-list .monaco-list-row.focused${wanted}`);
    for (let left = 6; ; left -= 1) {
      try {
        await this.page.keyboard.press(key);
        await input.waitFor({ timeout: 3000 });
        await input.fill(text);
        await row.waitFor({ timeout: 3000 });
        await this.page.keyboard.press("Enter");
        return await done?.waitFor({ timeout: 5000 });
      } catch (error) {
        if (left === 0) throw error;
        await this.page.keyboard.press("Escape");
      }
    }
  }

  /** Puts the cursor at a place, counted from 1. */
  async go(line: number, column = 1): Promise<void> {
    await this.#pick("Control+G", `:${line}:${column}`, `[aria-label*="line ${line}"]`);
    await this.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
    // The text gets the keyboard back a moment later; a key before that goes elsewhere.
    await this.page.locator(".editor-instance .monaco-editor.focused").first().waitFor();
  }

  /** Takes an entry of the code-action menu. A quarter of a second after the cursor moved the editor looks for actions by itself, and
   * drops a menu that was asked for and has not come by then: it is asked for again. */
  async act(title: string): Promise<void> {
    const row = this.page.locator(".action-widget .monaco-list-row").filter({ hasText: title }).first();
    for (let left = 5; ; left -= 1) {
      try {
        await this.page.keyboard.press("Control+.");
        await row.waitFor({ timeout: PATIENCE / 6 });
        return await row.click();
      } catch (error) {
        if (left === 0) throw error;
      }
    }
  }

  /** The text of the editor, as the user sees its lines. */
  async text(): Promise<string> {
    return (await this.page.locator(".editor-instance .view-lines").first().innerText()).replaceAll("\u00a0", " ");
  }

  status(): Locator {
    return this.page.locator("#countersign\\.countersign\\.countersign\\.status");
  }

  async statusShows(words: string | RegExp): Promise<void> {
    await this.status().filter({ hasText: words }).waitFor();
  }

  lens(words: string): Locator {
    return this.page.locator(".codelens-decoration a").filter({ hasText: words });
  }

  /** A row of the trees in the side bar. */
  row(words: string | RegExp): Locator {
    return this.page.locator(".sidebar .monaco-list-row").filter({ hasText: words });
  }

  dialog(): Locator {
    return this.page.locator(".monaco-dialog-box");
  }

  /** Presses a button of the modal, as fast as a person can. */
  async choose(title: string): Promise<void> {
    await this.dialog().waitFor();
    await this.page.waitForTimeout(1200);
    await this.dialog().locator(".monaco-button").filter({ hasText: title }).click();
    await this.dialog().waitFor({ state: "hidden" });
  }

  toast(words: string | RegExp): Locator {
    return this.page.locator(".notifications-toasts .notification-list-item").filter({ hasText: words });
  }

  /** Waits for a message, and presses one of its buttons. The editor shows no toast for the fourth message within a second, and
   * takes toasts away after some seconds; all of them stand in the list behind the bell. */
  async told(words: string | RegExp, button?: string): Promise<void> {
    const message = this.page.locator(".notification-list-item").filter({ hasText: words, visible: true }).first();
    const isToast = button === undefined && await message.waitFor({ timeout: TOAST }).then(() => true, () => false);
    if (isToast) return;
    await this.messages();
    await message.waitFor();
    if (button !== undefined) await message.locator(".monaco-button").filter({ hasText: button }).click();
    await this.#hideMessages();
  }

  /** How often it was said, since the messages were cleared. */
  async timesTold(words: string | RegExp): Promise<number> {
    await this.messages();
    const count = await this.page.locator(".notifications-center .notification-list-item").filter({ hasText: words }).count();
    await this.#hideMessages();
    return count;
  }

  /** Opens the list of messages; toasts make way for it. */
  async messages(): Promise<void> {
    if (!(await this.page.locator(".notifications-center.visible").isVisible())) {
      await this.command("Notifications: Show Notifications", this.page.locator(".notifications-center.visible"));
    }
  }

  async #hideMessages(): Promise<void> {
    const list = this.page.locator(".notifications-center.visible");
    const bell = this.page.locator("#status\\.notifications a").first();
    // A button that was pressed may have closed it.
    if (await list.isVisible()) await bell.click();
    await list.waitFor({ state: "hidden" });
  }

  async clearToasts(): Promise<void> {
    await this.command("Notifications: Clear All Notifications");
    await this.page.locator(".notifications-toasts .notification-list-item").first().waitFor({ state: "hidden" });
  }

  /** Opens a step of the walkthrough and presses one of its buttons. */
  async firstStep(title: string, button: string): Promise<void> {
    await this.command("countersign: First Steps", this.page.locator(".gettingStartedContainer").filter({ hasText: title }));
    const row = this.page.locator(".getting-started-step").filter({ hasText: title });
    if ((await row.getAttribute("class"))?.includes("expanded") !== true) await row.locator(".step-title").first().click();
    await row.locator(".button-container .monaco-button").filter({ hasText: button }).click();
  }

  /** The page inside of the run view. */
  run() {
    return this.page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  }

  /** Keeps a picture of the screen, in both themes. */
  async shot(name: string): Promise<void> {
    const folder = setting("LAB_SHOTS");
    mkdirSync(folder, { recursive: true });
    for (const [theme, kind] of [["light", "vs"], ["dark", "vs-dark"]] as const) {
      await this.page.emulateMedia({ colorScheme: theme });
      await this.page.locator(`.monaco-workbench.${kind}`).waitFor();
      await this.page.waitForTimeout(150);
      await this.page.screenshot({ path: join(folder, `${name}-${theme}.png`) });
    }
  }

  // What is left behind ----------------------------------------------------------------------------------------------------------

  git(...words: string[]): string {
    return execFileSync("git", words, { cwd: this.work, encoding: "utf8", env: { PATH: process.env["PATH"], HOME: join(this.root, "home") } });
  }

  read(name: string): string {
    return readFileSync(join(this.work, name), "utf8");
  }

  /** All journals as one text. */
  journal(): string {
    const folder = join(this.root, "state", "countersign", "journal");
    if (!existsSync(folder)) return "";
    return readdirSync(folder).filter((name) => name.endsWith(".jsonl")).map((name) => readFileSync(join(folder, name), "utf8")).join("");
  }

  /** Waits until a pending change with this text is kept for the time after a crash; that happens a moment after it comes. */
  async kept(text: string): Promise<void> {
    const folder = join(this.root, "state", "countersign", "proposals");
    const files = () => (existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []).filter((entry) => entry.isFile());
    const all = () => files().map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")).join("");
    await until(`${text} to be kept`, all, () => all().includes(text));
  }

  /** What editor and server said to each other, in order: `>` or `<` before each. */
  wire(): { from: string; message: Message }[] {
    const lines = readFileSync(join(this.root, "wire"), "utf8").split("\n").filter((line) => line !== "");
    return lines.map((line) => ({ from: line.slice(0, 1), message: JSON.parse(line.slice(1)) }));
  }

  /** The extension's own log. */
  log(): string {
    const folder = join(this.root, "user", "logs");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("countersign.log")).sort();
    return files.map((name) => readFileSync(join(folder, name), "utf8")).join("");
  }

  /** The processes whose environment is this desk's and whose program has this name. */
  processes(name: string): number[] {
    return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).filter((pid) => {
      try {
        const program = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const mine = readFileSync(`/proc/${pid}/environ`, "utf8").includes(`XDG_STATE_HOME=${join(this.root, "state")}`);
        return mine && program.join(" ").includes(name);
      } catch {
        return false;
      }
    }).map(Number);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    const ended = new Promise((resolve) => this.#code.once("exit", resolve));
    if (this.#code.pid !== undefined) process.kill(-this.#code.pid, "SIGTERM");
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A part of a story: named when it fails, and nothing after it is tried. */
export async function step(name: string, act: () => Promise<void>): Promise<void> {
  const start = Date.now();
  try {
    await act();
  } catch (error) {
    throw new Error(`in “${name}”: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  console.log(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

/** Runs a story at a desk; a picture is kept where it fails. */
export async function at(options: Options, story: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.open(options);
  try {
    await story(lab);
  } catch (error) {
    await lab.page.screenshot({ path: join(setting("LAB_SHOTS"), "failed.png") }).catch(() => undefined);
    if (options.listening) copyFileSync(join(lab.root, "wire"), join(setting("LAB_SHOTS"), "failed.wire"));
    if (process.env["LAB_LOGS"]) execFileSync("cp", ["-r", join(lab.root, "user", "logs"), process.env["LAB_LOGS"]]);
    throw error;
  } finally {
    await lab.close();
  }
}

/** Waits until `ready` answers something. */
export async function until<T>(what: string, seen: () => string, ready: () => T | undefined | false): Promise<T> {
  const start = Date.now();
  for (;;) {
    const found = ready();
    if (found !== undefined && found !== false) return found;
    if (Date.now() - start > PATIENCE) throw new Error(`waited in vain for ${what}; seen:\n${seen().slice(-4000)}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

function machine(model: string, settings: Readonly<Record<string, unknown>>): object {
  return { "countersign.model": `manual:${model}`, ...settings };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
