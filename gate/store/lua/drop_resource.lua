-- Takes a resource out of the grants of a shard's volatile tokens, so many at a time.
-- KEYS  1 the volatile tokens that name it
-- ARGV  1 the resource   2 its digest   3 shard prefix   4 how many   5 a token that is left empty is kept for, ms
--       6 what an ended token has counted is kept for, ms   7.. digests of tokens that every gate has been told of
-- Gives {digest, name for the public, ...} of tokens that no longer name it; {}: of none that is not told of.
-- A token is given again until it comes back as told of, so that a lost answer leaves no gate behind.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function names_it(names) return string.find(' ' .. names .. ' ', ' ' .. ARGV[2] .. ' ', 1, true) end

for at = 7, #ARGV do
  -- Unless it has been given the resource anew.
  local names = redis.call('HGET', ARGV[3] .. 'k:' .. ARGV[at], 'names')
  if not (names and names_it(names)) then redis.call('ZREM', KEYS[1], ARGV[at]) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)

local found = {}
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[4] - 1)) do
  local key = ARGV[3] .. 'k:' .. digest
  local s = redis.call('HMGET', key, 'id', 'names', '=grants')
  if not s[1] then redis.call('ZREM', KEYS[1], digest) else
    if names_it(s[2]) then
      local grants, empty, names = cjson.decode(s[3]), '1', {}
      for action, rule in pairs(grants) do
        local grants_something = type(rule) ~= 'table' and rule and rule ~= cjson.null
        if type(rule) == 'table' then
          local left = {}
          for _, name in ipairs(type(rule.resources) == 'table' and rule.resources or {}) do
            if name ~= ARGV[1] then left[#left + 1] = name end
          end
          rule.resources = #left > 0 and left or nil -- an empty table would be written as a mapping
          for _, value in pairs(rule) do grants_something = grants_something or (value and value ~= cjson.null) end
        end
        if grants_something then empty = '0' else grants[action] = nil end
      end
      for name in string.gmatch(s[2], '%S+') do if name ~= ARGV[2] then names[#names + 1] = name end end
      local text, kept = cjson.encode(grants), redis.call('PEXPIRETIME', key)
      redis.call('HSET', key, '=grants', text, 'empty', empty, 'names', table.concat(names, ' '), 'changed', now)
      if empty == '1' then
        local forget = kept > 0 and math.min(kept, now + ARGV[5]) or now + ARGV[5]
        local counts = ARGV[3] .. 't:' .. digest
        redis.call('PEXPIREAT', key, forget)
        if redis.call('PTTL', counts) == -1 then redis.call('PEXPIREAT', counts, forget + ARGV[6]) end
      end
    end
    found[#found + 1] = digest
    found[#found + 1] = s[1]
  end
end
return found
