// Applies each line's edits with TextDocument and compares the texts. Arguments: the file of pairs.
const { TextDocument } = require('vscode-languageserver-textdocument');
const fs = require('fs');

let applied = 0;
let wrong = 0;
for (const line of fs.readFileSync(process.argv[2], 'utf8').split('\n')) {
  if (!line) continue;
  const pair = JSON.parse(line);
  const document = TextDocument.create('file:///a', 'text', 1, pair.old);
  for (const kind of ['hunks', 'changes']) {
    if (!pair[kind]) continue;
    const edits = pair[kind].map(({ newText, range }) => {
      const [startLine, startCharacter, endLine, endCharacter] = range['utf-16'];
      const [start, end] = [{ line: startLine, character: startCharacter }, { line: endLine, character: endCharacter }];
      return { newText, range: { start, end } };
    });
    applied += 1;
    const text = TextDocument.applyEdits(document, edits);
    if (text !== pair.new && ++wrong <= 5) {
      console.log(`${pair.name}: ${kind} came out wrong: ${JSON.stringify({ old: pair.old, edits, text, wanted: pair.new }).slice(0, 3000)}`);
    }
  }
}
if (wrong) console.log(`${wrong} came out wrong`);
console.log(`applied ${applied}`);
process.exit(wrong ? 1 : 0);
