--- The run as it streams, in a buffer: what the agent says, the calls of its tools, the output of commands, what you told it.
local M = {}

local state = require('countersign.state')

local space = vim.api.nvim_create_namespace('countersign-run')
local buffer
--- Lines that are kept; beyond them the oldest quarter goes.
local most = 8000
--- Pause between what comes and its being shown, ms: a stream comes in many small parts.
local pause = 40
--- Lines of a tool's result that are shown; the transcript has the rest.
local shown_result = 8

---@class countersign.Part
---@field text string
---@field group? string
---@field new? boolean begins a line of its own
---@field said? countersign.Said what the user said, marked as queued until the agent has seen it
---@field of? countersign.Owner whose part it is

---@class countersign.Said
---@field mark? integer extmark of its line
---@field state string

---@class countersign.Owner
---@field client integer
---@field task string

--- Who speaks from a line of the log on: extmark -> owner. Several servers write into the one log.
---@type table<integer, countersign.Owner>
local owners = {}
local owner_space = vim.api.nvim_create_namespace('countersign-run-owners')
--- The owner of what comes now, and of the last line.
---@type countersign.Owner?
local speaking, spoke

---@type countersign.Part[]
local waiting = {}
local due = false
--- What the last part was: text of the model goes on in its line, output of a command in its.
local last_kind
--- The last line ended with a line break: what follows begins a new one.
local broken = true
--- call -> whether output of it was streamed
local streamed = {}
--- task -> what the model said last; its summary is often the same.
local spoken_last = {}
--- Why a task ended that did not end by itself.
local stops = {
  max_iterations = 'stopped at the iteration limit; :Countersign continue',
  budget = 'stopped by a budget',
  no_progress = 'stopped: it made no progress',
  refusal = 'the model refused',
  error = 'stopped by an error',
}

local name = 'countersign://run'

--- A buffer that has the log's name: a session that was saved with the log brings one, and `:bdelete` leaves one without lines.
local function named()
  for _, one in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_get_name(one) == name then
      vim.bo[one].buftype = 'nofile'
      vim.fn.bufload(one)
      vim.bo[one].modifiable = true
      vim.api.nvim_buf_set_lines(one, 0, -1, false, {})
      return one
    end
  end
end

local function ready()
  if buffer and vim.api.nvim_buf_is_loaded(buffer) then
    return buffer
  end
  buffer, spoke = named(), nil
  if not buffer then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(buffer, name)
  end
  vim.bo[buffer].buflisted = false
  vim.bo[buffer].bufhidden = 'hide'
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].undolevels = -1
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].filetype = 'countersign-run'
  for key, name in pairs({ s = 'steer', a = 'queue', r = 'retry', x = 'stop' }) do
    vim.keymap.set('n', key, '<Plug>(countersign-' .. name .. ')', { buffer = buffer, nowait = true, desc = 'countersign: ' .. name })
  end
  require('countersign.show').close_by_q(buffer)
  return buffer
end

--- Marks what the user said as queued, or as seen.
local function mark(said, row)
  local words = { queued = { '  queued', 'CountersignLabel' }, seen = { '  seen', 'CountersignUser' } }
  local virtual = words[said.state] or { '  ' .. said.state, 'CountersignLabel' }
  if not row then
    row = said.mark and vim.api.nvim_buf_get_extmark_by_id(buffer, space, said.mark, {})[1]
  end
  if row then
    said.mark = vim.api.nvim_buf_set_extmark(buffer, space, row, 0, { id = said.mark, virt_text = { virtual }, virt_text_pos = 'eol' })
  end
end

--- The windows whose cursor stands at the end, which follow.
local function followers(count)
  return vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] >= count
  end, vim.fn.win_findbuf(buffer))
end

