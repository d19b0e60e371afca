-- countersign/query: the editor's other language servers answer, in the encoding that was agreed; and countersign/save.
local wait, equal = lab.wait, lab.equal
vim.cmd.edit('list.txt')
local client = lab.client()
vim.api.nvim_buf_set_lines(0, 0, 2, false, { 'é😀 name', 'second' })
local here = vim.api.nvim_get_current_buf()
local uri = vim.uri_from_bufnr(here)
local other = vim.uri_from_fname(vim.fn.fnamemodify('other.txt', ':p'))

-- Another language server, in this process, that counts in utf-16.
local function range(line, from, to)
  return { start = { line = line, character = from }, ['end'] = { line = line, character = to } }
end
local asked = {}
local answers = {
  initialize = {
    capabilities = {
      positionEncoding = 'utf-16',
      definitionProvider = true,
      referencesProvider = true,
      hoverProvider = true,
      documentSymbolProvider = true,
    },
  },
  ['textDocument/definition'] = { { targetUri = uri, targetRange = range(0, 0, 8), targetSelectionRange = range(0, 4, 8) } },
  ['textDocument/references'] = { { uri = uri, range = range(0, 4, 8) }, { uri = other, range = range(0, 0, 5) } },
  ['textDocument/hover'] = { contents = { kind = 'markdown', value = 'a *name*' } },
  ['textDocument/documentSymbol'] = {
    { name = 'outer', kind = 12, range = range(0, 0, 8), selectionRange = range(0, 4, 8), children = {
      { name = 'inner', kind = 13, range = range(1, 0, 6), selectionRange = range(1, 0, 6) },
    } },
  },
}
local neighbour = vim.lsp.start({
  name = 'neighbour',
  root_dir = vim.fn.getcwd(),
  cmd = function()
    return {
      request = function(method, params, done)
        asked[method] = params
        vim.schedule(function()
          if method == 'textDocument/hover' and params.position.line == 1 then
            return done({ code = -32000, message = 'no hover today' })
          end
          done(nil, answers[method] or vim.NIL)
        end)
        return true, 1
      end,
      notify = function()
        return true
      end,
      is_closing = function()
        return false
      end,
      terminate = function() end,
    }
  end,
}, { bufnr = here })
wait('the neighbour', function()
  local found = vim.lsp.get_client_by_id(neighbour)
  return found and found.initialized
end)

local function query(params)
  local answer
  coroutine.wrap(function()
    local result, failure = require('countersign.query').handler(nil, params, { client_id = client.id })
    answer = { result, failure }
  end)()
  wait('the answer', function()
    return answer
  end)
  return answer[1], answer[2]
end

-- 'name' begins after 2 + 4 + 1 bytes, 1 + 2 + 1 units of utf-16.
local utf8 = client.offset_encoding == 'utf-8'
local from, to = utf8 and 7 or 4, utf8 and 11 or 8
local position = { line = 0, character = from }
equal(query({ kind = 'definition', uri = uri, position = position }), { { uri = uri, range = range(0, from, to) } }, 'definition')
equal(asked['textDocument/definition'].position, { line = 0, character = 4 }, 'asked in its own encoding')
equal(query({ kind = 'references', uri = uri, position = position }), {
  { uri = uri, range = range(0, from, to) },
  { uri = other, range = range(0, 0, 5) },
}, 'references')
equal(query({ kind = 'hover', uri = uri, position = position }), { contents = 'a *name*' }, 'hover')
local outline = query({ kind = 'outline', uri = uri })
equal({ outline[1].name, outline[1].selectionRange, outline[1].children[1].name }, { 'outer', range(0, from, to), 'inner' }, 'outline')

-- What cannot be answered is an error with a reason.
local function refused(params, words)
  local _, failure = query(params)
  assert(failure and failure.message:find(words, 1, true), words .. ': ' .. vim.inspect(failure))
end
refused({ kind = 'hover', uri = uri, position = { line = 1, character = 0 } }, 'no hover today')
refused({ kind = 'hover', uri = other, position = position }, 'not open in the editor')
refused({ kind = 'completion', uri = uri }, 'knows no completion')

-- Diagnostics of others, never our own.
local space = vim.api.nvim_create_namespace('lab')
vim.diagnostic.set(space, here, {
  { lnum = 0, col = 7, end_lnum = 0, end_col = 11, severity = 1, message = 'wrong', source = 'neighbour', code = 'E1' },
  { lnum = 1, col = 0, severity = 3, message = 'perhaps', source = 'neighbour' },
  { lnum = 2, col = 0, severity = 3, message = 'ours', source = 'countersign' },
})
vim.diagnostic.set(vim.lsp.diagnostic.get_namespace(client.id), here, { { lnum = 3, col = 0, message = 'ours too' } })
local found = query({ kind = 'diagnostics' })
equal(#found, 2, 'the diagnostics of others')
equal(found[1], { uri = uri, range = range(0, from, to), severity = 1, message = 'wrong', source = 'neighbour', code = 'E1' }, 'one')
equal(#query({ kind = 'diagnostics', uri = uri, severity = 1 }), 1, 'errors only')

-- Which files are open, and what is selected.
vim.cmd('silent split other.txt')
local buffers = query({ kind = 'openBuffers' })
equal(buffers, {
  { uri = uri, dirty = true, visible = true, active = false },
  { uri = other, dirty = false, visible = true, active = true },
}, 'open buffers')
equal(query({ kind = 'selection' }), { uri = other, range = range(0, 0, 0) }, 'the cursor')
vim.cmd('silent wincmd p')
vim.cmd('normal! gg0fnve')
equal(query({ kind = 'selection' }), { uri = uri, range = range(0, from, to) }, 'the selection')
vim.cmd('normal! V')
equal(query({ kind = 'selection' }).range, { start = { line = 0, character = 0 }, ['end'] = { line = 1, character = 0 } }, 'lines')
vim.cmd('normal! \27')

-- Saving: what is clean is left alone, what changed behind Neovim's back is not overwritten and asks nobody.
local save = require('countersign.save').handler
vim.cmd('silent write')
equal(save(nil, { uris = { uri, other } }), { saved = { uri, other }, failed = {} }, 'nothing to do')
vim.api.nvim_buf_set_lines(here, 1, 2, false, { 'third' })
equal(save(nil, { uris = { uri } }).saved, { uri }, 'saved')
equal(vim.fn.readfile('list.txt')[2], 'third', 'on the disk')
vim.api.nvim_buf_set_lines(here, 1, 2, false, { 'fourth' })
vim.fn.writefile({ 'from elsewhere' }, 'list.txt')
local answer = save(nil, { uris = { uri } })
equal({ #answer.saved, answer.failed[1].uri }, { 0, uri }, 'not saved')
assert(answer.failed[1].why:find('changed on the disk', 1, true), answer.failed[1].why)
equal(vim.fn.readfile('list.txt'), { 'from elsewhere' }, 'not overwritten')
vim.bo[here].readonly = true
assert(save(nil, { uris = { uri } }).failed[1].why:find('read-only', 1, true))
