-- What is drawn: every kind of change, where it stands, and what becomes of it while the user types.
local wait, equal = lab.wait, lab.equal
vim.o.columns = 60
vim.fn.writefile({ '\tif x then', 'y', ('long '):rep(30), 'last' }, 'tabs.txt')
vim.g.countersign = vim.tbl_extend('force', vim.g.countersign, { keys = true })
vim.cmd.edit('list.txt')
lab.client()
vim.keymap.set('n', '[g', 'ix<Esc>', { buffer = true, desc = 'the user had it first' })
equal(vim.fn.maparg(']g', 'n'), '', 'no keys without changes')
vim.cmd('Countersign ask Change everything.')
wait('all files', function()
  return lab.said('Changed.')
end)
local marks, drawn = lab.marks, lab.drawn

-- An insertion before the first line, one line for three, a deletion, an insertion behind the last line.
wait('four hunks', function()
  return #marks('virt_lines') == 3 and #lab.hunks() == 4
end)
equal(drawn(), {
  { 0, 'above', 'line 0' },
  { 4, 'old', 'CountersignDelete', 7 },
  { 6, 'below', 'line five to seven' },
  { 19, 'old', 'CountersignDelete', 21 },
  { 29, 'below', 'line 31' },
}, 'what is drawn')
equal(vim.fn.winsaveview().topfill, 1, 'the line above the first is on the screen')

-- Keys that the user asked for, as long as there is something to review; what the buffer had is left alone.
equal(vim.fn.maparg(']g', 'n'), '<Plug>(countersign-next)', 'a key for the next one')
equal(vim.fn.maparg('[g', 'n', false, true).desc, 'the user had it first', "the user's own")

-- Marks move in the moment of typing, without the server.
vim.cmd('normal! 2GOone\rmore\27')
equal(drawn()[2], { 6, 'old', 'CountersignDelete', 9 }, 'the mark moved at once')
wait('the server says the same', function()
  return lab.hunks()[2].lnum == 6
end)
local ids = vim.tbl_map(function(mark)
  return mark[1]
end, marks())
vim.cmd('normal! 12Goand more\27')
vim.wait(400)
equal(vim.tbl_map(function(mark)
  return mark[1]
end, marks()), ids, 'nothing was drawn anew that need not be')
equal(drawn()[4][1], 22, 'the third moved')

-- Lines of a hunk that the user edits: stale, both texts are kept; taken back, it is pending again.
vim.cmd('normal! 8GAmine')
wait('stale', function()
  return lab.hunks()[2].state == 'stale'
end)
wait('stale is drawn', function()
  return marks('virt_text')[1] and marks('virt_text')[1][4].virt_text[1][1]:find('stale', 1, true)
end)
equal(marks('hl_group')[1][4].hl_group, 'CountersignStale', 'in its own colour')
vim.cmd('normal! u')
wait('pending again', function()
  return lab.hunks()[2].state == 'pending' and marks('hl_group')[1][4].hl_group == 'CountersignDelete'
end)

-- Reading the file anew takes the marks away, and they come back.
vim.cmd('silent edit!')
wait('the marks are back', function()
  return vim.deep_equal(drawn()[2], { 4, 'old', 'CountersignDelete', 7 })
end)

-- The next and the previous one, round the end.
local function line_after(command)
  vim.cmd('Countersign ' .. command)
  return vim.fn.line('.')
end
vim.cmd('normal! 2G')
equal({ line_after('next'), line_after('next'), line_after('next'), line_after('next') }, { 5, 20, 30, 1 }, 'next')
equal({ line_after('prev'), line_after('prev') }, { 30, 20 }, 'prev')

-- A fold over a change opens.
vim.cmd('4,8fold')
equal({ line_after('prev'), vim.fn.foldclosed(5) }, { 5, -1 }, 'the fold is open')
vim.cmd('normal! zE20G')

-- A buffer that must not be left is not left, and no error waits for a key.
vim.o.hidden = false
vim.cmd('silent new')
vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'unsaved' })
vim.cmd('Countersign next')
equal({ lab.text(), lab.said('E37') ~= nil }, { 'unsaved\n', true }, 'it stays, and says why')
vim.cmd('bwipeout!')
vim.o.hidden = true

