-- Two folders, two servers, one log: what is done in the log means the server whose lines stand at the cursor, and what is done in
-- a file that file's own.
local wait, equal = lab.wait, lab.equal
local busy = require('countersign.state').is_busy
vim.cmd.edit('list.txt')
local here = vim.api.nvim_buf_get_name(0)
local first = lab.client()
local folder = vim.env.HOME .. '/second'
vim.fn.mkdir(folder)
vim.fn.writefile({ 'line 1' }, folder .. '/list.txt')
for _, command in ipairs({ { 'git', 'init', '--quiet', folder }, { vim.env.LAB_SERVER, 'trust', 'add', folder } }) do
  vim.fn.system(command)
  equal(vim.v.shell_error, 0, table.concat(command, ' '))
end
vim.cmd.edit(folder .. '/list.txt')
local second = lab.client()
assert(first.id ~= second.id, 'each folder has its server')
local run = require('countersign.run').buffer()
local function row_of(words)
  for row, line in ipairs(vim.api.nvim_buf_get_lines(run, 0, -1, false)) do
    if line:find(words, 1, true) then
      return row
    end
  end
end
--- Asks in the file that is open, and waits for what the command there prints.
local function ask(words, client)
  vim.cmd('Countersign ask ' .. words)
  wait('the log of ' .. words, function()
    return row_of('# ' .. words) and busy(client.id) and row_of('begun')
  end)
end
local function begun()
  local count = 0
  for _, line in ipairs(vim.api.nvim_buf_get_lines(run, 0, -1, false)) do
    count = count + (line:find('begun', 1, true) == 1 and 1 or line:find('  begun', 1, true) == 1 and 1 or 0)
  end
  return count
end

ask('The second folder.', second)
vim.cmd.edit(here)
ask('The first folder.', first)
wait('both commands', function()
  return begun() == 2
end)

-- Stop, with its key in the log, on the lines of the second.
vim.cmd('Countersign log')
vim.api.nvim_win_set_cursor(0, { row_of('# The second folder.'), 0 })
vim.api.nvim_feedkeys('x', 'x', false)
wait('the end of the second', function()
  return not busy(second.id)
end)
equal(busy(first.id), true, 'the first goes on')

-- What is said in the log on the lines of the first goes there, whoever ended last.
vim.api.nvim_win_set_cursor(0, { row_of('# The first folder.'), 0 })
vim.cmd('Countersign queue And more.')
wait('what was said', function()
  return row_of('» And more.')
end)
local tasks
require('countersign.client').command('status', {}, function(status)
  tasks = #status.tasks
end, nil, first.id)
wait('the tasks of the first', function()
  return tasks
end)
equal(tasks, 2, 'the first has one more')

-- In a file it is the file's own; the second asks again and is stopped from its file, not from the log.
vim.cmd('wincmd p')
vim.cmd('Countersign stop')
wait('the end of the first', function()
  return not busy(first.id)
end)
