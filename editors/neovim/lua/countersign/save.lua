--- `countersign/save`: writes what the user accepted, never over what somebody else wrote, and never with a dialog.
local M = {}

--- Whether the file of a buffer is another than the one that was read; asked without Neovim's dialog about it.
local function moved_on(buffer)
  local moved = false
  local command = vim.api.nvim_create_autocmd('FileChangedShell', {
    buffer = buffer,
    callback = function()
      moved = require('countersign.client').written_since(buffer)
      vim.v.fcs_choice = ''
    end,
  })
  vim.cmd('silent! checktime ' .. buffer)
  vim.api.nvim_del_autocmd(command)
  return moved
end

local function save(uri)
  local buffer = require('countersign.hunks').buffer_of(vim.uri_to_fname(uri))
  if not buffer or not vim.bo[buffer].modified then
    -- Nothing of it is unsaved: the acceptance deleted, moved or only created it.
    return nil
  elseif vim.bo[buffer].readonly then
    return 'it is read-only in this editor'
  elseif moved_on(buffer) then
    return 'it was changed on the disk since it was read'
  end
  local ok, why = pcall(vim.api.nvim_buf_call, buffer, function()
    vim.fn.mkdir(vim.fs.dirname(vim.api.nvim_buf_get_name(buffer)), 'p')
    vim.cmd('silent write')
  end)
  if not ok then
    return tostring(why):gsub('^.-Vim%b():', '')
  elseif vim.bo[buffer].modified then
    return 'Neovim did not write it'
  end
end

--- `countersign/save`; the server tells the user what was not saved.
function M.handler(_, params)
  local saved, lost = {}, {}
  for _, uri in ipairs(params.uris or {}) do
    local ok, why = pcall(save, uri)
    if ok and not why then
      table.insert(saved, uri)
    else
      table.insert(lost, { uri = uri, why = tostring(why) })
    end
  end
  return { saved = saved, failed = lost }
end

return M
