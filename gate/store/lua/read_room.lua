-- A room as it is.
-- KEYS  1 its header   2 its people
-- Gives {now ms, header, people}, the two as {name, value, ...}; both are empty where there is no such room.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {now, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
