<?php
// The flows of Phalcon's beanstalk clients, byte for byte as they go over the wire, without the framework:
// the queue class of Phalcon 1 to 3 (bodies as PHP values, stats through the yaml extension) and the
// adapter of Phalcon 5 (a dictionary parser of its own, reject, purge).

require __DIR__ . '/check.php';
[$host, $port] = address();

/** Wire is how both read and write: lines of at most 16,384 bytes, bodies with their line end trimmed. */
class Wire
{
    /** @var resource */
    private $socket;

    public function __construct(string $host, int $port)
    {
        $this->socket = fsockopen($host, $port);
        stream_set_timeout($this->socket, 30);
    }

    public function close(): void
    {
        $this->write('quit');
        fclose($this->socket);
    }

    public function write(string $line): void
    {
        same(strlen($line) + 2, fwrite($this->socket, "$line\r\n"), 'bytes written');
    }

    public function read(int $length = 0): string
    {
        $data = $length > 0 ? rtrim(stream_get_line($this->socket, $length + 2), "\r\n") : stream_get_line($this->socket, 16384, "\r\n");
        check($data !== false && !stream_get_meta_data($this->socket)['timed_out'], 'the server answers');
        if (in_array($data, ['UNKNOWN_COMMAND', 'JOB_TOO_BIG', 'BAD_FORMAT', 'OUT_OF_MEMORY'], true)) {
            throw new RuntimeException($data);
        }

        return $data;
    }

    /** status sends a line and splits the answer into words. */
    public function status(string $line): array
    {
        $this->write($line);

        return explode(' ', $this->read());
    }
}

/** Phalcon3 answers false to every reply that is not the expected one. */
class Phalcon3
{
    public Wire $wire;

    public function __construct(string $host, int $port)
    {
        $this->wire = new Wire($host, $port);
    }

    public function put($data, array $options = [])
    {
        $options += ['priority' => 100, 'delay' => 0, 'ttr' => 86400];
        $body = serialize($data);
        $status = $this->wire->status("put {$options['priority']} {$options['delay']} {$options['ttr']} " . strlen($body) . "\r\n$body");

        return in_array($status[0], ['INSERTED', 'BURIED'], true) ? (int) $status[1] : false;
    }

    public function choose(string $tube)
    {
        return $this->word("use $tube", 'USING');
    }

    public function watch(string $tube)
    {
        return $this->word("watch $tube", 'WATCHING');
    }

    public function ignore(string $tube)
    {
        return $this->word("ignore $tube", 'WATCHING');
    }

    public function kick(int $bound)
    {
        return $this->word("kick $bound", 'KICKED');
    }

    public function pauseTube(string $tube, int $delay): bool
    {
        return $this->wire->status("pause-tube $tube $delay")[0] === 'PAUSED';
    }

    public function reserve(?int $timeout = null)
    {
        return $this->job($timeout === null ? 'reserve' : "reserve-with-timeout $timeout", 'RESERVED');
    }

    public function peekReady()
    {
        return $this->job('peek-ready', 'FOUND');
    }

    public function peekDelayed()
    {
        return $this->job('peek-delayed', 'FOUND');
    }

    public function peekBuried()
    {
        return $this->job('peek-buried', 'FOUND');
    }

    public function jobPeek(int $id)
    {
        return $this->job("peek $id", 'FOUND');
    }

    public function yaml(string $line)
    {
        return $this->wire->status($line)[0] === 'OK' ? yaml_parse($this->wire->read()) : false;
    }

    private function word(string $line, string $want)
    {
        $status = $this->wire->status($line);

        return $status[0] === $want ? $status[1] : false;
    }

    private function job(string $line, string $want)
    {
        $status = $this->wire->status($line);

        return $status[0] === $want ? new Phalcon3Job($this, (int) $status[1], unserialize($this->wire->read((int) $status[2]))) : false;
    }
}

class Phalcon3Job
{
    public function __construct(private Phalcon3 $queue, public int $id, public $body)
    {
    }

