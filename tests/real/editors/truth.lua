-- Answers to workspace/applyEdit: true only when the text is what the edit says.
local equal = lab.equal
vim.cmd.edit('list.txt')
local client = lab.client()
local here = vim.api.nvim_get_current_buf()
local uri = vim.uri_from_bufnr(here)

local function answer(changes)
  local context = { client_id = client.id, method = 'workspace/applyEdit' }
  return require('countersign.edit').handler(nil, { edit = { documentChanges = changes } }, context)
end
local function edit(version, line, text, of)
  local range = { start = { line = line, character = 0 }, ['end'] = { line = line + 1, character = 0 } }
  return { textDocument = { uri = of or uri, version = version }, edits = { { range = range, newText = text } } }
end
local function version()
  return vim.lsp.util.buf_versions[here]
end
local function refused(result, words, what)
  equal(result.applied, false, what)
  assert(result.failureReason:find(words, 1, true), what .. ': ' .. result.failureReason)
end

-- The first version is 0, and it counts.
equal(version(), 0, 'the first version')
equal(answer({ edit(0, 0, 'LINE 1\n') }), { applied = true }, 'the positive control')
equal(vim.fn.getline(1), 'LINE 1', 'applied')
local before = lab.text()
refused(answer({ edit(0, 1, 'LINE 2\n') }), 'the edit is for version 0', 'stale version 0')
vim.cmd('normal! 5GAtyped')
local stale = version() - 1
before = lab.text()
refused(answer({ edit(stale, 1, 'LINE 2\n') }), 'the edit is for version', 'a stale version')
refused(answer({ edit(version() + 1, 1, 'LINE 2\n') }), 'the edit is for version', 'a version to come')

-- A stale second document refuses the whole, before anything is changed.
vim.cmd('silent badd other.txt')
local other = vim.uri_from_fname(vim.fn.fnamemodify('other.txt', ':p'))
refused(answer({ edit(version(), 1, 'LINE 2\n'), edit(7, 0, 'x\n', other) }), 'other.txt', 'a stale second document')
equal(lab.text(), before, 'nothing was changed')
equal(answer({ edit(version(), 1, 'LINE 2\n'), edit(vim.NIL, 0, 'ox\n', other) }), { applied = true }, 'two documents')
equal(vim.fn.getline(2), 'LINE 2', 'the first document')
equal(vim.fn.getbufline('other.txt', 1), { 'ox' }, 'the second document')
equal(vim.fn.readfile('other.txt'), { 'other' }, 'the disk is untouched')

-- What cannot be changed.
vim.bo.modifiable = false
refused(answer({ edit(version(), 1, 'x\n') }), 'cannot be changed', 'a locked buffer')
vim.bo.modifiable = true
refused(answer({ { kind = 'delete', uri = uri } }), 'unsaved changes', 'deleting unsaved work')
refused(answer({ { kind = 'create', uri = uri } }), 'exists already', 'creating what is there')
local overlapping = edit(version(), 1, 'x\n')
table.insert(overlapping.edits, overlapping.edits[1])
refused(answer({ overlapping }), 'overlap', 'overlapping edits')

-- At the end of the text, without and with a last line break in the edit; characters beyond ASCII.
vim.api.nvim_buf_set_lines(here, 0, -1, false, { 'é😀x', 'last' })
local function range(from, to, text)
  return {
    textDocument = { uri = uri, version = version() },
    edits = { { range = { start = { line = from[1], character = from[2] }, ['end'] = { line = to[1], character = to[2] } }, newText = text } },
  }
end
equal(answer({ range({ 1, 0 }, { 2, 0 }, 'end\nafter\n') }), { applied = true }, 'the last line')
equal(lab.text(), 'é😀x\nend\nafter\n', 'the last line')
equal(answer({ range({ 3, 0 }, { 3, 0 }, 'more\n') }), { applied = true }, 'appending')
equal(lab.text(), 'é😀x\nend\nafter\nmore\n', 'appending')
equal(answer({ range({ 2, 0 }, { 4, 0 }, '') }), { applied = true }, 'removing the last lines')
equal(lab.text(), 'é😀x\nend\n', 'removing the last lines')
local x = client.offset_encoding == 'utf-8' and 6 or client.offset_encoding == 'utf-16' and 3 or 2
equal(answer({ range({ 0, x }, { 0, x + 1 }, 'y') }), { applied = true }, 'beyond ASCII')
equal(lab.text(), 'é😀y\nend\n', 'beyond ASCII')

-- The last line break stays, and is not claimed to be gone.
refused(answer({ range({ 1, 0 }, { 2, 0 }, 'end') }), 'last line break', 'no last line break')
refused(answer({ range({ 1, 1 }, { 2, 0 }, '') }), 'last line break', 'no last line break')
equal(lab.text(), 'é😀y\nend\n', 'nothing was changed')

-- Foreign line ends.
vim.fn.writefile({ 'one\r', 'two\r' }, 'dos.txt')
vim.cmd.edit('dos.txt')
equal(vim.bo.fileformat, 'dos', 'the format')
here, uri = vim.api.nvim_get_current_buf(), vim.uri_from_bufnr(0)
lab.client()
equal(answer({ edit(version(), 0, 'ONE\r\nand\r\n') }), { applied = true }, 'foreign line ends')
vim.cmd('silent write')
equal(vim.fn.readfile('dos.txt', 'b'), { 'ONE\r', 'and\r', 'two\r', '' }, 'foreign line ends')
