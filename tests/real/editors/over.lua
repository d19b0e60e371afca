-- What is over goes from the screen, and nothing that is typed goes elsewhere for it: documents that were sent, questions that were
-- decided or whose task was stopped, tasks whose server was killed. What was said stands in the log.
local wait, equal = lab.wait, lab.equal
vim.cmd.edit('list.txt')
lab.client()
local here = vim.api.nvim_get_current_win()
local function call(id, name, input)
  return { type = 'tool_use', id = id, name = name, input = input }
end
local function text(words)
  return { type = 'text', text = words }
end
local function log()
  return table.concat(vim.api.nvim_buf_get_lines(require('countersign.run').buffer(), 0, -1, false), '\n')
end
local function document(stem)
  wait('the document ' .. stem, function()
    return vim.fs.basename(vim.api.nvim_buf_get_name(0)):find('^' .. stem .. '%-')
  end)
  return vim.api.nvim_get_current_win()
end
local function over(word)
  wait(word, function()
    return vim.wo.winbar:find(word, 1, true)
  end)
end
local function gone(window)
  wait('the window to go', function()
    return not vim.api.nvim_win_is_valid(window)
  end)
end

-- A prompt document: the cursor stands where one writes. Once sent it can be read until the user leaves it.
vim.cmd('Countersign ask!')
local window = document('ask')
equal({ vim.fn.getline('.'), vim.fn.getline(vim.fn.line('.') - 2):match('%-%->$') }, { '', '-->' }, 'the line to write on')
vim.api.nvim_set_current_line('Look around.')
vim.api.nvim_buf_set_lines(0, -2, -1, false, { '[x] send' })
vim.cmd('silent write')
lab.requested(1)
over('sent')
equal({ vim.api.nvim_get_current_win(), vim.bo.modifiable }, { window, false }, 'the user stays in it')
vim.cmd('wincmd p')
gone(window)
equal(vim.api.nvim_get_current_win(), here, 'back in the file')

-- What was streamed is not repeated at the end.
lab.answer(1, { text('I looked around.') })
wait('the end', function()
  return log():find('■ ended', 1, true)
end)
equal(select(2, log():gsub('I looked around%.', '')), 1, 'how often it stands there')

-- A question with choices: a stopped task takes it along, with its document.
vim.cmd('Countersign ask Ask me.')
lab.answer(2, { call('a', 'ask_user', { question = 'Which colour?', options = { 'red', 'green' } }) })
lab.decide('Which colour?', 'Show')
window = document('question')
lab.asked('Which colour?')
vim.api.nvim_set_current_win(here)
vim.cmd('Countersign stop')
wait('no question', function()
  return lab.question('') == nil and lab.question_window() == nil
end)
gone(window)
wait('its end', function()
  return log():find('■ cancelled', 1, true)
end)

-- Decided by somebody who reads it: the document stays until `q`, which goes back to where the user was.
vim.cmd('Countersign ask Ask me again.')
lab.answer(3, { call('b', 'ask_user', { question = 'Which shade?', options = { 'light', 'dark' } }) })
lab.decide('Which shade?', 'Show')
window = document('question')
lab.decide('Which shade?', 'dark')
lab.requested(4)
over('approved')
equal(vim.api.nvim_get_current_win(), window, 'the user stays in it')
vim.api.nvim_feedkeys('q', 'x', false)
gone(window)
equal(vim.api.nvim_get_current_win(), here, 'back in the file')

-- What the agent says at its end stands in the log, whole; so does what was left out.
local edit = { path = 'list.txt', edits = { { old = 'line 4\n', new = 'LINE 4\n' } } }
local make = { path = 'Makefile', content = 'all:\n\ttrue\n' }
lab.answer(4, { call('c', 'edit_file', edit), call('d', 'write_file', make) })
lab.answer(5, { call('e', 'finish', { summary = 'It is dark.\nThe tests were not run.' }) })
wait('the summary', function()
  return log():find('■ ended · 2 to review\n  It is dark.\n  The tests were not run.', 1, true)
end)
-- Going to a change shows its new lines too.
wait('the change', function()
  return #lab.drawn() == 2
end)
vim.cmd('split | resize 4')
vim.cmd('normal! gg')
vim.cmd('Countersign next')
assert(vim.fn.line('.') == 4 and vim.fn.winline() < 4, vim.inspect({ vim.fn.line('.'), vim.fn.winline() }))
vim.cmd('close')
equal(vim.api.nvim_get_current_win(), here, 'back in the file')
vim.cmd('Countersign accept_all')
wait('what is left', function()
  return lab.said('1 change steers tools and is left: accept it on its own')
end)
vim.cmd('normal! gg')
vim.ui.input = function(_, done)
  done('it is loud')
end
vim.cmd('Countersign hunks')
vim.cmd('Countersign reject!')
wait('nothing pending', function()
  return #require('countersign.state').items() == 0
end)
vim.cmd('cclose')
equal(vim.api.nvim_get_current_win(), here, 'back in the file')

-- An explanation is read as it comes, and the user stays where they are.
vim.cmd('Countersign explain What is this?')
wait('the log', function()
  return require('countersign.run').is_shown()
end)
equal(vim.api.nvim_get_current_win(), here, 'in the file')
lab.answer(6, { text('A list.') })
wait('the end', function()
  return lab.said('A list.')
end)

-- `q` in a window that lies beside the log goes back to the file, not into the log, where keys mean something else.
vim.cmd('Countersign messages')
equal(vim.fn.line('.'), vim.fn.line('$'), 'the newest message')
vim.api.nvim_feedkeys('q', 'x', false)
equal(vim.api.nvim_get_current_win(), here, 'in the file')

-- A task whose server is killed: the log and the message say so.
vim.cmd('Countersign ask Wait for ever.')
lab.requested(7)
for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
  if vim.api.nvim_get_proc(pid).name == 'countersign' then
    vim.uv.kill(pid, 'sigkill')
  end
end
wait('the word', function()
  return log():find('■ cut off: Wait for ever.', 1, true)
    and lab.said('is started again; ask again what was cut off: Wait for ever.')
end)
