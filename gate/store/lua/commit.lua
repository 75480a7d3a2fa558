-- Commits a session for a client: takes a place of the token, once, and a lease among the live playbacks.
-- KEYS  1 the session   2 the token's committed sessions   3 the client's last sessions
--       4 the owner's leases   5 the shard's leases   6 the owner's evicted playbacks   7 the shard's sessions
-- ARGV  1 session id   2 client   3 limit (0 none)   4 playbacks at once (0 any)   5 session's end, ms (0 none)
--       6 token's end, ms (0 none)   7 lease, ms   8 keep what has no end for, ms   9 leeway, ms
--       10 whom a full house turns away: 'reject' 'evict_oldest' 'evict_idle'   11 silent after, ms
--       12 id of this call   13 what the playback watches   14 what else is known of it
--       15 silent for, ms: its lease lapses so much earlier   16.. fields of the session, name and value in turn
-- Gives {'committed', now ms, ends ms, 1 if nobody had before, the token that renewed it or '', names of leases
-- that lost their place ...},
-- {'limit' | 'ended', now ms} or {'busy', now ms, lease names}. Repeated with its id, it gives the same answer.
-- A link whose provisional session lapsed commits as well.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, most, ends, token_end = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local lease, leeway, name = tonumber(ARGV[7]), tonumber(ARGV[9]), ARGV[1] .. '|' .. ARGV[2]

local s = redis.call('HMGET', KEYS[1], 'ends', 'call', 'answer', 'renewed', 'pruned')
if s[2] == ARGV[12] then return cmsgpack.unpack(s[3]) end
local held = tonumber(s[1] or -1)
if held == 0 or held > ends then ends = held end -- renewed since the ticket was made
if ends > 0 and ends <= now then return {'ended', now} end
local counted = limit > 0 and redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1
if limit > 0 and not counted and redis.call('SCARD', KEYS[2]) >= limit then return {'limit', now} end
local lost, evicted = {}, {}
if most > 0 and tonumber(redis.call('ZSCORE', KEYS[4], name) or 0) <= now then
  local live, others = redis.call('ZRANGE', KEYS[4], '(' .. now, '+inf', 'BYSCORE'), {} -- the idlest one first
  if ARGV[10] == 'evict_oldest' then table.sort(live) end -- ids begin with their time
  for _, other in ipairs(live) do -- a silent playback of the same session has moved here
    local heard = tonumber(redis.call('ZSCORE', KEYS[4], other)) - lease
    local moved = string.sub(other, 1, #ARGV[1] + 1) == ARGV[1] .. '|' and heard <= now - tonumber(ARGV[11])
    table.insert(moved and #lost <= #live - most and lost or others, other)
  end
  local may_evict = ARGV[10] ~= 'reject' and not redis.call('ZSCORE', KEYS[6], name)
  while #lost <= #live - most do
    if not may_evict then return {'busy', now, unpack(live, 1, math.min(#live, 100))} end
    evicted[#evicted + 1] = table.remove(others, 1)
    lost[#lost + 1] = evicted[#evicted]
  end
end
local kept, listed = redis.call('PEXPIRETIME', KEYS[2]), redis.call('PEXPIRETIME', KEYS[7])

local forget = (ends > 0 and ends or now + tonumber(ARGV[8])) + leeway
redis.call('HSET', KEYS[1], 'ends', ends, 'committed', 1, unpack(ARGV, 16))
redis.call('HSETNX', KEYS[1], 'opened', now)
redis.call('PEXPIREAT', KEYS[1], forget)
redis.call('ZADD', KEYS[7], forget, ARGV[1])
redis.call('PEXPIREAT', KEYS[7], math.max(listed, forget))
redis.call('SET', KEYS[3], ARGV[1], 'PXAT', forget)
if limit > 0 then
  redis.call('SADD', KEYS[2], ARGV[1])
  -- Two tokens of one id may end at different times: the count outlasts both. -1: one of them has no end.
  if token_end == 0 then
    redis.call('PERSIST', KEYS[2])
  elseif kept ~= -1 then
    redis.call('PEXPIREAT', KEYS[2], math.max(kept, token_end + leeway, forget))
  end
end
for _, other in ipairs(lost) do
  redis.call('ZREM', KEYS[4], other)
  redis.call('ZREM', KEYS[5], other)
end
redis.call('ZREM', KEYS[6], name)
if #evicted > 0 then
  for _, other in ipairs(evicted) do redis.call('ZADD', KEYS[6], now, other) end
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - tonumber(ARGV[8]))
  redis.call('PEXPIRE', KEYS[6], ARGV[8])
end
for at = most > 0 and 4 or 5, 5 do
  redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now)
  redis.call('ZADD', KEYS[at], 'GT', now + lease - tonumber(ARGV[15]), name)
  redis.call('PEXPIRE', KEYS[at], 2 * lease)
end
-- Of at most a hundred playbacks it is kept who they are; the lapsed ones make room, once in the time of a lease.
local facts, noted = 300, redis.call('HEXISTS', KEYS[1], 'since|' .. ARGV[2]) == 1
if not noted and redis.call('HLEN', KEYS[1]) > facts and now > tonumber(s[5] or 0) + lease then
  redis.call('HSET', KEYS[1], 'pruned', now)
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    local client = string.match(field, '|(.+)')
    if client and not redis.call('ZSCORE', KEYS[5], ARGV[1] .. '|' .. client) then redis.call('HDEL', KEYS[1], field) end
  end
end
if noted or redis.call('HLEN', KEYS[1]) <= facts then
  redis.call('HSETNX', KEYS[1], 'since|' .. ARGV[2], now)
  redis.call('HSET', KEYS[1], 'resource|' .. ARGV[2], ARGV[13], 'facts|' .. ARGV[2], ARGV[14])
end
local commits = redis.call('HINCRBY', KEYS[1], 'commits', counted and 2 or 1)
local answer = {'committed', now, ends, commits, s[4] or '', unpack(lost)}
redis.call('HSET', KEYS[1], 'call', ARGV[12], 'answer', cmsgpack.pack(answer))
return answer
