-- Opens a provisional session, or finds a live one of the client's. Uses no place of the token.
-- KEYS  1 the new session   2 the token's committed sessions   3 the client's last sessions   4 the warrant
--       5 the client's session of this path; for 'visit': when the usage of this session is over
--       6 the shard's leases   7 the shard's sessions
-- ARGV  1 new session id   2 which may be resumed: 'never' 'path' 'active' 'client' 'only', or 'visit': the one of
--       this id, which may have been over for long   3 limit (0 none)
--       4 token's end, ms (0 none)   5 session's end at the latest, ms (0 none)   6 usage, ms (0 none)
--       7 provisional for, ms   8 session key prefix   9 leeway, ms   10 warrant to keep ('' none)
--       11 keep what has no end for, ms   12 client   13 page session's end, ms (0 none)
--       14.. fields of the session, name and value
-- Gives {'opened', session, opened ms, ends ms, now ms} or {'limit' | 'none' | 'expired' | 'ended', now ms}.
-- Repeated with the same id it gives the same answer.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mode, limit, ends, usage = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local visit, leeway = mode == 'visit' and tonumber(ARGV[13]), tonumber(ARGV[9])
local PAUSE = 600000 -- a paused player asks nothing: for so long after it asked last it may come back, in ms

local function answer(id)
  local s = id and redis.call('HMGET', ARGV[8] .. id, 'opened', 'ends', 'committed', 'asked')
  if s and s[1] and (s[2] == '0' or tonumber(s[2]) > now) then
    return {'opened', id, tonumber(s[1]), tonumber(s[2]), now}, s[3] == '1', tonumber(s[4] or s[1])
  end
end

local again = answer(ARGV[1])
if again then return again end
if tonumber(ARGV[4]) > 0 and tonumber(ARGV[4]) <= now then return {'expired', now} end
local full, before, spent = limit > 0 and redis.call('SCARD', KEYS[2]) >= limit, '', usage > 0 and now + usage
if visit then -- what is over stays over, though its session may be forgotten
  spent = tonumber(redis.call('GET', KEYS[5]) or spent)
  local over = (visit > 0 and visit <= now) or (spent and spent <= now)
  if over or redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return {'ended', now} end
elseif mode == 'path' or mode == 'active' then
  local id = redis.call('GET', KEYS[5])
  local held, committed, asked = answer(id)
  local leased = held and redis.call('ZSCORE', KEYS[6], id .. '|' .. ARGV[12])
  if held and (mode == 'path' or not committed or asked > now - PAUSE or (leased and tonumber(leased) > now)) then
    redis.call('HSET', ARGV[8] .. id, 'asked', now)
    return held
  end
end
for id in string.gmatch(not visit and redis.call('GET', KEYS[3]) or '', '%S+') do
  local held, committed = answer(id)
  if held and (mode == 'client' or mode == 'only' or not (committed or full)) then
    -- Found by this path from now on, as it was by the one that opened it.
    redis.call('SET', KEYS[5], id, 'PXAT', (held[4] > 0 and held[4] or now + tonumber(ARGV[11])) + leeway)
    return held
  end
  if held and committed and before == '' then before = ' ' .. id end
end
if mode == 'only' or full then return {full and mode ~= 'only' and 'limit' or 'none', now} end
-- A committed session that lives can be resumed again once this one has lapsed.
local remember = before ~= '' and redis.call('PTTL', KEYS[3]) or 0
local kept, listed = redis.call('PEXPIRETIME', KEYS[4]), redis.call('PEXPIRETIME', KEYS[7])

if spent and (ends == 0 or spent < ends) then ends = spent end
local forget = math.max(ends, tonumber(ARGV[4]), ends == 0 and now + tonumber(ARGV[11]) or 0) + leeway
redis.call('HSET', KEYS[1], 'committed', 0) -- refused by a full store; after a deletion nothing would be
redis.call('DEL', KEYS[1]) -- a page's session that has ended with its token, which lives on
redis.call('HSET', KEYS[1], 'opened', now, 'ends', ends, 'committed', 0, unpack(ARGV, 14))
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', now)
redis.call('ZADD', KEYS[7], now + ARGV[7], ARGV[1])
redis.call('PEXPIREAT', KEYS[7], math.max(listed, now + ARGV[7]))
if not visit then
  redis.call('SET', KEYS[3], ARGV[1] .. before, 'PX', math.max(remember, ARGV[7]))
  redis.call('SET', KEYS[5], ARGV[1], 'PXAT', forget)
elseif spent then
  redis.call('SET', KEYS[5], spent, unpack(visit > 0 and {'PXAT', visit + leeway} or {}))
end
if ARGV[10] ~= '' then redis.call('SET', KEYS[4], ARGV[10], 'PXAT', math.max(kept, forget)) end
return {'opened', ARGV[1], now, ends, now}
