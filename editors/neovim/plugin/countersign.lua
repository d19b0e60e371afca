--- Declares `:Countersign` and starts the server for files inside a workspace root. Everything else is loaded when it is needed.
if vim.g.loaded_countersign or vim.fn.has('nvim-0.10') == 0 then
  return
end
vim.g.loaded_countersign = 1

vim.api.nvim_create_user_command('Countersign', function(call)
  require('countersign.commands').run(call)
end, {
  nargs = '*',
  range = true,
  bang = true,
  desc = 'The coding agent whose work you countersign',
  complete = function(...)
    return require('countersign.commands').complete(...)
  end,
})

-- <Plug>(countersign-NAME) for each of these; what takes more than its name stands behind it.
for name, command in pairs({
  accept = 'accept',
  reject = 'reject',
  ['reject-reason'] = 'reject!',
  renew = 'renew',
  ['accept-file'] = 'accept_file',
  ['reject-file'] = 'reject_file',
  ['accept-all'] = 'accept_all',
  ['reject-all'] = 'reject_all',
  next = 'next',
  prev = 'prev',
  hunks = 'hunks',
  diff = 'diff',
  split = 'split',
  undo = 'undo',
  ask = 'ask',
  stop = 'stop',
  steer = 'steer!',
  queue = 'queue!',
  retry = 'retry!',
  log = 'log',
  approvals = 'approvals',
}) do
  local bang, verb = command:sub(-1) == '!' and '!' or '', command:gsub('!$', '')
  local run = ('<Cmd>Countersign%s %s<CR>'):format(bang, verb)
  vim.keymap.set('n', '<Plug>(countersign-' .. name .. ')', run, { desc = 'countersign: ' .. name })
end
for _, name in ipairs({ 'ask', 'accept', 'reject', 'renew' }) do
  local keys = '<Plug>(countersign-' .. name .. ')'
  vim.keymap.set('x', keys, ':Countersign ' .. name .. '<CR>', { desc = 'countersign: ' .. name .. ', the selection' })
end
vim.keymap.set('n', '<Plug>(countersign-answer)', function()
  require('countersign.question').answer_here()
end, { desc = 'countersign: answer with the choice under the cursor' })

local function attach(buffer)
  -- Off the start-up path: the file is on the screen before the server is started.
  vim.schedule(function()
    require('countersign.client').attach(buffer)
  end)
end
vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
  group = vim.api.nvim_create_augroup('countersign', {}),
  callback = function(event)
    attach(event.buf)
  end,
})
-- A plugin manager may load this late, with files open.
if vim.v.vim_did_enter == 1 then
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) then
      attach(buffer)
    end
  end
end
