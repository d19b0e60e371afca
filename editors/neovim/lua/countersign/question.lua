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
---@field answer fun(choice?: integer)

--- Open questions, oldest first; a client has at most one. The first is shown.
---@type countersign.Question[]
local questions = {}
local window, buffer = nil, nil
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
  local lines = wrapped(question.text, width)
  table.insert(lines, '')
  rows = {}
  for number, title in ipairs(question.titles) do
    table.insert(lines, ('  %d  %s'):format(number, title))
    rows[#lines] = number
  end
  table.insert(lines, '')
  table.insert(lines, ':Countersign answer ' .. table.concat(vim.fn.range(1, #question.titles), '|'))
  if not buffer or not vim.api.nvim_buf_is_valid(buffer) then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.bo[buffer].filetype = 'countersign-question'
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
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

--- Ends the first question.
local function decide(choice)
  local question = table.remove(questions, 1)
  hide()
  question.answer(choice)
  show()
end

--- Takes a client's question off, if it has one.
local function taken(client)
  for index, question in ipairs(questions) do
    if question.client == client then
      return table.remove(questions, index)
    end
  end
end

--- `window/showMessageRequest`. Runs in a coroutine, as Neovim runs all requests of a server.
function M.handler(_, params, context)
  local titles = vim.tbl_map(function(action)
    return action.title
  end, params.actions or {})
  local waiting = coroutine.running()
  local older = taken(context.client_id)
  table.insert(questions, {
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
    -- The server keeps one showing on the screen; the older is answered by nothing.
    older.answer(nil)
  end
  show()
  vim.api.nvim_exec_autocmds('User', { pattern = 'CountersignQuestion', modeline = false })
  return coroutine.yield()
end

--- The open question, if any.
---@return {text: string, titles: string[]}?
function M.waiting()
  local question = questions[1]
  return question and { text = question.text, titles = vim.deepcopy(question.titles) }
end

--- Answers by number; 0 or nothing only moves into the window.
---@param number? integer
---@return string? failure
function M.answer(number)
  local question = questions[1]
  if not question then
    return 'no question is open; :Countersign approvals shows one again'
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
    if window then
      show()
    end
  end,
})
vim.api.nvim_create_autocmd('LspDetach', {
  group = group,
  callback = function()
    vim.schedule(function()
      local before = #questions
      questions = vim.tbl_filter(function(question)
        local client = vim.lsp.get_client_by_id(question.client)
        return client ~= nil and not client.is_stopped(client)
      end, questions)
      if #questions < before then
        show()
      end
    end)
  end,
})

return M
