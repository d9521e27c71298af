<?php
// The whole life of jobs through PHP's gearman extension (Debian: php-gearman).

require __DIR__ . '/check.php';

[$host, $port] = address();

// What still runs at the end, or after a minute, is killed.
$workers = [];
$parent = getmypid();
register_shutdown_function(function () use (&$workers, $parent) {
    if (getmypid() === $parent) {
        array_map(fn ($pid) => posix_kill($pid, SIGKILL), $workers);
    }
});
pcntl_async_signals(true);
pcntl_signal(SIGALRM, function () { echo "not ok - it hangs\n"; exit(1); });
pcntl_alarm(60);

// worker starts one in a process of its own; setup gives it its functions.
$worker = function (callable $setup) use ($host, $port, &$workers): int {
    $pid = pcntl_fork();
    if ($pid !== 0) {
        return $workers[] = $pid;
    }
    $w = new GearmanWorker();
    $w->addServer($host, $port);
    $setup($w);
    while (true) {
        @$w->work();
    }
};
$stop = function (int $pid): void {
    posix_kill($pid, SIGKILL);
    pcntl_waitpid($pid, $status);
};
$client = function () use ($host, $port): GearmanClient {
    $c = new GearmanClient();
    $c->addServer($host, $port);
    $c->setTimeout(20000);

    return $c;
};
// admin asks a text command and returns its lines.
$admin = function (string $command) use ($host, $port): array {
    $s = stream_socket_client("tcp://$host:$port");
    fwrite($s, "$command\n");
    $lines = [];
    while (($line = rtrim(fgets($s))) !== '.') {
        $lines[] = $line;
    }

    return $lines;
};
$eventually = function (callable $holds, string $what): void {
    for ($i = 0; $i < 400; $i++) {
        if ($holds()) {
            return;
        }
        usleep(25000);
    }
    throw new Exception("never: $what");
};

$main = $worker(function (GearmanWorker $w) {
    $w->setId('php-worker');
    $w->addFunction('reverse', fn ($job) => strrev($job->workload()));
    $w->addFunction('talk', function ($job) {
        $job->sendData('part');
        $job->sendWarning('careful');
        $job->sendStatus(3, 4);

        return $job->functionName() . ' ' . $job->unique();
    });
    $w->addFunction('throw', fn ($job) => $job->sendException('why'));
    $w->addFunction('fail', fn ($job) => $job->sendFail());
    $w->addFunction('nothing', fn ($job) => null);
});

step('foreground', function () use ($client) {
    $c = $client();
    same('olleh', $c->doNormal('reverse', 'hello'), 'normal');
    same('olleh', $c->doHigh('reverse', 'hello'), 'high');
    same('olleh', $c->doLow('reverse', 'hello'), 'low');
    same(GEARMAN_SUCCESS, $c->returnCode(), 'code');
});

step('binary and large', function () use ($client) {
    $c = $client();
    same(strrev(binary()), $c->doNormal('reverse', binary()), 'binary');
    $large = str_repeat('0123456789', 150000);
    check($c->doNormal('reverse', $large) === strrev($large), 'a large job comes back');
});

step('data, warning, status', function () use ($client) {
    $c = $client();
    $said = [];
    $c->setDataCallback(function ($task) use (&$said) { $said[] = 'data ' . $task->data(); });
    $c->setWarningCallback(function ($task) use (&$said) { $said[] = 'warning ' . $task->data(); });
    $c->setStatusCallback(function ($task) use (&$said) { $said[] = 'status ' . $task->taskNumerator() . '/' . $task->taskDenominator(); });
    $c->setCompleteCallback(function ($task) use (&$said) { $said[] = 'end ' . $task->data(); });
    $c->addTask('talk', 'x', null, 'key');
    check($c->runTasks(), 'runTasks');
    same(['data part', 'warning careful', 'status 3/4', 'end talk key'], $said, 'what is said');
});

step('failure', function () use ($client) {
    $c = $client();
    @$c->doNormal('fail', 'x');
    same(GEARMAN_WORK_FAIL, $c->returnCode(), 'code');
});

