--- `countersign/query`: what the agent may ask this editor about, answered by the editor's other language servers, never by
--- countersign itself. Runs in a coroutine, as Neovim runs all requests of a server.
local M = {}

local clients, columns = require('countersign.client'), require('countersign.columns')

--- Most diagnostics and locations in one answer.
local most = 500

local function failed(message)
  return nil, { code = -32803, message = message }
end

local function buffer_of(uri)
  return require('countersign.hunks').buffer_of(vim.uri_to_fname(uri))
end

--- Lines of files, read once for each answer.
local function reader()
  local files = {}
  return function(uri, row)
    local buffer = buffer_of(uri)
    if buffer then
      return vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ''
    end
    if not files[uri] then
      local path = vim.uri_to_fname(uri)
      local ok, lines = pcall(vim.fn.readfile, path, '', 100000)
      files[uri] = ok and lines or {}
    end
    return files[uri][row + 1] or ''
  end
end

--- A position in another encoding.
local function converted(read, uri, position, from, to)
  if from == to then
    return position
  end
  local line = read(uri, position.line)
  return { line = position.line, character = columns.units(line, columns.bytes(line, position.character, from), to) }
end

local function range_in(read, uri, range, from, to)
  return { start = converted(read, uri, range.start, from, to), ['end'] = converted(read, uri, range['end'], from, to) }
end

--- The first other server of the file that knows the method.
local function other(uri, method)
  local buffer = buffer_of(uri)
  if not buffer then
    return nil, nil, 'the file is not open in the editor'
  end
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = buffer, method = method })) do
    if client.name ~= 'countersign' then
      return client, buffer
    end
  end
  return nil, nil, 'no other language server of the editor answers this for the file'
end

--- Asks a server and waits, without blocking the editor.
local function ask(client, method, params, buffer)
  local waiting = coroutine.running()
  local function handler(error, result)
    vim.schedule(function()
      coroutine.resume(waiting, error, result)
    end)
  end
  if not clients.send(client, method, params, handler, buffer) then
    return { message = 'the language server is gone' }
  end
  return coroutine.yield()
end

--- A position request of this encoding to another server.
local function at_position(params, mine, method, extra)
  local client, buffer, why = other(params.uri, method)
  if not client then
    return nil, why
  end
  local read = reader()
  local position = converted(read, params.uri, params.position, mine, client.offset_encoding)
  local request = vim.tbl_extend('force', { textDocument = { uri = params.uri }, position = position }, extra or {})
  local error, result = ask(client, method, request, buffer)
  if error then
    return nil, client.name .. ': ' .. (error.message or vim.inspect(error))
  end
  return { result = result, encoding = client.offset_encoding, read = read }
end

local function locations(params, mine, method, extra)
  local answer, why = at_position(params, mine, method, extra)
  if not answer then
    return failed(why)
  end
  local result = answer.result
  if type(result) ~= 'table' then
    return {}
  end
  local all = {}
  for _, location in ipairs(vim.islist(result) and result or { result }) do
    if #all >= most then
      break
    end
    local uri = location.targetUri or location.uri
    local range = location.targetSelectionRange or location.range
    table.insert(all, { uri = uri, range = range_in(answer.read, uri, range, answer.encoding, mine) })
  end
  return all
end

local kinds = {}

function kinds.diagnostics(params, mine)
  local own = {}
  for _, client in ipairs(vim.lsp.get_clients({ name = 'countersign' })) do
    own[vim.lsp.diagnostic.get_namespace(client.id)] = true
  end
  local buffer
  if params.uri then
    buffer = buffer_of(params.uri)
    if not buffer then
      return failed('the file is not open in the editor')
    end
  end
  local all, read = {}, reader()
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    local fits = not params.severity or (diagnostic.severity or 1) <= params.severity
    local name = vim.api.nvim_buf_get_name(diagnostic.bufnr)
    if fits and name ~= '' and not own[diagnostic.namespace] and diagnostic.source ~= 'countersign' and #all < most then
      local uri = vim.uri_from_bufnr(diagnostic.bufnr)
      local function point(row, column)
        return { line = row, character = columns.units(read(uri, row), column, mine) }
      end
      table.insert(all, {
        uri = uri,
        range = {
          start = point(diagnostic.lnum, diagnostic.col),
          ['end'] = point(diagnostic.end_lnum or diagnostic.lnum, diagnostic.end_col or diagnostic.col),
        },
        severity = diagnostic.severity,
        message = diagnostic.message,
        source = diagnostic.source,
        code = diagnostic.code,
      })
    end
  end
  return all
