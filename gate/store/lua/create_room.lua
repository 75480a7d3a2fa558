-- Makes a room, or finds the one that has its custom id.
-- KEYS  1 the room's header   2 the application's rooms   3 their custom ids
-- ARGV  1 room   2 its custom id ('' none)   3 rooms at the most   4 the request   5.. its header, name and value
-- Gives {'done', room, now ms}, {'held', the room of that custom id}, {'taken'} or {'full'}. Repeated with the same
-- request, it does nothing and gives the same answer, or 'held' with the room that it has made.
local held = ARGV[2] ~= '' and redis.call('HGET', KEYS[3], ARGV[2])
if held then return {'held', held} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 1 then
  local before = redis.call('HMGET', KEYS[1], 'request', 'made_ms')
  return before[1] == ARGV[4] and {'done', ARGV[1], tonumber(before[2])} or {'taken'}
end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return {'full'} end
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('HSET', KEYS[1], 'request', ARGV[4], 'made_ms', now, 'changed_ms', now)
redis.call('ZADD', KEYS[2], now, ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[3], ARGV[2], ARGV[1]) end
return {'done', ARGV[1], now}
