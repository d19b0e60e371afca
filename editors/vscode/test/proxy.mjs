// Stands between the editor and the server: `node proxy.mjs SERVER ARGUMENTS...`.
//
// LAB_PROTOCOL: the server says that it speaks this number (one digit). LAB_WIRE: a file that gets every message, one a line,
// `>` from the editor and `<` from the server, in the order in which they passed.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";

const [program, ...words] = process.argv.slice(2);
const { LAB_PROTOCOL: number, LAB_WIRE: wire } = process.env;
const server = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
server.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));

/** Cuts a stream into messages. */
function messages(each) {
  let kept = Buffer.alloc(0);
  return (data) => {
    kept = Buffer.concat([kept, data]);
    for (;;) {
      const end = kept.indexOf("\r\n\r\n");
      const length = end < 0 ? NaN : Number(/content-length: *(\d+)/i.exec(kept.subarray(0, end).toString())?.[1]);
      if (!(kept.length >= end + 4 + length)) return;
      each(kept.subarray(end + 4, end + 4 + length).toString());
      kept = kept.subarray(end + 4 + length);
    }
  };
}

function pass(mark, from, into, change = (text) => text) {
  from.on("data", messages((body) => {
    const text = change(body);
    if (wire) appendFileSync(wire, `${mark}${text}\n`);
    into.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }));
  from.on("end", () => into.end());
}

pass(">", process.stdin, server.stdin);
pass("<", server.stdout, process.stdout, (text) =>
  number ? text.replace(/("countersign":\{[^{}]*"protocol":)\d/, `$1${number}`) : text);
