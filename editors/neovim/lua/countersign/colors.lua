--- The colours of the review. All are defaults: a colour scheme or the user may set them.
local M = {}

--- Each with its colour on a dark and on a light ground: for screens with all colours, and for those with 256.
local grounds = {
  CountersignAdd = { bg = { '#1b3a2a', '#d6f2de' }, ctermbg = { 22, 194 } },
  CountersignAddWord = { bg = { '#2f6f4a', '#9adfb0' }, ctermbg = { 28, 157 } },
  CountersignDelete = { bg = { '#4a2228', '#fbdfe1' }, ctermbg = { 52, 224 } },
  CountersignDeleteWord = { bg = { '#86323c', '#f3aab0' }, ctermbg = { 88, 217 } },
  CountersignStale = { bg = { '#3a3320', '#f3ecd2' }, ctermbg = { 58, 230 } },
  CountersignLabel = { fg = { '#8b95a7', '#667085' }, ctermfg = { 245, 243 }, italic = true },
  CountersignSteering = { fg = { '#e5c07b', '#8a5a00' }, ctermfg = { 180, 94 }, bold = true },
}
local links = {
  CountersignTask = 'Title',
  CountersignTool = 'Function',
  CountersignOutput = 'Comment',
  CountersignUser = 'String',
  CountersignWaiting = 'WarningMsg',
  CountersignChoice = 'Special',
  CountersignStatus = 'Pmenu',
}

--- What was set here: the user's own is left alone.
local ours = {}

local function set()
  local all, ground = {}, vim.o.background == 'light' and 2 or 1
  for name, look in pairs(grounds) do
    all[name] = vim.tbl_map(function(value)
      return type(value) == 'table' and value[ground] or value
    end, look)
  end
  for name, link in pairs(links) do
    all[name] = { link = link }
  end
  for name, look in pairs(all) do
    local now = vim.api.nvim_get_hl(0, { name = name })
    if next(now) == nil or vim.deep_equal(now, ours[name]) then
      vim.api.nvim_set_hl(0, name, look)
      ours[name] = vim.api.nvim_get_hl(0, { name = name })
    end
  end
end

local done = false

--- Defines the groups, now and whenever colour scheme or background change.
function M.set()
  if done then
    return
  end
  done = true
  set()
  local group = vim.api.nvim_create_augroup('countersign-colors', {})
  vim.api.nvim_create_autocmd('ColorScheme', { group = group, callback = set })
  vim.api.nvim_create_autocmd('OptionSet', { group = group, pattern = 'background', callback = set })
end

return M
