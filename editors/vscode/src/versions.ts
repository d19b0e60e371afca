// Whether the server speaks the protocol of this extension, and the sentence when it does not. No editor in here.
import { PROTOCOL } from "./protocol.ts";

export interface Spoken {
  readonly protocol: number | undefined;
  readonly version: string | undefined;
}

/** Reads what the server announced in its answer to `initialize`. */
export function spoken(experimental: unknown, version: string | undefined): Spoken {
  const own = (experimental as { countersign?: { protocol?: unknown; version?: unknown } } | undefined)?.countersign;
  return {
    protocol: typeof own?.protocol === "number" ? own.protocol : undefined,
    version: typeof own?.version === "string" ? own.version : version,
  };
}

/** What to tell the user; nothing when both speak the same. */
export function mismatch({ protocol, version }: Spoken): string | undefined {
  if (protocol === PROTOCOL) return undefined;
  const server = `countersign ${version ?? "(of unknown version)"}`;
  if (protocol === undefined) return `${server} is older than this extension, which speaks protocol ${PROTOCOL}: update the program.`;
  const older = protocol > PROTOCOL ? "update the extension" : "update the program";
  return `${server} speaks protocol ${protocol}, this extension ${PROTOCOL}: ${older}.`;
}
