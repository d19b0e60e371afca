-- The user's configuration in the tests: the plugin as a user has it, and a few questions that the tests ask from outside.
vim.opt.runtimepath:prepend(vim.env.LAB_PLUGIN)
vim.opt.swapfile = false
vim.g.countersign = { cmd = { vim.env.LAB_SERVER, 'lsp', '--model', vim.env.LAB_MODEL }, rich = vim.env.LAB_PLAIN == nil }
vim.cmd.runtime('plugin/countersign.lua')

local lab = {}
_G.lab = lab

--- Waits until `ready` answers something; fails with what it waited for.
function lab.wait(what, ready)
  local found
  local ok = vim.wait(30000, function()
    found = ready()
    return found
  end, 10)
  if not ok then
    local seen = { messages = require('countersign.show').messages(), text = lab.text(), hunks = lab.hunks() }
    error('waited in vain for ' .. what .. ': ' .. vim.inspect(seen))
  end
  return found
end

function lab.equal(left, right, what)
  if not vim.deep_equal(left, right) then
    error(('%s: %s is not %s'):format(what, vim.inspect(left), vim.inspect(right)))
  end
end

--- A clock that a busy machine slows down as it slows the rest: it beats when this editor gets to it, some ten milliseconds
--- after the beat before. Answers how often it has beaten; a hundred are a second where nothing else runs, and never less.
function lab.clock()
  local beats, timer = 0, vim.uv.new_timer()
  timer:start(10, 10, function()
    beats = beats + 1
  end)
  return function()
    return beats
  end
end

function lab.text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n') .. '\n'
end

function lab.client()
  return lab.wait('the server', function()
    local client = vim.lsp.get_clients({ name = 'countersign', bufnr = 0 })[1]
    return client and client.initialized and client
  end)
end

--- The pending hunks of the buffer, by line.
function lab.hunks()
  local all = require('countersign').hunks(0)
  table.sort(all, function(a, b)
    return a.lnum < b.lnum
  end)
  return all
end

--- Waits for the n-th request to the model that the test plays.
function lab.requested(n)
  local path = vim.env.LAB_MODEL:match('^manual:(.*)') .. ('/%d.'):format(n)
  lab.wait('request ' .. n, function()
    return vim.uv.fs_stat(path .. 'request.json')
  end)
  return path
end

--- What the model says to its n-th request.
function lab.answer(n, content)
  local path = lab.requested(n)
  vim.fn.writefile({ vim.json.encode({ content = content }) }, path .. 'new')
  vim.uv.fs_rename(path .. 'new', path .. 'answer.json')
end

--- Our extmarks in the buffer, those that have this detail.
function lab.marks(detail)
  local space = vim.api.nvim_get_namespaces().countersign
  local all = space and vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true }) or {}
  return vim.tbl_filter(function(mark)
    return not detail or mark[4][detail] ~= nil
  end, all)
end

--- What is drawn: `{row, 'old', group, behind}` for marked lines, `{row, 'above' or 'below', text...}` for virtual ones.
function lab.drawn()
  local all = {}
  for _, mark in ipairs(lab.marks()) do
    local details = mark[4]
    if details.virt_lines then
      local one = { mark[2], details.virt_lines_above and 'above' or 'below' }
      for _, row in ipairs(details.virt_lines) do
        local text = table.concat(vim.tbl_map(function(chunk)
          return type(chunk[2]) == 'string' and chunk[1] or ''
        end, row))
        table.insert(one, vim.trim(text))
      end
      table.insert(all, one)
    elseif details.hl_group and details.hl_eol then
      table.insert(all, { mark[2], 'old', details.hl_group, details.end_row })
    end
  end
  local order = { above = 0, old = 1, below = 2 }
  table.sort(all, function(a, b)
    return a[1] * 3 + order[a[2]] < b[1] * 3 + order[b[2]]
  end)
  return all
end

--- A message of the server that contains these words.
function lab.said(words)
  for _, message in ipairs(require('countersign.show').messages()) do
    if message:find(words, 1, true) then
      return message
    end
  end
end

--- Whether the server keeps on the disk, for the time after a crash, what is pending here and nothing else.
function lab.is_kept()
  local kept, pending = {}, {}
  for _, path in ipairs(vim.fn.glob(vim.env.XDG_STATE_HOME .. '/countersign/proposals/*.json', true, true)) do
    local ok, one = pcall(function()
      return vim.json.decode(table.concat(vim.fn.readfile(path), '\n'))
    end)
    for _, file in ipairs(ok and one.proposal.files or {}) do
      for _, hunk in ipairs(file.hunks) do
        table.insert(kept, one.proposal.id .. ' ' .. hunk.id)
      end
    end
  end
  for _, item in ipairs(require('countersign.state').items()) do
    table.insert(pending, item.proposal.proposal .. ' ' .. item.hunk.id)
  end
  table.sort(kept)
  table.sort(pending)
  return #pending > 0 and vim.deep_equal(kept, pending)
end

function lab.question(words)
  local question = require('countersign.question').waiting()
  return question and question.text:find(words, 1, true) and question
end

--- How the window of the question stands, and its lines.
function lab.question_window()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    local buffer = vim.api.nvim_win_get_buf(window)
    if vim.bo[buffer].filetype == 'countersign-question' then
      return vim.api.nvim_win_get_config(window), vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
    end
  end
end

--- Waits for a question with these words.
function lab.asked(words)
  return lab.wait('the question ' .. words, function()
    return lab.question(words)
  end)
end

--- Answers it with the choice of this title.
function lab.decide(words, title)
  local question = lab.asked(words)
  for number, offered in ipairs(question.titles) do
    if offered == title then
      return vim.cmd('Countersign answer ' .. number)
    end
  end
  error(title .. ' is not offered: ' .. vim.inspect(question))
end

function lab.attached()
  local client = vim.lsp.get_clients({ name = 'countersign', bufnr = 0 })[1]
  return client ~= nil and client.initialized == true
end

-- As the manual says.
vim.api.nvim_create_autocmd('FileType', {
  pattern = 'countersign-question',
  callback = function(event)
    vim.keymap.set('n', '<CR>', '<Plug>(countersign-answer)', { buffer = event.buf })
  end,
})