end

function kinds.outline(params, mine)
  local client, buffer, why = other(params.uri, 'textDocument/documentSymbol')
  if not client then
    return failed(why)
  end
  local request = { textDocument = { uri = params.uri } }
  local error, result = ask(client, 'textDocument/documentSymbol', request, buffer)
  if error then
    return failed(client.name .. ': ' .. (error.message or vim.inspect(error)))
  end
  local read = reader()
  local function symbol(one)
    local range = one.range or one.location.range
    local children = type(one.children) == 'table' and #one.children > 0 and vim.tbl_map(symbol, one.children) or nil
    return {
      name = one.name,
      kind = one.kind,
      detail = type(one.detail) == 'string' and one.detail or nil,
      range = range_in(read, params.uri, range, client.offset_encoding, mine),
      selectionRange = range_in(read, params.uri, one.selectionRange or range, client.offset_encoding, mine),
      children = children,
    }
  end
  return vim.tbl_map(symbol, type(result) == 'table' and result or {})
end

function kinds.definition(params, mine)
  return locations(params, mine, 'textDocument/definition')
end

function kinds.references(params, mine)
  return locations(params, mine, 'textDocument/references', { context = { includeDeclaration = true } })
end

function kinds.hover(params, mine)
  local answer, why = at_position(params, mine, 'textDocument/hover')
  if not answer then
    return failed(why)
  end
  local contents = type(answer.result) == 'table' and answer.result.contents
  if not contents then
    return vim.NIL
  end
  local lines = vim.lsp.util.convert_input_to_markdown_lines(contents)
  return { contents = table.concat(lines, '\n') }
end

--- The window of the file that the user works on: the current one, else the last before it.
local function working_window()
  local windows = { vim.api.nvim_get_current_win(), vim.fn.win_getid(vim.fn.winnr('#')) }
  for _, window in ipairs(windows) do
    if window ~= 0 and vim.api.nvim_win_is_valid(window) and clients.is_file(vim.api.nvim_win_get_buf(window)) then
      return window
    end
  end
end

function kinds.openBuffers()
  local working = working_window()
  local active = working and vim.api.nvim_win_get_buf(working)
  local all = {}
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buflisted and clients.is_file(buffer) then
      table.insert(all, {
        uri = vim.uri_from_bufnr(buffer),
        dirty = vim.bo[buffer].modified,
        visible = #vim.fn.win_findbuf(buffer) > 0,
        active = buffer == active,
      })
    end
  end
  return all
end

function kinds.selection(_, mine)
  local window = working_window()
  if not window then
    return vim.NIL
  end
  local buffer = vim.api.nvim_win_get_buf(window)
  local uri, read = vim.uri_from_bufnr(buffer), reader()
  local function point(row, column)
    return { line = row, character = columns.units(read(uri, row), column, mine) }
  end
  local mode = vim.api.nvim_get_mode().mode
  local row, column = unpack(vim.api.nvim_win_get_cursor(window))
  if window ~= vim.api.nvim_get_current_win() or not mode:match('^[vV\22]') then
    local here = point(row - 1, column)
    return { uri = uri, range = { start = here, ['end'] = here } }
  end
  local from, to = vim.fn.getpos('v'), vim.fn.getpos('.')
  if from[2] > to[2] or (from[2] == to[2] and from[3] > to[3]) then
    from, to = to, from
  end
  if mode:sub(1, 1) == 'V' then
    local last = vim.api.nvim_buf_line_count(buffer)
    local behind = to[2] < last and { line = to[2], character = 0 } or point(to[2] - 1, #read(uri, to[2] - 1))
    return { uri = uri, range = { start = { line = from[2] - 1, character = 0 }, ['end'] = behind } }
  end
  -- The selection holds the character under its end.
  local line = read(uri, to[2] - 1)
  local last = to[3] - 1
  local behind = last < #line and last + #vim.fn.matchstr(line:sub(last + 1), '.') or #line
  return { uri = uri, range = { start = point(from[2] - 1, from[3] - 1), ['end'] = point(to[2] - 1, behind) } }
end

function M.handler(_, params, context)
  local client = vim.lsp.get_client_by_id(context.client_id)
  local kind = kinds[params.kind]
  if not client or not kind then
    return failed('this editor knows no ' .. tostring(params.kind))
  end
  return kind(params, client.offset_encoding)
end

return M
