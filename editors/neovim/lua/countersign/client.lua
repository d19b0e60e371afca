--- The client: starting it, finding it, sending commands to it.
local M = {}

local function notify(text, level)
  require('countersign.show').tell(text, level or vim.log.levels.ERROR)
end

local not_running = 'countersign is not running here; see :checkhealth countersign'

--- What the client is started with.
---@return vim.lsp.ClientConfig
function M.configuration()
  -- Neovim 0.11 and newer lays what the user said with vim.lsp.config over our `lsp/countersign.lua`.
  return vim.lsp.config and vim.lsp.config.countersign or require('countersign.config').client()
end

--- Whether a buffer shows a file of the disk.
function M.is_file(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  return vim.bo[buffer].buftype == '' and name ~= '' and not name:match('^%a[%w+.-]*://')
end

--- Neovim tells the end of a killed server in a message so long that it waits for a key, and takes what the user types. So it
--- is told of an orderly end, and what really happened goes to who starts the server again.
local function quiet(config)
  local command, on_exit, how = config.cmd, config.on_exit, {}
  -- Loaded now: where the end is told, nothing that loads may run.
  local rich = require('countersign.rich')
  if type(command) == 'table' then
    config.cmd = function(dispatchers)
      local heard = vim.tbl_extend('force', {}, dispatchers)
      heard.on_exit = function(code, signal)
        how.code, how.signal = code, signal
        -- Asked for before Neovim asks for its own part, and thus done before it.
        vim.schedule(function()
          require('countersign.hold').take(how.id)
        end)
        return dispatchers.on_exit(0, 0)
      end
      return vim.lsp.rpc.start(command, heard, { cwd = config.cmd_cwd, env = config.cmd_env, detached = config.detached })
    end
  end
  config.on_exit = function(code, signal, id)
    rich.ended(how.code or code, how.signal or signal, id)
    for _, also in ipairs(type(on_exit) == 'table' and on_exit or { on_exit }) do
      also(how.code or code, how.signal or signal, id)
    end
  end
  return config, how
end

--- When the file of a buffer was written last, as of its last reading or writing here.
local read_at = {}

local function note_time(buffer)
  local found = vim.uv.fs_stat(vim.api.nvim_buf_get_name(buffer))
  read_at[buffer] = found and found.mtime
end

vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufWritePost' }, {
  group = vim.api.nvim_create_augroup('countersign-times', {}),
  callback = function(event)
    if read_at[event.buf] then
      note_time(event.buf)
    end
  end,
})

--- Whether somebody else has written the file of a buffer since. Its mode does not matter.
function M.written_since(buffer)
  local found = vim.uv.fs_stat(vim.api.nvim_buf_get_name(buffer))
  return not read_at[buffer] or not vim.deep_equal(found and found.mtime, read_at[buffer])
end

--- client -> its root, the buffers that were attached to it, and whether another one is started in its place
local attached = {}

--- Starts the server for a buffer, or attaches it to the one of its root.
---@param buffer integer
---@param root? string in place of the buffer's own root
---@return integer? client its id
---@return string? why it cannot be started
local function start(buffer, root)
  local config = vim.tbl_extend('force', {}, M.configuration())
  config.root_dir = root or vim.fs.root(buffer, config.root_markers)
  if not config.root_dir then
    return nil
  end
  if type(config.cmd) == 'table' and vim.fn.executable(config.cmd[1]) == 0 then
    return nil, M.missing(config.cmd[1])
  end
  local heard, how = quiet(config)
  local id = vim.lsp.start(heard, { bufnr = buffer })
  how.id = id
  if id then
    attached[id] = attached[id] or { root = config.root_dir, buffers = {} }
    attached[id].buffers[buffer] = true
    note_time(buffer)
  end
  return id
end

--- It is told once that the program is missing, until somebody asks for it.
local missing_said = false
--- So is what is wrong with the user's options.
local problems_said = false

--- Starts the server for a file, as nobody asked for.
local function start_unasked(buffer, root)
  local id, why = start(buffer, root)
  local problems = id and not problems_said and require('countersign.config').problems() or {}
  problems_said = problems_said or id ~= nil
  if #problems > 0 then
    notify(problems[1] .. '; see :checkhealth countersign', vim.log.levels.WARN)
  end
  if why and not missing_said then
    missing_said = true
    notify(why, vim.log.levels.WARN)
  end
  return id
end

--- How to get the program, in one sentence.
function M.missing(program)
  return program .. ' is not on PATH; :checkhealth countersign says how to get it (`cargo install --path .` in its repository)'
end

--- The buffers and the root of a client that has ended, and whether another one is started in its place by the user's wish; once.
---@return integer[] buffers, string? root, boolean? returns
function M.left(id)
  local mine = attached[id]
  attached[id] = nil
  if mine then
    return vim.tbl_keys(mine.buffers), mine.root, mine.returns
  end
  return {}
end

--- Attaches buffers to the server of a root.
function M.attach_all(buffers, root)
  for _, buffer in ipairs(buffers) do
    if vim.api.nvim_buf_is_loaded(buffer) then
      start_unasked(buffer, root)
    end
  end
end

