-- Lets a session live on with a fresh token, whose count it takes a place of.
-- KEYS  1 the session   2 the fresh token's committed sessions   3 the warrant of the session's token
--       4 the fresh token's warrant   5 the shard's sessions
-- ARGV  1 session id   2 limit (0 none)   3 fresh token's end, ms (0 none)   4 session's end at the latest, ms (0 none)
--       5 usage from now on, ms (0 none)   6 fresh token's id   7 keep what has no end for, ms   8 leeway, ms
--       9 warrant to keep ('' none)
-- Gives {'renewed', ends ms, now ms}, or {'limit' | 'none', now ms}.
-- Repeated, it gives the same answer: a token that has renewed the session, or counts it, does nothing more for it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, ends, usage, leeway = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[8])
local s = redis.call('HMGET', KEYS[1], 'ends', 'committed', 'renewed')
local held = tonumber(s[1] or -1)
if held ~= 0 and held <= now then return {'none', now} end
local counted = limit > 0 and redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1
if counted or s[3] == ARGV[6] then return {'renewed', held, now} end
if limit > 0 and redis.call('SCARD', KEYS[2]) >= limit then return {'limit', now} end
local kept, warrant_kept = redis.call('PEXPIRETIME', KEYS[2]), redis.call('PEXPIRETIME', KEYS[4])
local listed = redis.call('PEXPIRETIME', KEYS[5])

if usage > 0 and (ends == 0 or now + usage < ends) then ends = now + usage end
if held == 0 or (ends > 0 and held > ends) then ends = held end
local forget = (ends > 0 and ends or now + tonumber(ARGV[7])) + leeway
redis.call('HSET', KEYS[1], 'ends', ends, 'renewed', ARGV[6])
if s[2] == '1' then
  redis.call('PEXPIREAT', KEYS[1], forget)
  redis.call('ZADD', KEYS[5], forget, ARGV[1])
  redis.call('PEXPIREAT', KEYS[5], math.max(listed, forget))
end
if limit > 0 then
  redis.call('SADD', KEYS[2], ARGV[1])
  if ARGV[3] == '0' then
    redis.call('PERSIST', KEYS[2])
  elseif kept ~= -1 then
    redis.call('PEXPIREAT', KEYS[2], math.max(kept, tonumber(ARGV[3]) + leeway, forget))
  end
end
redis.call('PEXPIREAT', KEYS[3], forget, 'GT') -- the link that the session has goes on
if ARGV[9] ~= '' then redis.call('SET', KEYS[4], ARGV[9], 'PXAT', math.max(warrant_kept, forget)) end
return {'renewed', ends, now}
