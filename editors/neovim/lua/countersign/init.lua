--- The public face: `setup` for what differs from the defaults, `status` for a status line.
local M = {}

--- Optional; see `:help countersign-setup`.
---@param options? countersign.Config
function M.setup(options)
  require('countersign.config').set(options)
end

--- What the agent does now, such as `3/20 reading src/lib.rs · 12.4k tok · $0.04`; empty when it rests. For a status line.
---@return string
function M.status()
  local waiting = require('countersign.question').waiting()
  if waiting then
    return 'agent waits for you: :Countersign answer'
  end
  return require('countersign.show').progress()
end

return M
