// What the server and this extension say to each other beyond plain LSP, as docs/protocol.md has it.

/** The number of this dialect; both sides compare it at the start. */
export const PROTOCOL = 1;

export interface Position {
  readonly line: number;
  readonly character: number;
}

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

export type HunkState = "pending" | "applying" | "accepted" | "rejected" | "stale";

/** One change that waits for the user. The range is that of the old text as it stands in the editor now. */
export interface Hunk {
  readonly id: string;
  /** Lines of a text, or the file as a whole. */
  readonly kind: "lines" | "create" | "delete" | "move" | "mode";
  /** The file's modes as git writes them, of a hunk of that kind. */
  readonly mode?: { readonly old: string; readonly new: string };
  readonly range: Range;
  readonly old_text: string;
  readonly new_text: string;
  readonly state: HunkState;
  /** It changes a file that steers tools: accepted on its own only. */
  readonly steering: boolean;
  /** What the model said right before the edit. */
  readonly reason?: string;
  /** Why it is stale. */
  readonly why?: string;
}

export interface ProposedFile {
  readonly uri: string;
  /** Relative to the workspace folder. */
  readonly path: string;
  readonly op: "edit" | "create" | "delete" | "move";
  readonly to?: string;
  /** The file is no text. */
  readonly binary?: { readonly words: string };
  readonly hunks: readonly Hunk[];
}

/** A check that the server ran on the proposal. */
export interface Receipt {
  readonly command: string;
  readonly exit: number | null;
  readonly ms: number;
  readonly summary: string;
  readonly fresh: boolean;
}

/** `countersign/proposal` */
export interface Proposal {
  readonly proposal: string;
  readonly task: string;
  /** Name of the workspace folder; a task has a proposal in each that it changes. */
  readonly folder?: string;
  readonly revision: number;
  readonly files: readonly ProposedFile[];
  readonly receipts: readonly Receipt[];
}

export interface Usage {
  readonly input: number;
  readonly cache_read: number;
  readonly cache_creation: number;
  readonly output: number;
}

/** `countersign/update`: the fields depend on the kind. */
export interface Update {
  /** Null for a question of the user's own, which belongs to no task. */
  readonly task: string | null;
  readonly seq?: number;
  readonly kind: "text" | "thinking" | "tool_call" | "tool_output" | "usage" | "state" | "question";
  readonly text?: string;
  readonly call?: string;
  readonly tool?: string;
  readonly title?: string;
  readonly status?: string;
  readonly result?: string;
  /** Why walls or the proxy were in the way, a sentence a line. */
  readonly refused?: string;
  readonly iteration?: number;
  readonly iterations?: number;
  readonly usage?: Usage;
  readonly cost_usd?: number | null;
  readonly state?: string;
  readonly message?: string;
  readonly summary?: string;
  readonly stop?: string;
  readonly pending?: number;
  readonly approval?: string;
  readonly session?: string;
  readonly model?: string;
  readonly level?: string | null;
  /** Messages of the user that the task has just read. */
  readonly heard?: readonly string[];
}

/** The answer of `countersign.status`. */
export interface Status {
  readonly tasks: readonly {
    readonly task: string;
    readonly session: string;
    readonly title: string;
    readonly state: string;
    readonly iteration: number;
    readonly iterations: number;
    readonly usage: Usage;
    readonly cost_usd?: number;
    readonly model?: string;
    readonly summary?: string;
  }[];
  readonly queued: number;
  readonly level: string | null;
  readonly model: string | null;
}

/** The answer of `countersign.ask` and its relatives. */
export interface Started {
  readonly session: string;
  readonly task: string;
}

/** The answer of `countersign.accept` and `countersign.reject`. */
export interface Decided {
  readonly accepted?: readonly string[];
  readonly rejected?: readonly string[];
  readonly refused: readonly { readonly hunk: string; readonly why: string }[];
}
