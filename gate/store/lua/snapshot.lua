-- All that is revoked, and the feed's last entry: what a gate starts to follow from.
-- KEYS  1 what is revoked   2 the feed
-- Gives {last id, entry, until, entry, until, ...}.
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local found = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(found, 1, last[1] and last[1][1] or '0-0')
return found