--- Ends the servers and starts them anew.
function M.restart()
  local all = {}
  for _, client in ipairs(vim.lsp.get_clients({ name = 'countersign' })) do
    local mine = attached[client.id]
    if mine then
      mine.returns = true
      table.insert(all, { buffers = vim.tbl_keys(mine.buffers), root = mine.root, client = client })
    end
  end
  if #all == 0 then
    local client, why = M.find(vim.api.nvim_get_current_buf())
    return client or notify(why or not_running)
  end
  for _, one in ipairs(all) do
    local id = one.client.id
    local function stop(force)
      if vim.fn.has('nvim-0.11') == 1 then
        one.client:stop(force)
      else
        one.client.stop(force)
      end
    end
    -- Once it is asked to end, once it is made to.
    local function wait(left, force)
      if not vim.lsp.get_client_by_id(id) then
        return M.attach_all(one.buffers, one.root)
      elseif left > 0 then
        return vim.defer_fn(function()
          wait(left - 1, force)
        end, 20)
      elseif not force then
        stop(true)
        return wait(100, true)
      end
      notify('countersign does not end; see :checkhealth countersign')
    end
    stop(false)
    wait(250, false)
  end
end

--- Buffers that are attached later; see below.
local later = {}

--- Whether a buffer is nothing but the name of a file that the agent wants to create. To the server it would be a file that
--- exists, and looking at the change would end it.
local function only_proposed(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, 2, false)
  if #lines > 1 or lines[1] ~= '' or vim.uv.fs_stat(name) then
    return false
  end
  for _, item in ipairs(require('countersign.state').items(name)) do
    if item.file.op == 'create' then
      return true
    end
  end
  return false
end

--- Attaches a file inside a workspace root. Does nothing elsewhere, or when the user wants to start by hand.
function M.attach(buffer)
  if not vim.api.nvim_buf_is_valid(buffer) or not M.is_file(buffer) or not require('countersign.config').get().autostart then
    return
  elseif vim.b[buffer].countersign then
    -- A document that a server opened: where the user's home is a repository, it is no reason to start one for that.
    return
  elseif not only_proposed(buffer) then
    later[buffer] = nil
    start_unasked(buffer)
  elseif not later[buffer] then
    later[buffer] = true
    vim.api.nvim_create_autocmd({ 'TextChanged', 'TextChangedI', 'BufWritePost' }, {
      buffer = buffer,
      callback = function()
        M.attach_now(buffer)
        return not later[buffer]
      end,
    })
  end
end

--- Attaches a buffer that waited, if it need not wait any longer.
function M.attach_now(buffer)
  if later[buffer] then
    M.attach(buffer)
  end
end

--- The client of a buffer; else one whose agent works; else any; else one is started.
---@return vim.lsp.Client?
---@return string? why there is none
function M.find(buffer)
  if not vim.api.nvim_buf_is_valid(buffer) then
    buffer = vim.api.nvim_get_current_buf()
  end
  local own = vim.lsp.get_clients({ name = 'countersign', bufnr = buffer, _uninitialized = true })[1]
  if own then
    return own
  end
  local all = vim.lsp.get_clients({ name = 'countersign', _uninitialized = true })
  for _, one in ipairs(all) do
    if require('countersign.state').is_busy(one.id) then
      return one
    end
  end
  if all[1] then
    return all[1]
  end
  local started, why = start(buffer)
  if not started and not why then
    started, why = start(buffer, vim.fn.getcwd())
  end
  return started and vim.lsp.get_client_by_id(started), why
end

--- Sends a request of any client, in the words of each Neovim.
---@return boolean sent
function M.send(client, method, params, handler, buffer)
  if vim.fn.has('nvim-0.11') == 1 then
    return (client:request(method, params, handler, buffer))
  end
  return (client.request(method, params, handler, buffer))
end

--- Longest wait for a server that was just started, ms, and how often it is looked at.
local start_time, look = 10000, 20

--- Sends a request. `done` gets the result; an error is shown.
---@param id? integer the client that is meant, where it is known
function M.request(buffer, method, params, done, waited, id)
  local client, why = id and vim.lsp.get_client_by_id(id), nil
  if not client then
    client, why = M.find(buffer)
  end
  waited = waited or 0
  if not client then
    return notify(why or not_running)
  elseif not client.initialized then
    if waited >= start_time then
      return notify('countersign does not answer; see :checkhealth countersign')
    end
    return vim.defer_fn(function()
      M.request(buffer, method, params, done, waited + look, id)
    end, look)
  end
  local function handler(error, result)
    if error then
      notify('countersign: ' .. (error.message or vim.inspect(error)))
    elseif done then
      done(result)
    end
  end
  if not M.send(client, method, params, handler, buffer) then
    notify('countersign is just ending: say it again in a moment')
  end
end

--- Runs `countersign.NAME` with one object as its argument.
---@param id? integer the client that is meant, where it is known
function M.command(name, argument, done, buffer, id)
  local object = next(argument or {}) and argument or vim.empty_dict()
  local params = { command = 'countersign.' .. name, arguments = { object } }
  M.request(buffer or vim.api.nvim_get_current_buf(), 'workspace/executeCommand', params, done, nil, id)
end

return M
