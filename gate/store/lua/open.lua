-- Opens a provisional session, or finds the one that the client has. Uses no place of the token.
-- KEYS  1 the new session   2 the token's committed sessions   3 the client's last sessions   4 the warrant
-- ARGV  1 new session id   2 'open' | 'resume'   3 limit (0 none)   4 token's end, ms (0 none)
--       5 usage, ms (0 none)   6 provisional for, ms   7 session key prefix   8 leeway, ms
--       9 warrant to keep ('' none)   10 keep what has no end for, ms   11.. fields of the session, name and value
-- Gives {'opened', session, opened ms, ends ms, now ms} or {'limit' | 'none' | 'expired', now ms}.
-- Repeated with the same id it gives the same answer.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, token_end, usage = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local function answer(id)
  local s = redis.call('HMGET', ARGV[7] .. id, 'opened', 'ends', 'committed')
  if s[1] then
    return {'opened', id, tonumber(s[1]), tonumber(s[2]), now}, s[3] == '1', tonumber(s[2])
  end
end

local again = answer(ARGV[1])
if again then return again end
if token_end > 0 and token_end <= now then return {'expired', now} end
if ARGV[2] == 'open' and limit > 0 and redis.call('SCARD', KEYS[2]) >= limit then return {'limit', now} end
local before = ''
for last in string.gmatch(redis.call('GET', KEYS[3]) or '', '%S+') do
  local held, committed, held_end = answer(last)
  if held and (held_end == 0 or held_end > now) then
    if ARGV[2] == 'resume' or not committed then return held end
    before = before ~= '' and before or ' ' .. last
  end
end
if ARGV[2] == 'resume' then return {'none', now} end
-- A committed session that lives can be resumed again once this one has lapsed.
local remember = before ~= '' and redis.call('PTTL', KEYS[3]) or 0
local kept = redis.call('PEXPIRETIME', KEYS[4])

local ends = token_end
if usage > 0 and (ends == 0 or now + usage < ends) then ends = now + usage end
redis.call('HSET', KEYS[1], 'opened', now, 'ends', ends, 'committed', 0, unpack(ARGV, 11))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('SET', KEYS[3], ARGV[1] .. before, 'PX', math.max(remember, ARGV[6]))
if ARGV[9] ~= '' then
  local forget = (token_end > 0 and token_end or now + tonumber(ARGV[10])) + tonumber(ARGV[8])
  redis.call('SET', KEYS[4], ARGV[9], 'PXAT', math.max(kept, forget))
end
return {'opened', ARGV[1], now, ends, now}
