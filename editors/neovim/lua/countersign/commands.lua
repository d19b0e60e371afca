--- The sub-commands of `:Countersign`.
local M = {}

local function lazy(name)
  return setmetatable({}, {
    __index = function(_, key)
      return require('countersign.' .. name)[key]
    end,
  })
end
local client, review, show, question = lazy('client'), lazy('review'), lazy('show'), lazy('question')

---@class countersign.Call
---@field buffer integer
---@field first integer first line, from 1
---@field last integer
---@field ranged boolean whether the user gave a range
---@field bang boolean
---@field text? string what stands behind the sub-command
---@field client? integer the server that is meant where the buffer has none of its own: in the log, that of the lines at the cursor
---@field task? string the task there

local function warn(text)
  show.tell(text, vim.log.levels.WARN)
end

--- The file, and the lines where a range was given: what an ask is about.
local function about(call)
  local argument = {}
  if vim.bo[call.buffer].buftype == '' and vim.api.nvim_buf_get_name(call.buffer) ~= '' then
    argument.uri = vim.uri_from_bufnr(call.buffer)
    if call.ranged then
      local last = vim.api.nvim_buf_line_count(call.buffer)
      local to = { line = call.last, character = 0 }
      if call.last >= last then
        -- A large column clamps to the end of the line.
        to = { line = last - 1, character = 2 ^ 31 - 1 }
      end
      argument.range = { start = { line = call.first - 1, character = 0 }, ['end'] = to }
    end
  end
  return argument
end

--- Sends a command to the server that is meant.
local function send(call, name, argument, done)
  client.command(name, argument, done, call.buffer, call.client)
end

local function ask(mode)
  return function(call)
    local argument = about(call)
    argument.mode = mode
    local function with(prompt)
      if prompt and prompt:match('%S') then
        argument.prompt = prompt
        send(call, 'ask', argument, mode and function()
          -- The answer is a text, to be read as it comes.
          require('countersign.run').show()
        end or nil)
      end
    end
    if call.text then
      with(call.text)
    elseif call.bang or require('countersign.config').get().input == 'document' then
      send(call, 'ask', argument)
    else
      vim.ui.input({ prompt = mode and ('Agent, ' .. mode .. ': ') or 'Ask the agent: ' }, with)
    end
  end
end

--- Runs `done` with the task at the cursor of the log, else with the newest, that `fits`.
local function with_task(call, fits, done)
  send(call, 'status', {}, function(status)
    if type(status) ~= 'table' then
      return
    end
    for _, task in ipairs(status.tasks) do
      if task.task == call.task and fits(task.state) then
        return done(task)
      end
    end
    for index = #status.tasks, 1, -1 do
      if fits(status.tasks[index].state) then
        return done(status.tasks[index])
      end
    end
    warn('there is no such task of the agent')
  end)
end

local function any()
  return true
end

local function active(state)
  return state == 'running' or state == 'preparing' or state == 'queued'
end

local function over(state)
  return not active(state)
end

--- Takes back the newest task of which something stands accepted.
local function undo(call)
  send(call, 'status', {}, function(status)
    for index = #status.tasks, 1, -1 do
      local task = status.tasks[index]
      if task.accepted then
        return send(call, 'undo', { task = task.task }, function(result)
          local count = type(result) == 'table' and #(result.undone or {}) or 0
          if count > 0 then
            show.tell(('taken back: %d %s of "%s"'):format(count, count == 1 and 'change' or 'changes', task.title))
          end
        end)
      end
    end
    warn('nothing of the agent stands accepted, so there is nothing to undo')
  end)
end

--- What the user says to the agent, when it is not said in the command.
local prompts = { steer = 'Tell the agent: ', queue = 'After this task: ', retry = 'Once more, but: ' }

--- A command about the newest fitting task; `extra` adds its other arguments from the text, or answers what is missing.
local function of_task(name, fits, extra)
  return function(call)
    if prompts[name] and call.bang and not call.text then
      return vim.ui.input({ prompt = prompts[name] }, function(text)
        if text and text:match('%S') then
          M.all[name](vim.tbl_extend('force', call, { text = text }))
        end
      end)
    end
    local more, missing = {}, nil
    if extra then
      more, missing = extra(call.text)
    end
    if missing then
      return warn(missing)
    end
    with_task(call, fits, function(task)
      send(call, name, vim.tbl_extend('force', { task = task.task }, more), function(result)
        if more.message then
          local of = type(result) == 'table' and result.task or task.task
          require('countersign.run').said(of, more.message, name)
          show.tell(name == 'steer' and 'queued for the next iteration' or 'queued behind this task')
        end
      end)
    end)
  end
end

local function needs(field, what)
  return function(text)
    return { [field] = text }, not text and what or nil
  end
end

local function plain(name, field)
  return function(call)
    send(call, name, field and call.text and { [field] = call.text } or {})
  end
end

local function here(verb)
  return function(call)
    if verb == 'reject' and call.bang and not call.text then
      -- The lines count as they are now, not when the reason is written.
      return vim.ui.input({ prompt = 'Reject, because: ' }, function(reason)
        if reason and reason:match('%S') then
          review.here(verb, call.buffer, call.first, call.last, reason)
        end
      end)
    end
    review.here(verb, call.buffer, call.first, call.last, call.text)
  end
end

