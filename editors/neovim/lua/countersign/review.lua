--- What is decided about pending changes: those where the cursor stands, a file's, all.
local M = {}

local client = require('countersign.client')
local show = require('countersign.show')

--- The pending changes of a buffer: what is drawn for a rich client, else what the diagnostics say. In the quickfix window its
--- entries count as the changes that they name.
---@return {lnum: integer, end_lnum: integer, id: string, proposal: string, state: string, new?: string[], client?: integer, name?: string}[]
function M.places(buffer)
  local listed = require('countersign.list').places(buffer)
  local all = listed or require('countersign.hunks').places(buffer)
  if listed or #all > 0 then
    return all
  end
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    local data = vim.tbl_get(diagnostic, 'user_data', 'lsp', 'data')
    if diagnostic.source == 'countersign' and type(data) == 'table' and data.proposal and data.hunk then
      local stale = diagnostic.message:find('agent: stale', 1, true) == 1
      table.insert(all, {
        lnum = diagnostic.lnum,
        end_lnum = diagnostic.lnum + 1,
        id = data.hunk,
        proposal = data.proposal,
        state = stale and 'stale' or 'pending',
      })
    end
  end
  return all
end

--- Whether a change reaches these lines (from 1); an insertion belongs to both of its neighbours.
local function touches(place, first, last)
  if place.end_lnum > place.lnum then
    return place.lnum < last and place.end_lnum >= first
  end
  return place.lnum >= first - 1 and place.lnum <= last
end

--- The changes on these lines, by proposal, and whose they are.
local function on_lines(buffer, first, last, fits)
  local found = {}
  for _, place in ipairs(M.places(buffer)) do
    if touches(place, first, last) and (not fits or fits(place)) then
      found[place.proposal] = found[place.proposal] or { hunks = {}, client = place.client }
      table.insert(found[place.proposal].hunks, place.id)
    end
  end
  return found
end

--- The proposal of the buffer's change that is nearest to the line, its client and, in the quickfix window, its file.
local function nearest(buffer, line)
  local best, away
  for _, place in ipairs(M.places(buffer)) do
    local distance = math.abs(place.lnum + 1 - line)
    if not away or distance < away then
      best, away = place, distance
    end
  end
  if best then
    return best.proposal, best.client, best.name
  end
end

--- The proposal that this place is about, and its client: of this buffer, else of any file of the buffer's own server; of
--- another server's only where the buffer has none.
local function proposal_here(buffer, line)
  local here, of = nearest(buffer, line)
  if here then
    return here, of
  end
  local own = vim.lsp.get_clients({ name = 'countersign', bufnr = buffer })[1]
  local items = require('countersign.state').items()
  for index = #items, 1, -1 do
    if not own or items[index].client == own.id then
      return items[index].proposal.proposal, items[index].client
    end
  end
  for _, diagnostic in ipairs(vim.diagnostic.get()) do
    local data = vim.tbl_get(diagnostic, 'user_data', 'lsp', 'data')
    if diagnostic.source == 'countersign' and type(data) == 'table' and data.proposal then
      return data.proposal
    end
  end
end

--- The proposals that have something in this file, or in any file of the place's server; of the quickfix window's entries the
--- file is that of the nearest.
---@return {proposal: string, client?: integer}[]
local function proposals(buffer, line, whole, name)
  local all, known = {}, {}
  local function add(proposal, id)
    if not known[proposal] then
      known[proposal] = true
      table.insert(all, { proposal = proposal, client = id })
    end
  end
  if whole == 'file' then
    for _, place in ipairs(M.places(buffer)) do
      if place.name == name then
        add(place.proposal, place.client)
      end
    end
    return all
  end
  local here, of = proposal_here(buffer, line)
  if here then
    -- The nearest first.
    add(here, of)
  end
  for _, item in ipairs(require('countersign.state').items()) do
    if item.client == of then
      add(item.proposal.proposal, of)
    end
  end
  for _, diagnostic in ipairs(here and not of and vim.diagnostic.get() or {}) do
    local data = vim.tbl_get(diagnostic, 'user_data', 'lsp', 'data')
    if diagnostic.source == 'countersign' and type(data) == 'table' and data.proposal then
      add(data.proposal)
    end
  end
  return all
end

local nothing_here = 'no pending change of the agent stands here'

--- Tells the user when nothing can be decided yet about what is drawn.
local function is_away(id)
  local away = id ~= nil and require('countersign.state').is_away(id)
  if away then
    show.tell('the server is being started again: decide in a moment', vim.log.levels.WARN)
  end
  return away
end

