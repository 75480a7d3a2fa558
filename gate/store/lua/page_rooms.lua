-- Some of an application's rooms, youngest first.
-- KEYS  1 the application's rooms
-- ARGV  1 the first, from 0   2 how many   3 what the key of a header begins with
-- Gives {how many there are, room, its header as {name, value, ...}, ...}.
local found = {redis.call('ZCARD', KEYS[1])}
for _, room in ipairs(redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1)) do
  found[#found + 1] = room
  found[#found + 1] = redis.call('HGETALL', ARGV[3] .. room)
end
return found
