-- Forgets an added stream. Every gate is told in the same step.
-- KEYS  1 the streams   2 their generation   3 the feed   4 the request
-- ARGV  1 uid   2 know the request again for, ms   3 entries that the feed keeps, about
-- Gives 1, or 0 where there was none. Repeated with the same request, it does nothing and gives the same answer.
local asked = redis.call('GET', KEYS[4])
if asked then return tonumber(asked) end
local gone = redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[4], gone, 'PX', ARGV[2])
if gone == 1 then
  local generation = redis.call('INCR', KEYS[2])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'stream', ARGV[1], 'generation', generation)
end
return gone
