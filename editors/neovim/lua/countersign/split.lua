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
  require('countersign.show').fill(proposed, M.proposed(buffer))
end

local space = vim.api.nvim_create_namespace('countersign-folds')

---@class countersign.Fold
---@field mark integer extmark over its lines
---@field closed boolean

--- The folds that the user made by hand, which diff mode throws away; inner ones first. Only `:mkview` tells them all.
---@return countersign.Fold[]
local function folds_of(window)
  local all, file, options = {}, vim.fn.tempname(), vim.o.viewoptions
  if vim.wo[window].foldmethod ~= 'manual' then
    return all
  end
  vim.o.viewoptions = 'folds'
  vim.api.nvim_win_call(window, function()
    pcall(vim.cmd, 'silent mkview! ' .. vim.fn.fnameescape(file))
    local ok, lines = pcall(vim.fn.readfile, file)
    for _, line in ipairs(ok and lines or {}) do
      local from, to = line:match('(%d+),(%d+)fold$')
      if from then
        local mark = vim.api.nvim_buf_set_extmark(0, space, from - 1, 0, { end_row = to - 1, end_col = 0, strict = false })
        table.insert(all, { mark = mark, closed = vim.fn.foldclosed(from) ~= -1 })
      end
    end
  end)
  vim.o.viewoptions = options
  vim.fn.delete(file)
  return all
end

--- Takes away the folds that diff mode left in a window, and makes the user's own again.
---@param all countersign.Fold[]
local function fold_again(window, all)
  vim.api.nvim_win_call(window, function()
    local view, made = vim.fn.winsaveview(), {}
    vim.cmd('silent! normal! zE')
    for _, fold in ipairs(all) do
      local row, _, mark = unpack(vim.api.nvim_buf_get_extmark_by_id(0, space, fold.mark, { details = true }))
      if row and mark.end_row > row then
        vim.cmd(('silent! %d,%dfold'):format(row + 1, mark.end_row + 1))
        if not fold.closed then
          table.insert(made, 1, row + 1)
        end
      end
    end
    for _, line in ipairs(made) do
      vim.cmd(('silent! %dfoldopen'):format(line))
    end
    vim.api.nvim_buf_clear_namespace(0, space, 0, -1)
    vim.fn.winrestview(view)
  end)
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
  local folds = folds_of(file)
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
        if options.foldmethod == 'manual' and vim.api.nvim_win_get_buf(file) == buffer then
          fold_again(file, folds)
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
