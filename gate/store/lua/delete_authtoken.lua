-- Forgets a server-side token. What it has counted is kept for as long as its sessions may live.
-- KEYS  1 the token   2 the request   3 the token's committed sessions
-- ARGV  1 the token's digest   2 shard prefix   3 know the request again for, ms   4 keep what it has counted for, ms
-- Gives 1, or 0 where there was none. Repeated with the same request, it gives the same answer.
local asked = redis.call('GET', KEYS[2])
if asked then return tonumber(asked) end
local s = redis.call('HMGET', KEYS[1], 'volatile', 'names')
for name in string.gmatch(s[1] == '1' and s[2] or '', '%S+') do
  redis.call('ZREM', ARGV[2] .. 'n:' .. name, ARGV[1])
end
local gone = redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], gone, 'PX', ARGV[3])
if redis.call('PTTL', KEYS[3]) == -1 then redis.call('PEXPIRE', KEYS[3], ARGV[4]) end
return gone
