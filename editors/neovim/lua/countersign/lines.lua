--- A hunk as virtual lines: its new text as the buffer would show it, wrapped as the window wraps, with the words that changed.
local M = {}

--- Lines of a text; its last line break ends the last line.
function M.split(text)
  if text == '' then
    return {}
  end
  text = text:gsub('\r\n', '\n')
  return vim.split(text:sub(-1) == '\n' and text:sub(1, -2) or text, '\n', { plain = true })
end

--- What a stretch of a line looks like from this screen column on: tabs as blanks, what cannot be shown named.
local function shown(text, column, tabstop)
  if not text:find('[%c\128-\255]') then
    return text
  end
  local out = {}
  for part, tab in text:gmatch('([^\t]*)(\t?)') do
    if part ~= '' then
      part = vim.fn.strtrans(part)
      table.insert(out, part)
      column = column + vim.fn.strdisplaywidth(part)
    end
    if tab ~= '' then
      local blanks = tabstop - column % tabstop
      table.insert(out, (' '):rep(blanks))
      column = column + blanks
    end
  end
  return table.concat(out)
end

--- A line as chunks: plain parts in `group`, changed ranges in `word`.
local function chunks(line, ranges, group, word, tabstop)
  local all, at, column = {}, 0, 0
  local function add(from, to, with)
    if to > from then
      local text = shown(line:sub(from + 1, to), column, tabstop)
      column = column + vim.fn.strdisplaywidth(text)
      table.insert(all, { text, with })
    end
  end
  for _, range in ipairs(ranges or {}) do
    add(at, range[1], group)
    add(range[1], range[2], word)
    at = range[2]
  end
  add(at, #line, group)
  return all, column
end

--- Cuts chunks into rows of at most this many columns.
local function wrapped(all, width)
  local rows, row, column = {}, {}, 0
  for _, chunk in ipairs(all) do
    local part = ''
    for _, character in ipairs(vim.fn.split(chunk[1], '\\zs')) do
      local wide = vim.fn.strdisplaywidth(character)
      if column + wide > width and column > 0 then
        table.insert(row, { part, chunk[2] })
        table.insert(rows, row)
        row, column, part = {}, 0, ''
      end
      part = part .. character
      column = column + wide
    end
    table.insert(row, { part, chunk[2] })
  end
  table.insert(rows, row)
  return rows, column
end

---@class countersign.Look
---@field group string
---@field word string
---@field width integer columns of the window's text
---@field wrap boolean
---@field tabstop integer
---@field most integer lines that are shown

--- The virtual lines of a new text. `ranges` by line are what changed in it; `label` stands behind the first.
---@param look countersign.Look
function M.virtual(new, ranges, look, label)
  local rows = {}
  for index, line in ipairs(new) do
    if index > look.most then
      table.insert(rows, { { ('… %d more lines; :Countersign diff shows all'):format(#new - look.most), 'CountersignLabel' } })
      break
    end
    local all, column = chunks(line, ranges[index] and ranges[index].new, look.group, look.word, look.tabstop)
    local mine = { all }
    if look.wrap and column > look.width then
      mine, column = wrapped(all, look.width)
    end
    local last = mine[#mine]
    if index == 1 and label then
      table.insert(last, { '  ', look.group })
      table.insert(last, { label[1], { look.group, label[2] } })
      column = column + 2 + vim.fn.strdisplaywidth(label[1])
    end
    -- The colour goes on to the window's edge, as it does in a line of the buffer.
    table.insert(last, { (' '):rep(math.max(look.width - column, 0)), look.group })
    vim.list_extend(rows, mine)
  end
  return rows
end

return M
