-- A thousand hunks in one file: drawn in turns, so that typing waits for none of them; what is on the screen comes first.
local equal = lab.equal
local lines = {}
for n = 1, 5000 do
  lines[n] = ('line %d of a file with some words in it'):format(n)
end
vim.fn.writefile(lines, 'many.txt')
vim.g.countersign = vim.tbl_extend('force', vim.g.countersign, { autostart = false })
vim.cmd.edit('many.txt')
vim.cmd('normal! 2500Gzt')
local uri = vim.uri_from_bufnr(0)
local function proposal(revision)
  local hunks = {}
  for n = 1, 1000 do
    local row = n * 5 - 3
    hunks[n] = {
      id = 'h' .. n,
      kind = 'lines',
      state = 'pending',
      steering = false,
      range = { start = { line = row, character = 0 }, ['end'] = { line = row + 1, character = 0 } },
      old_text = lines[row + 1] .. '\n',
      new_text = ('line %d of another file, revision %d\nand a second\n'):format(row, revision),
    }
  end
  return { proposal = 'p1', task = 't1', files = { { uri = uri, path = 'many.txt', op = 'edit', hunks = hunks } } }
end

--- The longest time that the editor could not take a key while this was drawn, ms of the processor: what others do on the machine
--- does not count.
local function longest(revision)
  local told, worst, last, done, first = proposal(revision), 0, os.clock(), false, nil
  local watch = vim.api.nvim_create_autocmd('User', {
    pattern = 'CountersignHunks',
    callback = function()
      done = true
    end,
  })
  local timer = assert(vim.uv.new_timer())
  timer:start(0, 1, vim.schedule_wrap(function()
    if done then
      return
    end
    local now = os.clock()
    worst, last = math.max(worst, (now - last) * 1000), now
    local marks = lab.marks('virt_lines')
    if revision == 1 and not first and #marks > 0 then
      first = marks
    end
    last = os.clock()
  end))
  last = os.clock()
  require('countersign.rich').proposal(told, { client_id = 1 })
  lab.wait('all of them', function()
    return done and #lab.marks('virt_lines') == 1000
  end)
  timer:stop()
  timer:close()
  vim.api.nvim_del_autocmd(watch)
  return worst, first
end

local worst, first = longest(1)
local rows = {}
for _, mark in ipairs(first) do
  rows[mark[2]] = true
end
local screen = 0
for row = 2499, 2499 + vim.api.nvim_win_get_height(0) do
  screen = screen + ((row % 5 == 2 and rows[row]) and 1 or 0)
end
assert(#first < 1000, 'it took several turns')
assert(screen > 0, 'what is on the screen comes first')
local all = { worst, (longest(2)), (longest(3)) }
table.sort(all)
io.stderr:write(('the longest turns with 1000 hunks: %.1f, %.1f, %.1f ms\n'):format(all[1], all[2], all[3]))
assert(all[2] < 16, 'a turn took ' .. all[2] .. ' ms')
equal(#lab.marks('hl_eol'), 1000, 'the old lines are marked')
