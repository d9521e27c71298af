# The whole life of jobs through beaneater (Debian: ruby-beaneater).
# A step that fails ends the suite with exit status 1.

require 'beaneater'
require 'timeout'

abort "usage: ruby #{$PROGRAM_NAME} HOST:PORT" unless ARGV.length == 1
ADDRESS = ARGV[0]
$stdout.sync = true

def step(name)
  Timeout.timeout(30) { yield }
  puts "ok - #{name}"
rescue StandardError => e
  puts "not ok - #{name}: #{e.class}: #{e.message}", e.backtrace.first(5)
  exit 1
end

def same(want, got, what)
  raise "#{what}: want #{want.inspect[0, 200]}, got #{got.inspect[0, 200]}" unless want == got
end

def check(holds, what)
  raise "does not hold: #{what}" unless holds
end

def fails(error, what)
  yield
rescue error
  nil
else
  raise "#{what}: expected #{error}"
end

def seconds
  since = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  yield
  Process.clock_gettime(Process::CLOCK_MONOTONIC) - since
end

# on yields a connection that watches one tube, and that tube.
def on(name)
  client = Beaneater.new(ADDRESS)
  client.tubes.watch!(name)
  yield client, client.tubes[name]
ensure
  client&.close
end

step 'put, reserve, delete' do
  client = Beaneater.new(ADDRESS)
  put = client.tubes['default'].put('hello')
  same 'INSERTED', put[:status], 'status'
  job = client.tubes.reserve(0)
  same [put[:id], 'hello', 'default'], [job.id, job.body, job.tube], 'job'
  check job.reserved?, 'reserved'
  job.delete
  check !job.exists?, 'deleted'
  fails(Beaneater::TimedOutError, 'nothing is left') { client.tubes.reserve(0) }
  client.close
end

step 'use, watch, ignore' do
  client = Beaneater.new(ADDRESS)
  client.tubes.use('first')
  same 'first', client.tubes.used.name, 'used'
  client.tubes.watch('first', 'second')
  same %w[default first second], client.tubes.watched.map(&:name), 'watched'
  client.tubes.ignore('default', 'second')
  same %w[first], client.tubes.watched.map(&:name), 'watched after ignore'
  fails(Beaneater::NotIgnoredError, 'ignoring the last tube') { client.tubes.ignore('first') }
  check client.tubes.map(&:name).include?('first'), 'the tube is listed'
  fails(Beaneater::InvalidTubeName, 'a bad name') { client.tubes.watch('no,commas') }
  client.close
end

step 'priority comes before age' do
  on('priority') do |client, tube|
    [4_294_967_295, 10, 0, 1024, 10].each_with_index { |pri, i| tube.put(i.to_s, pri: pri) }
    order = Array.new(5) do
      job = client.tubes.reserve(0)
      job.delete
      job.body
    end
    same '21430', order.join, 'order'
  end
end

step 'delay' do
  on('delay') do |client, tube|
    put = tube.put('later', pri: 5, delay: 1, ttr: 60)
    same put[:id], tube.peek(:delayed).id, 'peek-delayed'
    same nil, tube.peek(:ready), 'peek-ready'
    stats = client.jobs.find(put[:id]).stats
    same ['delayed', 5, 1, 60, 'delay'], [stats.state, stats.pri, stats.delay, stats.ttr, stats.tube], 'stats-job'
    fails(Beaneater::TimedOutError, 'not yet') { client.tubes.reserve(0) }
    check seconds { client.tubes.reserve(4).delete } > 0.5, 'it came late'
  end
end

step 'timed out, deadline soon, lease ended' do
  on('lease') do |client, tube|
    waited = seconds { fails(Beaneater::TimedOutError, 'no job') { client.tubes.reserve(1) } }
    check waited > 0.9, 'it waited'
    put = tube.put('slow', ttr: 2)
    job = client.tubes.reserve
    fails(Beaneater::DeadlineSoonError, 'reserve while a lease ends') { client.tubes.reserve(3) }
    on('lease') do |other, _|
      again = nil
      5.times do
        again = other.tubes.reserve(1)
        break
      rescue Beaneater::TimedOutError
        client.stats.keys # beanstalkd may forget a lease that ends until its holder sends something.
      end
      same put[:id], again&.id, 'the other worker got it'
      same [1, 2], [again.stats.timeouts, again.stats.reserves], 'timeouts, reserves'
      fails(Beaneater::NotFoundError, 'delete after the lease') { job.delete }
      again.delete
    end
  end
end

step 'touch' do
  on('touch') do |client, tube|
    tube.put('long', ttr: 3)
    job = client.tubes.reserve(0)
    on('silence') { |clock, _| fails(Beaneater::TimedOutError, 'two seconds') { clock.tubes.reserve(2) } }
    check job.stats.time_left <= 1, 'time-left before'
    same 'TOUCHED', job.touch[:status], 'touch'
    check job.stats.time_left >= 2, 'time-left after'
    job.delete
  end
end