-- The file as it would be, beside it; then all is as before.
local layout = vim.fn.winlayout()
vim.cmd('Countersign split')
equal(vim.wo.diff, true, 'in diff mode')
local proposed = vim.fn.getbufline(vim.fn.winbufnr(2), 1, '$')
equal({ #proposed, proposed[1], proposed[6], proposed[28] }, { 28, 'line 0', 'line five to seven', 'line 31' }, 'the proposed text')
wait('new lines stand on one side only', function()
  return #marks('virt_lines') == 0 and #marks('virt_text') == 4
end)
vim.cmd('only')
wait('the new lines are inline again', function()
  return #marks('virt_lines') == 3
end)
equal({ vim.wo.diff, vim.wo.scrollbind, vim.wo.foldmethod }, { false, false, 'manual' }, 'the window is as before')
equal(vim.fn.winlayout(), layout, 'and so is the layout')

-- All of them in the quickfix list, also files that are not open.
vim.cmd('Countersign! hunks')
equal(vim.fn.winlayout(), layout, 'nothing was opened')
local function listed()
  return vim.tbl_map(function(entry)
    return vim.fn.fnamemodify(vim.fn.bufname(entry.bufnr), ':t') .. ':' .. entry.lnum .. ' ' .. entry.text
  end, vim.fn.getqflist())
end
equal(listed(), {
  'Makefile:1 steers tools, new file +2  all:',
  'list.md:1 moves this file to moved.md',
  'list.txt:1 -0 +1  line 0',
  'list.txt:5 -3 +1  line five to seven',
  'list.txt:20 -2 +0  line 20',
  'list.txt:31 -0 +1  line 31',
  'other.txt:1 deletes this file',
  'new.txt:1 new file +2  one',
  'tabs.txt:1 makes this file executable',
  'tabs.txt:1 -1 +1  if y then',
  'tabs.txt:3 -1 +1  ' .. vim.trim(('long '):rep(29)) .. ' short',
}, 'the list')

-- In its window an entry counts as the change that it names; it stays true; and a deletion is taken.
vim.cmd('Countersign hunks')
vim.fn.cursor(5, 1)
vim.cmd('Countersign accept')
vim.cmd('cclose')
wait('the lines are gone', function()
  return vim.fn.line('$') == 28
end)
wait('the list has one less', function()
  return #vim.fn.getqflist() == 10
end)
equal(vim.fn.readfile('list.txt')[20], 'line 22', 'a clean file is saved')
vim.fn.setqflist({}, ' ', { title = 'a list of the user', items = { { filename = 'list.txt', lnum = 5, text = 'a match' } } })
vim.cmd('copen | Countersign accept')
wait('the refusal', function()
  return lab.said('no pending change of the agent stands here')
end)
vim.cmd('cclose')

-- Tabs, words and long lines: shown as the window shows them.
vim.cmd.edit('tabs.txt')
wait('two hunks', function()
  return #marks('virt_lines') == 2
end)
local rows = marks('virt_lines')[1][4].virt_lines
equal(vim.list_slice(rows[1], 1, 3), {
  { '        if ', 'CountersignAdd' },
  { 'y', 'CountersignAddWord' },
  { ' then', 'CountersignAdd' },
}, 'a tab and a word')
equal(vim.fn.strdisplaywidth(table.concat(vim.tbl_map(function(chunk)
  return chunk[1]
end, rows[1]))), 60, 'as wide as the window')
equal(#marks('virt_lines')[2][4].virt_lines, 3, 'a long line is wrapped as the window wraps')
equal(marks('hl_group')[2][4].hl_group, 'CountersignDeleteWord', 'the old word')

-- New, deleted and moved files, and one that steers tools.
local function label(name)
  vim.cmd.edit(name)
  wait(name .. ' is drawn', function()
    return #marks() > 0
  end)
  local text = (marks('virt_text')[1] or {})[4]
  local lines = (marks('virt_lines')[1] or {})[4]
  local words = text and text.virt_text[1][1] or lines.virt_lines[1][#lines.virt_lines[1] - 1][1]
  return (vim.trim(words):gsub('^agent%S* ', ''))
end
equal(label('sub/new.txt'), 'new file +2', 'a new file')
equal(label('other.txt'), 'deletes this file', 'a deleted one')
equal(label('list.md'), 'moves this file to moved.md', 'a moved one')
vim.cmd.edit('Makefile')
assert(label('Makefile'):find('steers tools: accept it on its own', 1, true))
vim.cmd('Countersign accept_all')
wait('all but what steers tools', function()
  return #require('countersign.state').items() == 1
end)
equal({ vim.fn.filereadable('moved.md'), vim.fn.filereadable('list.md'), vim.fn.filereadable('other.txt') }, { 1, 0, 0 }, 'files')
equal(vim.fn.getfperm('tabs.txt'), 'rwxr-xr-x', 'it is executable')
equal(lab.said('not saved'), nil, 'a new mode is no reason not to save')
vim.cmd('Countersign accept')
wait('accepted on its own', function()
  return #require('countersign.state').items() == 0 and lab.text():find('all:', 1, true)
end)
wait('nothing is drawn any more', function()
  return #marks() == 0 and vim.fn.maparg(']g', 'n') == ''
end)

-- What was accepted is taken back, from whatever file, and it is said.
vim.cmd('Countersign undo')
wait('it is taken back', function()
  return lab.said('taken back: ')
end)
