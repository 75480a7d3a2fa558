-- A page of a shard's sessions, those that are forgotten first in front, with what plays of them. Only reads.
-- KEYS  1 the shard's sessions   2 the shard's leases
-- ARGV  1 2 behind which one: when it is forgotten (ms), session id   3 how many   4 session key prefix
--       5 the only session that is asked for ('' for all)
-- Gives {now ms, {session id, when it is forgotten, {field, value ...}, {client, when its lease lapses ...}} ...}.
-- Where the one before has moved or gone, those that are forgotten at the same instant as it come again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {ARGV[5], '0'}
if ARGV[5] == '' then
  local first, score = redis.call('ZRANK', KEYS[1], ARGV[2]), redis.call('ZSCORE', KEYS[1], ARGV[2])
  if not score or tonumber(score) ~= tonumber(ARGV[1]) then
    first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1]) - 1
  end
  found = redis.call('ZRANGE', KEYS[1], first + 1, first + ARGV[3], 'WITHSCORES')
end

local page = {now}
for at = 1, #found, 2 do
  local fields, leases = redis.call('HGETALL', ARGV[4] .. found[at]), {}
  for each = 1, #fields, 2 do
    local client = string.match(fields[each], '^since|(.+)')
    local lapses = client and redis.call('ZSCORE', KEYS[2], found[at] .. '|' .. client)
    if lapses and tonumber(lapses) > now then
      leases[#leases + 1] = client
      leases[#leases + 1] = lapses
    end
  end
  page[#page + 1] = {found[at], found[at + 1], fields, leases}
end
return page
