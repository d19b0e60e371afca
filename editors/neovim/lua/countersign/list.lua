--- Every pending change in the quickfix list: also those in files that are not open, new files, deleted and moved ones.
local M = {}

local state = require('countersign.state')

--- Our list, while it exists.
local list

local function text_of(item)
  local hunk, lines = item.hunk, require('countersign.lines')
  local old, new = lines.split(hunk.old_text), lines.split(hunk.new_text)
  local what = state.whole(item) or ('-%d +%d'):format(#old, #new)
  local first = hunk.kind == 'delete' and '' or vim.trim(new[1] or old[1] or '')
  local marks = (hunk.state == 'stale' and 'stale, ' or '') .. (hunk.steering and 'steers tools, ' or '')
  return vim.trim(('%s%s  %s'):format(marks, what, first))
end

local function entries()
  local hunks, all, lines = require('countersign.hunks'), {}, {}
  for _, item in ipairs(state.items()) do
    local buffer = hunks.buffer_of(item.name)
    if buffer and not lines[item.name] then
      lines[item.name] = {}
      for _, place in ipairs(hunks.places(buffer)) do
        lines[item.name][place.proposal .. place.id] = place.lnum + 1
      end
    end
    local now = (lines[item.name] or {})[item.proposal.proposal .. item.hunk.id]
    table.insert(all, {
      filename = item.name,
      lnum = now or item.hunk.range.start.line + 1,
      text = text_of(item),
      user_data = { proposal = item.proposal.proposal, hunk = item.hunk.id, client = item.client, state = item.hunk.state },
    })
  end
  return all
end

local title = 'countersign: pending changes'

--- Fills the quickfix list. Answers how many there are.
---@return integer
function M.fill()
  local all = entries()
  vim.fn.setqflist({}, ' ', { title = title, items = all })
  list = vim.fn.getqflist({ id = 0 }).id
  return #all
end

--- The changes of a quickfix window's lines, as if its lines were theirs; nil for every other buffer.
---@return table[]? places as of `hunks.places`, with the file's path as `name`
function M.places(buffer)
  if vim.bo[buffer].buftype ~= 'quickfix' then
    return nil
  end
  local all, shown = {}, vim.fn.getqflist({ items = 0, title = 0, qfbufnr = 0 })
  if shown.qfbufnr ~= buffer or shown.title ~= title then
    return all
  end
  for row, item in ipairs(shown.items) do
    local of = item.user_data
    if type(of) == 'table' and of.hunk then
      table.insert(all, {
        lnum = row - 1,
        end_lnum = row,
        id = of.hunk,
        proposal = of.proposal,
        client = of.client,
        state = of.state,
        name = vim.api.nvim_buf_get_name(item.bufnr),
      })
    end
  end
  return all
end

--- Keeps the list true, if it is still there. The place in it stays.
function M.refresh()
  if not list then
    return
  end
  local now = vim.fn.getqflist({ id = list, idx = 0, title = 0 })
  if now.id ~= list or now.title ~= title then
    list = nil
    return
  end
  local all = entries()
  vim.fn.setqflist({}, 'r', { id = list, items = all, title = title })
  if #all > 0 then
    vim.fn.setqflist({}, 'a', { id = list, idx = math.min(math.max(now.idx, 1), #all) })
  end
end

return M
