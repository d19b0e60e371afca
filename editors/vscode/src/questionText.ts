// What a question of the server is about, read off its one line. No editor in here.

const KINDS = ["Trust", "Commit", "Push", "Open pull request", "Run", "Network", "Fetch", "Continue", "Setup", "Endpoint"] as const;

export interface QuestionText {
  /** Stands in brackets at the end of every showing; the same for each showing of one question. */
  readonly approval: string;
  readonly kind: string;
  /** The line without its mark. */
  readonly line: string;
  /** It was answered faster than it can be read. */
  readonly again: boolean;
}

export function readQuestion(message: string): QuestionText {
  const mark = /\s*\[([a-z0-9]+)(?:\.\d+)?\]\s*$/.exec(message);
  const again = /^Answered in [^:]*Again: /.exec(message);
  const line = message.slice(again?.[0].length ?? 0, mark?.index ?? message.length).trim();
  const kind = KINDS.find((word) => line.toLowerCase().startsWith(word.toLowerCase())) ?? "Question";
  return { approval: mark?.[1] ?? message, kind, line, again: again !== null };
}

/** Whether a question stops the user until it is decided or put off: what leaves the machine or the working tree. */
export function isGrave(kind: string): boolean {
  return ["Trust", "Commit", "Push", "Open pull request", "Endpoint"].includes(kind);
}
