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
function M.tell(text, level)
  table.insert(log, os.date('%H:%M:%S ') .. text)
  if #log > most then
    table.remove(log, 1)
  end
  local line = text:gsub('%s+', ' ')
  local room = math.max(vim.v.echospace - 1, 20)
  if vim.fn.strdisplaywidth(line) > room then
    local rest = room > 60 and '… :Countersign messages' or '…'
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
  M.tell(params.message, levels[params.type])
  return params
end

--- Writes lines into a buffer of ours, into which nobody types. Buffers are made unmodifiable by `nvim -M`.
function M.fill(buffer, lines)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
end

--- Shows lines in a scratch window below: in the one that shows the like already, where there is one.
function M.scratch(name, lines)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local shown = vim.api.nvim_win_get_buf(window)
    if vim.b[shown].countersign == name then
      M.fill(shown, lines)
      return vim.api.nvim_set_current_win(window)
    end
  end
  vim.cmd(('botright %dsplit'):format(math.min(math.max(#lines, 3), 15)))
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_win_set_buf(0, buffer)
  M.fill(buffer, lines)
  vim.bo[buffer].bufhidden = 'wipe'
  vim.b[buffer].countersign = name
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buffer, nowait = true, desc = 'close this window' })
  pcall(vim.api.nvim_buf_set_name, buffer, ('countersign://%s/%d'):format(name, buffer))
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
    end
    vim.api.nvim_set_current_win(params.takeFocus and not typing and window or before)
  end)
  if not ok then
    M.tell('cannot show ' .. name .. ': ' .. tostring(why), vim.log.levels.WARN)
  end
  return { success = ok }
end

return M
