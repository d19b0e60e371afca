--- The pending changes of each buffer: when they are drawn, and where they stand.
---
--- Marks move with the text by themselves. A place that the server tells is taken once, and only when the buffer is what the
--- server saw; else the mark stays where it moved to, and the server's next word comes soon. Many hunks are drawn in several
--- turns, those on the screen first. So nothing flickers and typing waits for nothing.
local M = {}

local state, lines, marks = require('countersign.state'), require('countersign.lines'), require('countersign.marks')

---@type table<integer, table<string, countersign.Drawn>>
local drawn = {}
--- When a buffer's text changed last, ms.
local changed = {}
--- The server has seen what was typed after this time, ms.
local settled = 120

--- The path that a buffer shows.
local function name_of(buffer)
  return vim.api.nvim_buf_get_name(buffer)
end

--- The loaded buffer of a path.
function M.buffer_of(name)
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and name_of(buffer) == name then
      return buffer
    end
  end
end

local function watch(buffer)
  if changed[buffer] then
    return
  end
  changed[buffer] = 0
  vim.api.nvim_buf_attach(buffer, false, {
    on_lines = function()
      changed[buffer] = vim.uv.now()
    end,
    on_detach = function()
      changed[buffer], drawn[buffer] = nil, nil
    end,
  })
end

--- Rows (from 0, the second exclusive) of a hunk as the server tells them.
local function told(buffer, hunk)
  local last = vim.api.nvim_buf_line_count(buffer)
  local function row(position)
    -- A text without a last line break ends inside of its last line.
    return math.min(position.line + (position.character > 0 and 1 or 0), last)
  end
  local from, to = row(hunk.range.start), row(hunk.range['end'])
  return math.min(from, to), to
end

--- Whether the buffer holds the old lines there.
local function holds(buffer, from, to, old)
  if to - from ~= #old then
    return false
  end
  local now = vim.api.nvim_buf_get_lines(buffer, from, to, false)
  for index, line in ipairs(now) do
    if line ~= old[index] then
      return false
    end
  end
  return true
end

--- Longest turn of drawing, ms; and the pause in which the editor does what else is to be done.
local turn, pause = 6, 1

---@class countersign.Pass one look at all hunks of a buffer
---@field items countersign.Item[]
---@field order integer[] their numbers, those on the screen first
---@field at integer
---@field look countersign.Look
---@field again boolean something must be looked at once more
---@field had boolean something was drawn before

--- The pass that a buffer is in; who begins another one ends it.
---@type table<integer, countersign.Pass>
local passes = {}
local waiting, tries = {}, {}

--- Numbers of the items, those that a window shows first.
local function ordered(buffer, items)
  local shown, rest = {}, {}
  local windows = vim.tbl_map(function(window)
    -- The last line is known only once the window was drawn.
    local first = vim.fn.line('w0', window)
    return { first, math.max(vim.fn.line('w$', window), first + vim.api.nvim_win_get_height(window)) }
  end, vim.fn.win_findbuf(buffer))
  for number, item in ipairs(items) do
    local line, seen = item.hunk.range.start.line + 1, false
    for _, window in ipairs(windows) do
      seen = seen or (line >= window[1] and line <= window[2])
    end
    table.insert(seen and shown or rest, number)
  end
  return vim.list_extend(shown, rest)
end

