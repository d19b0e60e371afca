--- What differs inside of lines: old and new lines that belong together, and the words that changed between them.
local M = {}

--- Longer lines and larger hunks are shown without words: nobody reads them, and typing must not wait.
local longest, most_pairs = 400, 60

local diff = vim.text and vim.text.diff or vim.diff

--- A line as words, runs of blanks and single other characters.
local function tokens(line)
  local all, at = {}, 1
  while at <= #line do
    local from, to = line:find('^[%w_\128-\255]+', at)
    if not from then
      from, to = line:find('^%s+', at)
    end
    to = to or at
    table.insert(all, line:sub(at, to))
    at = to + 1
  end
  return all
end

--- Byte ranges `{from, to}` (from 0, to exclusive) that differ; nil when the lines have too little in common.
---@return integer[][]? old, integer[][]? new
function M.between(old, new)
  if #old > longest or #new > longest or old == new then
    return nil
  end
  local left, right = tokens(old), tokens(new)
  if #left == 0 or #right == 0 then
    return nil
  end
  local hunks = diff(table.concat(left, '\n') .. '\n', table.concat(right, '\n') .. '\n', { result_type = 'indices' })
  local function places(all)
    local starts, at = {}, 0
    for index, token in ipairs(all) do
      starts[index] = at
      at = at + #token
    end
    starts[#all + 1] = at
    return starts
  end
  local lefts, rights = places(left), places(right)
  local olds, news, changed = {}, {}, 0
  for _, hunk in ipairs(hunks) do
    local from, count, to, added = unpack(hunk)
    if count > 0 then
      table.insert(olds, { lefts[from], lefts[from + count] })
      changed = changed + lefts[from + count] - lefts[from]
    end
    if added > 0 then
      table.insert(news, { rights[to], rights[to + added] })
    end
  end
  -- Lines that share less than half are read as wholes.
  if (#old - changed) * 2 < math.max(#old, #new) then
    return nil
  end
  return olds, news
end

--- Pairs of old and new lines of a hunk (from 1): those at the same place, when the hunk keeps its number of lines or they
--- are alike from its start.
---@return table<integer, {old: integer[][], new: integer[][]}> by line
function M.of(old, new)
  local found = {}
  for line = 1, math.min(#old, #new, most_pairs) do
    local olds, news = M.between(old[line], new[line])
    if olds then
      found[line] = { old = olds, new = news }
    end
  end
  return found
end

return M
