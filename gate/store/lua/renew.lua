-- Renews the leases of playbacks that had traffic, a batch of one shard at a time.
-- KEYS  1 the shard's leases   2 the shard's sessions
-- ARGV  1 lease, ms   2 keep what has no end for, ms   3 shard prefix
--       4.. in turn: session id, client, owner of a limited playback ('' where any number may play), '1' if endless,
--       what it watches now ('' where that has not changed), silent for, ms: its lease lapses so much earlier,
--       but never earlier than what another gate has heard of it lets it
-- Gives {now ms, names of leases that are lost}: another playback has taken the place, or the session was closed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = {now}
local listed, forget = redis.call('PEXPIRETIME', KEYS[2]), now + tonumber(ARGV[2])

for at = 4, #ARGV, 6 do
  local name, owner = ARGV[at] .. '|' .. ARGV[at + 1], ARGV[at + 2]
  local lapses = now + tonumber(ARGV[1]) - tonumber(ARGV[at + 5])
  local leases, session = ARGV[3] .. 'l:' .. owner, ARGV[3] .. 's:' .. ARGV[at]
  if redis.call('EXISTS', session) == 0 or (owner ~= '' and not redis.call('ZSCORE', leases, name)) then
    lost[#lost + 1] = name
  else
    if owner ~= '' then
      redis.call('ZADD', leases, 'GT', lapses, name)
      redis.call('PEXPIRE', leases, 2 * tonumber(ARGV[1]))
    end
    redis.call('ZADD', KEYS[1], 'GT', lapses, name)
    if ARGV[at + 3] == '1' then
      redis.call('PEXPIREAT', session, forget)
      redis.call('ZADD', KEYS[2], forget, ARGV[at])
      redis.call('PEXPIREAT', KEYS[2], math.max(listed, forget))
    end
    if ARGV[at + 4] ~= '' and redis.call('HEXISTS', session, 'since|' .. ARGV[at + 1]) == 1 then
      redis.call('HSET', session, 'resource|' .. ARGV[at + 1], ARGV[at + 4])
    end
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], 2 * tonumber(ARGV[1]))
return lost
