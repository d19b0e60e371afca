-- Neovim's own client: moving, saving and `apply = true` start nothing; what is chosen does.
local function wait(what, ready)
  local found
  assert(vim.wait(30000, function()
    found = ready()
    return found
  end, 10), 'waited in vain for ' .. what)
  return found
end
vim.cmd('filetype on')
vim.opt.swapfile = false
vim.cmd.edit('list.txt')
local client = wait('the server', function()
  local found = vim.lsp.get_clients({ bufnr = 0, name = 'countersign' })[1]
  return found and found.initialized and found
end)
local function request(method, params)
  local answer
  if vim.fn.has('nvim-0.11') == 1 then
    answer = client:request_sync(method, params, 10000, 0)
  else
    answer = client.request_sync(method, params, 10000, 0)
  end
  assert(answer and not answer.err, vim.inspect(answer))
  return answer.result
end
local function status()
  return request('workspace/executeCommand', { command = 'countersign.status', arguments = { vim.empty_dict() } }).tasks
end
local function tasks()
  return #status()
end
local shown = {}
vim.ui.select = function(items, _, done)
  for _, item in ipairs(items) do
    table.insert(shown, item.action.title)
  end
  done(nil)
end

-- The lightbulb while the cursor moves.
for line = 0, vim.fn.line('$') - 1 do
  local at = { line = line, character = 0 }
  local found = request('textDocument/codeAction', {
    textDocument = { uri = vim.uri_from_bufnr(0) },
    range = { start = at, ['end'] = at },
    context = { diagnostics = {}, triggerKind = 2 },
  })
  assert(#found == 0, vim.inspect(found))
end

-- What people have in their configurations.
local wrong = {
  range = { start = { line = 0, character = 0 }, ['end'] = { line = 0, character = 4 } },
  severity = 1,
  source = 'somebody',
  message = 'wrong',
}
local filters = {
  { 'source' },
  { 'source.fixAll' },
  { 'source.organizeImports' },
  { 'quickfix' },
  { 'quickfix', 'source.fixAll' },
  { 'refactor.countersign.explain' },
  { 'refactor.rewrite' },
}
local answered = 0
local function apply(only, diagnostics)
  -- Its answer comes later; `status` behind it comes in order.
  vim.lsp.buf.code_action({ apply = true, context = { only = only, diagnostics = diagnostics } })
  assert(tasks() == 0, 'a run was started by ' .. vim.inspect(only))
  answered = answered + 1
end
vim.api.nvim_create_autocmd('BufWritePre', {
  callback = function()
    for _, only in ipairs(filters) do
      apply(only, {})
      apply(only, { wrong })
    end
  end,
})
for line = 1, 3 do
  vim.api.nvim_win_set_cursor(0, { line, 0 })
  vim.api.nvim_buf_set_lines(0, line - 1, line, false, { 'changed ' .. line })
  vim.cmd.write()
end
vim.wait(500)
assert(answered == 3 * 2 * #filters)
assert(tasks() == 0, 'a run was started')
-- Two are shown and one is chosen, where one alone would have been taken.
assert(vim.tbl_contains(shown, 'Fix this problem') and vim.tbl_contains(shown, 'Ask agent...'), vim.inspect(shown))

-- The control: a person chooses.
vim.lsp.buf.code_action({
  apply = true,
  context = { only = { 'quickfix' }, diagnostics = { wrong } },
  filter = function(action)
    return action.title == 'Fix this problem'
  end,
})
wait('the task', function()
  return tasks() == 1 and status()[1].state == 'ended'
end)
