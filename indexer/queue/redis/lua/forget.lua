-- ARGV[3] 'ended' or 'buried', ARGV[4] the time before which, ARGV[5] how many at
-- most. Replies with how many.
even_when_full()
local ids = redis.call('ZRANGEBYSCORE', P .. ARGV[3], '-inf', '(' .. ARGV[4], 'LIMIT', 0, ARGV[5])
for _, id in ipairs(ids) do
  local j = load(id)
  redis.call('ZREM', P .. ARGV[3], id)
  unlist(j)
  redis.call('DEL', P .. 'job:' .. id)
  if j.key ~= '' and redis.call('HINCRBY', P .. 'key:' .. j.key, 'jobs', -1) == 0 then
    redis.call('DEL', P .. 'key:' .. j.key)
  end
end
return #ids
