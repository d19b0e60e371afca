--- The public face: `setup` for what differs from the defaults, `status` for a status line.
local M = {}

--- Optional; see `:help countersign-setup`.
---@param options? countersign.Config
function M.setup(options)
  require('countersign.config').set(options)
end

--- What the agent does now, such as `3/20 reading src/lib.rs · 12.4k tok · $0.04`, that it waits for you, or how many changes
--- are to be reviewed; empty when there is nothing. For a status line.
---@return string
function M.status()
  return package.loaded['countersign.progress'] and require('countersign.progress').line() or ''
end

--- The same in parts, for those who build their own.
---@return countersign.Info
function M.info()
  return require('countersign.progress').info()
end

--- The pending changes of a buffer where they stand now.
---@return countersign.Place[]
function M.hunks(buffer)
  buffer = (buffer == nil or buffer == 0) and vim.api.nvim_get_current_buf() or buffer
  return require('countersign.review').places(buffer)
end

return M
