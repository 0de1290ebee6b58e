-- Appends a batch of messages behind all others: all or none, and once, however often it is sent.
--
-- KEYS: the stream; what is remembered of this publisher.
-- ARGV: the number of the batch, how many entries to keep, how many milliseconds to keep them (0: no bound);
--       then for each message its topic, whether it has a key ('0' or '1'), the key, and the fields.

local MOST = 1048576 -- ids with one time
local DAY = 86400000
local REMEMBERED = 7200 -- seconds: longer than a publisher repeats a batch

local stream, publisher = KEYS[1], KEYS[2]
local number, most, oldest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function text(n) return string.format('%.0f', n) end

local done = redis.call('GET', publisher)
if done then
  local last, ms, seq = string.match(done, '^(%d+) (%d+) (%d+)$')
  if tonumber(last) >= number then return {ms, seq} end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local messages = (#ARGV - 3) / 4
local ms, seq, previous = now, 0, '0-0'
local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if newest then
  previous = newest[1]
  local last_ms, last_seq = string.match(previous, '^(%d+)-(%d+)$')
  last_ms, last_seq = tonumber(last_ms), tonumber(last_seq)
  if last_ms > now + DAY then
    return redis.error_reply('ERR the newest entry of the log, ' .. previous .. ', is more than a day ahead of the clock')
  end
  -- A clock that was set back must not set the ids back.
  if last_ms >= now then
    ms, seq = last_ms, last_seq + 1
    if seq + messages > MOST then ms, seq = ms + 1, 0 end
  end
end

for i = 0, messages - 1 do
  local at = 4 + 4 * i
  local id = text(ms) .. '-' .. text(seq + i)
  local entry = {'XADD', stream, id, 'topic', ARGV[at], 'event', ARGV[at + 3], 'previous', previous}
  if ARGV[at + 1] == '1' then
    entry[#entry + 1] = 'key'
    entry[#entry + 1] = ARGV[at + 2]
  end
  redis.call(unpack(entry))
  previous = id
end

if most > 0 then redis.call('XTRIM', stream, 'MAXLEN', '~', text(most)) end
if oldest > 0 then redis.call('XTRIM', stream, 'MINID', '~', text(math.max(now - oldest, 0))) end
redis.call('SET', publisher, text(number) .. ' ' .. text(ms) .. ' ' .. text(seq), 'EX', REMEMBERED)
return {text(ms), text(seq)}