local function flush()
  due = false
  local parts = waiting
  waiting = {}
  ready()
  local count = vim.api.nvim_buf_line_count(buffer)
  local following = followers(count)
  local empty = count == 1 and vim.api.nvim_buf_get_lines(buffer, 0, 1, false)[1] == ''
  -- All parts as lines to append: the first goes on in the last line of the buffer.
  local first = count - 1
  local last = vim.api.nvim_buf_get_lines(buffer, first, count, false)[1]
  local lines = { last }
  local colours, saids, spoken = {}, {}, {}
  for _, part in ipairs(parts) do
    if part.new and not (#lines == 1 and lines[1] == '' and (empty or first == 0)) then
      table.insert(lines, '')
    end
    local from = #lines
    local added = vim.split(part.text, '\n', { plain = true })
    lines[#lines] = lines[#lines] .. added[1]
    vim.list_extend(lines, added, 2)
    if part.of and not vim.deep_equal(part.of, spoke) then
      spoke = part.of
      table.insert(spoken, { part.of, first + from - 1 })
    end
    if part.group then
      table.insert(colours, { first + from - 1, first + #lines - 1, part.group })
    end
    if part.said then
      table.insert(saids, { part.said, first + #lines - 1 })
    end
  end
  vim.bo[buffer].modifiable = true
  -- Only behind what is there: a line that is set anew loses its marks.
  lines[1] = lines[1]:sub(#last + 1)
  vim.api.nvim_buf_set_text(buffer, first, #last, first, #last, lines)
  for _, colour in ipairs(colours) do
    local behind = { end_row = colour[2], end_col = #lines[colour[2] - first + 1] + (colour[2] == first and #last or 0) }
    vim.api.nvim_buf_set_extmark(buffer, space, colour[1], 0, vim.tbl_extend('force', behind, { hl_group = colour[3] }))
  end
  for _, said in ipairs(saids) do
    mark(said[1], said[2])
  end
  for _, one in ipairs(spoken) do
    owners[vim.api.nvim_buf_set_extmark(buffer, owner_space, one[2], 0, {})] = one[1]
  end
  local total = vim.api.nvim_buf_line_count(buffer)
  if total > most then
    vim.api.nvim_buf_set_lines(buffer, 0, math.floor(most / 4), false, { '(earlier lines are in :Countersign transcript)' })
    total = vim.api.nvim_buf_line_count(buffer)
  end
  vim.bo[buffer].modifiable = false
  for _, window in ipairs(following) do
    vim.api.nvim_win_set_cursor(window, { total, 0 })
  end
end

local function add(part)
  -- Control characters would move what the user reads; a tab is one that may stay.
  part.text = part.text:gsub('\r\n?', '\n'):gsub('[%z\1-\8\11-\31\127]', '')
  part.of = speaking
  table.insert(waiting, part)
  if not due then
    due = true
    vim.defer_fn(flush, pause)
  end
end

--- A whole line, or several.
local function line(text, group, said)
  add({ text = (text:gsub('\n+$', '')), group = group, new = true, said = said })
  last_kind, broken = 'line', true
end

--- A part of a stream, which goes on where the part before it ended.
local function stream(kind, text, group)
  if text == '' then
    return
  end
  local new = last_kind ~= kind or broken
  if broken and last_kind == kind and text:sub(1, 1) == '\n' then
    new = false
  end
  broken = text:sub(-1) == '\n'
  if broken then
    text = text:sub(1, -2)
  end
  last_kind = kind
  add({ text = text, group = group, new = new })
end

--- What the user told each task and it has not seen.
---@type table<string, {message: string, said: countersign.Said}[]>
local told = {}

--- The user told a running task something, or asked for more after it.
function M.said(task, message, what)
  local now = what == 'queue' and state.find(task)
  -- What need not wait has begun before its answer came.
  local said = { state = now and now.state ~= 'queued' and 'started' or 'queued' }
  line('» ' .. message, 'CountersignUser', said)
  if said.state ~= 'queued' then
    return
  end
  told[task] = told[task] or {}
  table.insert(told[task], { message = message, said = said, queued = what == 'queue' })
end

--- What was told to a task was seen, or its task is `over` before it could be.
local function seen(task, how, over)
  local all = told[task]
  told[task] = nil
  for _, one in ipairs(all or {}) do
    local how = over and one.queued and 'cancelled before it began' or how
    one.said.state = how
    if buffer and vim.api.nvim_buf_is_valid(buffer) and one.said.mark then
      mark(one.said)
    end
    local brief = one.message:gsub('%s+', ' ')
    brief = vim.fn.strchars(brief) > 40 and vim.fn.strcharpart(brief, 0, 39) .. '…' or brief
    require('countersign.show').tell(('%s: %s'):format(how == 'seen' and 'the agent has seen' or how, brief))
  end
end

--- Whose lines the cursor stands in, where this buffer is the log.
---@return countersign.Owner?
function M.owner(of)
  if of ~= buffer or not buffer or not vim.api.nvim_buf_is_valid(buffer) then
    return nil
  end
  local window = vim.fn.bufwinid(buffer)
  local row = window ~= -1 and vim.api.nvim_win_get_cursor(window)[1] or vim.api.nvim_buf_line_count(buffer)
  local marks = vim.api.nvim_buf_get_extmarks(buffer, owner_space, { row - 1, -1 }, 0, { limit = 1 })
  return marks[1] and owners[marks[1][1]]
end

--- Takes a `countersign/update`.
---@param client integer
function M.update(params, task, client)
  if not speaking or speaking.client ~= client or speaking.task ~= params.task then
    -- What two tasks say at the same time does not run into one line.
    speaking, last_kind = { client = client, task = params.task }, nil
  end
  require('countersign.colors').set()
  local kind = params.kind
  if kind == 'text' then
    spoken_last[params.task] = (last_kind == 'text' and spoken_last[params.task] or '') .. params.text
    stream('text', params.text)
  elseif kind == 'thinking' then
    stream('thinking', params.text, 'CountersignLabel')
  elseif kind == 'tool_output' then
    streamed[params.call] = true
    stream('output', params.text, 'CountersignOutput')
  elseif kind == 'tool_call' and params.result == nil then
    line('▸ ' .. (params.title or params.tool), 'CountersignTool')
  elseif kind == 'tool_call' then
    local result = vim.split(vim.trim(params.result), '\n', { plain = true })
    local said = {}
    if not streamed[params.call] or params.status ~= 'ok' then
      -- What an edit did stands in the file; below the first line of a result stands what was streamed already.
      local edit = (params.tool == 'edit_file' or params.tool == 'write_file') and params.status == 'ok'
      local most_shown = (edit or streamed[params.call]) and 1 or shown_result
      for index = 1, math.min(#result, most_shown) do
        said[result[index]] = true
        line('  ' .. result[index], 'CountersignOutput')
      end
      if #result > most_shown and most_shown > 1 then
        line(('  … %d more lines; :Countersign transcript'):format(#result - most_shown), 'CountersignLabel')
      end
    end
    streamed[params.call] = nil
    line('  ' .. (params.status or '?'), params.status == 'ok' and 'CountersignLabel' or 'CountersignWaiting')
    -- Why walls or the proxy were in the way, where the part of the result that is shown does not say it.
    for _, why in ipairs(params.refused and vim.split(params.refused, '\n', { plain = true }) or {}) do
      if not said[why] then
        line('  ' .. why, 'CountersignWaiting')
      end
    end
  elseif kind == 'question' then
    if params.state == 'open' then
      line('? ' .. (params.text or 'a question for you'), 'CountersignWaiting')
    else
      line('  ' .. tostring(params.state), 'CountersignLabel')
    end
  elseif kind == 'state' then
    if params.heard then
      seen(params.task, 'seen')
    elseif params.state == 'preparing' then
      -- It is said again when the level of the walls is known.
      if not task.begun then
        task.begun = true
        line('# ' .. task.title, 'CountersignTask')
      end
      seen(params.task, 'started')
    elseif params.state == 'queued' then
      -- No heading: what comes next is of the task before it.
      line(('» %s  (waits for the task before it)'):format(task.title), 'CountersignLabel')
    elseif params.stop or state.is_over(params.state) then
      task.begun = nil
      -- The loop tells its end, then the server tells the task's: the second has the summary.
      if params.summary or params.state == 'failed' then
        local pending = params.pending and params.pending > 0 and (' · %d to review'):format(params.pending) or ''
        local how = stops[params.stop] or params.state
        line(('■ %s%s'):format(how, pending), params.state == 'failed' and 'CountersignWaiting' or 'CountersignTask')
        local said, before = vim.trim(params.message or params.summary), vim.trim(spoken_last[params.task] or '')
        if said ~= '' and said ~= before then
          -- As `finish` told it.
          for _, row in ipairs(vim.split(said, '\n', { plain = true })) do
            line('  ' .. row, params.message and 'CountersignWaiting' or nil)
          end
        end
        spoken_last[params.task] = nil
        line('')
        seen(params.task, 'not seen: the task had ended; it is told with the next one', true)
      end
    elseif params.state == 'retrying' and params.doing then
      line('  ' .. params.doing, 'CountersignWaiting')
    end
  end
end

--- A server has ended in the middle of these tasks.
---@param titles string[]
function M.cut_off(titles)
  for _, title in ipairs(titles) do
    speaking, last_kind = nil, nil
    line('■ cut off: ' .. title, 'CountersignWaiting')
    line('  The server ended. What it had proposed comes back with the next one; ask the rest again.', 'CountersignWaiting')
    line('')
  end
end

--- The buffer of the run, and whether it has anything.
---@return integer buffer
function M.buffer()
  return ready()
end

--- Whether a window of this tab page shows it.
function M.is_shown()
  return buffer ~= nil and vim.fn.bufwinid(buffer) ~= -1
end

--- Shows it and leaves the user where they are; where there is no room for it, the message at the end says where to look.
function M.show()
  if not M.is_shown() and vim.fn.getcmdwintype() == '' then
    local before = vim.api.nvim_get_current_win()
    pcall(M.open)
    vim.api.nvim_set_current_win(before)
  end
end

--- Shows it, in a window of its own; where it is shown already, goes there.
function M.open()
  local window = vim.fn.bufwinid(ready())
  if window ~= -1 then
    return vim.api.nvim_set_current_win(window)
  end
  -- In a small terminal the file keeps most of the lines.
  vim.cmd(('botright %dsplit'):format(math.max(math.min(15, math.floor(vim.o.lines * 0.4)), 3)))
  vim.api.nvim_win_set_buf(0, buffer)
  vim.wo[0][0].wrap = true
  vim.wo[0][0].linebreak = true
  vim.wo[0][0].breakindent = true
  vim.wo[0][0].number = false
  vim.wo[0][0].relativenumber = false
  vim.wo[0][0].signcolumn = 'no'
  -- In place of the window at the lower right, which would lie on the newest line.
  vim.wo[0][0].winbar = "%<%{v:lua.require'countersign'.status()}"
  vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buffer), 0 })
  require('countersign.progress').refresh()
end

return M