local function many(verb, whole)
  return function(call)
    review.many(verb, call.buffer, call.first, whole, call.text)
  end
end

local function said(failure)
  if failure then
    warn(failure)
  end
end

local function status(call)
  send(call, 'status', {}, function(result)
    local lines = {
      ('model %s · walls %s · %d queued'):format(
        type(result.model) == 'string' and result.model or 'not chosen yet',
        type(result.level) == 'string' and result.level or 'not tried yet',
        result.queued
      ),
    }
    for _, task in ipairs(result.tasks) do
      local waits = task.question and ' · waits for you' or ''
      local steps = task.iterations > 0 and ('  %d/%d'):format(task.iteration, task.iterations) or ''
      table.insert(lines, ('%s  %s%s  %s%s'):format(task.task, task.state, steps, task.title, waits))
    end
    show.scratch('status', lines)
  end)
end

--- Every sub-command.
---@type table<string, fun(call: countersign.Call)>
M.all = {
  ask = ask(nil),
  explain = ask('explain'),
  plan = ask('plan'),
  tasks = function(call)
    send(call, 'runTask', vim.tbl_extend('force', about(call), { name = call.text or 'more' }))
  end,
  accept = here('accept'),
  reject = here('reject'),
  renew = here('renew'),
  accept_file = many('accept', 'file'),
  reject_file = many('reject', 'file'),
  accept_all = many('accept', 'all'),
  reject_all = many('reject', 'all'),
  diff = function(call)
    review.diff(call.buffer, call.first)
  end,
  stop = function(call)
    send(call, 'stop', {})
  end,
  steer = of_task('steer', active, needs('message', 'say what the agent should know: :Countersign steer TEXT')),
  queue = of_task('queue', any, needs('message', 'say what comes next: :Countersign queue TEXT')),
  retry = of_task('retry', over, function(text)
    return { note = text }
  end),
  continue = of_task('continue', over, function(text)
    local iterations = tonumber(text or '10')
    return { iterations = iterations }, not iterations and 'say how many iterations: :Countersign continue 10' or nil
  end),
  undo = undo,
  transcript = of_task('transcript', any),
  status = status,
  approvals = function(call)
    send(call, 'approvals', {}, function(open)
      if type(open) == 'table' and #open == 0 then
        show.tell('no question is open; :Countersign commit and :Countersign push raise theirs anew')
      end
    end)
  end,
  answer = function(call)
    said(question.answer(call.text))
  end,
  dismiss = function()
    said(question.dismiss())
  end,
  trust = plain('trustWorkspace'),
  commit = plain('commit', 'message'),
  push = plain('push'),
  pull_request = plain('openPullRequest'),
  dashboard = plain('dashboard'),
  messages = function()
    local lines = show.messages()
    show.scratch('messages', #lines > 0 and lines or { 'no messages yet' }, true)
  end,
  next = function(call)
    review.jump(call.buffer, 1)
  end,
  prev = function(call)
    review.jump(call.buffer, -1)
  end,
  hunks = function(call)
    local count = require('countersign.list').fill()
    if count == 0 then
      return show.tell('no change of the agent is pending')
    elseif not call.bang then
      vim.cmd('botright copen')
    end
  end,
  split = function(call)
    said(require('countersign.split').open(call.buffer))
  end,
  log = function()
    require('countersign.run').open()
  end,
  lsp_log = function()
    vim.cmd('botright split ' .. vim.fn.fnameescape(vim.lsp.log and vim.lsp.log.get_filename() or vim.lsp.get_log_path()))
    vim.cmd('normal! G')
  end,
  restart = function()
    client.restart()
  end,
}

--- `:[range]Countersign[!] NAME [TEXT]`
function M.run(call)
  local name, text = call.args:match('^(%S+)%s*(.-)%s*$')
  local bang = call.bang
  if name and name:sub(-1) == '!' then
    -- `:Countersign ask!` is what people write for `:Countersign! ask`.
    name, bang = name:sub(1, -2), true
  end
  local command = M.all[name]
  if not name then
    return warn('say what: :Countersign ask TEXT, accept, reject, next, log, stop, ...; :help :Countersign')
  elseif not command then
    local names = vim.tbl_keys(M.all)
    table.sort(names)
    return warn(('there is no :Countersign %s; there are %s'):format(name, table.concat(names, ', ')))
  end
  local buffer = vim.api.nvim_get_current_buf()
  local owner = package.loaded['countersign.run'] and require('countersign.run').owner(buffer) or {}
  local ok, why = pcall(command, {
    buffer = buffer,
    client = owner.client,
    task = owner.task,
    first = call.line1,
    last = call.line2,
    ranged = call.range > 0,
    bang = bang,
    text = text ~= '' and text or nil,
  })
  if not ok then
    -- Such as a terminal without room for another window. One line, and nothing that waits for a key.
    warn(('%s: %s'):format(name, M.reason(why)))
  end
end

--- What Neovim says is wrong, without the places that it says it of.
function M.reason(why)
  return (tostring(why):gsub('^.-Vim%b():', ''):gsub('^.-Vim:', ''))
end

--- Completes the sub-command's name.
function M.complete(lead, line)
  if not line:match('Countersign!?%s+%S*$') then
    return {}
  end
  local names = vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, vim.tbl_keys(M.all))
  table.sort(names)
  return names
end

return M
