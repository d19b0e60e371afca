--- What the user may set, with its defaults; and the client's configuration as Neovim wants it.
local M = {}

--- The version of `countersign/...` that this plugin speaks.
M.protocol = 1

---@class countersign.Config
local defaults = {
  --- The server; the first part is looked up on PATH.
  cmd = { 'countersign', 'lsp' },
  --- Start for every file inside a workspace root. If false, `:Countersign` starts it when it is first needed.
  autostart = true,
  --- What marks a workspace root.
  root_markers = { '.countersign', '.git', '.hg', '.jj' },
  --- Model SPEC, such as 'anthropic:NAME'; nil leaves it to the server's own configuration.
  model = nil,
  --- Where `:Countersign ask` without a text takes it from: 'line' (vim.ui.input) or 'document'.
  input = 'line',
  --- Draw pending changes into the buffers and follow runs. If false, they are diagnostics with code actions.
  rich = true,
  --- Show what the agent does in a small window at the lower right while it works.
  progress = true,
  --- Keys in buffers with pending changes: false for none, true for the suggested ones, or a table of key to name.
  keys = false,
  --- New lines of one change that are drawn.
  lines = 200,
}

local given = {}

--- Sets what differs from the defaults. Not needed otherwise; `vim.g.countersign` does the same without loading anything.
---@param options? countersign.Config
function M.set(options)
  given = options or {}
end

--- What each option may be.
local kinds = {
  cmd = { 'table', 'function' },
  autostart = { 'boolean' },
  root_markers = { 'table' },
  model = { 'string' },
  input = { 'string' },
  rich = { 'boolean' },
  progress = { 'boolean' },
  keys = { 'boolean', 'table' },
  lines = { 'number' },
}

--- What the user set that means something, and what is wrong with the rest: an option that is unknown or of another kind is left
--- out, so that it breaks nothing.
local function checked()
  local good, problems = {}, {}
  for place, options in pairs({ ['vim.g.countersign'] = vim.g.countersign, ['setup()'] = given }) do
    if type(options) ~= 'table' then
      table.insert(problems, place .. ' is no table')
      options = {}
    end
    for name, value in pairs(options) do
      if not kinds[name] then
        table.insert(problems, ('%s knows no `%s`'):format(place, tostring(name)))
      elseif not vim.tbl_contains(kinds[name], type(value)) then
        table.insert(problems, ('%s: `%s` is a %s, not a %s'):format(place, name, type(value), table.concat(kinds[name], ' or a ')))
      elseif good[name] == nil or place == 'setup()' then
        good[name] = value
      end
    end
  end
  table.sort(problems)
  return good, problems
end

---@return countersign.Config
function M.get()
  return vim.tbl_extend('force', defaults, (checked()))
end

--- What is wrong with what the user set, a sentence each.
---@return string[]
function M.problems()
  local good, problems = checked()
  if good.input and good.input ~= 'line' and good.input ~= 'document' then
    table.insert(problems, "`input` is 'line' or 'document'")
  end
  if good.cmd and type(good.cmd) == 'table' and type(good.cmd[1]) ~= 'string' then
    table.insert(problems, '`cmd` begins with no program')
  end
  for key, name in pairs(type(good.keys) == 'table' and good.keys or {}) do
    if vim.fn.maparg(('<Plug>(countersign-%s)'):format(tostring(name)), 'n') == '' then
      table.insert(problems, ('`keys`: %s means `%s`, and there is no such command'):format(key, tostring(name)))
    end
  end
  return problems
end

--- Takes a notification. An error in it would make Neovim wait for a key, many times a second; it is a message instead.
function M.safely(name, params, context)
  local ok, why = pcall(function()
    require('countersign.rich')[name](params, context)
  end)
  if not ok then
    require('countersign.show').tell('countersign/' .. name .. ': ' .. tostring(why), vim.log.levels.ERROR)
  end
end

--- The client's configuration. On Neovim 0.11 and newer `vim.lsp.config('countersign', {...})` may add to it.
function M.client()
  local config = M.get()
  local handlers = {
    ['workspace/applyEdit'] = function(...)
      return require('countersign.edit').handler(...)
    end,
    ['window/showMessageRequest'] = function(...)
      return require('countersign.question').handler(...)
    end,
    ['window/showMessage'] = function(...)
      return require('countersign.show').message(...)
    end,
    ['window/showDocument'] = function(...)
      return require('countersign.show').document(...)
    end,
    ['countersign/proposal'] = function(_, params, context)
      M.safely('proposal', params, context)
    end,
    ['countersign/restored'] = function(_, params, context)
      M.safely('restored', params, context)
    end,
    ['countersign/update'] = function(_, params, context)
      M.safely('update', params, context)
    end,
    ['countersign/query'] = function(...)
      return require('countersign.query').handler(...)
    end,
    ['countersign/save'] = function(...)
      return require('countersign.save').handler(...)
    end,
  }
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  -- The server decides by what is announced here, and the handlers above do all of it.
  capabilities.workspace.applyEdit = true
  capabilities.window.showDocument = { support = true }
  capabilities.window.workDoneProgress = true
  capabilities.workspace.workspaceEdit = {
    documentChanges = true,
    resourceOperations = { 'create', 'rename', 'delete' },
    failureHandling = 'abort',
  }
  return {
    name = 'countersign',
    cmd = config.cmd,
    root_markers = config.root_markers,
    handlers = handlers,
    capabilities = capabilities,
    -- The agent works on what is on the screen; nothing may lie in a timer.
    flags = { debounce_text_changes = 0 },
    init_options = { countersign = { model = config.model, rich = config.rich, protocol = M.protocol } },
    on_init = function(...)
      require('countersign.rich').started(...)
    end,
  }
end

return M
