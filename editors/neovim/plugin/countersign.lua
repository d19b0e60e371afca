--- Declares `:Countersign` and starts the server for files inside a workspace root. Everything else is loaded when it is needed.
if vim.g.loaded_countersign or vim.fn.has('nvim-0.10') == 0 then
  return
end
vim.g.loaded_countersign = 1

vim.api.nvim_create_user_command('Countersign', function(call)
  require('countersign.commands').run(call)
end, {
  nargs = '+',
  range = true,
  bang = true,
  desc = 'The coding agent whose work you countersign',
  complete = function(...)
    return require('countersign.commands').complete(...)
  end,
})

local plug = function(name, run)
  vim.keymap.set('n', '<Plug>(countersign-' .. name .. ')', run, { desc = 'countersign: ' .. name })
end
for _, name in ipairs({ 'accept', 'reject', 'diff', 'ask', 'stop', 'approvals' }) do
  plug(name, '<Cmd>Countersign ' .. name .. '<CR>')
end
vim.keymap.set('x', '<Plug>(countersign-ask)', ':Countersign ask<CR>', { desc = 'countersign: ask about the selection' })
plug('answer', function()
  require('countersign.question').answer_here()
end)

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
