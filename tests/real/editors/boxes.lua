-- Neovim's own client: a question comes in another window, and is answered by a box.
local function wait(what, ready)
  local found
  assert(vim.wait(30000, function()
    found = ready()
    return found
  end, 10), 'waited in vain for ' .. what)
  return found
end
vim.ui.select = function()
  error('a dialog came')
end
vim.opt.swapfile = false
vim.cmd('filetype on')
vim.cmd.edit('list.txt')
local file, window = vim.api.nvim_get_current_buf(), vim.api.nvim_get_current_win()
wait('the server', function()
  local found = vim.lsp.get_clients({ bufnr = 0, name = 'countersign' })[1]
  return found and found.initialized
end)
vim.cmd('Agent Ask me.')
local function question()
  for _, win in ipairs(vim.api.nvim_list_wins()) do
    local buffer = vim.api.nvim_win_get_buf(win)
    if vim.api.nvim_buf_get_name(buffer):find('/documents/question-', 1, true) then
      return buffer
    end
  end
end
local shown = wait('the question', question)
assert(vim.api.nvim_get_current_win() == window and vim.api.nvim_get_current_buf() == file, 'the focus went away')
local lines = vim.api.nvim_buf_get_lines(shown, 0, -1, false)
assert(table.concat(lines, '\n'):find('Shall I?', 1, true), vim.inspect(lines))
assert(lines[#lines] == '[ ] No', vim.inspect(lines))
vim.api.nvim_buf_set_lines(shown, -2, -1, false, { '[x] No' })
vim.api.nvim_buf_call(shown, function()
  vim.cmd('silent write')
end)
local client = vim.lsp.get_clients({ bufnr = file, name = 'countersign' })[1]
wait('the end', function()
  local request = { command = 'countersign.status', arguments = { vim.empty_dict() } }
  local answer = vim.fn.has('nvim-0.11') == 1 and client:request_sync('workspace/executeCommand', request, 10000, file)
    or client.request_sync('workspace/executeCommand', request, 10000, file)
  local task = answer.result.tasks[1]
  return task and task.state == 'ended'
end)
