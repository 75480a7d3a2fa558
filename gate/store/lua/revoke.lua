-- Puts an entry in force and tells every gate.
-- KEYS  1 what is revoked   2 the feed
-- ARGV  1 entry   2 until, seconds of Unix time or 'inf'   3 entries that the feed keeps, about
-- Gives 1, or 0 where the entry was in force for as long already. Repeated, it does nothing.
local held = redis.call('ZSCORE', KEYS[1], ARGV[1])
if held and (held == 'inf' or (ARGV[2] ~= 'inf' and tonumber(held) >= tonumber(ARGV[2]))) then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'revoked', ARGV[1], 'until', ARGV[2])
return 1
