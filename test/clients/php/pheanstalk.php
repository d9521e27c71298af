<?php
// The whole life of jobs through pheanstalk 4 (Debian: php-pda-pheanstalk).

require __DIR__ . '/check.php';
require 'Pheanstalk/autoload.php';

use Pheanstalk\Exception\DeadlineSoonException;
use Pheanstalk\Exception\JobNotFoundException;
use Pheanstalk\Exception\JobTooBigException;
use Pheanstalk\Exception\ServerException;
use Pheanstalk\JobId;
use Pheanstalk\Pheanstalk;

[$host, $port] = address();
$connect = fn (): Pheanstalk => Pheanstalk::create($host, $port);
// on connects to a tube of its own.
$on = fn (string $tube): Pheanstalk => $connect()->useTube($tube)->watchOnly($tube);
// takes reserves a job that must be there.
$takes = function (Pheanstalk $q, int $timeout = 0) {
    $job = $q->reserveWithTimeout($timeout);
    check($job !== null, 'a job is there');

    return $job;
};

step('put, reserve, delete', function () use ($connect, $takes) {
    $q = $connect();
    $put = $q->put('hello');
    $job = $takes($q);
    same($put->getId(), $job->getId(), 'id');
    same('hello', $job->getData(), 'body');
    same('reserved', $q->statsJob($job)['state'], 'state');
    $q->delete($job);
    fails(ServerException::class, fn () => $q->statsJob($job), 'stats of a deleted job');
    same(null, $q->reserveWithTimeout(0), 'nothing is left');
});

step('use, watch, ignore', function () use ($connect) {
    $q = $connect();
    $q->useTube('first')->watch('first')->watch('second');
    same('first', $q->listTubeUsed(true), 'used');
    same(['default', 'first', 'second'], $q->listTubesWatched(true), 'watched');
    $q->ignore('default')->ignore('second');
    same(['first'], $q->listTubesWatched(true), 'watched after ignore');
    fails(Exception::class, fn () => $q->ignore('first'), 'ignoring the last tube');
    check(in_array('first', $q->listTubes(), true), 'the tube is listed');
});

step('priority comes before age', function () use ($on, $takes) {
    $q = $on('priority');
    foreach ([4294967295, 10, 0, 1024, 10] as $i => $priority) {
        $q->put("$i", $priority);
    }
    $order = '';
    for ($i = 0; $i < 5; $i++) {
        $job = $takes($q);
        $order .= $job->getData();
        $q->delete($job);
    }
    same('21430', $order, 'order');
});

step('delay', function () use ($on, $takes) {
    $q = $on('delay');
    $put = $q->put('later', 5, 1, 60);
    same($put->getId(), $q->peekDelayed()->getId(), 'peek-delayed');
    same(null, $q->peekReady(), 'peek-ready');
    same(null, $q->reserveWithTimeout(0), 'not yet');
    $stats = $q->statsJob($put);
    same(['delayed', '5', '1', '60'], [$stats['state'], $stats['pri'], $stats['delay'], $stats['ttr']], 'stats-job');
    $since = microtime(true);
    $job = $takes($q, 4);
    check(microtime(true) - $since > 0.5, 'it came late');
    $q->delete($job);
});

step('timed out, deadline soon, lease ended', function () use ($on) {
    $q = $on('lease');
    $since = microtime(true);
    same(null, $q->reserveWithTimeout(1), 'no job');
    check(microtime(true) - $since > 0.9, 'it waited');
    $put = $q->put('slow', 1, 0, 2);
    $job = $q->reserve();
    fails(DeadlineSoonException::class, fn () => $q->reserveWithTimeout(3), 'reserve while a lease ends');
    $other = $on('lease');
    for ($tries = 0, $again = null; $again === null && $tries < 5; $tries++) {
        $again = $other->reserveWithTimeout(1);
        $q->stats(); // beanstalkd may forget a lease that ends until its holder sends something.
    }
    same($put->getId(), $again->getId(), 'the other worker got it');
    same(['1', '2'], [$other->statsJob($again)['timeouts'], $other->statsJob($again)['reserves']], 'timeouts, reserves');
    fails(JobNotFoundException::class, fn () => $q->delete($job), 'delete after the lease');
    $other->delete($again);
});

step('touch', function () use ($on, $takes) {
    $q = $on('touch');
    $q->put('long', 1, 0, 3);
    $job = $takes($q);
    $clock = $on('silence');
    same(null, $clock->reserveWithTimeout(2), 'two seconds');
    check((int) $q->statsJob($job)['time-left'] <= 1, 'time-left before');
    $q->touch($job);
    check((int) $q->statsJob($job)['time-left'] >= 2, 'time-left after');
    $q->delete($job);
    fails(JobNotFoundException::class, fn () => $q->touch($job), 'touch of a deleted job');
});

