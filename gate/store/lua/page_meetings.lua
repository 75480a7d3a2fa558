-- Some meetings: those that go on, youngest first, and then those that have ended, the last one first.
-- KEYS  1 the meetings that go on   2 those that have ended
-- ARGV  1 the first, from 0   2 how many   3 which: 'ongoing' 'past' 'all'   4 they are kept for, ms
--       5 what the key of a log begins with
-- Gives {how many there are, {meeting, when it ended in ms or '', the first entry of its log or ''}, ...}.
local time = redis.call('TIME')
local from = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[4]
local first, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local going = ARGV[3] ~= 'past' and redis.call('ZCARD', KEYS[1]) or 0
local past = ARGV[3] ~= 'ongoing' and redis.call('ZCOUNT', KEYS[2], from, '+inf') or 0
local found = {going + past}
local function add(meeting, ended)
  found[#found + 1] = {meeting, ended, redis.call('LINDEX', ARGV[5] .. meeting, 0) or ''}
end
if going > first then
  for _, meeting in ipairs(redis.call('ZREVRANGE', KEYS[1], first, first + count - 1)) do add(meeting, '') end
end
local rest, skip = count - #found + 1, math.max(0, first - going)
if past > 0 and rest > 0 then
  local limit = {'WITHSCORES', 'LIMIT', skip, rest}
  local ended = redis.call('ZREVRANGEBYSCORE', KEYS[2], '+inf', from, unpack(limit))
  for at = 1, #ended, 2 do add(ended[at], ended[at + 1]) end
end
return found
