-- Forgets a session and frees its leases. What it has counted stays counted.
-- KEYS  1 the session   2 the owner's leases   3 the shard's leases   4 the shard's sessions
-- ARGV  1 session id
-- Gives the number of leases that were freed. Repeated, it does nothing.
local freed = 0
for at = 2, 3 do
  for _, name in ipairs(redis.call('ZRANGE', KEYS[at], 0, -1)) do
    if string.sub(name, 1, #ARGV[1] + 1) == ARGV[1] .. '|' then
      local gone = redis.call('ZREM', KEYS[at], name)
      if at == 3 then freed = freed + gone end
    end
  end
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return freed
