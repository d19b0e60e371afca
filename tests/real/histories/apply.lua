-- Applies each line's edits in a buffer, in every encoding, and compares the texts. Arguments: the file of pairs.
local buffer = vim.api.nvim_create_buf(true, false)
vim.bo[buffer].undolevels = -1
local applied, wrong = 0, 0

local function ends(text, ending)
  return text:sub(-#ending) == ending
end

-- A buffer keeps its last line break as an option; where one of the texts has none, all of it is held in the lines.
local function load(text, breaks, eol)
  vim.bo[buffer].fileformat = breaks == '\r\n' and 'dos' or 'unix'
  vim.bo[buffer].endofline = eol
  vim.bo[buffer].fixendofline = eol
  if eol then text = text:sub(1, -1 - #breaks) end
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(text, breaks, { plain = true }))
end

local function text(breaks, eol)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), breaks) .. (eol and breaks or '')
end

for line in io.lines(arg[1]) do
  local pair = vim.json.decode(line, { luanil = { object = true } })
  if pair.breaks then
    local eol = ends(pair.old, pair.breaks) and ends(pair.new, pair.breaks)
    for _, kind in ipairs({ 'hunks', 'changes' }) do
      for _, encoding in ipairs(pair[kind] and { 'utf-8', 'utf-16', 'utf-32' } or {}) do
        local edits = vim.tbl_map(function(edit)
          local r = edit.range[encoding]
          local range = { start = { line = r[1], character = r[2] }, ['end'] = { line = r[3], character = r[4] } }
          return { newText = edit.newText, range = range }
        end, pair[kind])
        load(pair.old, pair.breaks, eol)
        vim.lsp.util.apply_text_edits(edits, buffer, encoding)
        applied = applied + 1
        local now = text(pair.breaks, eol)
        if now ~= pair.new then
          wrong = wrong + 1
          if wrong <= 5 then
            local all = vim.json.encode({ old = pair.old, edits = edits, text = now, wanted = pair.new, eol = eol })
            print(pair.name .. ': ' .. kind .. ' in ' .. encoding .. ' came out wrong: ' .. all:sub(1, 3000))
          end
        end
      end
    end
  end
end
if wrong > 0 then print(wrong .. ' came out wrong') end
io.write('applied ' .. applied .. '\n')
os.exit(wrong > 0 and 1 or 0)
