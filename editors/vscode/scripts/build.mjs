// Bundles the extension into dist/extension.js; `--out FOLDER` puts it elsewhere.
import { build } from "esbuild";

const at = process.argv.indexOf("--out");
const folder = at < 0 ? "dist" : process.argv[at + 1];
await build({
  entryPoints: ["src/extension.ts"],
  outfile: `${folder}/extension.js`,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
