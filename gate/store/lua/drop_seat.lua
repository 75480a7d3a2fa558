-- Frees the seat of nobody: whose room or participant is no more.
-- KEYS  1 all seats   2 what is due of participants beside   3 the room's people
-- ARGV  1 seat   2 participant
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
