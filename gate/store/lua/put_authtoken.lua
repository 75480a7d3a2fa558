-- Makes a server-side token, or changes one: what is not given stays as it is, and so does what it has counted.
-- KEYS  1 the token   2 the request   3 the token's committed sessions
-- ARGV  1 'create' or 'update'   2 the token's name for the public   3 its digest   4 shard prefix
--       5 know the request again for, ms   6 an empty volatile token is kept for, ms   7 leeway, ms
--       8 what an ended token has counted is kept for, ms   9.. fields, name and value
-- Gives {'done', {field, value ...}}, {'repeated', name of the token that the request made or changed} or {'none'}.
local asked = redis.call('GET', KEYS[2])
if asked then return {'repeated', asked} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HMGET', KEYS[1], 'volatile', 'empty', 'names', 'made')
if ARGV[1] == 'update' and not before[4] then return {'none'} end
local kept, counts = redis.call('PEXPIRETIME', KEYS[1]), redis.call('PEXPIRETIME', KEYS[3])

redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
redis.call('HSETNX', KEYS[1], 'made', now)
redis.call('HSET', KEYS[1], 'id', ARGV[2], 'changed', now, unpack(ARGV, 9))
local fields = redis.call('HGETALL', KEYS[1])
local s = redis.call('HMGET', KEYS[1], 'volatile', 'empty', 'names', 'ends')
local forget = tonumber(s[4]) > 0 and s[4] + ARGV[7] or math.huge
if s[1] == '1' and s[2] == '1' then
  forget = math.min(forget, now + ARGV[6])
  -- Touching it without giving it grants buys no time.
  if before[1] == '1' and before[2] == '1' and kept > 0 then forget = math.min(forget, kept) end
end
if forget == math.huge then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], forget) end
-- The count outlasts the token, however late that ends now.
if counts ~= -2 and forget == math.huge then
  redis.call('PERSIST', KEYS[3])
elseif counts ~= -2 then
  redis.call('PEXPIREAT', KEYS[3], math.max(counts, forget + ARGV[8]))
end

for name in string.gmatch(before[1] == '1' and before[3] or '', '%S+') do
  redis.call('ZREM', ARGV[4] .. 'n:' .. name, ARGV[3])
end
for name in string.gmatch(s[1] == '1' and s[3] or '', '%S+') do
  local index = ARGV[4] .. 'n:' .. name
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  local until_ms = redis.call('PEXPIRETIME', index)
  redis.call('ZADD', index, forget == math.huge and 'inf' or forget, ARGV[3])
  if forget == math.huge then
    redis.call('PERSIST', index)
  elseif until_ms ~= -1 then
    redis.call('PEXPIREAT', index, math.max(until_ms, forget))
  end
end
return {'done', fields}