--- Draws one hunk, if it is new or different.
local function draw(buffer, pass, number)
  local item, all = pass.items[number], drawn[buffer]
  local hunk, arrived = item.hunk, item.proposal.arrived
  local mine = all[item.key]
  local old, new = lines.split(hunk.old_text), lines.split(hunk.new_text)
  local from, to
  if mine then
    from, to = marks.tracked(buffer, mine)
  end
  local at, till, again = from, to, false
  if not from or mine.arrived ~= arrived then
    local first, last = told(buffer, hunk)
    local version = item.file.version
    local typing = vim.uv.now() - (changed[buffer] or 0) < settled
    local sure = not typing
    if type(version) == 'number' and vim.lsp.util.buf_versions[buffer] then
      sure = vim.lsp.util.buf_versions[buffer] == version
    elseif hunk.state == 'pending' and #old > 0 then
      sure = holds(buffer, first, last, old)
    end
    local tried = tries[buffer] or 0
    if sure or (tried > 10 and not typing) or (not from and tried > 2) then
      from, to = first, last
    else
      again, pass.again = true, true
    end
  end
  -- What is being applied and not drawn stands in the text already.
  if not from or (not mine and hunk.state == 'applying') then
    return
  end
  local label, look = marks.label(item, number, #pass.items, old, new), pass.look
  local looks = table.concat({ hunk.state, hunk.old_text, hunk.new_text, label[1], look.width, tostring(look.wrap), look.tabstop, tostring(look.beside) }, '\0')
  mine = mine or {}
  all[item.key] = mine
  if mine.looks ~= looks or at ~= from or till ~= to then
    marks.put(buffer, item, mine, from, to, label, look)
    mine.looks = looks
  end
  mine.arrived, mine.item = again and mine.arrived or arrived, item
end

--- All of a buffer's hunks are drawn.
local function finish(buffer, pass)
  passes[buffer] = nil
  drawn[buffer] = next(drawn[buffer]) and drawn[buffer] or nil
  tries[buffer] = pass.again and (tries[buffer] or 0) + 1 or nil
  if pass.again then
    M.schedule(buffer, settled)
  end
  if pass.had or drawn[buffer] then
    require('countersign.keys').follow(buffer, drawn[buffer] ~= nil)
    vim.api.nvim_exec_autocmds('User', { pattern = 'CountersignHunks', modeline = false, data = { buf = buffer } })
  end
end

--- Goes on with a pass until its turn is over.
local function go_on(buffer, pass, begun)
  if passes[buffer] ~= pass or not vim.api.nvim_buf_is_loaded(buffer) then
    return
  end
  -- Reading the file anew takes all marks away.
  drawn[buffer] = drawn[buffer] or {}
  while pass.at <= #pass.order do
    draw(buffer, pass, pass.order[pass.at])
    pass.at = pass.at + 1
    if (vim.uv.hrtime() - begun) / 1e6 > turn then
      return vim.defer_fn(function()
        go_on(buffer, pass, vim.uv.hrtime())
      end, pause)
    end
  end
  finish(buffer, pass)
end

--- Begins to draw a buffer's hunks: what is new or different, nothing else.
local function begin(buffer)
  local begun, items, keys = vim.uv.hrtime(), state.items(name_of(buffer)), {}
  local pass = { items = items, at = 1, again = false, had = drawn[buffer] ~= nil, order = {} }
  if #items > 0 then
    require('countersign.colors').set()
    watch(buffer)
    pass.look, pass.order = marks.look(buffer), ordered(buffer, items)
  end
  for _, item in ipairs(items) do
    keys[item.key] = true
  end
  for key, mine in pairs(drawn[buffer] or {}) do
    if not keys[key] then
      marks.forget(buffer, mine)
      drawn[buffer][key] = nil
    end
  end
  passes[buffer] = pass
  go_on(buffer, pass, begun)
end

--- Draws soon, once, however often it is asked for.
function M.schedule(buffer, wait)
  if waiting[buffer] then
    return
  end
  waiting[buffer] = true
  vim.defer_fn(function()
    waiting[buffer] = nil
    if vim.api.nvim_buf_is_loaded(buffer) then
      require('countersign.client').attach_now(buffer)
      begin(buffer)
    end
  end, wait or 0)
end

--- Draws every loaded buffer that has hunks or had some.
function M.refresh()
  local names = state.names()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and (drawn[buffer] or names[name_of(buffer)]) then
      M.schedule(buffer)
    end
  end
end

---@class countersign.Place
---@field lnum integer first line, from 0
---@field end_lnum integer behind the last line; the same as `lnum` for an insertion
---@field id string
---@field proposal string
---@field state 'pending'|'applying'|'stale'
---@field steering boolean
---@field op 'edit'|'create'|'delete'|'move'
---@field old string[]
---@field new string[]
---@field client integer

--- The hunks of a buffer where they stand now, in order.
---@return countersign.Place[]
function M.places(buffer)
  local all = {}
  if not vim.api.nvim_buf_is_loaded(buffer) then
    return all
  end
  for _, item in ipairs(state.items(name_of(buffer))) do
    local mine = (drawn[buffer] or {})[item.key]
    local from, to
    if mine then
      from, to = marks.tracked(buffer, mine)
    end
    if not from then
      from, to = told(buffer, item.hunk)
    end
    table.insert(all, {
      lnum = from,
      end_lnum = to,
      id = item.hunk.id,
      proposal = item.proposal.proposal,
      state = item.hunk.state,
      steering = item.hunk.steering,
      op = item.file.op,
      old = lines.split(item.hunk.old_text),
      new = lines.split(item.hunk.new_text),
      client = item.client,
    })
  end
  table.sort(all, function(a, b)
    if a.lnum ~= b.lnum then
      return a.lnum < b.lnum
    end
    return a.end_lnum < b.end_lnum
  end)
  return all
end

--- An acceptance is about to be written: what it brings is not shown twice until the server has seen it.
---@param edits {from_row: integer, text: string}[]
function M.taking(buffer, edits)
  for key, mine in pairs(drawn[buffer] or {}) do
    local from = marks.tracked(buffer, mine)
    for _, edit in ipairs(edits) do
      local brings = vim.deep_equal(lines.split(edit.text), lines.split(mine.item.hunk.new_text))
      if edit.from_row == from and brings then
        marks.forget(buffer, mine)
        drawn[buffer][key] = nil
      end
    end
  end
end

local group = vim.api.nvim_create_augroup('countersign-hunks', {})
vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile', 'BufWinEnter' }, {
  group = group,
  callback = function(event)
    if event.event ~= 'BufWinEnter' then
      -- Reading a file anew takes its marks away.
      drawn[event.buf] = nil
      marks.clear(event.buf)
    end
    M.schedule(event.buf)
  end,
})
-- It is another file from now on.
vim.api.nvim_create_autocmd('BufFilePost', {
  group = group,
  callback = function(event)
    M.schedule(event.buf)
  end,
})
vim.api.nvim_create_autocmd({ 'WinResized', 'VimResized' }, { group = group, callback = M.refresh })
vim.api.nvim_create_autocmd('OptionSet', { group = group, pattern = { 'wrap', 'number', 'tabstop', 'signcolumn' }, callback = M.refresh })

return M
