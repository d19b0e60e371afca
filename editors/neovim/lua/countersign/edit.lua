--- `workspace/applyEdit`, answered truthfully.
---
--- Neovim's own handler says `applied: true` also when it skipped a stale edit, and it never checks version 0 or the second
--- document. Here everything is checked before anything is changed, one undo step takes one acceptance back, and the text is
--- compared afterwards.
local M = {}

local columns = require('countersign.columns')

--- The text of a buffer as the server knows it: every line ends in a line break.
local function lines_of(buffer)
  return vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
end

--- An edit as rows and byte columns of these lines, or what is wrong with it. The end of the text is the start of the line
--- after the last one.
local function located(lines, edit, encoding)
  local function place(position)
    local row = position.line
    if row >= #lines then
      return #lines, 0
    end
    return row, columns.bytes(lines[row + 1], position.character, encoding)
  end
  local from_row, from_column = place(edit.range.start)
  local to_row, to_column = place(edit.range['end'])
  if from_row > to_row or (from_row == to_row and from_column > to_column) then
    return nil, 'a range ends before it starts'
  end
  local text = edit.newText:gsub('\r\n?', '\n')
  if to_row == #lines and not (text == '' and from_column == 0) and text:sub(-1) ~= '\n' then
    return nil, 'the last line break cannot be taken off'
  end
  return { from_row = from_row, from_column = from_column, to_row = to_row, to_column = to_column, text = text }
end

--- The edits of one document, last first, so that each leaves the places of the others alone.
local function ordered(lines, edits, encoding)
  local all = {}
  for index, edit in ipairs(edits) do
    local one, why = located(lines, edit, encoding)
    if not one then
      return nil, why
    end
    one.index = index
    table.insert(all, one)
  end
  table.sort(all, function(a, b)
    if a.from_row ~= b.from_row then
      return a.from_row > b.from_row
    elseif a.from_column ~= b.from_column then
      return a.from_column > b.from_column
    end
    return a.index > b.index
  end)
  for index = 2, #all do
    local before, after = all[index], all[index - 1]
    if before.to_row > after.from_row or (before.to_row == after.from_row and before.to_column > after.from_column) then
      return nil, 'two edits overlap'
    end
  end
  return all
end

--- One edit on these lines: the rows it touches and what stands there afterwards. The sentinel after the last line stands for
--- the text's last line break.
local function replaced(lines, edit)
  local first = lines[edit.from_row + 1] or ''
  local last = lines[edit.to_row + 1] or ''
  local text = first:sub(1, edit.from_column) .. edit.text .. last:sub(edit.to_column + 1)
  local rows = vim.split(text, '\n', { plain = true })
  if edit.to_row >= #lines then
    -- The edit reaches the end of the text, where the last line break has no line behind it.
    table.remove(rows)
    return edit.from_row, #lines, rows
  end
  return edit.from_row, edit.to_row + 1, rows
end

--- What the lines must be after all edits.
local function expected(lines, edits)
  local result = vim.deepcopy(lines)
  for _, edit in ipairs(edits) do
    local from, to, rows = replaced(result, edit)
    local after = vim.list_slice(result, to + 1)
    result = vim.list_slice(result, 1, from)
    vim.list_extend(result, rows)
    vim.list_extend(result, after)
  end
  return #result == 0 and { '' } or result
end

--- Writes one edit so that marks and cursors beside it stay: only what differs is set.
local function write(buffer, edit)
  local lines = lines_of(buffer)
  if edit.to_row < #lines then
    local rows = vim.split(edit.text, '\n', { plain = true })
    vim.api.nvim_buf_set_text(buffer, edit.from_row, edit.from_column, edit.to_row, edit.to_column, rows)
  else
    local from, to, rows = replaced(lines, edit)
    vim.api.nvim_buf_set_lines(buffer, from, to, false, rows)
  end
end

--- Checks an edit of one document. Answers what to write, or why not.
local function check_text(change, encoding)
  local name = vim.uri_to_fname(change.textDocument.uri)
  local buffer = vim.uri_to_bufnr(change.textDocument.uri)
  local version = change.textDocument.version
  if version ~= nil and version ~= vim.NIL then
    local known = vim.lsp.util.buf_versions[buffer]
    if not vim.api.nvim_buf_is_loaded(buffer) or known ~= version then
      return nil, ('%s is at version %s, the edit is for version %d'):format(name, known or 'none', version)
    end
  end
  if not vim.api.nvim_buf_is_loaded(buffer) then
    -- A swap file of another Neovim must not raise a dialog here.
    local shortmess = vim.o.shortmess
    vim.opt.shortmess:append('A')
    vim.fn.bufload(buffer)
    vim.o.shortmess = shortmess
  end
  for option, hinders in pairs({ modifiable = not vim.bo[buffer].modifiable, readonly = vim.bo[buffer].readonly }) do
    if hinders then
      local state = option == 'readonly' and 'set' or 'off'
      local shown = vim.fn.fnamemodify(name, ':~:.')
      return nil, ("%s cannot be changed in this editor: '%s' is %s"):format(shown, option, state)
    end
  end
  local lines = lines_of(buffer)
  if #lines == 1 and lines[1] == '' and vim.fn.getfsize(name) <= 0 then
    -- Neovim shows an empty file as one empty line.
    lines = {}
  end
  local edits, why = ordered(lines, change.edits, encoding)
  if not edits then
    return nil, why .. ' in ' .. name
  end
  return { buffer = buffer, name = name, edits = edits, lines = lines, wanted = expected(lines, edits) }
