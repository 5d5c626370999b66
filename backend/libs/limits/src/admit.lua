-- Takes one call into all of these buckets, or into none, by Redis's own clock.
-- KEYS: the buckets. ARGV: for each the microseconds that a call costs, and those that a burst does.
-- Answers: which bucket is full (0: none), how many microseconds until all have room, and how full each is in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = redis.call('MGET', unpack(KEYS))
local full, wait, fill = 0, 0, {}
for i = 1, #KEYS do
  local interval, tolerance = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  -- A clock that was set back must not lock anybody out for as long as that.
  fill[i] = math.min(math.max((tonumber(found[i]) or now) - now, 0), tolerance)
  if fill[i] + interval - tolerance > wait then
    full, wait = i, fill[i] + interval - tolerance
  end
end
if full == 0 then
  for i = 1, #KEYS do
    fill[i] = fill[i] + tonumber(ARGV[2 * i - 1])
    redis.call('SET', KEYS[i], string.format('%.0f', now + fill[i]), 'PX', math.ceil(fill[i] / 1000))
  end
end
return { full, wait, unpack(fill) }
