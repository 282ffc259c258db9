-- Takes the turn for a token where nobody has it and nobody asked before.
-- KEYS: who has it; who waits, by when they asked; who waits, by when they asked last.
-- ARGV: token, TTL, and how long one who waits and does not ask again is waited for; in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then -- the answer to an earlier call was lost
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000000 + time[2], ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3])) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
if holder or redis.call('ZRANGE', KEYS[2], 0, 0)[1] ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
