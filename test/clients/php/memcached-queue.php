<?php
// memcached's PHP extension on queues, in the text and the binary protocol: set puts,
// get takes, in the manner of Kestrel.

require __DIR__ . '/check.php';

[$host, $port] = address();
$connect = function (bool $binary, array $options = []) use ($host, $port): Memcached {
    $m = new Memcached();
    $m->setOptions([Memcached::OPT_BINARY_PROTOCOL => $binary] + $options);
    $m->addServer($host, $port);

    return $m;
};

foreach (['text' => false, 'binary' => true] as $name => $binary) {
    $m = $connect($binary);
    $other = $connect(!$binary);

    step("$name: jobs come once, in order, as they went", function () use ($m, $other, $name) {
        $jobs = [
            'hello', '', 42, -7, 1.5, true, ['a' => [1, 2, null]], binary(), str_repeat('compressible ', 1000), random_bytes(60000),
        ];
        foreach ($jobs as $job) {
            same(true, $m->set("$name-types", $job), 'set');
        }
        foreach ($jobs as $i => $job) {
            same($job, ($i % 2 ? $m : $other)->get("$name-types"), 'get');
        }
        same(false, $m->get("$name-types"), 'no more');
        same(Memcached::RES_NOTFOUND, $m->getResultCode(), 'its code');
    });

    step("$name: a job that is too large", function () use ($m, $name) {
        $m->setOption(Memcached::OPT_COMPRESSION, false);
        same(false, $m->set("$name-large", random_bytes(100000)), 'set');
        same(Memcached::RES_E2BIG, $m->getResultCode(), 'its code');
        same(true, $m->set("$name-large", 'x'), 'the connection goes on');
        same('x', $m->get("$name-large"), 'and serves');
    });

    step("$name: reliable reads", function () use ($connect, $binary, $name) {
        $q = "$name-reliable";
        $a = $connect($binary);
        $b = $connect($binary);
        $a->set($q, ['n' => 1]);
        $a->set($q, ['n' => 2]);
        same(['n' => 1], $a->get("$q/open"), 'open');
        same(['n' => 2], $b->get("$q/open"), 'another is open');
        same(false, $a->get("$q/abort"), 'abort');
        same(['n' => 1], $a->get("$q/t=1000/open"), 'it comes back');
        same(false, $a->get("$q/close/open"), 'close; there is no other');
        $b->quit();
        same(['n' => 2], $a->get("$q/t=5000"), 'who goes gives back');
        same(false, $a->get("$q/peek"), 'no more');
    });

    step("$name: several queues at once", function () use ($m, $name) {
        $m->setMulti(["$name-a" => 1, "$name-b" => [2]]);
        same(["$name-a" => 1, "$name-b" => [2]], $m->getMulti(["$name-a", "$name-none", "$name-b"]), 'getMulti');
        same([], $m->getMulti(["$name-a", "$name-b"]), 'they are taken');
    });

    step("$name: expiry", function () use ($m, $name) {
        $m->set("$name-short", 'x', 1);
        $m->set("$name-short", 'y', 1000);
        $m->set("$name-short", 'z', time() + 1000);
        usleep(1100000);
        same('y', $m->get("$name-short"), 'the first has expired');
        same('z', $m->get("$name-short"), 'a time since 1970');
    });

    step("$name: fan-out", function () use ($m, $name) {
        same(false, $m->get("$name-orders+audit"), 'nothing yet');
        $m->set("$name-orders", [1]);
        same([1], $m->get("$name-orders+audit"), 'the copy');
        same([1], $m->get("$name-orders"), 'the job');
    });

    step("$name: waiting", function () use ($connect, $binary, $name) {
        $since = microtime(true);
        same(false, $connect($binary)->get("$name-wait/t=300"), 'nothing comes');
        check(microtime(true) - $since > 0.29, 'it waited');
    });

    step("$name: without replies, and buffered", function () use ($connect, $binary, $name) {
        foreach ([Memcached::OPT_NOREPLY, Memcached::OPT_BUFFER_WRITES] as $option) {
            $m = $connect($binary, [$option => true]);
            for ($i = 0; $i < 100; $i++) {
                $m->set("$name-quiet", $i);
            }
            for ($i = 0; $i < 100; $i++) {
                same($i, $m->get("$name-quiet"), 'a job');
            }
        }
    });

    step("$name: delete, stats, version", function () use ($m, $name, $host, $port) {
        $m->set("$name-gone", 1);
        same(true, $m->delete("$name-gone"), 'delete');
        same(false, $m->get("$name-gone"), 'it is gone');
        $m->set("$name-stats", 'abc');
        $stats = $m->getStats()["$host:$port"];
        same('1', (string) $stats["queue_$name-stats_items"], 'items');
        check(isset($stats['curr_items'], $stats['total_items'], $stats['get_hits']), 'figures');
        check(str_starts_with($m->getVersion()["$host:$port"], '1.6.'), 'the version');
    });
}