    public function delete(): bool
    {
        return $this->ends("delete $this->id", 'DELETED');
    }

    public function release(int $priority = 100, int $delay = 0): bool
    {
        return $this->ends("release $this->id $priority $delay", 'RELEASED');
    }

    public function bury(int $priority = 100): bool
    {
        return $this->ends("bury $this->id $priority", 'BURIED');
    }

    public function touch(): bool
    {
        return $this->ends("touch $this->id", 'TOUCHED');
    }

    public function kick(): bool
    {
        return $this->ends("kick-job $this->id", 'KICKED');
    }

    public function stats()
    {
        return $this->queue->yaml("stats-job $this->id");
    }

    private function ends(string $line, string $want): bool
    {
        return $this->queue->wire->status($line)[0] === $want;
    }
}

/** dictionary is Phalcon 5's parser of stats: cut each line at the first colon, numbers become numbers. */
function dictionary(Wire $wire, string $line): array
{
    [$status, $length] = $wire->status($line);
    same('OK', $status, $line);
    $pairs = [];
    foreach (explode("\n", $wire->read((int) $length)) as $row) {
        if (str_contains($row, ':')) {
            [$key, $value] = array_map('trim', explode(':', $row, 2));
            $pairs[$key] = is_numeric($value) ? $value + 0 : $value;
        }
    }

    return $pairs;
}

step('put with priority, delay and ttr', function () use ($host, $port) {
    $q = new Phalcon3($host, $port);
    $id = $q->put(['processVideo' => 4871]);
    check(is_int($id), 'the id is a number');
    $stats = $q->jobPeek($id)->stats();
    same([100, 0, 86400], [$stats['pri'], $stats['delay'], $stats['ttr']], 'the defaults');
    $late = $q->put(['processVideo' => 4872], ['priority' => 250, 'delay' => 10, 'ttr' => 3600]);
    $stats = $q->peekDelayed()->stats();
    same([$late, 250, 10, 3600, 'delayed'], [$stats['id'], $stats['pri'], $stats['delay'], $stats['ttr'], $stats['state']], 'as given');
    same(true, $q->jobPeek($late)->kick(), 'kick');
    foreach ([4871, 4872] as $video) {
        $job = $q->reserve();
        same(['processVideo' => $video], $job->body, 'the more urgent first');
        same(true, $job->delete(), 'delete');
    }
    $q->wire->close();
});

step('the peekReady loop', function () use ($host, $port) {
    $q = new Phalcon3($host, $port);
    $q->choose('peek');
    $values = [['a' => [1, 2.5, null, true]], "text\r\nwith\nline ends", 42, str_repeat('long', 10000)];
    foreach ($values as $value) {
        check(is_int($q->put($value)), 'put');
    }
    $seen = [];
    while (($job = $q->peekReady()) !== false) {
        $seen[] = $job->body;
        same(true, $job->delete(), 'delete');
    }
    same($values, $seen, 'bodies');
    $q->wire->close();
});

step('reserve, body, delete', function () use ($host, $port) {
    $q = new Phalcon3($host, $port);
    same('work', $q->choose('work'), 'choose');
    same(['2', '1'], [$q->watch('work'), $q->ignore('default')], 'watch, ignore');
    same(false, $q->ignore('work'), 'ignoring the last tube');
    foreach ([1, 2, 3] as $n) {
        $q->put(['number' => $n]);
    }
    $sum = 0;
    while (($job = $q->reserve(0)) !== false) {
        $sum += $job->body['number'];
        same(true, $job->touch(), 'touch');
        same(true, $job->delete(), 'delete');
        same(false, $job->delete(), 'a second delete');
    }
    same(6, $sum, 'sum of the bodies');
    $q->wire->close();
});

