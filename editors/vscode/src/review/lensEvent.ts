// The event that lenses have changed, told several times.
//
// The editor gives lenses their words a fixed moment after it made room for them. On a busy machine that room is not drawn yet by
// then, and the lenses stay blank until something else happens. The further events are that something; how busy the machine is
// nobody knows, so each comes later than the one before.
import * as vscode from "vscode";

/** After so many ms each. */
const LATER = [1000, 4000, 16_000];

export class LensEvent implements vscode.Disposable {
  readonly #emitter = new vscode.EventEmitter<void>();
  #timers: NodeJS.Timeout[] = [];
  readonly event = this.#emitter.event;

  fire(): void {
    this.#emitter.fire();
    this.#clear();
    this.#timers = LATER.map((ms) => setTimeout(() => this.#emitter.fire(), ms));
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  dispose(): void {
    this.#clear();
    this.#emitter.dispose();
  }
}
