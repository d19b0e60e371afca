-- Neovim's own client with the documented configuration: commands, diagnostics and code actions carry the review.
local function wait(what, ready)
  local found
  assert(vim.wait(30000, function()
    found = ready()
    return found
  end, 10), 'waited in vain for ' .. what)
  return found
end
local function hunks()
  return vim.diagnostic.get(0)
end
vim.cmd('filetype on')
vim.cmd.edit('list.txt')
local client = wait('the server', function()
  local found = vim.lsp.get_clients({ bufnr = 0, name = 'countersign' })[1]
  return found and found.initialized and found
end)
vim.api.nvim_buf_set_lines(0, 14, 15, false, { 'line 15 unsaved' })
vim.cmd('Agent Mark three lines.')
wait('three hunks', function()
  return #hunks() == 3
end)
assert(hunks()[1].message:find('accept or reject by code action', 1, true))
-- As a key of the user would, between typing and accepting.
vim.bo.undolevels = vim.bo.undolevels
vim.cmd('normal! 15G')
vim.lsp.buf.code_action({
  filter = function(action)
    return action.title == 'Accept change'
  end,
  apply = true,
})
wait('the accepted text', function()
  return vim.fn.getline(15) == 'line 15 unsaved, second'
end)
assert(vim.fn.getline(3) == 'line 3')

-- One undo takes it back; the rest at once, with the new file.
vim.cmd('silent undo')
assert(vim.fn.getline(15) == 'line 15 unsaved')
vim.cmd('silent redo')
vim.cmd('normal! 3G')
vim.lsp.buf.code_action({
  filter = function(action)
    return action.title == 'Accept all'
  end,
  apply = true,
})
wait('the rest', function()
  return vim.fn.getline(27) == 'line 27, third' and vim.fn.getline(3) == 'line 3, first'
end)
-- Neovim's own client would leave an empty line at its end, so the server puts the new file on the disk.
wait('the new file', function()
  return vim.fn.filereadable('sub/new.txt') == 1
end)
wait('no hunk', function()
  return #vim.diagnostic.get() == 0
end)
vim.cmd('silent wall')
assert(vim.deep_equal(vim.fn.readfile('sub/new.txt'), { 'one', 'two' }), vim.inspect(vim.fn.readfile('sub/new.txt')))
