-- ARGV[3] the job, ARGV[4] the token, ARGV[5] what ends the lease: 'done' with
-- the outcome, 'failed' with stage, reason, delay in milliseconds and '1' for a
-- permanent one, 'released', or 'extended' by milliseconds. Replies with the
-- job's state, and the end of an extended lease; 'lost' where it has ended. A
-- repeated report, which is one whose answer was lost, changes nothing.
local verb = ARGV[5]
local j = load(ARGV[3])
if not j or j.token ~= ARGV[4] then return {'lost', 0} end
if j.ended == verb then return {j.state, 0} end
if j.state ~= 'leased' or tonumber(j['until']) <= now then return {'lost', 0} end

if verb == 'extended' then
  even_when_full()
  local ends = now + ARGV[6]
  set(j, 'until', ends)
  redis.call('ZADD', P .. 'leases', ends, j.id)
  return {j.state, ends}
end
even_when_full()
set(j, 'ended', verb)
if verb == 'done' then
  set(j, 'outcome', ARGV[6])
  leave(j)
  move(j, 'done')
  if j.key ~= '' then promote(j.key) end
elseif verb == 'failed' then
  set(j, 'stage', ARGV[6], 'reason', ARGV[7], 'notbefore', now + ARGV[8])
  end_attempt(j, ARGV[9] == '1' or tonumber(j.attempt) >= tonumber(j.max))
else
  set(j, 'attempt', j.attempt - 1)
  end_attempt(j, false)
end
wake()
return {j.state, 0}
