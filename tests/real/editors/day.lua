-- A day of use: what people do to buffers, windows, folds and options beside the review. Nothing of it may break the plugin, and
-- nothing of the plugin may break it.
local wait, equal = lab.wait, lab.equal
vim.g.countersign = vim.tbl_extend('force', vim.g.countersign, { keys = true })
-- As with `nvim -M`.
vim.go.modifiable = false
vim.cmd.edit('list.txt')
vim.bo.modifiable = true
lab.client()

local function call(name, input)
  return { type = 'tool_use', id = name .. input.path, name = name, input = input }
end
local function edit(path, ...)
  local edits = {}
  for _, line in ipairs({ ... }) do
    table.insert(edits, { old = 'line ' .. line .. '\n', new = 'LINE ' .. line .. '\n' })
  end
  return call('edit_file', { path = path, edits = edits })
end
local function text(words)
  return { type = 'text', text = words }
end
local asked = 0
--- A whole task: it says and does this, and ends.
local function task(...)
  asked = asked + 2
  lab.answer(asked - 1, { ... })
  lab.answer(asked, { text('Task ' .. asked .. ' is over.') })
  wait('the end', function()
    return lab.said('Task ' .. asked .. ' is over.')
  end)
end
local function hunks(n)
  wait(n .. ' pending changes', function()
    return #lab.hunks() == n and (n == 0 or #lab.drawn() >= n)
  end)
end
local function log()
  return table.concat(vim.api.nvim_buf_get_lines(require('countersign.run').buffer(), 0, -1, false), '\n')
end

-- What it does is said where buffers are unmodifiable, and while the model thinks it does not merely "start".
local windows = #vim.api.nvim_list_wins()
vim.cmd('Countersign ask Shout.')
lab.requested(1)
wait('the progress window', function()
  return #vim.api.nvim_list_wins() == windows + 1 and require('countersign').status() == 'thinking'
end)

-- The log is deleted while the agent speaks: what comes afterwards stands in it.
vim.cmd('Countersign log')
vim.cmd.bdelete()
task(text('I shout.'), edit('list.txt', 3, 20))
wait('the rest of the log', function()
  return log():find('I shout.', 1, true) and log():find('■ ended', 1, true)
end)
hunks(2)

vim.go.modifiable = true

-- So it does where a session has brought a buffer of its name.
vim.cmd.bwipe({ require('countersign.run').buffer(), bang = true })
local old = vim.fn.bufadd('countersign://run')
vim.cmd('Countersign ask Shout more.')
task(edit('list.txt', 8), edit('list.md', 1))
wait('the log of the session', function()
  return log():find('■ ended', 1, true)
end)
equal(require('countersign.run').buffer(), old, 'the log')
equal({ vim.bo[old].buftype, vim.bo[old].modifiable, vim.bo[old].modified }, { 'nofile', false, false }, 'nobody types into it')
hunks(3)

-- Keys come back with the file.
local function mapped()
  return vim.fn.maparg(']g', 'n') ~= ''
end
wait('the keys', mapped)
vim.cmd.bdelete()
vim.cmd.edit('list.txt')
vim.bo.modifiable = true
wait('the keys again', mapped)

-- Diff mode takes no fold away, and leaves none.
vim.wo.foldmethod = 'manual'
vim.cmd('12,14fold | 11,16fold | 11foldopen | 25,26fold')
local function folds()
  local all = {}
  for line = 1, vim.fn.line('$') do
    table.insert(all, vim.fn.foldlevel(line) .. (vim.fn.foldclosed(line) == line and 'closed' or ''))
  end
  return all
end
local before = folds()
assert(vim.tbl_contains(before, '2closed'), vim.inspect(before))
vim.cmd('Countersign split')
equal(vim.wo.foldmethod, 'diff', 'diff mode')
-- The folds move with what is typed meanwhile.
vim.api.nvim_buf_set_lines(0, 9, 9, false, { 'typed' })
table.insert(before, 10, '0')
vim.cmd('wincmd l | close')
equal(folds(), before, 'the folds')
vim.cmd('normal! zE')

