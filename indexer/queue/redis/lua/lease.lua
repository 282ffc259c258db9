-- ARGV[3] jobs at most, ARGV[4] milliseconds, ARGV[5] the token, ARGV[6] the
-- worker, ARGV[7] how many expired leases to take back, ARGV[8] the stage and
-- ARGV[9] the reason of an expiry, with %s for the worker. Replies with the
-- milliseconds until something may be ready by time alone (-1 for never), the
-- end of the leases, and the jobs.
local ends = now + ARGV[4]
local reply = {-1, ends}

local function expire(j)
  local before, after = string.match(ARGV[9], '^(.*)%%s(.*)$')
  set(j, 'token', '', 'stage', ARGV[8], 'reason', before .. j.worker .. after)
  end_attempt(j, tonumber(j.attempt) >= tonumber(j.max))
end

local function take(j)
  set(j, 'attempt', j.attempt + 1, 'worker', ARGV[6], 'token', ARGV[5], 'until', ends, 'ended', '')
  redis.call('ZADD', P .. 'leases', ends, j.id)
  if j.key ~= '' then
    redis.call('ZREM', P .. 'wait:' .. j.key, j.id)
    redis.call('HSET', P .. 'key:' .. j.key, 'leased', j.id)
    redis.call('HDEL', P .. 'key:' .. j.key, 'ready')
  end
  move(j, 'leased')
  table.insert(reply, j.id)
  table.insert(reply, redis.call('HGETALL', P .. 'job:' .. j.id))
end

-- due calls f for what a set has up to now; what has no job was evicted.
local function due(name, limit, f)
  local ids = redis.call('ZRANGEBYSCORE', P .. name, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    redis.call('ZREM', P .. name, id)
    local j = load(id)
    if j then f(j) end
  end
  return #ids
end

local function sooner(name)
  local first = redis.call('ZRANGE', P .. name, 0, 0, 'WITHSCORES')
  if not first[2] then return end
  local ms = math.max(tonumber(first[2]) - now, 1)
  if reply[1] < 0 or ms < reply[1] then reply[1] = ms end
end

even_when_full()
due('leases', ARGV[7], expire)
local taken = due('ready', ARGV[3], take)
sooner('ready')
sooner('leases')
woken = woken and taken == tonumber(ARGV[3]) -- something that expired may be left for others
wake()
return reply
