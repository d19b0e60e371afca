// Bundles the extension into dist/: extension.js, and the language client in a file of its own that is loaded when the server
// starts, so that the editor's own start does not wait for it.
import { build } from "esbuild";

const CLIENT = "vscode-languageclient/node";
const common = {
  bundle: true, platform: "node", format: "cjs", target: "node20", minify: true, legalComments: "none", logLevel: "warning",
  // The editor loads extensions by `require`; so does this one its parts.
  supported: { "dynamic-import": false },
};
const apart = {
  name: "client apart",
  setup(own) {
    own.onResolve({ filter: new RegExp(`^${CLIENT}$`) }, () => ({ path: "./client.js", external: true }));
  },
};

await Promise.all([
  build({ ...common, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", external: ["vscode"], plugins: [apart] }),
  build({ ...common, stdin: { contents: `export * from "${CLIENT}"`, resolveDir: "." }, outfile: "dist/client.js", external: ["vscode"] }),
]);