-- The file gets another name: what was to be reviewed belongs to the old one.
hunks(3)
vim.cmd('silent saveas copy.txt')
wait('no change here', function()
  return #lab.drawn() == 0
end)
vim.cmd.edit('list.txt')
vim.bo.modifiable = true
hunks(3)

-- Everything means everything: changes of all tasks, in all files.
vim.cmd('Countersign accept_file')
wait('the file', function()
  return lab.text():find('LINE 3\n', 1, true) and lab.text():find('LINE 8\n', 1, true) and lab.text():find('LINE 20\n', 1, true)
end)
local function all()
  return require('countersign.state').items()
end
wait('the word of the server', function()
  return #all() == 1
end)
equal(vim.fs.basename(all()[1].name), 'list.md', 'the other file waits')
vim.cmd('Countersign ask Shout again.')
task(edit('list.txt', 5))
hunks(1)
vim.cmd('Countersign accept_all')
wait('nothing to review', function()
  return #all() == 0
end)

-- A file that cannot be changed, and why.
vim.cmd('Countersign ask And again.')
task(edit('list.txt', 6))
hunks(1)
vim.bo.modifiable = false
vim.cmd('Countersign accept_all')
local function reasons()
  return vim.tbl_filter(function(message)
    return message:find("list.txt cannot be changed in this editor: 'modifiable' is off", 1, true)
  end, require('countersign.show').messages())
end
wait('the reason', function()
  return #reasons() > 0
end)
vim.bo.modifiable = true
vim.cmd('Countersign reject_all')
hunks(0)
equal(#reasons(), 1, 'it is said once')

-- The question shows its choices in any terminal.
vim.cmd('Countersign ask Ask me.')
lab.answer(asked + 1, { { type = 'tool_use', id = 'q', name = 'ask_user', input = { question = 'Which?', choices = { 'this', 'that' } } } })
lab.asked('Which?')
vim.o.lines, vim.o.columns = 12, 40
vim.api.nvim_exec_autocmds('VimResized', {})
local small, lines = lab.question_window()
assert(small.height >= #lines and small.height + 2 <= 10, vim.inspect({ small, lines }))
equal(lines[#lines], '  4  that', 'the last choice')
vim.o.lines, vim.o.columns = 24, 80

-- The file is gone when its question is answered.
vim.cmd('Countersign answer 4')
lab.answer(asked + 2, { text('So be it.') })
wait('the end', function()
  return lab.said('So be it.')
end)
asked = asked + 2
vim.ui.input = function(_, done)
  vim.cmd('bwipe!')
  done('Go on.')
end
vim.cmd('Countersign ask')
lab.answer(asked + 1, { text('On.') })
wait('the end', function()
  return lab.said('On.')
end)

-- An error stays until it was read, in a line that says where the rest is; what is whole is in the messages.
local notify, shown, at = vim.notify, {}, nil
local stood
vim.notify = function(line)
  if shown[#shown] and shown[#shown]:match('^grave') then
    stood = vim.uv.now() - at >= 3000
  end
  table.insert(shown, line)
  at = vim.uv.now()
end
local show = require('countersign.show')
show.tell('grave ' .. ('and long '):rep(20), vim.log.levels.ERROR)
show.tell('by the way')
wait('the rest', function()
  return shown[#shown] == 'by the way'
end)
local grave = vim.tbl_filter(function(line)
  return line:match('^grave .*… :Countersign messages$')
end, shown)
equal(#grave, 1, vim.inspect(shown))
equal(stood, true, 'the error stood alone for a while')
vim.notify = notify

-- Without a word, and without room.
vim.cmd('Countersign')
assert(lab.said('say what: :Countersign ask TEXT'))
local last
repeat
  last = pcall(vim.cmd.split)
until not last
for _, name in ipairs({ 'messages', 'log', 'hunks', 'split', 'status', 'lsp_log' }) do
  vim.cmd('Countersign ' .. name)
end
wait('the reason', function()
  return lab.said('messages: E36: Not enough room') and lab.said('log: E36: Not enough room')
end)

-- All of it without a function that Neovim means to take away.
if vim.fn.has('nvim-0.12') == 1 then
  vim.cmd.tabnew()
  vim.cmd('silent checkhealth vim.deprecated')
  assert(lab.text():find('No deprecated functions detected', 1, true), lab.text())
end
