// Makes the VSIX: `node scripts/package.mjs [FILE]`. The program itself is not inside.
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";

const file = process.argv[2] ?? "countersign.vsix";
execFileSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
copyFileSync("../../LICENSE-MIT", "LICENSE");
try {
  const packer = ["node_modules/@vscode/vsce/vsce", "package", "--no-dependencies", "--skip-license", "--out", file];
  execFileSync(process.execPath, [...packer, "--allow-missing-repository"], { stdio: "inherit" });
} finally {
  rmSync("LICENSE", { force: true });
}
