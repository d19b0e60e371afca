// Where the countersign program is: the user's setting, else the first one on PATH. Nothing of a workspace is looked at.
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { homedir } from "node:os";

export type Found = { readonly path: string } | { readonly missing: string };

export async function findBinary(setting: string, environment: NodeJS.ProcessEnv): Promise<Found> {
  if (setting !== "") {
    if (!isAbsolute(setting)) return { missing: `countersign.server.path is ${setting}, which is no absolute path` };
    return (await isProgram(setting)) ? { path: setting } : { missing: `countersign.server.path names ${setting}, and no program is there` };
  }
  // A relative entry of PATH would be looked up in the folder that is open. Cargo's own folder is tried last: an editor that was
  // started from a desktop often does not have it on PATH.
  const folders = (environment["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  for (const folder of [...folders, join(homedir(), ".cargo", "bin")]) {
    const path = join(folder, "countersign");
    if (await isProgram(path)) return { path };
  }
  return { missing: "countersign is neither on PATH nor in ~/.cargo/bin" };
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
