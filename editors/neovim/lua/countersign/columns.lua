--- Columns of a line: bytes, as Neovim counts, and units of the encoding that a language server was promised.
local M = {}

local new = vim.fn.has('nvim-0.11') == 1

--- The byte column of a server's column; behind the line's end it is the end.
---@param line string
---@param character integer
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer
function M.bytes(line, character, encoding)
  if encoding == 'utf-8' then
    return math.min(character, #line)
  end
  local ok, at
  if new then
    ok, at = pcall(vim.str_byteindex, line, encoding, character, false)
  else
    ok, at = pcall(vim.str_byteindex, line, character, encoding == 'utf-16')
  end
  return ok and at or #line
end

--- A byte column as the server counts.
---@return integer
function M.units(line, byte, encoding)
  byte = math.min(byte, #line)
  if encoding == 'utf-8' then
    return byte
  elseif new then
    local ok, at = pcall(vim.str_utfindex, line, encoding, byte, false)
    return ok and at or byte
  end
  local utf32, utf16 = vim.str_utfindex(line, byte)
  return encoding == 'utf-16' and utf16 or utf32
end

return M
