-- Gives back what one commit took, where the client left before a byte was sent and nobody else has committed.
-- KEYS  1 the session   2 the token's committed sessions   3 the owner's leases   4 the shard's leases
--       5 the shard's sessions
-- ARGV  1 session id   2 client   3 provisional for, ms
-- Gives 1 where the session is provisional again, else 0. Repeated, it does nothing.
local time = redis.call('TIME')
local s = redis.call('HMGET', KEYS[1], 'commits', 'committed')
if s[1] ~= '1' or s[2] ~= '1' then return 0 end
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'committed', 0)
redis.call('HDEL', KEYS[1], 'commits', 'since|' .. ARGV[2], 'resource|' .. ARGV[2], 'facts|' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[5], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1] .. '|' .. ARGV[2])
redis.call('ZREM', KEYS[4], ARGV[1] .. '|' .. ARGV[2])
return 1
