// Bundles the extension into dist/: extension.js, which the editor loads; parts.js, which it loads a turn later; and the language
// client in client.js, loaded when the server starts. So the editor's own start waits for next to nothing.
import { build } from "esbuild";

const CLIENT = "vscode-languageclient/node";
const common = {
  bundle: true, platform: "node", format: "cjs", target: "node20", minify: true, legalComments: "none", logLevel: "warning",
  // The editor loads extensions by `require`; so does this one its parts.
  supported: { "dynamic-import": false },
};
const apart = {
  name: "files of their own",
  setup(own) {
    own.onResolve({ filter: new RegExp(`^${CLIENT}$`) }, () => ({ path: "./client.js", external: true }));
    own.onResolve({ filter: /^\.\/parts\.ts$/ }, () => ({ path: "./parts.js", external: true }));
  },
};

await Promise.all([
  build({ ...common, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", external: ["vscode"], plugins: [apart] }),
  build({ ...common, entryPoints: ["src/parts.ts"], outfile: "dist/parts.js", external: ["vscode"], plugins: [apart] }),
  build({ ...common, stdin: { contents: `export * from "${CLIENT}"`, resolveDir: "." }, outfile: "dist/client.js", external: ["vscode"] }),
]);
