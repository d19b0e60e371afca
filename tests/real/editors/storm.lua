-- A typing storm in this editor: random edits of every kind in three buffers while a scripted agent stages hunks, and random
-- decisions through the plugin and through plain LSP. Every step is accounted for: the text before a step is the one after the
-- last, an edit of the server gives exactly what it says, and an undo gives the text that stood there before.
local seed, edits, tasks = tonumber(vim.env.STORM_SEED), tonumber(vim.env.STORM_EDITS), tonumber(vim.env.STORM_TASKS)
local names = { 'lf.txt', 'crlf.txt', 'open.txt' }
math.randomseed(seed)
vim.o.report = 9999
local roll = math.random

---@class Doc one buffer and its account
---@field text string after the last step that is accounted for
---@field at table<integer, string> the text of each state of the undo tree
local docs, by_uri = {}, {}
local applied, refused, proposals = {}, 0, {}
local broken

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n') .. '\n'
end

local function check(ok, what)
  if not ok then
    broken = broken or what
    error(what)
  end
end

--- Nothing changed since the last step.
local function unchanged(doc, when)
  check(text(doc.buffer) == doc.text, doc.name .. ' changed by itself, seen ' .. when)
end

local function state_of(doc)
  return vim.api.nvim_buf_call(doc.buffer, function()
    return vim.fn.undotree().seq_cur
  end)
end

--- Takes what stands there now into the account.
local function stepped(doc)
  doc.text = text(doc.buffer)
  doc.at[state_of(doc)] = doc.text
end

for _, name in ipairs(names) do
  vim.cmd.edit(name)
  local doc = { name = name, buffer = vim.api.nvim_get_current_buf(), at = {} }
  doc.ending = vim.bo.fileformat == 'dos' and '\r\n' or '\n'
  lab.client()
  stepped(doc)
  table.insert(docs, doc)
  by_uri[vim.uri_from_bufnr(doc.buffer)] = doc
end
check(docs[2].ending == '\r\n' and not vim.bo[docs[3].buffer].endofline, 'the files are not what they should be')
local client = lab.client()

-- What the server's edits do, worked out without the plugin's help -----------------------------------------------------------

