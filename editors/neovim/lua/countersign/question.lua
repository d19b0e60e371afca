--- Questions of the server, in a window that never takes a key.
---
--- Neovim's own handler takes over the keyboard when a question arrives, and what the user happens to type becomes the answer.
--- Here the window is only shown. It is answered by `:Countersign answer N`, or by <Plug>(countersign-answer) after the user
--- moved into it and onto a choice. Closing the window answers nothing: the question stays open.
local M = {}

---@class countersign.Question
---@field client integer
---@field text string
---@field titles string[]
---@field answer fun(choice?: integer, words?: string)
---@field file? string the document that takes an answer in words
---@field call? string the tool call that waits for it

--- Open questions, oldest first; a client has at most one. The first is shown.
---@type countersign.Question[]
local questions = {}
local window, buffer = nil, nil
--- The question that the window shows.
---@type countersign.Question?
local shown
local space = vim.api.nvim_create_namespace('countersign-question')
--- Row (from 1) to choice.
local rows = {}

--- In the command-line window no other one can be closed: what is to be done is done when the user has left it.
local function in_cmdwin()
  return vim.fn.getcmdwintype() ~= ''
end

local function is_open()
  return window ~= nil and vim.api.nvim_win_is_valid(window)
end

local function hide()
  if is_open() and not in_cmdwin() then
    vim.api.nvim_win_close(window, true)
  end
  window = is_open() and window or nil
end

local function wrapped(text, width)
  local lines, line = {}, ''
  for word in text:gmatch('%S+') do
    if line ~= '' and vim.fn.strdisplaywidth(line .. ' ' .. word) > width then
      table.insert(lines, line)
      line = word
    else
      line = line == '' and word or line .. ' ' .. word
    end
  end
  table.insert(lines, line)
  return lines
end