step('release', function () use ($on, $takes) {
    $q = $on('release');
    $q->put('again', 1);
    $job = $takes($q);
    $q->release($job, 77, 0);
    $stats = $q->statsJob($job);
    same(['ready', '77', '1'], [$stats['state'], $stats['pri'], $stats['releases']], 'stats-job');
    $job = $takes($q);
    $q->release($job, 78, 60);
    same(['delayed', '78'], [$q->statsJob($job)['state'], $q->statsJob($job)['pri']], 'released with delay');
    $q->kickJob($job);
    $q->delete($takes($q));
});

step('bury, kick, kick-job', function () use ($on, $takes) {
    $q = $on('bury');
    $ids = [];
    for ($i = 0; $i < 4; $i++) {
        $ids[] = $q->put("$i")->getId();
        $q->bury($takes($q), 50);
    }
    same($ids[0], $q->peekBuried()->getId(), 'peek-buried');
    same('buried', $q->statsJob(new JobId($ids[0]))['state'], 'state');
    same(null, $q->reserveWithTimeout(0), 'buried jobs are not handed out');
    same(2, $q->kick(2), 'kick');
    $q->kickJob(new JobId($ids[3]));
    same('1', $q->statsTube('bury')['current-jobs-buried'], 'one is left');
    same(['0', '1', '3'], [$takes($q)->getData(), $takes($q)->getData(), $takes($q)->getData()], 'those kicked');
    same(1, $q->kick(100), 'kick takes what there is');
    fails(Exception::class, fn () => $q->kickJob(new JobId(987654321)), 'kick-job of no job');
});

step('peek', function () use ($on) {
    $q = $on('peek');
    $put = $q->put('look');
    same('look', $q->peek($put)->getData(), 'peek');
    same('look', $q->peekReady()->getData(), 'peek-ready');
    same('0', $q->statsJob($put)['reserves'], 'peeking takes nothing');
    $q->delete($put);
    fails(Exception::class, fn () => $q->peek($put), 'peek at no job');
});

step('stats', function () use ($on) {
    $q = $on('stats');
    $q->put('a', 1);
    $q->put('b', 5000);
    $q->put('c', 1, 60);
    $tube = $q->statsTube('stats');
    same(
        ['stats', '1', '2', '0', '1', '0', '3', '1', '1'],
        [
            trim($tube['name'], '"'), $tube['current-jobs-urgent'], $tube['current-jobs-ready'], $tube['current-jobs-reserved'],
            $tube['current-jobs-delayed'], $tube['current-jobs-buried'], $tube['total-jobs'], $tube['current-using'], $tube['current-watching'],
        ],
        'stats-tube'
    );
    $server = $q->stats();
    foreach (['current-jobs-ready', 'cmd-put', 'total-jobs', 'max-job-size', 'current-tubes', 'pid', 'uptime', 'binlog-max-size'] as $key) {
        check(ctype_digit($server[$key]), "stats has $key");
    }
    fails(ServerException::class, fn () => $q->statsTube('nowhere'), 'stats of no tube');
});

step('pause', function () use ($on, $takes) {
    $q = $on('pause');
    $q->put('held');
    $q->pauseTube('pause', 60);
    same('60', $q->statsTube('pause')['pause'], 'pause');
    same(null, $q->reserveWithTimeout(0), 'paused');
    $q->resumeTube('pause');
    $q->release($takes($q, 1));
    $q->pauseTube('pause', 1);
    $since = microtime(true);
    $q->delete($takes($q, 4));
    check(microtime(true) - $since > 0.9, 'the pause lasted');
});

step('bodies: empty, binary, the largest', function () use ($on, $takes) {
    $q = $on('bodies');
    $max = (int) $q->stats()['max-job-size'];
    foreach (['', binary(), random_bytes($max)] as $body) {
        $q->put($body);
        $job = $takes($q);
        check($body === $job->getData(), 'a body of ' . strlen($body) . ' bytes came back as it was');
        $q->delete($job);
    }
    fails(JobTooBigException::class, fn () => $q->put(str_repeat('x', $max + 1)), 'a body too large');
    same('bodies', $q->listTubeUsed(true), 'the connection goes on');
});

step('many jobs, each once', function () use ($on, $takes) {
    $q = $on('many');
    $seen = [];
    for ($i = 0; $i < 500; $i++) {
        $seen[$q->put("job $i")->getId()] = "job $i";
    }
    same(500, count($seen), 'ids');
    while ($job = $q->reserveWithTimeout(0)) {
        same($seen[$job->getId()] ?? null, $job->getData(), 'body');
        unset($seen[$job->getId()]);
        $q->delete($job);
    }
    same([], $seen, 'jobs never seen');
});

step('two connections', function () use ($on, $takes) {
    [$a, $b] = [$on('two'), $on('two')];
    $put = $a->put('mine');
    $job = $takes($a);
    fails(JobNotFoundException::class, fn () => $b->delete($put), "delete of another's job");
    fails(JobNotFoundException::class, fn () => $b->release($put), "release of another's job");
    $a->release($job);
    $job = $takes($b, 1);
    unset($b);
    gc_collect_cycles();
    same($put->getId(), $takes($a, 2)->getId(), 'a closed connection gives its job back');
    $a->delete($job);
});
