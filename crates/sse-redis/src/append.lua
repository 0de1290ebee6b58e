-- Appends a batch of messages at the end: all or none, and only once, however often it is sent.
--
-- KEYS: the stream; the key of this publisher.
-- ARGV: the number of the batch, how many entries to keep, how many milliseconds to keep them (0: no limit);
--       then for each message its topic, whether it has a key ('0' or '1'), the key, and the fields.

local MOST = 1048576 -- ids with the same time
local DAY = 86400000
local REMEMBERED = 7200 -- seconds: longer than a publisher repeats a batch

local stream, publisher = KEYS[1], KEYS[2]
local number, most, oldest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local messages = (#ARGV - 3) / 4
local function text(n) return string.format('%.0f', n) end

local function parse(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

-- Returns whether a batch counts: whether it existed when the next entry was appended. If it did not, Redis has loaded
-- it from an incomplete transaction in its file (see chain.rs), and no reader returns it.
local function counts(ms, seq)
  local last = tonumber(seq) + messages - 1
  local following = redis.call('XRANGE', stream, '(' .. ms .. '-' .. text(last), '+', 'COUNT', 1)[1]
  local fields = following and following[2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == 'previous' then
      local previous_ms, previous_seq = parse(fields[i + 1])
      if not previous_ms then return true end
      return previous_ms > tonumber(ms) or previous_ms == tonumber(ms) and previous_seq >= last
    end
  end
  return true
end

local done = redis.call('GET', publisher)
if done then
  local last, ms, seq = string.match(done, '^(%d+) (%d+) (%d+)$')
  last = tonumber(last)
  if last > number or last == number and counts(ms, seq) then return {ms, seq} end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ms, seq, previous = now, 0, '0-0'
local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if newest then
  previous = newest[1]
  local last_ms, last_seq = parse(previous)
  if last_ms > now + DAY then
    return redis.error_reply('ERR the newest entry of the log, ' .. previous .. ', is more than a day ahead of the clock')
  end
  -- The ids must rise also if the clock is set back.
  if last_ms >= now then
    ms, seq = last_ms, last_seq + 1
    if seq + messages > MOST then ms, seq = ms + 1, 0 end
  end
end

-- Redis does not undo the commands of a script before an error. If a user may use XADD but not SET, a script that calls
-- SET last would append the messages again with each attempt. So the batch is remembered first, and forgotten if Redis
-- refuses one of the following commands.
local function remember(value) redis.call('SET', publisher, value, 'EX', REMEMBERED) end
remember(text(number) .. ' ' .. text(ms) .. ' ' .. text(seq))
local refusal
local function write(command)
  local answer = redis.pcall(unpack(command))
  if type(answer) == 'table' and answer.err then refusal = answer end
  return not refusal
end

-- Trimming may be refused, too, so it comes before the messages.
local room = math.max(most - messages, 0)
local is_written = (most == 0 or write({'XTRIM', stream, 'MAXLEN', '~', text(room)}))
  and (oldest == 0 or write({'XTRIM', stream, 'MINID', '~', text(math.max(now - oldest, 0))}))
for i = 0, messages - 1 do
  local at = 4 + 4 * i
  local id = text(ms) .. '-' .. text(seq + i)
  local entry = {'XADD', stream, id, 'topic', ARGV[at], 'event', ARGV[at + 3], 'previous', previous}
  if ARGV[at + 1] == '1' then
    entry[#entry + 1] = 'key'
    entry[#entry + 1] = ARGV[at + 2]
  end
  is_written = is_written and write(entry)
  previous = id
end

if not is_written then
  remember(done or '0 0 0')
  return refusal
end
return {text(ms), text(seq)}