step('release, bury, kick, pause', function () use ($host, $port) {
    $q = new Phalcon3($host, $port);
    $q->choose('life');
    $q->watch('life');
    $id = $q->put('x');
    same(true, $q->reserve(0)->release(), 'release');
    same(true, $q->reserve(0)->bury(), 'bury');
    same($id, $q->peekBuried()->id, 'peekBuried');
    same('1', $q->kick(10), 'kick');
    same(true, $q->pauseTube('life', 60), 'pauseTube');
    same(false, $q->reserve(0), 'paused');
    same(true, $q->pauseTube('life', 0), 'pause ended');
    same(true, $q->reserve(1)->delete(), 'delete');
    same(false, $q->pauseTube('nowhere', 0), 'pause of no tube');
    $q->wire->close();
});

step('stats through the yaml extension', function () use ($host, $port) {
    $q = new Phalcon3($host, $port);
    $q->choose('stats');
    $id = $q->put('x', ['priority' => 1]);
    $server = $q->yaml('stats');
    check(is_int($server['current-jobs-ready']) && is_int($server['pid']) && is_string((string) $server['version']), 'stats');
    $tube = $q->yaml('stats-tube stats');
    same(['stats', 1, 1, 1], [$tube['name'], $tube['current-jobs-urgent'], $tube['total-jobs'], $tube['current-using']], 'stats-tube');
    $job = $q->jobPeek($id)->stats();
    same([$id, 'stats', 'ready', 1], [$job['id'], $job['tube'], $job['state'], $job['pri']], 'stats-job');
    check(in_array('stats', $q->yaml('list-tubes'), true), 'list-tubes');
    same(['default'], $q->yaml('list-tubes-watched'), 'list-tubes-watched');
    same(false, $q->yaml('stats-tube nowhere'), 'stats of no tube');
    $q->wire->close();
});

step('a body too large is an exception, and the connection goes on', function () use ($host, $port) {
    $q = new Phalcon3($host, $port);
    $max = $q->yaml('stats')['max-job-size'];
    fails(RuntimeException::class, fn () => $q->put(str_repeat('x', $max)), 'put');
    same('still', $q->choose('still'), 'choose');
    $q->wire->close();
});

step('Phalcon 5: stats through its dictionary parser', function () use ($host, $port) {
    $wire = new Wire($host, $port);
    same(['USING', 'five'], $wire->status('use five'), 'use');
    $id = (int) $wire->status("put 100 0 86400 1\r\nx")[1];
    $job = dictionary($wire, "stats-job $id");
    same([$id, 'ready', 100, 86400], [$job['id'], $job['state'], $job['pri'], $job['ttr']], 'stats-job');
    // A server of version 1.13 quotes names, one of 1.12 does not, and this parser keeps the quotes.
    same('five', trim(dictionary($wire, 'stats-tube five')['name'], '"'), 'name');
    check(is_int(dictionary($wire, 'stats')['current-jobs-ready']), 'stats');
    $wire->close();
});

step('Phalcon 5: reject and purge', function () use ($host, $port) {
    $wire = new Wire($host, $port);
    $wire->status('use purge');
    $wire->status('watch purge');
    $wire->status('ignore default');
    foreach (range(1, 20) as $n) {
        same('INSERTED', $wire->status("put 100 0 86400 2\r\n" . sprintf('%02d', $n))[0], 'put');
    }
    [, $id, $length] = $wire->status('reserve-with-timeout 1');
    same('01', $wire->read((int) $length), 'body');
    same(['RELEASED'], $wire->status("release $id 100 0"), 'reject with requeue');
    [, $again, $length] = $wire->status('reserve-with-timeout 1');
    same('01', $wire->read((int) $length), 'body again');
    same([$id, ['BURIED']], [$again, $wire->status("bury $again 100")], 'reject');
    for ($purged = 0; ($status = $wire->status('reserve-with-timeout 0'))[0] === 'RESERVED'; $purged++) {
        $wire->read((int) $status[2]);
        same(['DELETED'], $wire->status("delete $status[1]"), 'delete');
    }
    same([19, ['TIMED_OUT']], [$purged, $status], 'purged');
    $wire->close();
});
