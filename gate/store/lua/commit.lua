-- Commits a session for a client: takes a place of the token, once, and a lease among the live playbacks.
-- KEYS  1 the session   2 the token's committed sessions   3 the client's last sessions
--       4 the owner's leases   5 the shard's leases
-- ARGV  1 session id   2 lease name   3 limit (0 none)   4 playbacks at once (0 any)   5 session's end, ms (0 none)
--       6 token's end, ms (0 none)   7 lease, ms   8 keep what has no end for, ms   9 leeway, ms
--       10.. fields of the session, name and value in turn
-- Gives {'committed', now ms}, {'limit' | 'ended', now ms} or {'busy', now ms, lease names}.
-- Repeated, it gives the same answer and counts once. A link whose provisional session lapsed commits as well.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, most, ends, token_end = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local leeway = tonumber(ARGV[9])

if ends > 0 and ends <= now then return {'ended', now} end
if limit > 0 and redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 and redis.call('SCARD', KEYS[2]) >= limit then
  return {'limit', now}
end
if most > 0 then
  local own = redis.call('ZSCORE', KEYS[4], ARGV[2])
  if not own or tonumber(own) <= now then
    local live = redis.call('ZRANGE', KEYS[4], '(' .. now, '+inf', 'BYSCORE')
    if #live >= most then return {'busy', now, unpack(live, 1, 100)} end
  end
end
local kept = redis.call('PEXPIRETIME', KEYS[2])

local forget = (ends > 0 and ends or now + tonumber(ARGV[8])) + leeway
redis.call('HSET', KEYS[1], 'ends', ends, 'committed', 1, unpack(ARGV, 10))
redis.call('HSETNX', KEYS[1], 'opened', now)
redis.call('PEXPIREAT', KEYS[1], forget)
redis.call('SET', KEYS[3], ARGV[1], 'PXAT', forget)
if limit > 0 then
  redis.call('SADD', KEYS[2], ARGV[1])
  -- Two tokens of one id may end at different times: the count outlasts both. -1: one of them has no end.
  if token_end == 0 then
    redis.call('PERSIST', KEYS[2])
  elseif kept ~= -1 then
    redis.call('PEXPIREAT', KEYS[2], math.max(kept, token_end + leeway))
  end
end
for at = most > 0 and 4 or 5, 5 do
  redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now)
  redis.call('ZADD', KEYS[at], now + tonumber(ARGV[7]), ARGV[2])
  redis.call('PEXPIRE', KEYS[at], 2 * tonumber(ARGV[7]))
end
return {'committed', now}
