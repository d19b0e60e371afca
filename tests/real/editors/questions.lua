-- The agent asks: for a choice, for words, for a permission that may be remembered; a question closed, hidden and reopened.
local wait, equal = lab.wait, lab.equal
vim.cmd.edit('list.txt')
lab.client()
local here = vim.api.nvim_get_current_win()
local function call(id, name, input)
  return { type = 'tool_use', id = id, name = name, input = input }
end
local asked, decide = lab.asked, lab.decide
--- What the model was told as the result of a call.
local function told(n, words)
  local path = vim.env.LAB_MODEL:match('^manual:(.*)') .. ('/%d.request.json'):format(n)
  wait(words .. ' in request ' .. n, function()
    local ok, lines = pcall(vim.fn.readfile, path)
    return ok and table.concat(lines, '\n'):find(words, 1, true)
  end)
end

-- A choice.
vim.cmd('Countersign ask Ask me.')
lab.answer(1, { call('a', 'ask_user', { question = 'Which colour?', options = { 'red', 'green' } }) })
local question = asked('Which colour?')
equal(question.titles, { 'Reject', 'Show', 'red', 'green' }, 'the choices')
equal(vim.api.nvim_get_current_win(), here, 'the focus stays')
wait('the status', function()
  return require('countersign').status():find('waits for you', 1, true) and require('countersign').info().state == 'waiting'
end)
decide('Which colour?', 'green')
told(2, 'the user answers: green')

-- Words, without a window opening; a number that is no choice is an answer as well.
local windows = #vim.api.nvim_list_wins()
lab.answer(2, { call('b', 'ask_user', { question = 'Which\nname?' }) })
question = asked('Which\nname?')
equal(question.titles, { 'Do not answer', 'Write an answer' }, 'the choices')
equal({ vim.api.nvim_get_current_win(), #vim.api.nvim_list_wins() - windows }, { here, 1 }, 'only the question came')
vim.cmd('Countersign answer Call it 7 "sins".')
told(3, [[the user answers: Call it 7 \"sins\".]])
equal(lab.question('') == nil, true, 'it is answered')

-- Not answered.
lab.answer(3, { call('c', 'ask_user', { question = 'And now?' }) })
asked('And now?')
vim.cmd('Countersign answer 1')
told(4, 'the user did not answer')

-- In its document.
lab.answer(4, { call('d', 'ask_user', { question = 'At length?' }) })
asked('At length?')
vim.cmd('Countersign answer 2')
wait('the document', function()
  return vim.api.nvim_buf_get_name(0):find('/answer-', 1, true)
end)
vim.api.nvim_buf_set_lines(0, -2, -1, false, { 'At great length.', '[x] send' })
vim.cmd('silent write | close')
told(5, 'the user answers: At great length.')

-- A stopped task takes its question along.
lab.answer(5, { call('e', 'ask_user', { question = 'Too late?' }) })
asked('Too late?')
vim.cmd('Countersign stop')
wait('no question', function()
  return lab.question('') == nil
end)

-- A permission that is remembered, and says what it covers.
vim.cmd('Countersign ask Fetch something.')
local fetch = { command = 'echo fetched' }
lab.answer(6, { call('f', 'run', fetch) })
question = asked('Run echo')
equal(vim.list_slice(question.titles, 1, 2), { 'Reject', 'Show' }, 'the safe ones first')
equal(question.titles[#question.titles], 'Always', 'it may be remembered')
decide('Run echo', 'Show')
wait('what it covers', function()
  return vim.api.nvim_buf_get_name(0):find('/question-', 1, true) and lab.text():find('"Always" remembers', 1, true)
end)
vim.cmd('close')
asked('Run echo')

-- Hidden, it stays open; reopened, it is another showing of the same.
for _, window in ipairs(vim.api.nvim_list_wins()) do
  if vim.bo[vim.api.nvim_win_get_buf(window)].filetype == 'countersign-question' then
    vim.api.nvim_win_close(window, false)
  end
end
equal(lab.question('Run echo') ~= nil, true, 'closing its window answers nothing')
vim.cmd('Countersign approvals')
wait('the question on the screen', function()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.bo[vim.api.nvim_win_get_buf(window)].filetype == 'countersign-question' then
      return true
    end
  end
end)
decide('Run echo', 'Always')
told(7, 'fetched')
lab.answer(7, { call('g', 'run', vim.tbl_extend('force', fetch, { timeout_s = 30 })) })
told(8, 'fetched')
equal(lab.question('') == nil, true, 'it was remembered')
lab.answer(8, { { type = 'text', text = 'Fetched.' } })
wait('the end', function()
  return lab.said('Fetched.')
end)

-- What the agent asks the editor itself, without a question to the user.
vim.diagnostic.set(vim.api.nvim_create_namespace('lab'), 0, { { lnum = 1, col = 0, severity = 1, message = 'odd line', source = 'lab' } })
vim.cmd('Countersign ask Look.')
lab.answer(9, { call('h', 'editor', { op = 'open_buffers' }), call('i', 'diagnostics', { path = 'list.txt' }) })
told(10, 'odd line')
told(10, 'list.txt')
lab.answer(10, { { type = 'text', text = 'Looked.' } })
wait('the end', function()
  return lab.said('Looked.')
end)
vim.cmd('Countersign approvals')
wait('nothing is open', function()
  return lab.said('no question is open')
end)