--- Asks the server what stands here: for a client that is not rich, a change reaches further than the line of its diagnostic.
local function asked(buffer, first, last, title, done)
  local lines = vim.api.nvim_buf_get_lines(buffer, last - 1, last, false)
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buffer) },
    range = { start = { line = first - 1, character = 0 }, ['end'] = { line = last - 1, character = #(lines[1] or '') } },
    context = { diagnostics = {}, triggerKind = 2 },
  }
  client.request(buffer, 'textDocument/codeAction', params, function(actions)
    for _, action in ipairs(actions or {}) do
      -- Of several changes the title says how many.
      if vim.startswith(action.title, title) then
        return done(action.command.arguments[1])
      end
    end
    show.tell(nothing_here, vim.log.levels.WARN)
  end)
end

local function refusals(result)
  local all = result and result.refused or {}
  -- Where nothing at all was accepted the server says why by itself.
  local said = all[1] and result.accepted and #result.accepted == 0 and all[1].why
  for _, refused in ipairs(all) do
    if refused.why ~= said then
      show.tell(('%s: %s'):format(refused.hunk, refused.why), vim.log.levels.WARN)
    end
  end
end

local titles = { accept = 'Accept change', reject = 'Reject change', renew = 'Propose again' }

--- Accepts, rejects or renews the changes on these lines.
---@param verb 'accept'|'reject'|'renew'
---@param reason? string
function M.here(verb, buffer, first, last, reason)
  local function decide(argument, id)
    if is_away(id) then
      return
    end
    argument.reason = verb == 'reject' and reason or nil
    client.command(verb, argument, refusals, buffer, id)
  end
  local found = on_lines(buffer, first, last, verb == 'renew' and function(place)
    return place.state == 'stale'
  end or nil)
  if next(found) then
    for proposal, mine in pairs(found) do
      decide({ proposal = proposal, hunks = mine.hunks }, mine.client)
    end
  elseif client.is_file(buffer) then
    asked(buffer, first, last, titles[verb], decide)
  else
    show.tell(nothing_here, vim.log.levels.WARN)
  end
end

--- Accepts or rejects what is pending in this file, or everywhere.
---@param verb 'accept'|'reject'
---@param whole 'file'|'all'
function M.many(verb, buffer, line, whole, reason)
  local _, _, name = nearest(buffer, line)
  local all = proposals(buffer, line, whole, name)
  if #all == 0 then
    return show.tell('no change of the agent is pending ' .. (whole == 'file' and 'in this file' or 'here'), vim.log.levels.WARN)
  end
  local uri = whole == 'file' and (name and vim.uri_from_fname(name) or vim.uri_from_bufnr(buffer)) or nil
  local alone, others = 0, 0
  for _, item in ipairs(verb == 'accept' and whole == 'all' and require('countersign.state').items() or {}) do
    if item.hunk.steering then
      alone = alone + 1
    else
      others = others + 1
    end
  end
  -- One after the other: the next is placed in the text that the one before it made.
  local function decide(index)
    local one = all[index]
    if not one and alone > 0 and others > 0 then
      -- Where there is nothing else the server says so by itself.
      local them = alone == 1 and '1 change steers tools and is' or ('%d changes steer tools and are'):format(alone)
      return show.tell(them .. ' left: accept it on its own', vim.log.levels.WARN)
    elseif not one or is_away(one.client) then
      return
    end
    local argument = { proposal = one.proposal, uri = uri, reason = verb == 'reject' and reason or nil }
    client.command(verb, argument, function(result)
      refusals(result)
      decide(index + 1)
    end, buffer, one.client)
  end
  decide(1)
end

--- Shows the whole proposal of this place as a diff.
function M.diff(buffer, line)
  local proposal, id = proposal_here(buffer, line)
  if not proposal then
    return show.tell('no change of the agent is pending here', vim.log.levels.WARN)
  elseif not is_away(id) then
    client.command('showDiff', { proposal = proposal }, nil, buffer, id)
  end
end

--- The line (from 1) on which the cursor stands for a change.
local function line_of(buffer, place)
  return math.min(place.lnum + 1, vim.api.nvim_buf_line_count(buffer))
end

--- Puts the cursor on a change, opens the folds over it, and scrolls where its new lines would lie below the window.
local function go(buffer, place)
  vim.api.nvim_win_set_cursor(0, { line_of(buffer, place), 0 })
  vim.cmd('normal! zv')
  local height, rows = vim.api.nvim_win_get_height(0), place.end_lnum - place.lnum + #(place.new or {})
  if vim.fn.winline() + rows - 1 > height then
    vim.cmd('normal! ' .. (rows <= height / 2 and 'zz' or 'zt'))
  end
end

--- Moves to the next or previous change of the buffer, round its end; where it has none, to the first of the next file.
---@param step 1|-1
function M.jump(buffer, step)
  local places = M.places(buffer)
  if #places == 0 then
    local item = require('countersign.state').items()[1]
    if not item then
      return show.tell('no change of the agent is pending', vim.log.levels.WARN)
    end
    local ok, why = pcall(vim.cmd.edit, vim.fn.fnameescape(item.name))
    if not ok then
      -- Such as unsaved changes with 'nohidden'.
      return show.tell(require('countersign.commands').reason(why), vim.log.levels.WARN)
    end
    places = M.places(vim.api.nvim_get_current_buf())
    return places[1] and go(0, places[1])
  end
  local here = vim.api.nvim_win_get_cursor(0)[1]
  local from, to = step > 0 and 1 or #places, step > 0 and #places or 1
  local target = places[from]
  for index = from, to, step do
    local line = line_of(buffer, places[index])
    if (step > 0 and line > here) or (step < 0 and line < here) then
      target = places[index]
      break
    end
  end
  vim.cmd("normal! m'")
  go(buffer, target)
end

return M
