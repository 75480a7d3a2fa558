-- Participants are there. A seat that is no more stays so, and so does one whose time is over.
-- KEYS  1 all seats
-- ARGV  1 a seat's time, ms   2.. seat and when it is due at the latest, ms (0 none)
-- Gives {now, ms}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 2, #ARGV, 2 do
  local until_ms = tonumber(ARGV[at + 1])
  local due = until_ms > 0 and math.min(until_ms, now + ARGV[1]) or now + ARGV[1]
  if due > now then redis.call('ZADD', KEYS[1], 'XX', due, ARGV[at]) end
end
return {now}
