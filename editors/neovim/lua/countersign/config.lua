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

---@return countersign.Config
function M.get()
  return vim.tbl_extend('force', defaults, vim.g.countersign or {}, given)
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