step('exception, not asked for', function () use ($client) {
    $c = $client();
    @$c->doNormal('throw', 'x');
    check($c->returnCode() !== GEARMAN_SUCCESS, 'it fails');
});

step('exception, asked for', function () use ($client) {
    $c = $client();
    check($c->enableExceptionHandler(), 'option');
    $heard = [];
    $c->setExceptionCallback(function ($task) use (&$heard) { $heard[] = $task->data(); });
    $c->addTask('throw', 'x');
    $c->runTasks();
    same(['why'], $heard, 'exceptions');
});

step('tasks', function () use ($client) {
    $c = $client();
    $done = [];
    $c->setCompleteCallback(function ($task) use (&$done) { $done[$task->unique()] = $task->data(); });
    $c->setFailCallback(function ($task) use (&$done) { $done[$task->unique()] = false; });
    for ($i = 0; $i < 50; $i++) {
        $c->addTask('reverse', "job$i", null, "t$i");
    }
    $c->addTaskHigh('fail', 'x', null, 'f');
    $c->addTaskLow('nothing', 'x', null, 'n');
    check($c->runTasks(), 'runTasks');
    same(52, count($done), 'tasks');
    same('94boj', $done['t49'], 'a result');
    same(false, $done['f'], 'one that fails');
});

step('background and status', function () use ($client, $worker, $stop, $eventually) {
    $c = $client();
    $handle = $c->doBackground('slow', 'x', 'slow-key');
    same([true, false, 0, 0], array_map(fn ($v) => is_bool($v) ? $v : (int) $v, $c->jobStatus($handle)), 'waiting');
    same($handle, $c->doBackground('slow', 'y', 'slow-key'), 'a unique key');
    $pid = $worker(fn ($w) => $w->addFunction('slow', function ($job) { $job->sendStatus(1, 2); sleep(60); }));
    $eventually(fn () => array_map('intval', $c->jobStatus($handle)) === [1, 1, 1, 2], 'running, half done');
    $stop($pid);
    $eventually(fn () => array_map('intval', $c->jobStatus($handle)) === [1, 0, 0, 0], 'waiting again');
    $pid = $worker(fn ($w) => $w->addFunction('slow', fn ($job) => 'done'));
    $eventually(fn () => array_map('intval', $c->jobStatus($handle)) === [0, 0, 0, 0], 'done');
    $stop($pid);
});

step('priorities of background jobs', function () use ($client, $worker, $stop, $eventually, $admin) {
    $c = $client();
    $c->doLowBackground('order', 'low');
    $c->doBackground('order', 'normal');
    $c->doHighBackground('order', 'high');
    $file = tempnam(sys_get_temp_dir(), 'order');
    $pid = $worker(fn ($w) => $w->addFunction('order', function ($job) use ($file) { file_put_contents($file, $job->workload() . "\n", FILE_APPEND); }));
    $eventually(fn () => preg_grep('/^order\t0\t0\t1$/', $admin('status')), 'all are done');
    same("high\nnormal\nlow\n", file_get_contents($file), 'order');
    unlink($file);
    $stop($pid);
});

step('timeout of a function', function () use ($client, $worker, $stop) {
    $c = $client();
    $slow = $worker(fn ($w) => $w->addFunction('timed', function ($job) { sleep(60); }, null, 1));
    $quick = $worker(function ($w) {
        usleep(500000);
        $w->addFunction('timed', fn ($job) => 'quick');
    });
    same('quick', $c->doNormal('timed', 'x'), 'the other worker does it');
    $stop($slow);
    $stop($quick);
});

step('client that goes', function () use ($client, $admin, $eventually) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        $client()->doNormal('nobody', 'x');
        exit;
    }
    $eventually(fn () => preg_grep('/^nobody\t1\t/', $admin('status')), 'the job waits');
    posix_kill($pid, SIGKILL);
    pcntl_waitpid($pid, $status);
    $eventually(fn () => !preg_grep('/:.*\t0\t0\t0$/', $admin('show jobs')), 'the job has gone');
});

step('echo and workers', function () use ($client, $admin) {
    check($client()->ping('ping'), 'ping');
    check((bool) preg_grep('/ php-worker : .*reverse/', $admin('workers')), 'workers');
});

$stop($main);
