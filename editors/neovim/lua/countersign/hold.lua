--- Keeps Neovim listening to the buffers of a server that has ended, until the next one has them.
---
--- A buffer that changes while no client is attached loses Neovim's listener (`on_lines` in vim/lsp.lua), but not the note that
--- it has one: a client that is attached later hears of no change, and versions stand still. So a client without a program takes
--- the server's place. It tracks changes as the server did, for what Neovim tracks for both must not stand still either.
local M = {}

local name = 'countersign (away)'

--- A client's command that says what it wants to hear, and nothing else.
local function nobody(encoding)
  local sync = { openClose = false, change = vim.lsp.protocol.TextDocumentSyncKind.Incremental }
  return function(dispatchers)
    local closing, last = false, 0
    local function close()
      if not closing then
        closing = true
        dispatchers.on_exit(0, 0)
      end
    end
    return {
      request = function(method, _, done)
        last = last + 1
        local hello = { capabilities = { positionEncoding = encoding, textDocumentSync = sync } }
        done(nil, method == 'initialize' and hello or vim.NIL)
        return true, last
      end,
      notify = function(method)
        if method == 'exit' then
          close()
        end
        return true
      end,
      is_closing = function()
        return closing
      end,
      terminate = close,
    }
  end
end

--- Takes the buffers of a client that has ended; to be called before Neovim takes them from it.
function M.take(id)
  local gone = id and vim.lsp.get_client_by_id(id)
  if not gone or vim.v.exiting ~= vim.NIL then
    return
  end
  local config = { name = name, root_dir = gone.config.root_dir, cmd = nobody(gone.offset_encoding), flags = gone.config.flags }
  local holder
  for buffer in pairs(vim.deepcopy(gone.attached_buffers)) do
    if #vim.lsp.get_clients({ name = name, bufnr = buffer }) > 0 then
      -- The one before did not get as far as taking it back.
    elseif not holder then
      holder = vim.lsp.start(config, {
        bufnr = buffer,
        reuse_client = function()
          return false
        end,
      })
    else
      vim.lsp.buf_attach_client(buffer, holder)
    end
    -- Neovim 0.10 does not count it out when it ends; counted still, its lines would outlive a reload of the file. One that ended
    -- before it answered was never counted in.
    if gone.initialized then
      vim.lsp.buf_detach_client(buffer, id)
    end
  end
end

--- Gives a buffer back: a server has it again.
local function give(buffer)
  for _, client in ipairs(vim.lsp.get_clients({ name = name, bufnr = buffer })) do
    vim.lsp.buf_detach_client(buffer, client.id)
    if not next(client.attached_buffers) then
      client.rpc.terminate()
    end
  end
end

vim.api.nvim_create_autocmd('LspAttach', {
  group = vim.api.nvim_create_augroup('countersign-hold', {}),
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'countersign' then
      give(event.buf)
    end
  end,
})

return M
