--- What the server shows: messages and documents. Nothing here takes the keyboard away.
local M = {}

local log, most = {}, 200
local levels = { vim.log.levels.ERROR, vim.log.levels.WARN, vim.log.levels.INFO, vim.log.levels.DEBUG }

--- What is grave stays on the screen this long, ms, before what is not takes its place.
local stays = 4000
local grave_until = 0

local function notify(line, level)
  -- Clears an earlier message, so that two do not add up to a prompt.
  vim.cmd.redraw()
  vim.notify(line, level)
end

--- One line that fits: a longer one would make Neovim wait for a key, and take what the user types as the answer. The whole of it
--- is in `:Countersign messages`.
---@param text string
---@param level? integer
---@param where? string what shows the whole of it
function M.tell(text, level, where)
  table.insert(log, os.date('%H:%M:%S ') .. text)
  if #log > most then
    table.remove(log, 1)
  end
  local line = text:gsub('%s+', ' ')
  local room = math.max(vim.v.echospace - 1, 20)
  if vim.fn.strdisplaywidth(line) > room then
    local rest = room > 60 and '… :Countersign ' .. (where or 'messages') or '…'
    room = room - vim.fn.strdisplaywidth(rest)
    line = vim.fn.strcharpart(line, 0, room)
    while vim.fn.strdisplaywidth(line) > room do
      line = vim.fn.strcharpart(line, 0, vim.fn.strchars(line) - 1)
    end
    line = line .. rest
  end
  level = level or vim.log.levels.INFO
  local now = vim.uv.now()
  if level >= vim.log.levels.WARN then
    grave_until = now + stays
  elseif now < grave_until then
    return vim.defer_fn(function()
      notify(line, level)
    end, grave_until - now)
  end
  vim.schedule(function()
    notify(line, level)
  end)
end

--- The messages so far, whole.
function M.messages()
  return vim.deepcopy(log)
end

--- `window/showMessage`
function M.message(_, params)
  -- The end of a task stands in the log, whole; here it is one sentence.
  local task = params.message:match('^countersign [^:]+%. ') or params.message:match('^countersign could not')
  M.tell(params.message, levels[params.type], task and 'log')
  return params
end

--- Writes lines into a buffer of ours, into which nobody types. Buffers are made unmodifiable by `nvim -M`.
function M.fill(buffer, lines)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
end

--- Closes the window that the user is in, and goes back to the one before: Neovim goes to a neighbour, where keys may mean
--- something else.
local function close_here()
  local before = vim.fn.win_getid(vim.fn.winnr('#'))
  local ok, why = pcall(vim.cmd.close)
  if not ok then
    M.tell(require('countersign.commands').reason(why), vim.log.levels.WARN)
  elseif vim.api.nvim_win_is_valid(before) then
    vim.api.nvim_set_current_win(before)
  end
end

--- `q` closes the window of a buffer into which nobody types.
function M.close_by_q(buffer)
  vim.keymap.set('n', 'q', close_here, { buffer = buffer, nowait = true, desc = 'close this window' })
end