--- The lines of a question. Where there is no room for all of them, the choices are what is left.
---@param question countersign.Question
---@return string[] lines, integer choices the row before the first choice
local function lines_of(question, width, room)
  local lines = {}
  for _, line in ipairs(vim.split(question.text, '\n', { plain = true })) do
    for _, row in ipairs(wrapped(line, width - 2)) do
      table.insert(lines, ' ' .. row)
    end
  end
  local space_for = room - #question.titles
  if #lines < space_for then
    table.insert(lines, '')
  elseif #lines > space_for then
    lines = vim.list_slice(lines, 1, math.max(space_for, 1))
    lines[#lines] = lines[#lines] .. ' …'
  end
  local choices = #lines
  for number, title in ipairs(question.titles) do
    table.insert(lines, ('  %d  %s'):format(number, title))
  end
  return lines, choices
end

--- The row of the screen below which a corner's window begins, or above which it ends.
local function edge(anchor)
  return anchor == 'NE' and 1 or vim.o.lines - vim.o.cmdheight - (vim.o.laststatus > 0 and 1 or 0) - 1
end

--- Whether it would hide the cursor of the window that the user works in.
local function hides_cursor(anchor, width, height)
  if is_open() and vim.api.nvim_get_current_win() == window then
    return false
  end
  local at = vim.fn.screenpos(0, vim.fn.line('.'), vim.fn.col('.'))
  local top = anchor == 'NE' and edge(anchor) or edge(anchor) - height - 2
  return at.row > top and at.row <= top + height + 2 and at.col >= vim.o.columns - 2 - width
end

--- The corner in which it does not hide what the user types.
local function corner(width, height)
  return hides_cursor('NE', width, height) and not hides_cursor('SE', width, height) and 'SE' or 'NE'
end

local function place(anchor, width, height)
  return { relative = 'editor', anchor = anchor, row = edge(anchor), col = vim.o.columns - 1, width = width, height = height }
end

local function show()
  local question = questions[1]
  if not question or in_cmdwin() then
    return hide()
  end
  local inside = is_open() and vim.api.nvim_get_current_win() == window and shown == question
  hide()
  shown = question
  local width = math.max(math.min(76, vim.o.columns - 6), 20)
  local room = math.max(vim.o.lines - vim.o.cmdheight - 5, 3)
  require('countersign.colors').set()
  local lines, choices = lines_of(question, width, room)
  rows = {}
  for number in ipairs(question.titles) do
    rows[choices + number] = number
  end
  if not buffer or not vim.api.nvim_buf_is_valid(buffer) then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.bo[buffer].filetype = 'countersign-question'
  end
  require('countersign.show').fill(buffer, lines)
  vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
  for row, number in pairs(rows) do
    local choice = { end_row = row, end_col = 0, hl_group = 'CountersignChoice', strict = false }
    vim.api.nvim_buf_set_extmark(buffer, space, row - 1, 0, choice)
    -- The first is the safe one.
    if number == 1 and not question.file then
      vim.api.nvim_buf_set_extmark(buffer, space, row - 1, 0, { virt_text = { { '  changes nothing', 'CountersignLabel' } } })
    end
  end
  local hint = question.file and 'YOUR WORDS' or table.concat(vim.fn.range(1, #question.titles), '|')
  local height = math.min(#lines, room)
  local look = vim.tbl_extend('force', place(corner(width, height), width, height), {
    style = 'minimal',
    border = 'rounded',
    title = ' countersign asks ',
    footer = (' :Countersign answer %s '):format(hint),
    noautocmd = true,
  })
  window = vim.api.nvim_open_win(buffer, inside, look)
  vim.wo[window].wrap = true
end

--- The first question or what is left has changed.
local function changed()
  show()
  require('countersign.progress').refresh()
end

--- Ends the first question.
local function decide(choice, words)
  local question = table.remove(questions, 1)
  hide()
  question.answer(choice, words)
  changed()
end

--- Takes a client's question off that `fits`, if it has one.
local function taken(client, fits)
  for index, question in ipairs(questions) do
    if question.client == client and fits(question) then
      return table.remove(questions, index)
    end
  end
end

local function arrived(question)
  table.insert(questions, question)
  changed()
  vim.api.nvim_exec_autocmds('User', { pattern = 'CountersignQuestion', modeline = false })
end

--- `window/showMessageRequest`. Runs in a coroutine, as Neovim runs all requests of a server.
function M.handler(_, params, context)
  local titles = vim.tbl_map(function(action)
    return action.title
  end, params.actions or {})
  local waiting = coroutine.running()
  -- The server keeps one showing on the screen; the older is answered by nothing.
  local older = taken(context.client_id, function(question)
    return not question.file
  end)
  arrived({
    client = context.client_id,
    text = params.message,
    titles = titles,
    answer = function(choice)
      vim.schedule(function()
        coroutine.resume(waiting, choice and { title = titles[choice] } or vim.NIL)
      end)
    end,
  })
  if older then
    older.answer(nil)
  end
  return coroutine.yield()
end

--- client -> the call that waits for words
local calls = {}

--- The agent asks for words, which the server takes from a document. Answers whether it could be read.
---@param name string
---@param client integer
function M.words(name, client)
  local ok, lines = pcall(vim.fn.readfile, name)
  local text = ok and table.concat(lines, '\n') or ''
  local asked = text:match('^<!%-%- (The agent asks:\n\n.*)\n\n +Write your answer below')
  if not asked then
    return false
  end
  arrived({
    client = client,
    text = asked,
    titles = { 'Do not answer', 'Write an answer' },
    file = name,
    call = calls[client],
    answer = function(choice, words)
      if words then
        -- As if it had been written in the document and sent.
        vim.fn.writefile(vim.list_extend(vim.split(words, '\n', { plain = true }), { '', '[x] send' }), name)
      elseif choice == 2 then
        vim.cmd('botright split ' .. vim.fn.fnameescape(name))
        vim.b.countersign = 'document'
        require('countersign.show').to_the_text(0, 0)
      else
        vim.fn.delete(name)
      end
    end,
  })
  return true
end

--- Follows which call waits for words, and takes its question off when it is over.
function M.update(params, client)
  if params.kind == 'tool_call' and params.tool == 'ask_user' then
    local over = params.result ~= nil
    calls[client] = not over and params.call or nil
    if over and taken(client, function(question)
      return question.call == params.call
    end) then
      changed()
    end
  end
end

--- A question is over, however: answered here, overtaken, expired, or its task was stopped. What is answered now would come late.
---@param approval string
---@param client integer
function M.closed(approval, client)
  local over = taken(client, function(question)
    -- Each showing of it ends in its mark, such as `[k3xw.2]`.
    return not question.file and question.text:match('%[([^%[%].]+)[^%[%]]*%]%s*$') == approval
  end)
  if over then
    over.answer(nil)
    changed()
  end
end

--- A server is gone, with its questions.
function M.forget(client)
  calls[client] = nil
  local before = #questions
  questions = vim.tbl_filter(function(question)
    return question.client ~= client
  end, questions)
  if #questions < before then
    changed()
  end
end

--- The open question, if any.
---@return {text: string, titles: string[]}?
function M.waiting()
  local question = questions[1]
  return question and { text = question.text, titles = vim.deepcopy(question.titles) }
end

--- Answers by number, or in words where the agent asks for words; nothing only moves into the window.
---@param given? integer|string
---@return string? failure
function M.answer(given)
  local question = questions[1]
  local number = tonumber(given)
  if not question then
    return 'no question is open; :Countersign approvals shows one again'
  elseif given and question.file and not (number and question.titles[number]) then
    decide(nil, tostring(given))
  elseif given and not number then
    return ('answer with the number of a choice, 1 to %d'):format(#question.titles)
  elseif not number then
    if not is_open() then
      show()
    end
    if is_open() then
      vim.api.nvim_set_current_win(window)
    end
  elseif not question.titles[number] then
    return ('the choices are 1 to %d'):format(#question.titles)
  else
    decide(number)
  end
end

--- Answers with the choice under the cursor; does nothing outside of the question's window.
function M.answer_here()
  if window and vim.api.nvim_get_current_win() == window then
    local number = rows[vim.api.nvim_win_get_cursor(window)[1]]
    if number then
      M.answer(number)
    end
  end
end

--- Closes the question without a choice: the agent is told that nobody decided.
function M.dismiss()
  if not questions[1] then
    return 'no question is open'
  end
  decide(nil)
end

local group = vim.api.nvim_create_augroup('countersign-question', {})
vim.api.nvim_create_autocmd({ 'TabEnter', 'VimResized' }, {
  group = group,
  callback = function()
    -- A window of one tab page is not seen in another. A question that the user closed stays closed.
    if is_open() then
      show()
    end
  end,
})
vim.api.nvim_create_autocmd({ 'CursorMoved', 'CursorMovedI' }, {
  group = group,
  callback = function()
    -- It makes way for what the user types.
    local now = is_open() and vim.api.nvim_win_get_config(window)
    if now and hides_cursor(now.anchor, now.width, now.height) then
      local other = now.anchor == 'NE' and 'SE' or 'NE'
      if not hides_cursor(other, now.width, now.height) then
        vim.api.nvim_win_set_config(window, place(other, now.width, now.height))
      end
    end
  end,
})
vim.api.nvim_create_autocmd('CmdwinLeave', {
  group = group,
  callback = function()
    vim.schedule(function()
      if is_open() or shown ~= questions[1] then
        show()
      end
    end)
  end,
})
vim.api.nvim_create_autocmd('TabClosed', {
  group = group,
  callback = function()
    -- It went with the tab page that showed it; nobody closed it.
    if window and not vim.api.nvim_win_is_valid(window) then
      show()
    end
  end,
})

return M
