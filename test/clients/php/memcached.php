<?php
// memcached's PHP extension, in the text and the binary protocol: the whole life of
// ordinary keys, and the pattern of a queue made of counters and numbered keys. The
// same suite passes on memcached itself.

require __DIR__ . '/check.php';

[$host, $port] = address();
// each client has values of its own, told apart by the name of the protocol.
$connect = function (bool $binary, array $options = []) use ($host, $port): Memcached {
    $m = new Memcached();
    $m->setOptions([
        Memcached::OPT_BINARY_PROTOCOL => $binary,
        Memcached::OPT_PREFIX_KEY => $binary ? 'binary-' : 'text-',
    ] + $options);
    $m->addServer($host, $port);

    return $m;
};

foreach (['text' => false, 'binary' => true] as $name => $binary) {
    $m = $connect($binary);

    step("$name: types come back as they went", function () use ($m) {
        $values = [
            'string' => 'hello', 'empty' => '', 'int' => 42, 'negative' => -7, 'float' => 1.5, 'true' => true,
            'false' => false, 'array' => ['a' => [1, 2, null], 'b' => 'c'], 'binary' => binary(),
            'long' => str_repeat('compressible ', 1000), 'large' => random_bytes(500000), 'object' => new ArrayObject([1]),
        ];
        foreach ($values as $key => $value) {
            same(true, $m->set($key, $value), "set $key");
        }
        foreach ($values as $key => $value) {
            check($value == $m->get($key) && gettype($value) === gettype($m->get($key)), "$key comes back");
        }
        same(array_keys($values), array_keys($m->getMulti(array_keys($values))), 'getMulti');
    });

    step("$name: misses", function () use ($m) {
        same(false, $m->get('none'), 'get');
        same(Memcached::RES_NOTFOUND, $m->getResultCode(), 'its code');
        same(false, $m->delete('none'), 'delete');
        same(Memcached::RES_NOTFOUND, $m->getResultCode(), 'its code');
        same(['a' => 1], (function () use ($m) {
            $m->set('a', 1);

            return $m->getMulti(['a', 'none']);
        })(), 'getMulti with a miss');
        same([], $m->getMulti(['none', 'neither']), 'getMulti with misses alone');
    });

    step("$name: add, replace, append, prepend, delete", function () use ($m, $binary) {
        $m->setOption(Memcached::OPT_COMPRESSION, false);
        $m->delete('k');
        same(false, $m->replace('k', 'x'), 'replace of nothing');
        same(true, $m->add('k', 'b'), 'add');
        same(false, $m->add('k', 'x'), 'add again');
        same($binary ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED, $m->getResultCode(), 'its code');
        same(true, $m->append('k', 'c'), 'append');
        same(true, $m->prepend('k', 'a'), 'prepend');
        same('abc', $m->get('k'), 'the value');
        same(true, $m->replace('k', 'new'), 'replace');
        same(true, $m->delete('k'), 'delete');
        same(false, $m->get('k'), 'it is gone');
    });

    step("$name: cas", function () use ($m) {
        $m->set('k', 'one');
        $got = $m->get('k', null, Memcached::GET_EXTENDED);
        same(true, $m->cas($got['cas'], 'k', 'two'), 'cas');
        same(false, $m->cas($got['cas'], 'k', 'three'), 'cas with an old token');
        same(Memcached::RES_DATA_EXISTS, $m->getResultCode(), 'its code');
        same('two', $m->get('k'), 'the value');
    });

    step("$name: increment, decrement, touch", function () use ($m, $binary) {
        $m->delete('n');
        same(false, $m->increment('n'), 'increment of nothing');
        $m->set('n', 5);
        same(6, $m->increment('n'), 'increment');
        same(16, $m->increment('n', 10), 'increment by ten');
        same(14, $m->decrement('n', 2), 'decrement');
        same(0, $m->decrement('n', 20), 'it does not go below zero');
        if ($binary) {
            $m->delete('n');
            same(7, $m->increment('n', 1, 7), 'an initial value');
            same(8, $m->increment('n', 1, 7), 'which counts once');
        }
        same(true, $m->touch('n', 1000), 'touch');
    });

    step("$name: expiry", function () use ($m) {
        $m->set('short', 'x', 1);
        $m->set('absolute', 'x', time() + 1000);
        $m->set('past', 'x', time() - 10);
        same('x', $m->get('absolute'), 'a time in the future');
        same(false, $m->get('past'), 'one in the past');
        usleep(2100000);
        same(false, $m->get('short'), 'a second');
    });

    step("$name: many keys", function () use ($m) {
        $many = [];
        for ($i = 0; $i < 3000; $i++) {
            $many["key-$i"] = "value $i";
        }
        same(true, $m->setMulti($many), 'setMulti');
        same($many, $m->getMulti(array_keys($many)), 'getMulti');
        $m->deleteMulti(array_keys($many));
        same([], $m->getMulti(array_keys($many)), 'deleteMulti');
    });

    step("$name: stats, version, flush", function () use ($m, $host, $port) {
        $stats = $m->getStats()["$host:$port"];
        foreach (['pid', 'uptime', 'curr_items', 'cmd_get', 'get_hits', 'limit_maxbytes', 'bytes', 'evictions'] as $figure) {
            check(isset($stats[$figure]), "stats have $figure");
        }
        check(str_starts_with($m->getVersion()["$host:$port"], '1.6.'), 'the version');
        $m->set('k', 1);
        same(true, $m->flush(), 'flush');
        same(false, $m->get('k'), 'it is gone');
    });

    step("$name: without replies, and buffered", function () use ($connect, $binary) {
        $m = $connect($binary, [Memcached::OPT_NOREPLY => true]);
        for ($i = 0; $i < 100; $i++) {
            $m->set("quiet-$i", $i);
        }
        same(99, $m->get('quiet-99'), 'the last');
        $m = $connect($binary, [Memcached::OPT_BUFFER_WRITES => true]);
        for ($i = 0; $i < 100; $i++) {
            $m->set("buffered-$i", $i);
        }
        same(99, $m->get('buffered-99'), 'the last');
    });

    // A queue as applications make one of memcached: a counter for what was put, one
    // for what was taken, and a key for each job.
    step("$name: a queue of counters and numbered keys", function () use ($m, $connect, $binary) {
        $put = function (Memcached $m, $job) {
            if (($id = $m->increment('jobs_tail')) === false) {
                if (!$m->add('jobs_tail', 1)) {
                    $id = $m->increment('jobs_tail');
                } else {
                    $id = 1;
                    $m->add('jobs_head', 0);
                }
            }

            return $m->set("jobs_$id", $job) ? $id : false;
        };
        $take = function (Memcached $m) {
            $tail = $m->get('jobs_tail');
            $id = $m->increment('jobs_head');
            if ($id > $tail) {
                $m->decrement('jobs_head');

                return false;
            }
            $job = $m->get("jobs_$id");
            $m->delete("jobs_$id");

            return $job;
        };
        for ($i = 1; $i <= 50; $i++) {
            same($i, $put($m, ['job' => $i]), 'the number of a job');
        }
        $other = $connect($binary);
        for ($i = 1; $i <= 50; $i++) {
            same(['job' => $i], $take($i % 2 ? $m : $other), 'a job');
        }
        same(false, $take($m), 'no more');
        same(51, $put($m, 'one more'), 'its number');
        same('one more', $take($other), 'it comes');
    });
}
