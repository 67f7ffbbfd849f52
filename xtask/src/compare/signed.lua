-- Sends each request of a file once. The file holds whole requests, each ended by a zero byte. When they are used up, the thread
-- stops and the run does not count.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  requests, last, used_up = {}, 0, 0
  for request in io.open(args[1], "rb"):read("*a"):gmatch("[^%z]+") do
    requests[#requests + 1] = request
  end
end

function request()
  last = last + 1
  if last > #requests then
    used_up = 1
    wrk.thread:stop()
    return requests[#requests]
  end
  return requests[last]
end

function exhausted()
  local sum = 0
  for _, thread in ipairs(threads) do
    sum = sum + thread:get("used_up")
  end
  return sum
end
