-- Claims seats of which something is due: nobody else gets them for a while, and then somebody does.
-- KEYS  1 all seats
-- ARGV  1 at the most   2 for so long, ms
-- Gives {now ms, seat, ...}. A claimed seat is due at a fraction of a millisecond, as none is that was renewed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local seats = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, seat in ipairs(seats) do redis.call('ZADD', KEYS[1], now + ARGV[2] + 0.5, seat) end
table.insert(seats, 1, now)
return seats
