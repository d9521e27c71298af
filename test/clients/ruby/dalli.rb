# Dalli (Debian: ruby-dalli), which speaks the binary protocol: ordinary keys. The same
# suite passes on memcached itself. A step that fails ends the suite with exit status 1.

require 'dalli'
require 'timeout'

abort "usage: ruby #{$PROGRAM_NAME} HOST:PORT" unless ARGV.length == 1
$stdout.sync = true
Dalli.logger.level = Logger::ERROR

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

client = Dalli::Client.new(ARGV[0], namespace: 'dalli', compress: true)

step 'types come back as they went' do
  { 'string' => 'hello', 'int' => 42, 'hash' => { a: [1, nil] }, 'nil' => nil, 'long' => 'compressible ' * 1000 }.each do |key, value|
    check client.set(key, value), "set #{key}"
    same value, client.get(key), key
  end
end

step 'misses' do
  same nil, client.get('none'), 'get'
  check !client.delete('none'), 'delete'
  same({}, client.get_multi('none', 'neither'), 'get_multi')
end

step 'add, replace, append, prepend' do
  raw = { raw: true }
  client.delete('k')
  client.replace('k', 'x', 0, raw)
  same nil, client.get('k'), 'replace of nothing'
  check client.add('k', 'b', 0, raw), 'add'
  client.add('k', 'x', 0, raw)
  same 'b', client.get('k', raw), 'add again'
  check client.append('k', 'c'), 'append'
  check client.prepend('k', 'a'), 'prepend'
  same 'abc', client.get('k', raw), 'the value'
end

step 'cas' do
  client.set('cas', 1)
  check client.cas('cas') { |v| v + 1 }, 'cas'
  same 2, client.get('cas'), 'the value'
  same nil, client.cas('none') { 1 }, 'cas of nothing'
  check !client.cas('cas') { client.set('cas', 9); 3 }, 'cas with an old token'
end

step 'counters' do
  client.delete('n')
  same nil, client.incr('n'), 'incr of nothing'
  same 10, client.incr('n', 1, 0, 10), 'an initial value'
  same 15, client.incr('n', 5), 'incr'
  same 0, client.decr('n', 100), 'decr'
end

step 'many keys' do
  client.multi { 500.times { |i| client.set("key-#{i}", i) } }
  same 500, client.get_multi((0...500).map { |i| "key-#{i}" }).size, 'get_multi'
end

step 'touch, gat, expiry' do
  client.set('t', 'x', 1)
  check client.touch('t', 1000), 'touch'
  same 'x', client.gat('t', 1000), 'gat'
  client.set('short', 'x', 1)
  sleep 2.1
  same nil, client.get('short'), 'expired'
  same 'x', client.get('t'), 'touched'
end

step 'stats, version, alive, flush' do
  check client.stats.values.first['limit_maxbytes'], 'stats'
  check client.version.values.first.start_with?('1.6.'), 'version'
  check client.alive!, 'alive'
  client.flush
  same nil, client.get('t'), 'flushed'
end
