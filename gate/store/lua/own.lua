-- Notes that a visit owns an object, if nobody does.
-- KEYS  1 the object's owner
-- ARGV  1 visit   2 for, ms
-- Gives 1 where the visit owns the object now, else 0. Repeated, it gives the same answer; it never shortens.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(ARGV[2], redis.call('PTTL', KEYS[1])))
return 1
