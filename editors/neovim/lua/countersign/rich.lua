--- What only countersign and its rich clients say to each other: where it arrives, and the server's own life.
local M = {}

local state = require('countersign.state')

--- Shows what has changed about proposals.
local function changed()
  require('countersign.hunks').refresh()
  require('countersign.progress').refresh()
  vim.schedule(function()
    require('countersign.list').refresh()
    require('countersign.split').refresh()
  end)
end

function M.proposal(params, context)
  state.proposed(context.client_id, params)
  changed()
end

function M.restored(params, context)
  state.restored(context.client_id, params.proposals)
  changed()
end

function M.update(params, context)
  if params.kind == 'question' and params.state ~= 'open' then
    require('countersign.question').closed(params.approval, context.client_id)
    require('countersign.show').over(('question-%s.md'):format(params.approval), params.state)
  elseif params.kind == 'document' then
    require('countersign.show').over(vim.fs.basename(vim.uri_to_fname(params.uri)), params.state)
  end
  if type(params.task) ~= 'string' then
    -- The user's own question (commit, push, trust), or a document: it belongs to no task.
    return require('countersign.progress').refresh()
  end
  local task = state.updated(context.client_id, params)
  require('countersign.run').update(params, task, context.client_id)
  require('countersign.question').update(params, context.client_id)
  if params.kind ~= 'text' and params.kind ~= 'thinking' and params.kind ~= 'tool_output' then
    require('countersign.progress').refresh()
    vim.api.nvim_exec_autocmds('User', { pattern = 'CountersignUpdate', modeline = false, data = params })
  end
end

--- What is wrong between two numbers, in one sentence; nil when they are the same.
---@param theirs? {protocol?: integer, version?: string}
function M.mismatch(theirs)
  local own, other = require('countersign.config').protocol, theirs and theirs.protocol
  if other == nil or other == own then
    return nil
  end
  local update = other > own and 'update the plugin' or 'update the program'
  return ('countersign %s speaks protocol %s, this plugin %d: %s'):format(theirs.version or '?', tostring(other), own, update)
end

--- The server has answered `initialize`.
function M.started(client)
  -- Follows its progress from its first task on.
  require('countersign.progress')
  state.began(client.id, client.config.root_dir)
  local said = M.mismatch(vim.tbl_get(client.server_capabilities, 'experimental', 'countersign'))
  if said then
    -- It is served as plain LSP, and tells no proposals.
    state.give_up(client.config.root_dir)
    changed()
    require('countersign.show').tell(said, vim.log.levels.WARN)
  end
end

--- Restarts of each root: when they were, ms.
local restarts = {}
local most, within = 3, 180000
local leaving = false
vim.api.nvim_create_autocmd('VimLeavePre', {
  group = vim.api.nvim_create_augroup('countersign-life', {}),
  callback = function()
    leaving = true
  end,
})

--- Starts a server again that ended by itself, in the middle of the tasks with these titles.
local function again(root, buffers, cut_off)
  local show = require('countersign.show')
  local now, recent = vim.uv.now(), {}
  for _, time in ipairs(restarts[root] or {}) do
    if now - time < within then
      table.insert(recent, time)
    end
  end
  restarts[root] = recent
  if #recent >= most then
    state.give_up(root)
    changed()
    return show.tell(
      ('countersign ended %d times in %d minutes and is not started again; :Countersign restart, :checkhealth countersign'):format(
        most + 1,
        within / 60000
      ),
      vim.log.levels.ERROR
    )
  end
  table.insert(recent, now)
  vim.defer_fn(function()
    if not leaving then
      local lost = cut_off[1] and ('; ask again what was cut off: ' .. table.concat(cut_off, ', ')) or ''
      show.tell('countersign ended unexpectedly and is started again' .. lost, vim.log.levels.WARN)
      require('countersign.client').attach_all(buffers, root)
    end
  end, 100 * 4 ^ #recent)
end

--- The server has ended, however.
function M.ended(code, signal, id)
  vim.schedule(function()
    local buffers, root, returns = require('countersign.client').left(id)
    -- 15 is how Neovim ends a server by force.
    local crashed = root and not returns and (code ~= 0 or (signal ~= 0 and signal ~= 15))
    local cut_off = leaving and {} or state.unfinished(id)
    if #cut_off > 0 then
      require('countersign.run').cut_off(cut_off)
    end
    if (crashed or returns) and not leaving then
      state.lost(id)
    else
      state.forget(id)
    end
    require('countersign.question').forget(id)
    require('countersign.progress').forget(id)
    if leaving then
      return
    end
    changed()
    if crashed then
      again(root, buffers, cut_off)
    end
  end)
end

return M
