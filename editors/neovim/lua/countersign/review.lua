--- The pending hunks where the cursor stands, and what is decided about them.
local M = {}

local client = require('countersign.client')
local show = require('countersign.show')

--- The hunks whose diagnostics stand on these lines (from 1), by proposal.
local function on_lines(buffer, first, last)
  local found = {}
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    local data = vim.tbl_get(diagnostic, 'user_data', 'lsp', 'data')
    local mine = diagnostic.source == 'countersign' and type(data) == 'table' and data.proposal and data.hunk
    if mine and diagnostic.lnum >= first - 1 and diagnostic.lnum <= last - 1 then
      found[data.proposal] = found[data.proposal] or {}
      table.insert(found[data.proposal], data.hunk)
    end
  end
  return found
end

--- Any hunk of the buffer, for what concerns the file or the whole proposal: the proposal nearest to the line.
local function nearest(buffer, line)
  local best, away
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    local data = vim.tbl_get(diagnostic, 'user_data', 'lsp', 'data')
    if diagnostic.source == 'countersign' and type(data) == 'table' and data.proposal then
      local distance = math.abs(diagnostic.lnum + 1 - line)
      if not away or distance < away then
        best, away = data.proposal, distance
      end
    end
  end
  return best
end

--- The proposal that this place is about: of this buffer, else of any buffer.
local function proposal_here(buffer, line)
  return nearest(buffer, line) or nearest(nil, line)
end

--- Asks the server what stands here: a hunk reaches further than the line of its diagnostic.
local function asked(buffer, first, last, title, done)
  local lines = vim.api.nvim_buf_get_lines(buffer, last - 1, last, false)
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buffer) },
    range = { start = { line = first - 1, character = 0 }, ['end'] = { line = last - 1, character = #(lines[1] or '') } },
    context = { diagnostics = {}, triggerKind = 2 },
  }
  client.request(buffer, 'textDocument/codeAction', params, function(actions)
    for _, action in ipairs(actions or {}) do
      if action.title == title then
        return done(action.command.arguments[1])
      end
    end
    show.tell('no pending change of the agent stands here', vim.log.levels.WARN)
  end)
end

local function refusals(result)
  for _, refused in ipairs(result and result.refused or {}) do
    show.tell(('%s: %s'):format(refused.hunk, refused.why), vim.log.levels.WARN)
  end
end

--- Accepts or rejects the hunks on these lines.
---@param verb 'accept'|'reject'
---@param reason? string
function M.here(verb, buffer, first, last, reason)
  local function decide(argument)
    argument.reason = verb == 'reject' and reason or nil
    client.command(verb, argument, refusals, buffer)
  end
  local found = on_lines(buffer, first, last)
  if next(found) then
    for proposal, hunks in pairs(found) do
      decide({ proposal = proposal, hunks = hunks })
    end
  else
    asked(buffer, first, last, verb == 'accept' and 'Accept change' or 'Reject change', decide)
  end
end

--- Accepts, rejects or shows what the place's proposal has in this file, or everywhere.
---@param verb 'accept'|'reject'|'showDiff'
---@param whole 'file'|'all'
function M.many(verb, buffer, line, whole, reason)
  local proposal = whole == 'file' and nearest(buffer, line) or whole == 'all' and proposal_here(buffer, line)
  if not proposal then
    return show.tell('no change of the agent is pending ' .. (whole == 'file' and 'in this file' or 'here'), vim.log.levels.WARN)
  end
  local argument = { proposal = proposal, reason = verb == 'reject' and reason or nil }
  if whole == 'file' then
    argument.uri = vim.uri_from_bufnr(buffer)
  end
  client.command(verb, argument, refusals, buffer)
end

return M
