--- The text as it would be, beside the file, both in diff mode. Closing that window leaves everything as it was.
local M = {}

local hunks = require('countersign.hunks')

--- The buffer's lines with its pending changes in them. Stale ones are left out.
---@return string[]
function M.proposed(buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
  local places = hunks.places(buffer)
  if #lines == 1 and lines[1] == '' then
    lines = {}
  end
  local all, at = {}, 0
  for _, place in ipairs(places) do
    if place.state ~= 'stale' and place.lnum >= at then
      vim.list_extend(all, lines, at + 1, place.lnum)
      vim.list_extend(all, place.new)
      at = place.end_lnum
    end
  end
  return vim.list_extend(all, lines, at + 1)
end

--- buffer of a file -> buffer of its proposed text
local open = {}

local function fill(buffer, proposed)
  vim.bo[proposed].modifiable = true
  vim.api.nvim_buf_set_lines(proposed, 0, -1, false, M.proposed(buffer))
  vim.bo[proposed].modifiable = false
end

--- Opens it beside this window. Answers what is in the way.
---@return string? failure
function M.open(buffer)
  if #hunks.places(buffer) == 0 then
    return 'no change of the agent is pending in this file'
  end
  local shown = open[buffer] and vim.fn.bufwinid(open[buffer]) or -1
  if shown ~= -1 then
    return vim.api.nvim_set_current_win(shown)
  end
  local file = vim.api.nvim_get_current_win()
  local proposed = vim.api.nvim_create_buf(false, true)
  open[buffer] = proposed
  hunks.schedule(buffer)
  vim.bo[proposed].bufhidden = 'wipe'
  vim.bo[proposed].filetype = vim.bo[buffer].filetype
  pcall(vim.api.nvim_buf_set_name, proposed, 'countersign://proposed/' .. vim.api.nvim_buf_get_name(buffer))
  fill(buffer, proposed)
  local options = {}
  for _, name in ipairs({ 'foldmethod', 'foldlevel', 'foldenable', 'foldcolumn', 'wrap', 'scrollbind', 'cursorbind', 'diff' }) do
    options[name] = vim.wo[file][name]
  end
  vim.cmd('rightbelow vertical split')
  local window = vim.api.nvim_get_current_win()
  vim.api.nvim_win_set_buf(window, proposed)
  vim.cmd.diffthis()
  vim.api.nvim_set_current_win(file)
  vim.cmd.diffthis()
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = proposed,
    once = true,
    callback = function()
      open[buffer] = nil
      hunks.schedule(buffer)
      if vim.api.nvim_win_is_valid(file) then
        for name, value in pairs(options) do
          vim.api.nvim_set_option_value(name, value, { win = file, scope = 'local' })
        end
      end
    end,
  })
end

--- Whether the proposed text of a buffer is shown beside it, where the inline one would put the two out of step.
function M.shows(buffer)
  return open[buffer] ~= nil
end

--- What is proposed has changed.
function M.refresh()
  for buffer, proposed in pairs(open) do
    if vim.api.nvim_buf_is_valid(proposed) and vim.api.nvim_buf_is_loaded(buffer) then
      fill(buffer, proposed)
    end
  end
end

return M
