--- What the agent does now, for a status line and in a small window at the lower right while it works.
local M = {}

local state = require('countersign.state')

--- token -> message of `$/progress`
local running = {}
local window, buffer

local function waits()
  return require('countersign.question').waiting() ~= nil
end

---@class countersign.Info
---@field state 'resting'|'running'|'waiting'
---@field doing string such as `3/20 reading src/lib.rs · 12.4k tok · $0.04`
---@field iteration? integer
---@field iterations? integer
---@field tokens? integer
---@field cost_usd? number
---@field pending integer changes to review
---@field tasks integer

--- For those who build their own status line.
---@return countersign.Info
function M.info()
  local tasks = state.running()
  local task = tasks[1] or {}
  local all = vim.tbl_values(running)
  table.sort(all)
  return {
    state = waits() and 'waiting' or (#all > 0 or #tasks > 0) and 'running' or 'resting',
    doing = table.concat(all, ' | '),
    iteration = task.iteration,
    iterations = task.iterations,
    tokens = task.tokens,
    cost_usd = task.cost_usd,
    pending = select(2, state.names()),
    tasks = math.max(#tasks, #all),
  }
end

--- One line: what it does, that it waits for you, or what is to be reviewed; empty when there is nothing.
---@return string
function M.line()
  local info = M.info()
  if info.state == 'waiting' then
    local doing = vim.trim((info.doing:gsub('waiting for you · ', ''):gsub('waiting for you', '')))
    return 'agent waits for you: :Countersign answer' .. (doing ~= '' and ' · ' .. doing or '')
  elseif info.doing ~= '' then
    return info.doing
  elseif info.tasks > 0 then
    return 'starting'
  elseif info.pending > 0 then
    return ('agent: %d to review'):format(info.pending)
  end
  return ''
end

local function hide()
  -- In the command-line window nothing can be closed: it is once the user has left it.
  if not window or not vim.api.nvim_win_is_valid(window) or pcall(vim.api.nvim_win_close, window, true) then
    window = nil
  end
end

--- Where the window stands: at the lower right, or at the upper right where it would hide what the user types.
local function place(width)
  local below = vim.o.lines - vim.o.cmdheight - (vim.o.laststatus > 0 and 1 or 0)
  local at = vim.fn.screenpos(0, vim.fn.line('.'), vim.fn.col('.'))
  local hides = at.row == below and at.col > vim.o.columns - width - 2
  return { relative = 'editor', anchor = hides and 'NE' or 'SE', row = hides and 0 or below, col = vim.o.columns }
end

local function show()
  local info = M.info()
  if info.tasks == 0 or require('countersign.run').is_shown() or not require('countersign.config').get().progress then
    return hide()
  end
  require('countersign.colors').set()
  local room = math.max(vim.o.columns - 4, 10)
  local text = (info.state == 'waiting' and ' ? ' or ' ● ') .. M.line() .. ' '
  if vim.fn.strdisplaywidth(text) > room then
    text = vim.fn.strcharpart(text, 0, room - 2) .. '… '
  end
  if not buffer or not vim.api.nvim_buf_is_valid(buffer) then
    buffer = vim.api.nvim_create_buf(false, true)
  end
  require('countersign.show').fill(buffer, { text })
  local width = math.max(vim.fn.strdisplaywidth(text), 1)
  local look = { width = width, height = 1, style = 'minimal', focusable = false, zindex = 40 }
  look = vim.tbl_extend('force', look, place(width))
  if window and vim.api.nvim_win_is_valid(window) then
    vim.api.nvim_win_set_config(window, look)
  else
    look.noautocmd = true
    window = vim.api.nvim_open_win(buffer, false, look)
  end
  vim.wo[window].winhighlight = 'Normal:' .. (info.state == 'waiting' and 'CountersignWaiting' or 'CountersignStatus')
end

local due = false

--- Something has changed: shown soon, and never in the middle of something.
function M.refresh()
  if due then
    return
  end
  due = true
  vim.defer_fn(function()
    due = false
    pcall(show)
    vim.cmd.redrawstatus()
  end, 30)
end

--- A server is gone, and what it did.
function M.forget(client)
  for token in pairs(running) do
    if vim.startswith(token, client .. ':') then
      running[token] = nil
    end
  end
  M.refresh()
end

local group = vim.api.nvim_create_augroup('countersign-progress', {})
vim.api.nvim_create_autocmd('LspProgress', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    local params = event.data.params
    if client and client.name == 'countersign' and params then
      local value, token = params.value, event.data.client_id .. ':' .. params.token
      running[token] = value.kind ~= 'end' and (value.message or running[token] or '') or nil
      M.refresh()
    end
  end,
})
vim.api.nvim_create_autocmd({ 'CursorMoved', 'CursorMovedI' }, {
  group = group,
  callback = function()
    if window and vim.api.nvim_win_is_valid(window) then
      local now = vim.api.nvim_win_get_config(window)
      if place(now.width).anchor ~= now.anchor then
        M.refresh()
      end
    end
  end,
})
-- The log may have gone, which showed the same.
vim.api.nvim_create_autocmd({ 'WinClosed', 'CmdwinLeave' }, { group = group, callback = M.refresh })
vim.api.nvim_create_autocmd({ 'VimResized', 'TabEnter' }, {
  group = group,
  callback = function()
    -- A window of one tab page is not seen in another.
    hide()
    M.refresh()
  end,
})

return M
