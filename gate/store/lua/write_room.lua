-- Takes a room one step further, if it is still the one that the step began with. Every gate is told with it.
-- KEYS  1 the room's header   2 its people   3 all seats   4 the feed   5 the request   6 the meeting's log
--       7 the application's meetings that go on   8 the room's   9 the application's that have ended   10 the room's
--       11 what is due of participants beside
-- ARGV  1 the sequence that it began with   2 what the room's seats begin with   3 a seat's time, ms
--       4 what a gate knows of the request for, ms   5 a log is kept for, ms   6 entries of a log at the most
--       7 entries that the feed keeps, about   8 meeting   9 'began' 'ended' or ''
--       10 JSON lists: facts of the header, name and value   11 people: {name, text or '', seat, due ms or 0}
--       12 those whose seats nobody must have renewed since they were claimed   13 entries of the log
--       14 fields of the feed's entry
-- A seat is 'here', and lapses, or is 'none', or is to 'keep' as it is, with when something is due.
-- Gives {1, now ms}, {0, now ms} where the room is another one by now, {-1, now ms} where somebody is there
-- again. Repeated with the same request, it does nothing and gives the same answer.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[5]) == 1 then return {1, now} end
if redis.call('HGET', KEYS[1], 'sequence') ~= ARGV[1] then return {0, now} end
for _, name in ipairs(cjson.decode(ARGV[12])) do
  local lease, due = redis.call('ZSCORE', KEYS[3], ARGV[2] .. name), redis.call('ZSCORE', KEYS[11], ARGV[2] .. name)
  if tonumber(lease or 0) % 1 == 0 and tonumber(due or 0) % 1 == 0 then return {-1, now} end
end
redis.call('HSET', KEYS[1], unpack(cjson.decode(ARGV[10]))) -- refused by a full store, and nothing after it is
redis.call('SET', KEYS[5], 1, 'PX', ARGV[4])
for _, person in ipairs(cjson.decode(ARGV[11])) do
  local name, text, seat, due = person[1], person[2], person[3], person[4]
  if text == '' then redis.call('HDEL', KEYS[2], name) else redis.call('HSET', KEYS[2], name, text) end
  if seat ~= 'keep' then
    redis.call('ZREM', KEYS[3], ARGV[2] .. name)
    redis.call('ZREM', KEYS[11], ARGV[2] .. name)
    if seat == 'here' then redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[2] .. name) end
    if due > 0 then redis.call('ZADD', KEYS[11], due, ARGV[2] .. name) end
  end
end
local full = ARGV[9] == '' and redis.call('LLEN', KEYS[6]) >= tonumber(ARGV[6])
for _, entry in ipairs(full and {} or cjson.decode(ARGV[13])) do redis.call('RPUSH', KEYS[6], entry) end
for at = 7, 8 do
  if ARGV[9] == 'began' then redis.call('ZADD', KEYS[at], now, ARGV[8]) end
  if ARGV[9] == 'ended' then
    redis.call('ZREM', KEYS[at], ARGV[8])
    redis.call('ZADD', KEYS[at + 2], now, ARGV[8])
    redis.call('ZREMRANGEBYSCORE', KEYS[at + 2], '-inf', now - ARGV[5])
    redis.call('PEXPIRE', KEYS[at + 2], ARGV[5])
    redis.call('PEXPIRE', KEYS[6], ARGV[5])
  end
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[7], '*', unpack(cjson.decode(ARGV[14])))
return {1, now}
