--- What the servers told: their tasks and their proposals. Everything on the screen is drawn from here.
local M = {}

---@class countersign.Hunk
---@field id string
---@field range {start: lsp.Position, end: lsp.Position} whole lines of the buffer
---@field old_text string
---@field new_text string
---@field state 'pending'|'applying'|'stale'
---@field steering boolean accepted on its own only
---@field kind? 'lines'|'create'|'delete'|'move'|'mode'
---@field mode? {old: string, new: string} of kind `mode`, as git writes them
---@field why? string of a stale one

---@class countersign.File
---@field uri string
---@field path string relative to the workspace
---@field op 'edit'|'create'|'delete'|'move'
---@field to? string URI
---@field version? integer of the document that the ranges belong to
---@field binary? {words: string} the file is no text
---@field hunks countersign.Hunk[]

---@class countersign.Proposal
---@field proposal string
---@field task string
---@field files countersign.File[]
---@field arrived integer counts what came, so that a place is taken from a proposal once

---@class countersign.Task
---@field task string
---@field title string
---@field state string
---@field doing? string
---@field iteration? integer
---@field iterations? integer
---@field tokens? integer
---@field cost_usd? number
---@field waiting? boolean a question of it is open
---@field begun? boolean its title stands in the log

---@class countersign.Server
---@field seat integer the same for a server and for the one that is started in its place
---@field root? string
---@field gone? boolean it has ended; what it proposed is shown until the next one says what is left of it
---@field proposals table<string, countersign.Proposal>
---@field tasks table<string, countersign.Task>
---@field order string[]

---@type table<integer, countersign.Server>
local clients = {}
local arrivals, seats = 0, 0
--- Tasks that are remembered for each server.
local most = 100

local function of(client)
  if not clients[client] then
    seats = seats + 1
    clients[client] = { seat = seats, proposals = {}, tasks = {}, order = {} }
  end
  return clients[client]
end

--- The server that ended at this root, if what it proposed is still shown.
local function before(root)
  for client, mine in pairs(clients) do
    if root and mine.gone and mine.root == root then
      return mine, client
    end
  end
end

--- Takes a `countersign/proposal`.
function M.proposed(client, params)
  arrivals = arrivals + 1
  params.arrived = arrivals
  local mine = of(client)
  mine.proposals[params.proposal] = params
  local gone, at = before(mine.root)
  if gone then
    gone.proposals[params.proposal] = nil
    clients[at] = next(gone.proposals) and gone or nil
  end
end

--- A server has answered for this root: what is drawn for the one before it is drawn for this one.
function M.began(client, root)
  local gone = before(root)
  local mine = of(client)
  mine.root, mine.seat = root, gone and gone.seat or mine.seat
end

--- It has these proposals and tells them anew; what else the one before it proposed is gone for good.
---@param ids string[]
function M.restored(client, ids)
  local gone, at = before(of(client).root)
  if gone then
    for id in pairs(gone.proposals) do
      if not vim.tbl_contains(ids, id) then
        gone.proposals[id] = nil
      end
    end
    if not next(gone.proposals) then
      clients[at] = nil
    end
  end
end

local over = { ended = true, cancelled = true, failed = true }

--- Whether a task's state is its last.
function M.is_over(state)
  return over[state] == true
end

--- Takes a `countersign/update`. Answers the task.
---@return countersign.Task
function M.updated(client, params)
  local mine = of(client)
  local task = mine.tasks[params.task]
  if not task then
    task = { task = params.task, title = params.title or params.task, state = 'preparing' }
    mine.tasks[params.task] = task
    table.insert(mine.order, params.task)
    if #mine.order > most then
      mine.tasks[table.remove(mine.order, 1)] = nil
    end
  end
  if params.kind == 'state' then
    task.title = params.title or task.title
    if not M.is_over(task.state) or M.is_over(params.state) then
      task.state = params.state
    end
    task.doing = (params.state == 'thinking' and 'thinking') or params.doing or task.doing
    task.waiting = not M.is_over(params.state) and task.waiting or nil
  elseif params.kind == 'tool_call' then
    task.doing = params.result == nil and params.title or 'thinking'
  elseif params.kind == 'usage' then
    task.iteration, task.iterations = params.iteration, params.iterations
    task.cost_usd = type(params.cost_usd) == 'number' and params.cost_usd or nil
    local usage = params.usage or {}
    task.tokens = (usage.input or 0) + (usage.cache_read or 0) + (usage.cache_creation or 0) + (usage.output or 0)
  elseif params.kind == 'question' then
    task.waiting = params.state == 'open' or nil
  end
  return task
end

