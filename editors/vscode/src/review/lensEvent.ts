// The event that lenses have changed, told twice.
//
// The editor gives lenses their words a fixed moment after it made room for them. On a busy machine that room is not drawn yet by
// then, and the lenses stay blank until something else happens. The second event is that something.
import * as vscode from "vscode";

const LATER = 1000;

export class LensEvent implements vscode.Disposable {
  readonly #emitter = new vscode.EventEmitter<void>();
  #timer: NodeJS.Timeout | undefined;
  readonly event = this.#emitter.event;

  fire(): void {
    this.#emitter.fire();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#emitter.fire(), LATER);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#emitter.dispose();
  }
}
