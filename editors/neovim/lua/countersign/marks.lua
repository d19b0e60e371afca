--- One pending change as extmarks: its old lines marked where they stand, the new ones as virtual lines below them.
local M = {}

local state, lines, words = require('countersign.state'), require('countersign.lines'), require('countersign.words')

local space = vim.api.nvim_create_namespace('countersign')

---@class countersign.Drawn
---@field item countersign.Item
---@field arrived integer
---@field looks string what was drawn; the same is not drawn again
---@field old integer extmark over the old lines, or at the place of an insertion
---@field new? integer extmark that carries the virtual lines
---@field words integer[]
---@field above boolean? an insertion before the first line

--- Where a drawn hunk stands now.
---@return integer? from, integer? to rows, from 0, the second exclusive
function M.tracked(buffer, mine)
  local mark = vim.api.nvim_buf_get_extmark_by_id(buffer, space, mine.old, { details = true })
  if not mark[1] then
    return nil
  end
  local from, to = mark[1], mark[3].end_row or mark[1]
  if mine.insertion then
    from = mine.insertion == 'above' and mark[1] or mark[1] + 1
    to = from
  end
  return from, math.max(from, to)
end

--- Takes a hunk's marks away.
function M.forget(buffer, mine)
  for _, mark in ipairs(vim.list_extend({ mine.old, mine.new }, mine.words or {})) do
    pcall(vim.api.nvim_buf_del_extmark, buffer, space, mark)
  end
end

--- What stands beside a hunk, and how it looks.
function M.label(item, place, count, old, new)
  local hunk = item.hunk
  local label = count > 1 and ('agent %d/%d'):format(place, count) or 'agent'
  if hunk.state == 'stale' then
    -- Short: what does not fit into the window is cut off.
    local why = type(hunk.why) == 'string' and hunk.why or 'its lines have changed'
    why = why:gsub('^the user edited the same lines', 'you changed its lines')
    return { ('%s stale: renew or reject; %s'):format(label, why), 'CountersignSteering' }
  elseif hunk.state == 'applying' then
    return { label .. ' being applied', 'CountersignLabel' }
  end
  local whole = state.whole(item)
  label = whole and label .. ' ' .. whole or ('%s -%d +%d'):format(label, #old, #new)
  if hunk.steering then
    return { label .. ' steers tools: accept it on its own', 'CountersignSteering' }
  end
  return { label, 'CountersignLabel' }
end

--- How the window that shows a buffer would show a line.
function M.look(buffer)
  local window = vim.fn.bufwinid(buffer)
  local width, wrap = vim.o.columns, true
  if window ~= -1 then
    width = vim.api.nvim_win_get_width(window) - vim.fn.getwininfo(window)[1].textoff
    wrap = vim.wo[window].wrap
  end
  local beside = package.loaded['countersign.split'] ~= nil and require('countersign.split').shows(buffer)
  return {
    width = math.max(width, 20),
    wrap = wrap,
    tabstop = vim.bo[buffer].tabstop,
    most = require('countersign.config').get().lines,
    beside = beside,
  }
end

--- Neovim shows lines above the first one only when it is scrolled to them.
local function reveal(buffer, count)
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    vim.api.nvim_win_call(window, function()
      local view = vim.fn.winsaveview()
      if view.topline == 1 and view.topfill < count then
        vim.fn.winrestview({ topline = 1, topfill = count })
      end
    end)
  end
end

--- Draws one hunk over these rows.
function M.put(buffer, item, mine, from, to, label, look)
  local stale = item.hunk.state == 'stale'
  local old, new = lines.split(item.hunk.old_text), lines.split(item.hunk.new_text)
  local empty = vim.api.nvim_buf_line_count(buffer) == 1 and vim.api.nvim_buf_get_lines(buffer, 0, 1, false)[1] == ''
  local pairs_of = (stale or #old == 0) and {} or words.of(old, new)
  look.group = stale and 'CountersignStale' or 'CountersignAdd'
  look.word = stale and 'CountersignStale' or 'CountersignAddWord'
  local above = from == to and from == 0 and not empty
  mine.insertion = from == to and (above and 'above' or 'below') or nil

  -- The old lines, or the line beside which the new ones come.
  local row = from == to and not above and math.max(from - 1, 0) or from
  local options = { id = mine.old, priority = 90, strict = false }
  if to > from then
    options.end_row, options.end_col = to, 0
    options.hl_group, options.hl_eol = stale and 'CountersignStale' or 'CountersignDelete', true
  end
  if to > from or #new == 0 or look.beside then
    options.virt_text, options.virt_text_pos, options.hl_mode = { { '  ' .. label[1], label[2] } }, 'eol', 'combine'
    label = nil
  end
  mine.old = vim.api.nvim_buf_set_extmark(buffer, space, row, 0, options)

  -- The words that go away.
  for _, mark in ipairs(mine.words or {}) do
    pcall(vim.api.nvim_buf_del_extmark, buffer, space, mark)
  end
  mine.words = {}
  for index, pair in pairs(pairs_of) do
    for _, range in ipairs(pair.old) do
      table.insert(
        mine.words,
        vim.api.nvim_buf_set_extmark(buffer, space, from + index - 1, range[1], {
          end_col = range[2],
          hl_group = 'CountersignDeleteWord',
          priority = 110,
          strict = false,
        })
      )
    end
  end

  -- The new lines.
  local virtual = look.beside and {} or lines.virtual(new, pairs_of, look, label)
  if #virtual > 0 then
    mine.new = vim.api.nvim_buf_set_extmark(buffer, space, above and 0 or math.max(to - 1, 0), 0, {
      id = mine.new,
      virt_lines = virtual,
      virt_lines_above = above,
      strict = false,
    })
    if above then
      reveal(buffer, #virtual)
    end
  elseif mine.new then
    pcall(vim.api.nvim_buf_del_extmark, buffer, space, mine.new)
    mine.new = nil
  end
end

--- Takes all marks of a buffer away.
function M.clear(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
end

return M
