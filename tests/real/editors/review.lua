-- Ask about unsaved text, type between the hunks, accept one, reject one with a reason, undo one, take one by code action.
local wait, equal = lab.wait, lab.equal
vim.cmd.edit('list.txt')
lab.client()
vim.api.nvim_buf_set_lines(0, 14, 15, false, { 'line 15 unsaved' })
vim.cmd('Countersign ask Mark three lines.')
local function count(n)
  return function()
    return #lab.hunks() == n and lab.hunks()
  end
end
wait('three hunks', count(3))

-- The user types between the first and the second.
vim.cmd('normal! 9GAé typed\rand one more')
local hunks = wait('the hunks to shift', function()
  local all = lab.hunks()
  return #all == 3 and all[2].lnum == 15 and all[3].lnum == 27 and all
end)
equal(hunks[1].lnum, 2, 'the first hunk stays')
local before = lab.text()

-- Accept the second, where the cursor stands.
vim.cmd('normal! 16G')
vim.cmd('Countersign accept')
local accepted = before:gsub('line 15 unsaved\n', 'line 15 unsaved, second\n')
wait('the accepted text', function()
  return lab.text() == accepted
end)
wait('two hunks', count(2))

-- One undo step takes exactly that back, and redo brings it again.
vim.cmd('silent undo')
equal(lab.text(), before, 'one undo takes the acceptance back and leaves what was typed')
vim.cmd('silent redo')
equal(lab.text(), accepted, 'redo')

-- Reject the first with a reason.
vim.cmd('normal! 3G')
vim.cmd('Countersign reject keep line 3 as it was')
wait('one hunk', count(1))
equal(lab.text(), accepted, 'a rejection leaves no trace')

-- The third by its code action, as any client would.
vim.cmd('normal! 28G')
vim.lsp.buf.code_action({
  filter = function(action)
    return action.title == 'Accept change'
  end,
  apply = true,
})
local both = accepted:gsub('line 27\n', 'line 27, third\nand below\n')
wait('the third change', function()
  return lab.text() == both
end)
wait('no hunk', count(0))
wait('the closing message', function()
  return lab.said('Marked.')
end)
equal(vim.fn.readfile('list.txt')[3], 'line 3', 'the disk is untouched')
equal(vim.fn.readfile('list.txt')[15], 'line 15', 'the disk is untouched')
-- What is left is the new file: shown for a rich client, which counts what waits for the user.
wait('no progress', function()
  return require('countersign').status() == (vim.env.LAB_PLAIN and '' or 'agent: 1 to review')
end)
