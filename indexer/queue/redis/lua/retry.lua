-- From ARGV[3] on: jobs. Replies with how many of them were dead.
local n = 0
for i = 3, #ARGV do
  local j = load(ARGV[i])
  if j and j.state == 'dead' then
    n = n + 1
    redis.call('ZREM', P .. 'buried', j.id)
    if overtaken(j) then
      move(j, 'superseded')
    else
      set(j, 'attempt', 0, 'notbefore', 0)
      wait(j)
    end
  end
end
wake()
return n
