// Renews the pictures of the documentation from what the tests saw: `node scripts/pictures.mjs [FOLDER]`, after
// `cargo test --test real vscode`. A picture over 150 kB fails.
import { copyFileSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

const MOST = 150_000;
const NAMES = ["run", "diff", "commit"];
const from = process.argv[2] ?? "../../target/tmp/vscode/shots";
const into = "../../docs/images";

mkdirSync(into, { recursive: true });
for (const name of NAMES) {
  for (const theme of ["dark", "light"]) {
    const picture = join(from, `${name}-${theme}.png`);
    const bytes = statSync(picture).size;
    if (bytes > MOST) throw new Error(`${picture} has ${bytes} bytes, more than ${MOST}`);
    copyFileSync(picture, join(into, `vscode-${name}-${theme}.png`));
  }
}