--- Shows lines in a scratch window below: in the one that shows the like already, where there is one.
---@param at_end? boolean the newest line is the last
function M.scratch(name, lines, at_end)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local shown = vim.api.nvim_win_get_buf(window)
    if vim.b[shown].countersign == name then
      M.fill(shown, lines)
      vim.api.nvim_set_current_win(window)
      return at_end and vim.cmd('normal! G')
    end
  end
  vim.cmd(('botright %dsplit'):format(math.min(math.max(#lines, 3), 15)))
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_win_set_buf(0, buffer)
  M.fill(buffer, lines)
  vim.bo[buffer].bufhidden = 'wipe'
  vim.b[buffer].countersign = name
  M.close_by_q(buffer)
  pcall(vim.api.nvim_buf_set_name, buffer, ('countersign://%s/%d'):format(name, buffer))
  if at_end then
    vim.cmd('normal! G')
  end
end

--- The buffer of a document that a server opened.
local function document_named(name)
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.b[buffer].countersign == 'document' and vim.fs.basename(vim.api.nvim_buf_get_name(buffer)) == name then
      return buffer
    end
  end
end

--- Closes the windows of a document that has done its work, but the one that the user is in: what is typed there would go
--- somewhere else.
local function close_document(buffer)
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    if window ~= vim.api.nvim_get_current_win() and vim.b[buffer].countersign_over and not vim.bo[buffer].modified then
      -- The last window cannot be closed, nor one while the command-line window is open.
      pcall(vim.api.nvim_win_close, window, false)
    end
  end
end

--- A document has done its work: it was sent, or its question is decided. Where the user is in it, its window says so and goes
--- when it is left.
---@param name string
---@param word string
function M.over(name, word)
  local buffer = document_named(name)
  if not buffer or vim.bo[buffer].modified then
    return
  end
  vim.b[buffer].countersign_over = true
  close_document(buffer)
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    vim.wo[window][0].winbar = (' %s; q closes this window'):format(word)
    vim.bo[buffer].modifiable = false
    M.close_by_q(buffer)
    vim.api.nvim_create_autocmd('WinLeave', {
      buffer = buffer,
      once = true,
      callback = function()
        vim.schedule(function()
          if vim.api.nvim_buf_is_valid(buffer) then
            close_document(buffer)
          end
        end)
      end,
    })
  end
end

--- A document is shown: if it was over, it is not any longer.
local function begun(buffer, window)
  if vim.b[buffer].countersign_over then
    vim.b[buffer].countersign_over = nil
    vim.bo[buffer].modifiable = true
    vim.wo[window][0].winbar = ''
    pcall(vim.keymap.del, 'n', 'q', { buffer = buffer })
  end
end

--- Puts the cursor where the user writes: on the empty line behind the comment of a prompt document.
function M.to_the_text(window, buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, 30, false)
  for row, line in ipairs(lines) do
    if line:match('%-%->%s*$') and lines[row + 1] == '' then
      return vim.api.nvim_win_set_cursor(window, { row + 2, 0 })
    end
  end
end

--- A window that may show another document: it shows one that was read, and not the one that the user is in.
local function free_window()
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local shown = vim.api.nvim_win_get_buf(window)
    if vim.b[shown].countersign == 'document' and not vim.bo[shown].modified and window ~= vim.api.nvim_get_current_win() then
      return window
    end
  end
end

--- `window/showDocument`: in a window of its own, so that the user's file stays where it is. The focus moves only when the
--- user asked for the document and is not typing.
function M.document(_, params, context)
  if params.external then
    return { success = vim.ui.open ~= nil and vim.ui.open(params.uri) ~= nil }
  end
  local before = vim.api.nvim_get_current_win()
  local name = vim.uri_to_fname(params.uri)
  if vim.fs.basename(name):match('^answer%-.*%.md$') and require('countersign.question').words(name, context.client_id) then
    -- The agent asks for words: its question stands where the others stand, and no window opens unasked.
    return { success = true }
  end
  local buffer = vim.fn.bufadd(name)
  if vim.api.nvim_buf_is_loaded(buffer) and not vim.bo[buffer].modified then
    -- The server writes a document anew under its old name.
    vim.api.nvim_buf_call(buffer, function()
      vim.cmd('silent! edit!')
    end)
  end
  local window = vim.fn.bufwinid(buffer)
  local typing = vim.api.nvim_get_mode().mode:match('^[iRtc]') ~= nil
  local ok, why = pcall(function()
    if window == -1 then
      window = free_window()
      if not window then
        vim.cmd('silent botright split')
        window = vim.api.nvim_get_current_win()
      end
      vim.bo[buffer].buflisted = true
      vim.api.nvim_win_set_buf(window, buffer)
      vim.b[buffer].countersign = 'document'
      if vim.bo[buffer].buftype == '' and vim.api.nvim_buf_get_lines(buffer, 0, 1, false)[1]:match('^<!%-%-') then
        M.to_the_text(window, buffer)
      end
    end
    begun(buffer, window)
    vim.api.nvim_set_current_win(params.takeFocus and not typing and window or before)
  end)
  if not ok then
    M.tell('cannot show ' .. name .. ': ' .. tostring(why), vim.log.levels.WARN)
  end
  return { success = ok }
end

return M
