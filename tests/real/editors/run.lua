-- A run as it streams: text, calls, output; steered and queued with proof that it arrived; stopped in the middle of a command.
local wait, equal = lab.wait, lab.equal
local status = require('countersign').status
vim.cmd.edit('list.txt')
lab.client()
local run = require('countersign.run').buffer()
local function log()
  return table.concat(vim.api.nvim_buf_get_lines(run, 0, -1, false), '\n')
end
local function logged(words)
  return wait(words, function()
    return log():find(words, 1, true)
  end)
end
--- The line of the log with these words, and what stands behind it.
local function behind(words)
  for row, line in ipairs(vim.api.nvim_buf_get_lines(run, 0, -1, false)) do
    if line:find(words, 1, true) then
      local space = vim.api.nvim_get_namespaces()['countersign-run']
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(run, space, { row - 1, 0 }, { row - 1, -1 }, { details = true })) do
        if mark[4].virt_text then
          return vim.trim(mark[4].virt_text[1][1])
        end
      end
    end
  end
end
local function running(command)
  for _, path in ipairs(vim.fn.glob('/proc/[0-9]*/cmdline', true, true)) do
    local ok, lines = pcall(vim.fn.readfile, path, 'b', 5)
    if ok and table.concat(lines, ' '):find(command, 1, true) then
      return true
    end
  end
  return false
end

-- The test plays the model, step by step.
local function call(id, command)
  return { type = 'tool_use', id = id, name = 'run', input = { command = command } }
end
local function text(words)
  return { type = 'text', text = words }
end

-- The first sign of life comes with the first word of the server, before any model is asked, and within a second. The log's window
-- opens only when asked for.
local windows = #vim.api.nvim_list_wins()
local path = vim.env.LAB_MODEL:match('^manual:(.*)') .. '/1.request.json'
local life, asked
vim.api.nvim_create_autocmd('User', {
  pattern = 'CountersignUpdate',
  callback = function(event)
    life = life or { event.data.state, status() ~= '' }
    asked = asked or (event.data.state == 'thinking' and status() ~= '')
  end,
})
local beats = lab.clock()
vim.cmd('Countersign ask Run something.')
wait('a sign of life', function()
  return life
end)
assert(beats() < 100, 'it took longer than a second')
equal(life, { 'preparing', true }, 'the first word of the server')
wait('that the model is asked', function()
  return vim.uv.fs_stat(path) and asked
end)
wait('the progress window', function()
  return #vim.api.nvim_list_wins() == windows + 1
end)
local progress = vim.api.nvim_win_get_config(vim.api.nvim_list_wins()[windows + 1])
equal({ progress.focusable, progress.relative }, { false, 'editor' }, 'it cannot be entered')
lab.answer(1, { text('I run something.'), call('a', "echo 'one of the output'; printf '\\033[31mred\\033[0m\\n'") })
logged('I run something.')
logged('one of the output')

-- What the user says is queued until the agent has seen it.
wait('the number of the iteration', function()
  return status():find('^%d+/20 ') and require('countersign').info().iterations == 20
end)
lab.requested(2)
vim.cmd('Countersign steer Mind the tests.')
wait('queued', function()
  return behind('» Mind the tests.') == 'queued'
end)
vim.cmd('Countersign queue And then this.')
wait('queued', function()
  return behind('» And then this.') == 'queued'
end)

-- The log scrolls while the cursor stands at its end, and not otherwise.
vim.cmd('Countersign log')
local window = vim.api.nvim_get_current_win()
equal(vim.api.nvim_get_current_buf(), run, 'the log')
vim.cmd('normal! gg')
lab.answer(2, { text('Once more.'), call('b', "echo 'two of the output'; echo x > ${PREFIX:-/usr}/by-a-command") })
logged('two of the output')
-- What the walls refused, for the user, and the advice to the model is not.
logged('/usr/by-a-command: everything outside the workspace is read-only here.')
equal(select(2, log():gsub('read%-only here', '')), 1, 'it is said once')
equal(log():find('There is no other way', 1, true), nil, 'advice to the model')
equal(vim.fn.line('.'), 1, 'the cursor stays')
vim.cmd('normal! G')
wait('seen', function()
  return behind('» Mind the tests.') == 'seen'
end)
assert(lab.said('the agent has seen: Mind the tests.'))
lab.answer(3, { text('That was one.') })
logged('That was one.')
wait('at the end', function()
  return vim.api.nvim_win_get_cursor(window)[1] == vim.api.nvim_buf_line_count(run)
end)
wait('started', function()
  return behind('» And then this.') == 'started'
end)
equal(vim.bo.modifiable, false, 'nobody types into it')
equal(log():find('\27', 1, true), nil, 'no control characters')
logged('■ ended')
-- No other test sleeps as long, whatever runs beside this one.
local long = ('98765.%07d'):format(vim.fn.getpid())
lab.answer(4, { text('Now this.'), call('c', 'echo 100%s; sleep ' .. long) })

-- Stop, with its key in the log, in the middle of the second command.
logged('sleep ' .. long)
wait('the command', function()
  return running(long)
end)
-- The manual's status line shows it as it is, signs that mean something to Neovim too.
local manual = table.concat(vim.fn.readfile(vim.env.LAB_PLUGIN .. '/doc/countersign.txt'), '\n')
local line = vim.api.nvim_eval_statusline(manual:match('vim%.o%.statusline = "(.-)"\n'), {}).str
assert(line:find('running echo 100%s; sleep ' .. long, 1, true), line)

local stopping = lab.clock()
vim.api.nvim_feedkeys('x', 'x', false)
logged('■ cancelled')
assert(stopping() < 200, 'stopping took longer than two seconds')
assert(not running(long), 'it is said to be stopped, and runs')
wait('rest', function()
  return status() == ''
end)
wait('no progress window', function()
  return #vim.api.nvim_list_wins() == windows + 1
end)

-- Once more, from there, with a note.
vim.ui.input = function(options, done)
  equal(options.prompt, 'Once more, but: ', 'the prompt')
  done('without sleeping')
end
vim.api.nvim_feedkeys('r', 'x', false)
lab.answer(5, { text('Without sleep.') })
logged('Without sleep.')
vim.api.nvim_feedkeys('q', 'x', false)
wait('q closes the log, and progress its window', function()
  return #vim.api.nvim_list_wins() == windows
end)
