-- :checkhealth tells what is found, and what is missing with what to do.
local function report()
  vim.cmd('silent checkhealth countersign')
  local text = lab.text()
  vim.cmd('silent bwipe!')
  return text
end
local function has(text, words)
  assert(text:find(words, 1, true), words .. ' is not in: ' .. text)
end

-- The first command need not wait for the server.
vim.cmd.edit('list.txt')
vim.cmd('Countersign status')
lab.wait('the status', function()
  return vim.api.nvim_buf_get_name(0):find('countersign://status', 1, true) and lab.text():find('walls', 1, true)
end)
vim.cmd('silent bwipe!')
lab.client()
local text = report()
for _, words in ipairs({ 'Neovim 0.1', ' runs for ', 'countersign 0.', 'git: git version', 'policy: SHA-256', 'trust: ' }) do
  has(text, words)
end

vim.g.countersign = { cmd = { 'countersign-of-nowhere' } }
text = report()
has(text, 'countersign-of-nowhere is not on PATH')
has(text, 'cargo install')

-- Commands complete, and a wrong one says which there are.
local names = vim.fn.getcompletion('Countersign acc', 'cmdline')
lab.equal(names, { 'accept', 'accept_all', 'accept_file' }, 'completion')
vim.cmd('Countersign acept')
assert(lab.said('there is no :Countersign acept; there are accept,'))
vim.cmd('Countersign accept')
lab.wait('the refusal', function()
  return lab.said('no pending change of the agent stands here')
end)
vim.cmd('Countersign answer 1')
assert(lab.said('no question is open'))

-- The manual has every sub-command.
local manual = table.concat(vim.fn.readfile(vim.env.LAB_PLUGIN .. '/doc/countersign.txt'), '\n')
for name in pairs(require('countersign.commands').all) do
  assert(manual:find('Countersign ' .. name, 1, true), 'the manual does not name ' .. name)
end

-- Options that mean nothing are named and left out; a missing program is named to whoever asks.
for _, client in ipairs(vim.lsp.get_clients({ name = 'countersign' })) do
  vim.lsp.get_client_by_id(client.id).rpc.terminate()
end
lab.wait('the end of the server', function()
  return #vim.lsp.get_clients({ name = 'countersign' }) == 0
end)
vim.g.countersign = { cmd = { 'countersign-of-nowhere' }, autstart = true, lines = '20', keys = { [']h'] = 'nxt' } }
text = report()
has(text, 'vim.g.countersign knows no `autstart`')
has(text, 'vim.g.countersign: `lines` is a string, not a number')
has(text, '`keys`: ]h means `nxt`, and there is no such command')
lab.equal(require('countersign.config').get().lines, 200, 'the default')
local function named()
  return #vim.tbl_filter(function(message)
    return message:find('countersign-of-nowhere is not on PATH; :checkhealth countersign says how to get it', 1, true)
  end, require('countersign.show').messages())
end
vim.cmd.edit('other.txt')
lab.wait('the word about the program', function()
  return named() == 1
end)
vim.cmd.edit('list.md')
vim.wait(100)
lab.equal(named(), 1, 'nobody asked for it')
vim.cmd('Countersign ask Hello.')
lab.equal(named(), 2, 'somebody asked for it')
vim.g.countersign = 'countersign'
has(report(), 'vim.g.countersign is no table')
