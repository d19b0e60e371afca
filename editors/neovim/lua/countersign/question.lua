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
local space = vim.api.nvim_create_namespace('countersign-question')
--- Row (from 1) to choice.
local rows = {}

local function hide()
  if window and vim.api.nvim_win_is_valid(window) then
    vim.api.nvim_win_close(window, true)
  end
  window = nil
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

local function show()
  hide()
  local question = questions[1]
  if not question then
    return
  end
  local width = math.max(math.min(76, vim.o.columns - 6), 20)
  require('countersign.colors').set()
  local lines = {}
  for _, line in ipairs(vim.split(question.text, '\n', { plain = true })) do
    for _, row in ipairs(wrapped(line, width - 2)) do
      table.insert(lines, ' ' .. row)
    end
  end
  table.insert(lines, '')
  rows = {}
  for number, title in ipairs(question.titles) do
    table.insert(lines, ('  %d  %s'):format(number, title))
    rows[#lines] = number
  end
  table.insert(lines, '')
  local hint = ':Countersign answer ' .. table.concat(vim.fn.range(1, #question.titles), '|')
  table.insert(lines, ' ' .. (question.file and ':Countersign answer YOUR WORDS' or hint))
  if not buffer or not vim.api.nvim_buf_is_valid(buffer) then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.bo[buffer].filetype = 'countersign-question'
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
  for row, number in pairs(rows) do
    local choice = { end_row = row, end_col = 0, hl_group = 'CountersignChoice', strict = false }
    vim.api.nvim_buf_set_extmark(buffer, space, row - 1, 0, choice)
    -- The first is the safe one.
    if number == 1 and not question.file then
      vim.api.nvim_buf_set_extmark(buffer, space, row - 1, 0, { virt_text = { { '  changes nothing', 'CountersignLabel' } } })
    end
  end
  vim.api.nvim_buf_set_extmark(buffer, space, #lines - 1, 0, { end_row = #lines, end_col = 0, hl_group = 'CountersignLabel', strict = false })
  window = vim.api.nvim_open_win(buffer, false, {
    relative = 'editor',
    anchor = 'NE',
    row = 1,
    col = vim.o.columns - 1,
    width = width,
    height = math.min(#lines, math.max(vim.o.lines - 6, 3)),
    style = 'minimal',
    border = 'rounded',
    title = ' countersign asks ',
    noautocmd = true,
  })
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
    return 'answer with the number of a choice: :Countersign answer 1'
  elseif not number then
    if not window or not vim.api.nvim_win_is_valid(window) then
      show()
    end
    vim.api.nvim_set_current_win(window)
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
    if window and vim.api.nvim_win_is_valid(window) then
      show()
    end
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