--- A server has ended and another one comes in its place.
function M.lost(client)
  local mine = clients[client]
  if mine then
    local older, at = before(mine.root)
    if older then
      -- It ended before it had told what is left of the one before it.
      mine.proposals = vim.tbl_extend('keep', mine.proposals, older.proposals)
      clients[at] = nil
    end
    mine.gone, mine.tasks, mine.order = true, {}, {}
  end
end

--- Whether what this server proposed is only shown until the next one has told what is left of it.
function M.is_away(client)
  return clients[client] ~= nil and clients[client].gone == true
end

--- A server is gone, with everything that it told.
function M.forget(client)
  clients[client] = nil
end

--- No other server comes for this root.
function M.give_up(root)
  local _, client = before(root)
  if client then
    clients[client] = nil
  end
end

--- A task that was told of.
---@return countersign.Task?
function M.find(task)
  for _, mine in pairs(clients) do
    if mine.tasks[task] then
      return mine.tasks[task]
    end
  end
end

--- Whether a server has a task that is not over.
function M.is_busy(client)
  for _, task in pairs(clients[client] and clients[client].tasks or {}) do
    if not M.is_over(task.state) then
      return true
    end
  end
  return false
end

--- The titles of a server's tasks that are not over, oldest first.
---@param client integer
---@return string[]
function M.unfinished(client)
  local mine, all = clients[client], {}
  for _, id in ipairs(mine and mine.order or {}) do
    if mine.tasks[id] and not M.is_over(mine.tasks[id].state) then
      table.insert(all, mine.tasks[id].title)
    end
  end
  return all
end

--- The tasks that are not over, oldest first.
---@return countersign.Task[]
function M.running()
  local all = {}
  for _, mine in pairs(clients) do
    for _, id in ipairs(mine.order) do
      if mine.tasks[id] and not M.is_over(mine.tasks[id].state) then
        table.insert(all, mine.tasks[id])
      end
    end
  end
  return all
end

--- What a change does to the file as a whole, in words; nil when it changes lines.
---@param item countersign.Item
---@return string?
function M.whole(item)
  local hunk, file = item.hunk, item.file
  local kind = hunk.kind or (hunk.old_text == '' and hunk.new_text == '' and file.op) or (file.op ~= 'move' and file.op) or 'lines'
  local words
  if kind == 'create' then
    local lines = require('countersign.lines').split(hunk.new_text)
    words = file.binary and 'new file' or ('new file +%d'):format(#lines)
  elseif kind == 'delete' then
    words = 'deletes this file'
  elseif kind == 'move' then
    words = 'moves this file to ' .. vim.fn.fnamemodify(vim.uri_to_fname(file.to or file.uri), ':~:.')
  elseif kind == 'mode' then
    words = hunk.mode and hunk.mode.new == '100755' and 'makes this file executable' or 'makes this file not executable'
  else
    return nil
  end
  return file.binary and ('%s (%s)'):format(words, file.binary.words) or words
end

--- How many hunks wait, by path.
---@return table<string, integer> counts, integer all
function M.names()
  local counts, all = {}, 0
  for _, mine in pairs(clients) do
    for _, proposal in pairs(mine.proposals) do
      for _, file in ipairs(proposal.files or {}) do
        local path = vim.uri_to_fname(file.uri)
        counts[path] = (counts[path] or 0) + #file.hunks
        all = all + #file.hunks
      end
    end
  end
  return counts, all
end

---@class countersign.Item
---@field client integer
---@field gone? boolean the server has ended, and the next one has not told of it yet
---@field proposal countersign.Proposal
---@field file countersign.File
---@field hunk countersign.Hunk
---@field name string path of the file
---@field key string

--- Every hunk that waits for the user, in order: by path, then by line.
---@param name? string only of this file
---@return countersign.Item[]
function M.items(name)
  local all = {}
  for client, mine in pairs(clients) do
    for id, proposal in pairs(mine.proposals) do
      for _, file in ipairs(proposal.files or {}) do
        local path = vim.uri_to_fname(file.uri)
        if not name or path == name then
          for _, hunk in ipairs(file.hunks) do
            local key = ('%d:%s:%s'):format(mine.seat, id, hunk.id)
            table.insert(all, { client = client, gone = mine.gone, proposal = proposal, file = file, hunk = hunk, name = path, key = key })
          end
        end
      end
    end
  end
  table.sort(all, function(a, b)
    if a.name ~= b.name then
      return a.name < b.name
    elseif a.hunk.range.start.line ~= b.hunk.range.start.line then
      return a.hunk.range.start.line < b.hunk.range.start.line
    end
    return a.key < b.key
  end)
  return all
end

return M
