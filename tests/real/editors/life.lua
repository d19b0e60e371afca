-- The server is killed: it comes back with what was pending, three times, and not for ever.
local wait, equal = lab.wait, lab.equal
vim.cmd.edit('list.txt')
local first = lab.client()
vim.api.nvim_buf_set_lines(0, 14, 15, false, { 'line 15 unsaved' })
vim.cmd('Countersign ask Mark three lines.')
wait('the end', function()
  return lab.said('Marked.') and #lab.drawn() == 6
end)
local before = lab.drawn()
-- Kept a moment after they change.
wait('the kept proposal', lab.is_kept)

local function kill()
  local killed
  for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
    if vim.api.nvim_get_proc(pid).name == 'countersign' then
      vim.uv.kill(pid, 'sigkill')
      killed = true
    end
  end
  assert(killed, 'there was nothing to kill')
end
--- Waits for another server; what was pending stays on the screen meanwhile.
local function another(than, pending)
  return wait('another server', function()
    if pending then
      equal(lab.drawn(), pending, 'nothing flickers')
    end
    local client = vim.lsp.get_clients({ name = 'countersign', bufnr = 0 })[1]
    return client and client.id ~= than and client.initialized and client
  end)
end
kill()
wait('its end', function()
  return not vim.lsp.get_client_by_id(first.id)
end)
local second = another(first.id, before)
wait('the message', function()
  return lab.said('countersign ended unexpectedly and is started again')
end)
wait('the word of the server', function()
  equal(lab.drawn(), before, 'nothing flickers')
  return lab.said('4 pending changes from before the restart')
end)
wait('the proposals of the new one', function()
  equal(lab.drawn(), before, 'nothing flickers')
  local items = require('countersign.state').items()
  return #items == 4 and items[1].client == second.id
end)
-- What is restored is as good as new.
vim.cmd('normal! 15G')
vim.cmd('Countersign accept')
wait('the accepted text', function()
  return vim.fn.getline(15) == 'line 15 unsaved, second' and #lab.hunks() == 2
end)

-- The user restarts it: that does not count.
before = lab.drawn()
vim.cmd('Countersign restart')
local third = another(second.id, before)
wait('two are back', function()
  return #lab.hunks() == 2 and #lab.drawn() == 4
end)
kill()
local fourth = another(third.id)
kill()
local fifth = another(fourth.id)
kill()
wait('enough', function()
  return lab.said('is not started again')
end)
vim.wait(300)
equal(vim.lsp.get_clients({ name = 'countersign' }), {}, 'no server')
equal(lab.drawn(), {}, 'and nothing is shown that nobody can accept')
vim.cmd('Countersign restart')
another(fifth.id)

-- Numbers of the protocol.
local mismatch = require('countersign.rich').mismatch
equal(mismatch({ protocol = 1, version = '0.9' }), nil, 'the same')
equal(mismatch({ protocol = 2, version = '0.9' }), 'countersign 0.9 speaks protocol 2, this plugin 1: update the plugin', 'newer')
equal(mismatch({ protocol = 0, version = '0.1' }), 'countersign 0.1 speaks protocol 0, this plugin 1: update the program', 'older')
