-- What all scripts share. KEYS[1] begins every key; ARGV[1] is the time in
-- milliseconds, 0 for this Redis's own, so that workers' clocks need not agree;
-- ARGV[2] is how many events are kept. Arguments of a script begin at ARGV[3].
--
-- P..'job:'ID       hash    the job
-- P..'state:'STATE  zset    IDs, all of score 0: a list in the order of the IDs
-- P..'group:'GROUP..':'STATE  the same for one group
-- P..'ready'        zset    IDs that may run, by the time from which
-- P..'leases'       zset    IDs, by the end of their lease
-- P..'ended', P..'buried'  zset  IDs of done and superseded, of dead jobs, by time
-- P..'wait:'KEY     zset    IDs of a key that wait, by their number
-- P..'key:'KEY      hash    jobs (how many), version and seq (the newest), leased, ready (an ID)
-- P..'dedupe:'ID    string  TIME..' '..JOB, until when it is remembered
-- P..'seq', P..'eventseq'  counters;  P..'events' stream
--
-- Versions are compared as strings of 19 digits: numbers of Lua have 53 bits.
local P = KEYS[1]
local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local woken = false

local names = {'state', 'key', 'group', 'kind', 'version', 'seq', 'attempt', 'max', 'token', 'until', 'ended', 'worker', 'notbefore', 'created', 'outcome', 'stage', 'reason'}

-- load returns a job without its payload; nil where there is none.
local function load(id)
  local values = redis.call('HMGET', P .. 'job:' .. id, unpack(names))
  if not values[1] then return nil end
  local j = {id = id}
  for i, name in ipairs(names) do j[name] = values[i] or '' end
  return j
end

-- set changes fields of a job, in j and in the store.
local function set(j, ...)
  local pairs = {...}
  for i = 1, #pairs, 2 do j[pairs[i]] = pairs[i + 1] end
  redis.call('HSET', P .. 'job:' .. j.id, ...)
end

local function unlist(j)
  redis.call('ZREM', P .. 'state:' .. j.state, j.id)
  if j.group ~= '' then redis.call('ZREM', P .. 'group:' .. j.group .. ':' .. j.state, j.id) end
end

-- move brings a job into a state and writes the event.
local function move(j, state)
  if j.state ~= '' then unlist(j) end
  set(j, 'state', state, 'changed', now)
  redis.call('ZADD', P .. 'state:' .. state, 0, j.id)
  if j.group ~= '' then redis.call('ZADD', P .. 'group:' .. j.group .. ':' .. state, 0, j.id) end
  if state == 'done' or state == 'superseded' then
    redis.call('HDEL', P .. 'job:' .. j.id, 'payload')
    redis.call('ZADD', P .. 'ended', now, j.id)
  elseif state == 'dead' then
    redis.call('ZADD', P .. 'buried', now, j.id)
  end
  local n = redis.call('INCR', P .. 'eventseq')
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', ARGV[2], n .. '-0', 'time', now, 'job', j.id, 'kind', j.kind, 'key', j.key,
    'group', j.group, 'state', state, 'attempt', j.attempt, 'outcome', j.outcome, 'stage', j.stage, 'reason', j.reason)
end

-- overtaken tells whether a newer version of the job's key came after it.
local function overtaken(j)
  if j.key == '' or tonumber(j.version) == 0 then return false end
  local newest = redis.call('HMGET', P .. 'key:' .. j.key, 'version', 'seq')
  if not newest[1] then return false end
  return newest[1] > j.version or (newest[1] == j.version and tonumber(newest[2]) > tonumber(j.seq))
end

local function ready(id)
  local times = redis.call('HMGET', P .. 'job:' .. id, 'notbefore', 'created')
  redis.call('ZADD', P .. 'ready', math.max(tonumber(times[1]), tonumber(times[2])), id)
  woken = true
end

-- promote lets the first waiting job of a key run, and no other, unless a
-- worker has one.
local function promote(key)
  local k = P .. 'key:' .. key
  local of = redis.call('HMGET', k, 'leased', 'ready')
  local first = nil
  if not of[1] then first = redis.call('ZRANGE', P .. 'wait:' .. key, 0, 0)[1] end
  if of[2] and of[2] ~= first then
    redis.call('ZREM', P .. 'ready', of[2])
    redis.call('HDEL', k, 'ready')
  end
  if first and of[2] ~= first then
    redis.call('HSET', k, 'ready', first)
    ready(first)
  end
end

-- wait puts a job among the waiting.
local function wait(j)
  move(j, 'waiting')
  if j.key == '' then
    ready(j.id)
    return
  end
  redis.call('ZADD', P .. 'wait:' .. j.key, j.seq, j.id)
  promote(j.key)
end

-- leave takes a job out of its lease.
local function leave(j)
  redis.call('ZREM', P .. 'leases', j.id)
  if j.key ~= '' then redis.call('HDEL', P .. 'key:' .. j.key, 'leased') end
end

-- end_attempt decides what an attempt without success leads to.
local function end_attempt(j, dead)
  leave(j)
  if overtaken(j) then
    move(j, 'superseded')
  elseif dead then
    move(j, 'dead')
  else
    wait(j)
    return
  end
  if j.key ~= '' then promote(j.key) end
end

local function wake()
  if woken then redis.call('PUBLISH', P .. 'wake', '') end
end

-- even_when_full lets a script that frees memory in the end write although Redis
-- has more than maxmemory: after a first write that needs none, Redis (6.2, 7)
-- refuses no other.
local function even_when_full() redis.call('DEL', P .. 'none') end
