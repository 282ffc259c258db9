-- ARGV[3] is the window of dedupe IDs in milliseconds; then eleven a job. Replies
-- with status and ID of each.
local function add(j, payload)
  j.seq = redis.call('INCR', P .. 'seq')
  redis.call('HSET', P .. 'job:' .. j.id, 'kind', j.kind, 'key', j.key, 'group', j.group, 'dedupe', j.dedupe, 'version', j.version, 'seq', j.seq,
    'notbefore', j.notbefore, 'max', j.max, 'attempt', 0, 'created', now)
  if payload ~= '' then redis.call('HSET', P .. 'job:' .. j.id, 'payload', payload) end
  if j.traceparent .. j.tracestate ~= '' then redis.call('HSET', P .. 'job:' .. j.id, 'traceparent', j.traceparent, 'tracestate', j.tracestate) end
  if j.key ~= '' then redis.call('HINCRBY', P .. 'key:' .. j.key, 'jobs', 1) end
end

local function supersede_older(j)
  redis.call('HSET', P .. 'key:' .. j.key, 'version', j.version, 'seq', j.seq)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'wait:' .. j.key, 0, -1)) do
    local older = load(id)
    if overtaken(older) then
      redis.call('ZREM', P .. 'wait:' .. j.key, id)
      redis.call('ZREM', P .. 'ready', id)
      move(older, 'superseded')
    end
  end
end

local function known(j)
  local state = redis.call('HGET', P .. 'job:' .. j.id, 'state')
  if state == 'superseded' then return 'superseded', j.id end
  if state then return 'queued', j.id end
  if j.dedupe == '' then return nil end
  local first = redis.call('GET', P .. 'dedupe:' .. j.dedupe)
  if first then
    local ends, id = string.match(first, '^(%d+) (.*)$')
    if tonumber(ends) > now then return 'duplicate', id end
  end
  redis.call('SET', P .. 'dedupe:' .. j.dedupe, string.format('%d %s', now + ARGV[3], j.id), 'PX', ARGV[3])
  return nil
end

local function enqueue(j, payload)
  local status, id = known(j)
  if status then return status, id end
  if j.key ~= '' and tonumber(j.version) > 0 then
    local newest = redis.call('HGET', P .. 'key:' .. j.key, 'version')
    if newest and newest > j.version then
      add(j, '')
      move(j, 'superseded')
      return 'superseded', j.id
    end
  end
  add(j, payload)
  if j.key ~= '' and tonumber(j.version) > 0 then
    wait(j)
    supersede_older(j)
    promote(j.key)
  else
    wait(j)
  end
  return 'queued', j.id
end

local reply = {}
for i = 4, #ARGV, 11 do
  local j = {id = ARGV[i], kind = ARGV[i + 1], key = ARGV[i + 2], group = ARGV[i + 3], dedupe = ARGV[i + 4], version = ARGV[i + 5],
    notbefore = ARGV[i + 6], max = ARGV[i + 7], traceparent = ARGV[i + 9], tracestate = ARGV[i + 10], attempt = 0, state = '', outcome = '', stage = '', reason = ''}
  local status, id = enqueue(j, ARGV[i + 8])
  table.insert(reply, status)
  table.insert(reply, id)
end
wake()
return reply
