-- Keeps an API key, switches it on or off, or forgets it. Every gate is told in the same step.
-- KEYS  1 the API keys   2 the feed   3 the request
-- ARGV  1 'put', 'enable', 'disable' or 'delete'   2 its id   3 its application   4 with 'put', its sealed secret
--       5 API keys at the most   6 know the request again for, ms   7 entries that the feed keeps, about
-- Gives {'done' | 'taken' | 'none' | 'full' | 'damaged', the key as it is now, '' for none}. Repeated with the same
-- request, it does nothing and gives the same answer.
local held = redis.call('HGET', KEYS[1], ARGV[2])
local asked = redis.call('GET', KEYS[3])
if asked then return {asked, held or ''} end
local function answer(word, text)
  redis.call('SET', KEYS[3], word, 'PX', ARGV[6])
  return {word, text or ''}
end
local read, key = pcall(cjson.decode, held or '{}')
local damaged = held and (not read or type(key) ~= 'table' or type(key.application) ~= 'string')
if ARGV[1] == 'put' then
  if held then return answer('taken', held) end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return {'full', ''} end
  key = {application = ARGV[3], secret = ARGV[4], enabled = true}
elseif not held or (not damaged and key.application ~= ARGV[3]) then
  return answer('none')
end

local function tell()
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', 'api_key', ARGV[2])
end
if ARGV[1] == 'delete' then
  redis.call('HDEL', KEYS[1], ARGV[2])
  tell()
  return answer('done')
end
if damaged then return {'damaged', held} end
local time = redis.call('TIME')
key.changed_ms = time[1] * 1000 + math.floor(time[2] / 1000)
key.made_ms = key.made_ms or key.changed_ms
key.enabled = ARGV[1] ~= 'disable'
local text = cjson.encode(key)
redis.call('HSET', KEYS[1], ARGV[2], text)
tell()
return answer('done', text)
