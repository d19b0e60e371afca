-- What is typed while no server is there: the next one knows it, and all that comes after it.
local wait, equal = lab.wait, lab.equal

--- Another server for the same buffer, in this process: what it is told. Neovim tracks its changes together with ours.
local function other(buffer, seen, encoding)
  local function answer(method, _, done)
    local sync = { openClose = true, change = 2 }
    done(nil, method == 'initialize' and { capabilities = { positionEncoding = encoding, textDocumentSync = sync } } or vim.NIL)
    return true, 1
  end
  local function note(method, params)
    table.insert(seen, { method = method, version = vim.tbl_get(params or {}, 'textDocument', 'version') })
  end
  local cmd = function(dispatchers)
    local closing = false
    local function close()
      closing = true
      dispatchers.on_exit(0, 0)
    end
    return {
      request = answer,
      notify = function(method, params)
        note(method, params)
        return method ~= 'exit' or close() or true
      end,
      is_closing = function()
        return closing
      end,
      terminate = close,
    }
  end
  return vim.lsp.start({ name = 'other', cmd = cmd, flags = { debounce_text_changes = 0 } }, { bufnr = buffer })
end

local function kill()
  for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
    if vim.api.nvim_get_proc(pid).name == 'countersign' then
      vim.uv.kill(pid, 'sigkill')
    end
  end
  wait('the end of the server', function()
    return #vim.lsp.get_clients({ name = 'countersign' }) == 0
  end)
end
local function back(hunks)
  local client = lab.client()
  wait('what was pending, told by the new server', function()
    local all = lab.hunks()
    return #all == hunks and all[1].client == client.id
  end)
end
local function holders()
  return #vim.lsp.get_clients({ name = 'countersign (away)' })
end
local function version()
  return vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()]
end

vim.cmd.edit('list.txt')
local here = vim.api.nvim_get_current_buf()
lab.client()
vim.api.nvim_buf_set_lines(0, 14, 15, false, { 'line 15 unsaved' })
vim.cmd('Countersign ask Mark three lines.')
wait('the end', function()
  return lab.said('Marked.') and #lab.hunks() == 3
end)
wait('the kept proposal', lab.is_kept)

-- Nobody else listens to the buffer: lines are typed, and more while the next server begins.
kill()
equal(holders(), 1, 'something listens')
local tick, length = version(), vim.api.nvim_buf_line_count(0)
vim.cmd('normal! 20Gotyped in the gap')
assert(version() > tick, 'versions go on in the gap')
wait('a server that begins', function()
  return #vim.lsp.get_clients({ name = 'countersign', bufnr = 0, _uninitialized = true }) == 1
end)
vim.cmd('normal! 21Goé😀 typed as it begins')
back(3)
wait('nobody in its place', function()
  return holders() == 0
end)
equal(#vim.lsp.get_clients({ bufnr = 0 }), 1, 'one client')

-- A line that is edited later turns its hunk stale, and pending again.
tick = version()
vim.cmd('normal! 15GA, edited')
equal(version(), vim.api.nvim_buf_get_changedtick(0), 'the version')
assert(version() > tick, 'versions go on')
wait('stale', function()
  return lab.hunks()[2].state == 'stale'
end)
vim.api.nvim_buf_set_lines(0, 14, 15, false, { 'line 15 unsaved' })
wait('pending again', function()
  return lab.hunks()[2].state == 'pending'
end)

-- Another server on the same buffer goes on through the next gap: it is opened once and told every change once.
local seen = {}
local id = assert(other(here, seen, lab.client().offset_encoding))
kill()
seen[#seen + 1] = { method = 'gap' }
vim.api.nvim_buf_set_lines(0, 10, 10, false, { 'typed in the second gap' })
back(3)
vim.api.nvim_buf_set_lines(0, 10, 11, false, { 'typed in the second gap, and after it' })
local methods = vim.tbl_map(function(one)
  return one.method:match('[^/]*$')
end, seen)
equal(methods, { 'initialized', 'didOpen', 'gap', 'didChange', 'didChange' }, 'the other server')
vim.lsp.buf_detach_client(here, id)

-- A restart leaves a gap too.
vim.cmd('Countersign restart')
wait('the end of the server', function()
  return #vim.lsp.get_clients({ name = 'countersign' }) == 0
end)
vim.cmd('normal! 12Gotyped in the third gap')
back(3)

-- A reload of the file opens it anew: the changes that it dropped are forgotten by whoever tracks them.
vim.cmd('silent write')
vim.api.nvim_buf_set_lines(0, 2, 2, false, { 'line 3 of mine', 'line 3 of mine' })
vim.cmd('silent edit!')
back(3)
vim.api.nvim_buf_set_lines(0, 2, 3, false, { 'line 3 of mine' })
wait('stale after the reload', function()
  return lab.hunks()[1].state == 'stale'
end)
vim.api.nvim_buf_set_lines(0, 2, 3, false, { 'line 3' })
vim.cmd('normal! 5Gotyped after the reload')
wait('pending after the reload', function()
  return #lab.hunks() == 3 and lab.hunks()[1].state == 'pending'
end)

-- Accepting lands, and the server hears of it.
vim.cmd('Countersign accept_all')
wait('all is accepted', function()
  return #lab.hunks() == 0
end)
local text = lab.text()
for _, words in ipairs({
  'line 3, first\n',
  'line 15 unsaved, second\n',
  'line 27, third\nand below\n',
  'line 20\ntyped in the gap\né😀 typed as it begins\nline 21\n',
  'line 10\ntyped in the second gap, and after it\n',
  'typed in the third gap\n',
  'typed after the reload\n',
}) do
  assert(text:find(words, 1, true), words .. ' is not in ' .. text)
end
assert(vim.api.nvim_buf_line_count(0) == length + 6, text)