step 'release' do
  on('release') do |client, tube|
    tube.put('again', pri: 1)
    job = client.tubes.reserve(0)
    job.release(pri: 77, delay: 0)
    same ['ready', 77, 1], [job.stats.state, job.stats.pri, job.stats.releases], 'stats-job'
    job = client.tubes.reserve(0)
    job.release(pri: 78, delay: 60)
    same ['delayed', 78], [job.stats.state, job.stats.pri], 'released with delay'
    job.kick
    client.tubes.reserve(0).delete
  end
end

step 'bury, kick, kick-job' do
  on('bury') do |client, tube|
    ids = Array.new(4) do |i|
      tube.put(i.to_s)
      job = client.tubes.reserve(0)
      job.bury(pri: 50)
      job.id
    end
    same ids[0], tube.peek(:buried).id, 'peek-buried'
    same 'buried', client.jobs.find(ids[0]).stats.state, 'state'
    fails(Beaneater::TimedOutError, 'buried jobs are not handed out') { client.tubes.reserve(0) }
    same '2', tube.kick(2)[:id], 'kick'
    same 'KICKED', client.jobs.find(ids[3]).kick[:status], 'kick-job'
    same 1, tube.stats.current_jobs_buried, 'one is left'
    same %w[0 1 3], Array.new(3) { client.tubes.reserve(0).body }, 'those kicked'
    same '1', tube.kick(100)[:id], 'kick takes what there is'
  end
end

step 'peek' do
  on('peek') do |client, tube|
    put = tube.put('look')
    same 'look', client.jobs.find(put[:id]).body, 'peek'
    same 'look', tube.peek(:ready).body, 'peek-ready'
    same 0, client.jobs.find(put[:id]).stats.reserves, 'peeking takes nothing'
    client.jobs.find(put[:id]).delete
    same nil, client.jobs.find(put[:id]), 'peek at no job'
  end
end

step 'stats' do
  on('stats') do |client, tube|
    tube.put('a', pri: 1)
    tube.put('b', pri: 5000)
    tube.put('c', pri: 1, delay: 60)
    s = tube.stats
    same ['stats', 1, 2, 0, 1, 0, 3, 1, 1],
         [s.name, s.current_jobs_urgent, s.current_jobs_ready, s.current_jobs_reserved, s.current_jobs_delayed,
          s.current_jobs_buried, s.total_jobs, s.current_using, s.current_watching], 'stats-tube'
    %w[current_jobs_ready cmd_put total_jobs max_job_size current_tubes pid uptime binlog_max_size].each do |key|
      check client.stats.send(key).is_a?(Integer), "stats has #{key}"
    end
    check client.stats.version.to_s != '', 'stats has version'
    fails(Beaneater::NotFoundError, 'stats of no tube') { client.tubes['nowhere'].stats }
    tube.clear
    same 0, tube.stats.current_jobs_ready + tube.stats.current_jobs_delayed, 'jobs left by clear'
  end
end

step 'pause' do
  on('pause') do |client, tube|
    tube.put('held')
    same 'PAUSED', tube.pause(60)[:status], 'pause'
    same 60, tube.stats.pause, 'pause'
    fails(Beaneater::TimedOutError, 'paused') { client.tubes.reserve(0) }
    tube.pause(0)
    client.tubes.reserve(1).release
    tube.pause(1)
    check seconds { client.tubes.reserve(4).delete } > 0.9, 'the pause lasted'
  end
end

step 'bodies: empty, binary, the largest' do
  on('bodies') do |client, tube|
    max = client.stats.max_job_size
    binary = "#{(0..255).to_a.pack('C*')}\r\n\r\nput 0 0 1 1\r\nx\r\n".b
    [''.b, binary, Random.bytes(max)].each do |body|
      tube.put(body)
      job = client.tubes.reserve(0)
      check body == job.body.b, "a body of #{body.bytesize} bytes came back as it was"
      job.delete
    end
    fails(Beaneater::JobTooBigError, 'a body too large') { tube.put('x' * (max + 1)) }
    same 'bodies', client.tubes.used.name, 'the connection goes on'
  end
end

step 'many jobs, each once' do
  on('many') do |client, tube|
    left = {}
    500.times { |i| left[tube.put("job #{i}")[:id]] = "job #{i}" }
    same 500, left.size, 'ids'
    until left.empty?
      job = client.tubes.reserve(0)
      same left.delete(job.id), job.body, 'body'
      job.delete
    end
    fails(Beaneater::TimedOutError, 'no more') { client.tubes.reserve(0) }
  end
end

step 'two connections' do
  on('two') do |a, tube|
    put = tube.put('mine')
    job = a.tubes.reserve(0)
    on('two') do |b, _|
      fails(Beaneater::NotFoundError, "delete of another's job") { b.jobs.find(put[:id]).delete }
      waiting = Thread.new { b.tubes.reserve(5) }
      job.release(delay: 0)
      same put[:id], waiting.value.id, 'the one that waits gets it'
    end
    again = a.tubes.reserve(2)
    same put[:id], again.id, 'a closed connection gives its job back'
    again.delete
  end
end

step 'a worker loop' do
  on('work') do |client, tube|
    3.times { |i| tube.put(i.to_s) }
    seen = []
    client.jobs.register('work') do |job|
      seen << job.body
      raise Beaneater::AbortProcessingError if seen.size == 3
    end
    client.jobs.process!(reserve_timeout: 2)
    same %w[0 1 2], seen, 'handled'
  end
end
