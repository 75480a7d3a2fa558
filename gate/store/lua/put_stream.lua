-- Adds a stream, or changes one: what is not given stays as it is. Every gate is told in the same step.
-- KEYS  1 the streams   2 their generation   3 the feed   4 the request
-- ARGV  1 'add' or 'update'   2 uid   3 the stream, or what is to change of it: flat JSON   4 streams at the most
--       5 know the request again for, ms   6 entries that the feed keeps, about
-- Gives {'done' | 'taken' | 'none' | 'full' | 'damaged', the stream as it is now, '' for none}. Repeated with the
-- same request, it does nothing and gives the same answer.
local held = redis.call('HGET', KEYS[1], ARGV[2])
local asked = redis.call('GET', KEYS[4])
if asked then return {asked, held or ''} end
local function answer(word, text)
  redis.call('SET', KEYS[4], word, 'PX', ARGV[5])
  return {word, text or ''}
end
if ARGV[1] == 'add' and held then return answer('taken', held) end
if ARGV[1] == 'update' and not held then return answer('none') end
if not held and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return {'full', ''} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local read, stream = pcall(cjson.decode, held or '{}')
if not read or type(stream) ~= 'table' then return {'damaged', held} end
for name, value in pairs(cjson.decode(ARGV[3])) do stream[name] = value end
if not held then stream.made_ms = now end
stream.changed_ms = now
local text = cjson.encode(stream)
redis.call('HSET', KEYS[1], ARGV[2], text)
local generation = redis.call('INCR', KEYS[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'stream', ARGV[2], 'generation', generation)
return answer('done', text)