--- Bytes of the first units of a line.
local function bytes(line, units)
  if client.offset_encoding == 'utf-8' then
    return math.min(units, #line)
  end
  local at = 0
  for character in line:gmatch('[%z\1-\127\194-\244][\128-\191]*') do
    if units <= 0 then
      break
    end
    units = units - ((client.offset_encoding == 'utf-16' and #character == 4) and 2 or 1)
    at = at + #character
  end
  return at
end

--- Byte offset of a position in a text.
local function offset(whole, position)
  local start = 1
  for _ = 1, position.line do
    local _, found = whole:find('\n', start, true)
    if not found then
      return #whole
    end
    start = found + 1
  end
  local line = whole:sub(start, (whole:find('\n', start, true) or #whole + 1) - 1)
  return start - 1 + bytes(line, position.character)
end

--- The text after the edits of one document; `into` gets what was replaced by what.
local function spliced(doc, list, into)
  local whole, parts = doc.text, {}
  for index, edit in ipairs(list) do
    local from, to = offset(whole, edit.range.start), offset(whole, edit.range['end'])
    table.insert(parts, { from = from, to = to, new = edit.newText, index = index })
    local old = whole:sub(from + 1, to):gsub('\n', doc.ending)
    table.insert(into, { path = doc.name, old = old, new = edit.newText })
  end
  table.sort(parts, function(a, b)
    return a.from > b.from or (a.from == b.from and a.index > b.index)
  end)
  for _, part in ipairs(parts) do
    whole = whole:sub(1, part.from) .. part.new:gsub('\r\n', '\n') .. whole:sub(part.to + 1)
  end
  return whole == '' and '\n' or whole
end

local plugin = client.handlers['workspace/applyEdit']
client.handlers['workspace/applyEdit'] = function(failure, params, context, config)
  local wanted, these = {}, {}
  for _, doc in ipairs(docs) do
    unchanged(doc, 'before an edit of the server')
    wanted[doc] = doc.text
  end
  local answer = plugin(failure, params, context, config)
  if answer.applied then
    for _, change in ipairs(params.edit.documentChanges) do
      local doc = by_uri[change.textDocument.uri]
      wanted[doc] = spliced(doc, change.edits, these)
    end
    vim.list_extend(applied, these)
  else
    refused = refused + 1
  end
  for _, doc in ipairs(docs) do
    local now = text(doc.buffer)
    check(now == wanted[doc], ('%s is not what the edit says: %s'):format(doc.name, vim.inspect(params.edit)))
    stepped(doc)
  end
  return answer
end

-- The user -------------------------------------------------------------------------------------------------------------------

local pieces = { 'x', 'é', '漢', '𝄞', ' ', '\t', 'word ', 'e\204\129', 'two\nlines', '\n', 'slot', '  indented\n', '' }

local function token(n)
  return roll(3) == 1 and ('‹%d›'):format(n) or pieces[roll(#pieces)]
end

--- A random place on a character's start: row and byte column, from 0.
local function place(buffer)
  local row = roll(vim.api.nvim_buf_line_count(buffer)) - 1
  local line = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1]
  local column = roll(#line + 1) - 1
  if column < #line then
    column = column + vim.str_utf_start(line, column + 1)
  end
  return row, column, line
end

--- Through the API, with the text worked out by hand beside it.
local function by_api(doc, n)
  local row, column, line = place(doc.buffer)
  local to_row, to_column = row, column
  local kind = roll(12)
  if kind > 10 and row + 1 < vim.api.nvim_buf_line_count(doc.buffer) then
    to_row, to_column = row + 1, 0
  elseif kind > 7 and column < #line then
    to_column = math.min(#line, column + roll(8))
    if to_column < #line then
      to_column = math.max(column, to_column + vim.str_utf_start(line, to_column + 1))
    end
  end
  local new = (kind > 7 and roll(2) == 1) and '' or token(n)
  local from = vim.api.nvim_buf_get_offset(doc.buffer, row) + column
  local to = vim.api.nvim_buf_get_offset(doc.buffer, to_row) + to_column
  local wanted = doc.text:sub(1, from) .. new .. doc.text:sub(to + 1)
  vim.api.nvim_buf_set_text(doc.buffer, row, column, to_row, to_column, vim.split(new, '\n', { plain = true }))
  check(text(doc.buffer) == wanted, 'what was set is not there')
end

local keys = {
  'i%s<Esc>', 'a%s<Esc>', 'A%s<Esc>', 'I%s<Esc>', 'o%s<Esc>', 'O%s<Esc>', 'ciw%s<Esc>', 'i%s<CR>%s<Esc>', 'a%s<BS><Left>%s<Esc>',
  'x', 'dw', 'dd', 'J', '~', 'D', '>>', 'yyp', 'ddp', '.', 'xp', '2x',
}

local function by_keys(doc, n)
  local row, column = place(doc.buffer)
  vim.api.nvim_win_set_cursor(0, { row + 1, column })
  local typed = keys[roll(#keys)]:gsub('%%s', function()
    return (token(n):gsub('\n', '<CR>'))
  end)
  vim.api.nvim_feedkeys(vim.keycode(typed), 'nx', false)
end

--- Undo and redo lead to a text that stood there.
local function back_and_forth(doc)
  local before = state_of(doc)
  if roll(2) == 1 then
    vim.cmd(roll(3) == 1 and 'silent! redo' or 'silent! undo')
  else
    vim.api.nvim_feedkeys(vim.keycode(roll(3) == 1 and '<C-r>' or 'u'), 'nx', false)
  end
  local after = state_of(doc)
  check(doc.at[after] == text(doc.buffer), ('undo from state %d to %d of %s shows another text'):format(before, after, doc.name))
end

local function act(doc, n)
  vim.api.nvim_set_current_buf(doc.buffer)
  unchanged(doc, 'before edit ' .. n)
  local kind = roll(20)
  if kind <= 3 then
    back_and_forth(doc)
  elseif kind <= 11 then
    by_api(doc, n)
  else
    by_keys(doc, n)
  end
  stepped(doc)
  if roll(3) == 1 then
    -- What comes next is an undo step of its own.
    vim.bo[doc.buffer].undolevels = vim.bo[doc.buffer].undolevels
  end
end

-- The decisions --------------------------------------------------------------------------------------------------------------

local function request(method, params, done)
  local function handler(failure, result)
    check(not failure, method .. ': ' .. vim.inspect(failure))
    if done then
      done(result)
    end
  end
  if vim.fn.has('nvim-0.11') == 1 then
    client:request(method, params, handler, docs[1].buffer)
  else
    client.request(method, params, handler, docs[1].buffer)
  end
end

local function execute(name, argument, done)
  local object = next(argument) and argument or vim.empty_dict()
  request('workspace/executeCommand', { command = 'countersign.' .. name, arguments = { object } }, done)
end

--- Runs a command and waits for its answer.
local function executed(name, argument)
  local answer
  execute(name, argument, function(result)
    answer = { result = result }
  end)
  return lab.wait('the answer of ' .. name, function()
    return answer
  end).result
end

--- The hunks of the current buffer, by proposal and id.
local function hunks()
  local found = {}
  for _, place in ipairs(lab.hunks()) do
    proposals[place.proposal] = true
    table.insert(found, { line = place.lnum + 1, proposal = place.proposal, hunk = place.id })
  end
  return found
end

local function decide()
  local found = hunks()
  if #found == 0 then
    return
  end
  local one, way = found[roll(#found)], roll(5)
  local verb = roll(6) == 1 and 'reject' or 'accept'
  local last = vim.api.nvim_buf_line_count(0)
  local line = math.min(one.line, last)
  if way == 1 then
    vim.api.nvim_win_set_cursor(0, { line, 0 })
    vim.cmd('Countersign ' .. verb)
  elseif way == 2 then
    vim.cmd(('%d,%dCountersign %s'):format(line, math.min(line + 30, last), verb))
  elseif way == 3 then
    local some = { one.hunk }
    for _, other in ipairs(found) do
      if other.proposal == one.proposal and other.hunk ~= one.hunk and roll(12) == 1 then
        table.insert(some, other.hunk)
      end
    end
    execute(verb, { proposal = one.proposal, hunks = some })
  else
    local at = { line = line - 1, character = 0 }
    local about = { textDocument = { uri = vim.uri_from_bufnr(0) }, range = { start = at, ['end'] = at } }
    about.context = { diagnostics = {}, triggerKind = 1 }
    request('textDocument/codeAction', about, function(actions)
      for _, action in ipairs(actions or {}) do
        if action.title == (verb == 'accept' and 'Accept change' or 'Reject change') then
          return request('workspace/executeCommand', {
            command = action.command.command,
            arguments = action.command.arguments,
          })
        end
      end
    end)
  end
end

local function idle()
  lab.wait('the end of the tasks', function()
    for _, task in ipairs(executed('status', {}).tasks) do
      if not vim.tbl_contains({ 'ended', 'failed', 'cancelled' }, task.state) then
        return false
      end
    end
    return true
  end)
end

local function never()
  return broken ~= nil
end

-- The storm ------------------------------------------------------------------------------------------------------------------

for n = 1, edits do
  if (n - 1) % math.floor(edits / tasks) == 0 and (n - 1) / math.floor(edits / tasks) < tasks then
    vim.cmd('Countersign ask go')
  end
  act(docs[roll(#docs)], n)
  if n % 16 == 0 then
    decide()
  end
  if roll(4) == 1 then
    vim.wait(roll(4) - 1, never, 1)
  end
  assert(not broken, broken)
end
idle()
for _, doc in ipairs(docs) do
  vim.api.nvim_set_current_buf(doc.buffer)
  hunks()
end
for proposal in pairs(proposals) do
  executed('accept', { proposal = proposal })
  executed('reject', { proposal = proposal })
end

local told = { applied = applied, refused = refused, texts = {}, encoding = client.offset_encoding }
for _, doc in ipairs(docs) do
  unchanged(doc, 'at the end')
  local lines = table.concat(vim.api.nvim_buf_get_lines(doc.buffer, 0, -1, false), doc.ending)
  told.texts[doc.name] = lines .. (vim.bo[doc.buffer].endofline and doc.ending or '')
end
vim.fn.writefile({ vim.json.encode(told) }, vim.env.STORM_TOLD, 'b')

-- At last the agent writes every file anew: what these hunks replace is the text that the server knows.
vim.cmd('Countersign ask end')
idle()
for _, doc in ipairs(docs) do
  vim.api.nvim_set_current_buf(doc.buffer)
  local one = lab.wait('the last hunk of ' .. doc.name, function()
    return hunks()[1]
  end)
  local answer = executed('accept', { proposal = one.proposal, hunks = { one.hunk } })
  lab.equal(#answer.accepted, 1, doc.name .. ' is written anew: ' .. vim.inspect(answer))
  lab.equal(vim.trim(text(doc.buffer)), vim.env.STORM_LAST, doc.name .. ' is written anew')
end
assert(not broken, broken)
vim.lsp.stop_client(client.id)
lab.wait('the server to leave', function()
  return vim.lsp.get_client_by_id(client.id) == nil
end)
