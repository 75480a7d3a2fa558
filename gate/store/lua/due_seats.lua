-- Claims participants of whom something is due: nobody else gets them for a while, and then somebody does.
-- KEYS  one or both: all seats, and what is due of participants beside
-- ARGV  1 at the most of each   2 for so long, ms
-- Gives {now ms, seat, ...}. What is claimed is due at a fraction of a millisecond, as nothing that was renewed is.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {now}
for _, key in ipairs(KEYS) do
  for _, seat in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, ARGV[1])) do
    redis.call('ZADD', key, now + ARGV[2] + 0.5, seat)
    found[#found + 1] = seat
  end
end
return found
