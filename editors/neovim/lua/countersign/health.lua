--- `:checkhealth countersign`: the editor, the program, and what the program says about the machine.
local M = {}

local function run(command)
  local ok, done = pcall(function()
    return vim.system(command, { text = true }):wait(20000)
  end)
  return ok and done or nil
end

local function doctor(program)
  local done = run({ program, 'doctor', '--json' })
  local ok, report = pcall(vim.json.decode, done and done.stdout or '', { luanil = { object = true } })
  if not ok or type(report) ~= 'table' or type(report.checks) ~= 'table' then
    return vim.health.error('`countersign doctor` gave no report', { 'run it in a terminal' })
  end
  local say = { ok = vim.health.ok, weak = vim.health.warn, fails = vim.health.error }
  for _, check in ipairs(report.checks) do
    local text = ('%s: %s'):format(check.name, check.found)
    local tell = say[check.state] or vim.health.info
    local model = require('countersign.config').get().model
    if check.name == 'model' and model then
      -- The server is told of it, the doctor is not.
      text, tell = 'model: ' .. model .. ', as this editor says', vim.health.info
    end
    if tell == vim.health.ok or tell == vim.health.info then
      tell(text)
    else
      tell(text, check.advice and { check.advice } or nil)
    end
  end
end

function M.check()
  vim.health.start('countersign: editor')
  if vim.fn.has('nvim-0.10') == 1 then
    vim.health.ok('Neovim ' .. tostring(vim.version()))
  else
    vim.health.error('Neovim 0.10 or newer is needed')
    return
  end
  for _, problem in ipairs(require('countersign.config').problems()) do
    vim.health.warn(problem, { ':help countersign-setup' })
  end
  local clients = vim.lsp.get_clients({ name = 'countersign' })
  if #clients == 0 then
    vim.health.info('no server runs; open a file below one of ' .. table.concat(require('countersign.config').get().root_markers, ', '))
  end
  for _, client in ipairs(clients) do
    local own = (client.server_info or {}).version
    vim.health.ok(('a server%s runs for %s'):format(own and (' of version ' .. own) or '', client.config.root_dir or '?'))
    local theirs = vim.tbl_get(client.server_capabilities, 'experimental', 'countersign')
    local mismatch = require('countersign.rich').mismatch(theirs)
    if mismatch then
      vim.health.warn(mismatch)
    elseif theirs then
      vim.health.ok(('both speak protocol %d'):format(theirs.protocol))
    end
  end

  vim.health.start('countersign: program')
  -- As the server is started: `vim.lsp.config` may name another one.
  local cmd = require('countersign.client').configuration().cmd
  if type(cmd) ~= 'table' then
    return vim.health.info('`cmd` is a function: nothing is known of the program')
  end
  local command = tostring(cmd[1])
  local program = vim.fn.exepath(command)
  if program == '' then
    vim.health.error(command .. ' is not on PATH', {
      'install it with `cargo install --path .` in its repository',
      "or name it: vim.g.countersign = { cmd = { '/path/to/countersign', 'lsp' } }",
    })
    return
  end
  local version = run({ program, '--version' })
  if not version or version.code ~= 0 then
    vim.health.error(program .. ' does not start', { version and version.stderr or 'run it in a terminal' })
    return
  end
  vim.health.ok(('%s at %s'):format(vim.trim(version.stdout), program))

  vim.health.start('countersign: doctor')
  doctor(program)
end

return M
