-- Commit approved, push rejected, and approved in a new task: each by `:Countersign answer`.
local wait, equal = lab.wait, lab.equal
vim.cmd.edit('list.txt')
lab.client()
vim.cmd('Countersign ask Shout.')
wait('two hunks', function()
  return #lab.hunks() == 2
end)
vim.cmd('normal! 2G')
vim.cmd('Countersign accept')
wait('the accepted text', function()
  return vim.fn.getline(2) == 'LINE 2'
end)
wait('the first end', function()
  return lab.said('Two changes.')
end)

local function decide(words, title)
  equal(vim.list_slice(lab.asked(words).titles, 1, 2), { 'Reject', 'Show' }, 'the safe choices come first')
  lab.decide(words, title)
end

vim.cmd('Countersign queue Commit and push.')
-- Show opens the document and asks anew; the document is no answer.
local window = vim.api.nvim_get_current_win()
decide('Commit', 'Show')
wait('the document', function()
  return vim.api.nvim_buf_get_name(0):find('question-', 1, true) and lab.text():find('+LINE 2', 1, true)
end)
vim.api.nvim_win_close(0, true)
equal(vim.api.nvim_get_current_win(), window, 'the user is back in the file')
decide('Commit', 'Commit')
decide('Push', 'Reject')
wait('the second end', function()
  return lab.said('It stays here.')
end)
equal(lab.question('') == nil, true, 'no question is left')

vim.cmd('Countersign queue Push it now.')
decide('Push', 'Push')
wait('the third end', function()
  return lab.said('Pushed.')
end)

-- What moved between question and answer is not pushed.
local function commit(message)
  vim.fn.system({ 'git', 'commit', '--quiet', '--allow-empty', '--message', message })
  equal(vim.v.shell_error, 0, 'the commit by hand')
end
commit('by hand')
vim.cmd('Countersign queue Push once more.')
wait('the question', function()
  return lab.question('Push')
end)
commit('sneaked in')
decide('Push', 'Push')
wait('the fourth end', function()
  return lab.said('So be it.')
end)

-- A new file, accepted from anywhere: on the disk it is still empty, in its buffer it is whole.
vim.cmd('Countersign ask Add a file.')
wait('the new file', function()
  return lab.said('Added.')
end)
vim.cmd('Countersign reject_file')
wait('only the new file', function()
  local all = require('countersign.state').items()
  return #lab.hunks() == 0 and #all == 1 and all[1].file.op == 'create'
end)
vim.cmd('Countersign accept_all')
wait('the new file on the disk', function()
  return vim.fn.filereadable('sub/new.txt') == 1 and #vim.fn.readfile('sub/new.txt') == 2
end)
vim.cmd('edit sub/new.txt')
equal(lab.text(), 'one\ntwo\n', 'the new file')
equal(vim.bo.modified, false, 'what was not open before is saved')
equal(vim.fn.readfile('sub/new.txt'), { 'one', 'two' }, 'the new file on the disk')

-- What a command cannot do is said.
vim.cmd('Countersign dashboard')
wait('the refusal', function()
  return lab.said('not available yet')
end)
