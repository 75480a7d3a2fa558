-- Opens a provisional session, or finds the one that the client has. Uses no place of the token.
-- KEYS  1 the new session   2 the token's committed sessions   3 the client's last session   4 the warrant
-- ARGV  1 new session id   2 'open' | 'resume'   3 limit (0 none)   4 token's end, ms (0 none)
--       5 usage, ms (0 none)   6 provisional for, ms   7 session key prefix   8 leeway, ms
--       9 warrant to keep ('' none)   10.. fields of the session, name and value in turn
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
local last = redis.call('GET', KEYS[3])
if last then
  local held, committed, held_end = answer(last)
  if held and (held_end == 0 or held_end > now) and (ARGV[2] == 'resume' or not committed) then return held end
end
if ARGV[2] == 'resume' then return {'none', now} end

local ends = token_end
if usage > 0 and (ends == 0 or now + usage < ends) then ends = now + usage end
redis.call('HSET', KEYS[1], 'opened', now, 'ends', ends, 'committed', 0, unpack(ARGV, 10))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[6])
if ARGV[9] ~= '' then
  redis.call('SET', KEYS[4], ARGV[9])
  if token_end > 0 then redis.call('PEXPIREAT', KEYS[4], token_end + tonumber(ARGV[8])) end
end
return {'opened', ARGV[1], now, ends, now}
