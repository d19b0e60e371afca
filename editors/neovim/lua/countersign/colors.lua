--- The colours of the review. All are defaults: a colour scheme or the user may set them.
local M = {}

local dark = {
  CountersignAdd = { bg = '#1b3a2a', ctermbg = 22 },
  CountersignAddWord = { bg = '#2f6f4a', ctermbg = 28 },
  CountersignDelete = { bg = '#4a2228', ctermbg = 52 },
  CountersignDeleteWord = { bg = '#86323c', ctermbg = 88 },
  CountersignStale = { bg = '#3a3320', ctermbg = 58 },
  CountersignLabel = { fg = '#8b95a7', italic = true, ctermfg = 245 },
  CountersignSteering = { fg = '#e5c07b', bold = true, ctermfg = 180 },
}
local light = {
  CountersignAdd = { bg = '#d6f2de', ctermbg = 194 },
  CountersignAddWord = { bg = '#9adfb0', ctermbg = 157 },
  CountersignDelete = { bg = '#fbdfe1', ctermbg = 224 },
  CountersignDeleteWord = { bg = '#f3aab0', ctermbg = 217 },
  CountersignStale = { bg = '#f3ecd2', ctermbg = 230 },
  CountersignLabel = { fg = '#667085', italic = true, ctermfg = 243 },
  CountersignSteering = { fg = '#8a5a00', bold = true, ctermfg = 94 },
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
  local all = vim.deepcopy(vim.o.background == 'light' and light or dark)
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
