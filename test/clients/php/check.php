<?php
// What the PHP suites share: named steps, strict comparison, and the address to test.
// A step that fails ends the suite with exit status 1.

error_reporting(E_ALL);
set_error_handler(function (int $level, string $message, string $file, int $line) {
    // The Debian packages predate PHP 8.1's deprecations; anything else is an error.
    if ($level & (E_DEPRECATED | E_USER_DEPRECATED)) {
        return true;
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});

function address(): array
{
    global $argv;
    if (count($argv) !== 2) {
        fwrite(STDERR, "usage: php {$argv[0]} HOST:PORT\n");
        exit(2);
    }
    [$host, $port] = explode(':', $argv[1]);

    return [$host, (int) $port];
}

function step(string $name, callable $run): void
{
    try {
        $run();
    } catch (Throwable $e) {
        echo "not ok - $name: ", get_class($e), ': ', $e->getMessage(), "\n", $e->getTraceAsString(), "\n";
        exit(1);
    }
    echo "ok - $name\n";
}

function same($want, $got, string $what): void
{
    if ($want !== $got) {
        throw new Exception(sprintf('%s: want %s, got %s', $what, brief($want), brief($got)));
    }
}

function brief($value): string
{
    return substr(var_export($value, true), 0, 200);
}

function check(bool $holds, string $what): void
{
    if (!$holds) {
        throw new Exception("does not hold: $what");
    }
}

function fails(string $exception, callable $run, string $what): void
{
    try {
        $run();
    } catch (Throwable $e) {
        if ($e instanceof $exception) {
            return;
        }
        throw $e;
    }
    throw new Exception("$what: expected $exception");
}

// binary is every byte value, line ends included.
function binary(): string
{
    return implode('', array_map('chr', range(0, 255))) . "\r\n\r\nput 0 0 1 1\r\nx\r\n";
}
