--- Keys for the review, in buffers with pending changes and as long as they have some. Only when the user asked for them.
local M = {}

--- What `keys = true` means.
M.suggested = {
  [']g'] = 'next',
  ['[g'] = 'prev',
  ['<LocalLeader>a'] = 'accept',
  ['<LocalLeader>r'] = 'reject',
  ['<LocalLeader>R'] = 'reject-reason',
  ['<LocalLeader>A'] = 'accept-file',
  ['<LocalLeader>d'] = 'split',
  ['<LocalLeader>u'] = 'undo',
}

--- buffer -> keys of ours
local set = {}

--- Whether the user has this key in the buffer already.
local function taken(buffer, key)
  for _, map in ipairs(vim.api.nvim_buf_get_keymap(buffer, 'n')) do
    if vim.api.nvim_replace_termcodes(map.lhs, true, true, true) == vim.api.nvim_replace_termcodes(key, true, true, true) then
      return true
    end
  end
  return false
end

--- Takes ours off a buffer.
local function take_off(buffer)
  for _, key in ipairs(set[buffer] or {}) do
    pcall(vim.keymap.del, 'n', key, { buffer = buffer })
  end
  set[buffer] = nil
end

-- `:bdelete` takes all keys off a buffer; when it is read again it gets ours anew.
vim.api.nvim_create_autocmd('BufUnload', {
  group = vim.api.nvim_create_augroup('countersign-keys', {}),
  callback = function(event)
    take_off(event.buf)
  end,
})

--- Sets or takes off the keys of a buffer.
---@param pending boolean whether it has changes to review
function M.follow(buffer, pending)
  local keys = require('countersign.config').get().keys
  keys = keys == true and M.suggested or keys
  if type(keys) ~= 'table' or (set[buffer] ~= nil) == pending then
    return
  end
  if pending then
    set[buffer] = {}
    for key, name in pairs(keys) do
      if not taken(buffer, key) then
        vim.keymap.set('n', key, '<Plug>(countersign-' .. name .. ')', { buffer = buffer, desc = 'countersign: ' .. name })
        table.insert(set[buffer], key)
      end
    end
  else
    take_off(buffer)
  end
end

return M