end

local function exists(path)
  return vim.uv.fs_lstat(path) ~= nil
end

--- Checks a create, rename or delete. Answers why not.
local function check_resource(change)
  local options = change.options or {}
  if change.kind == 'create' then
    local path = vim.uri_to_fname(change.uri)
    if exists(path) and not options.overwrite and not options.ignoreIfExists then
      return path .. ' exists already'
    end
  elseif change.kind == 'rename' then
    local from, to = vim.uri_to_fname(change.oldUri), vim.uri_to_fname(change.newUri)
    local buffer = vim.fn.bufnr(from)
    if not exists(from) then
      return from .. ' is not on the disk'
    elseif exists(to) and not options.overwrite then
      return to .. ' exists already'
    elseif buffer > 0 and vim.bo[buffer].modified then
      return from .. ' has unsaved changes'
    end
  elseif change.kind == 'delete' then
    local path = vim.uri_to_fname(change.uri)
    local buffer = vim.fn.bufnr(path)
    if not exists(path) and not options.ignoreIfNotExists then
      return path .. ' is not on the disk'
    elseif buffer > 0 and vim.bo[buffer].modified then
      return path .. ' has unsaved changes'
    end
  else
    return 'this editor knows no ' .. tostring(change.kind)
  end
end

local function write_resource(change, encoding)
  if change.kind == 'create' then
    -- Neovim creates nothing on the disk when told to ignore an existing file.
    local path = vim.uri_to_fname(change.uri)
    if not exists(path) then
      vim.fn.mkdir(vim.fs.dirname(path), 'p')
      -- A buffer of that name that was never written would refuse to overwrite what it did not make.
      if not require('countersign.hunks').buffer_of(path) then
        vim.fn.writefile({}, path)
      end
    end
    return
  end
  vim.lsp.util.apply_workspace_edit({ documentChanges = { change } }, encoding)
end

local function same(a, b)
  return #a == #b and table.concat(a, '\n') == table.concat(b, '\n')
end

--- Writes the edits of one document as one undo step. Answers why the text is not what it must be.
local function write_text(step)
  local buffer = step.buffer
  -- Setting the option, even to its own value, ends the undo step of what the user typed.
  vim.bo[buffer].undolevels = vim.bo[buffer].undolevels
  vim.bo[buffer].buflisted = true
  require('countersign.hunks').taking(buffer, step.edits)
  if #step.lines == 0 then
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, step.wanted)
  else
    for _, edit in ipairs(step.edits) do
      write(buffer, edit)
    end
  end
  local right = same(lines_of(buffer), step.wanted)
  vim.bo[buffer].undolevels = vim.bo[buffer].undolevels
  require('countersign.client').attach_now(buffer)
  if not right then
    return 'the text of ' .. step.name .. ' is not what the edit says'
  end
end

--- The changes of an edit in order, whatever form it has.
local function changes_of(edit)
  if edit.documentChanges then
    return edit.documentChanges
  end
  local all = {}
  for uri, edits in pairs(edit.changes or {}) do
    table.insert(all, { textDocument = { uri = uri }, edits = edits })
  end
  return all
end

--- Applies a workspace edit wholly or, where a check fails beforehand, not at all. Answers why not.
---@return string? failure
function M.apply(edit, encoding)
  local changes, created = changes_of(edit), {}
  for _, change in ipairs(changes) do
    local why
    if change.kind then
      why = check_resource(change)
      if change.kind == 'create' then
        created[change.uri] = true
      end
    elseif not created[change.textDocument.uri] then
      _, why = check_text(change, encoding)
    end
    if why then
      return why
    end
  end
  for _, change in ipairs(changes) do
    local step, why
    if change.kind then
      write_resource(change, encoding)
    else
      step, why = check_text(change, encoding)
      why = step and write_text(step) or why
    end
    if why then
      return why
    end
  end
end

function M.handler(_, params, context)
  local client = vim.lsp.get_client_by_id(context.client_id)
  local ok, why = pcall(M.apply, params.edit, client and client.offset_encoding or 'utf-16')
  if ok and not why then
    return { applied = true }
  end
  return { applied = false, failureReason = tostring(why) }
end

return M
