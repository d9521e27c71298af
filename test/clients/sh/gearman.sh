#!/usr/bin/env bash
# The whole life of jobs through the programs gearman and gearadmin.
set -euo pipefail
host=${1%:*} port=${1#*:}
work=$(mktemp -d)
workers=()
finish() {
	for pid in "${workers[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT

client() { timeout 20 gearman -h "$host" -p "$port" "$@"; }
admin() { timeout 20 gearadmin -h "$host" -p "$port" "$@"; }

# started notes a process to be killed at the end, without a word.
started() {
	workers+=("$1")
	disown "$1"
}

# worker starts one in the background: its function, how many jobs, its command.
worker() {
	gearman -h "$host" -p "$port" -w -f "$1" -c "$2" -- "${@:3}" >/dev/null 2>&1 &
	started $!
}

fail() { echo "not ok - $*"; exit 1; }
ok() { echo "ok - $*"; }
same() { [ "$1" = "$2" ] || fail "$3: want '$1', got '$2'"; }

# eventually waits until a command prints a line that is wanted.
eventually() {
	local want=$1 n
	shift
	for ((n = 0; n < 200; n++)); do
		if "$@" 2>/dev/null | grep -qxF "$want"; then return; fi
		read -rt 0.05 <> <(:) || true
	done
	fail "$* never printed '$want' but: $("$@")"
}

worker upper 1000 tr a-z A-Z
same HELLO "$(echo -n hello | client -f upper)" foreground
ok foreground
same HI "$(echo -n hi | client -f upper -I)" 'high priority'
same HI "$(echo -n hi | client -f upper -L)" 'low priority'
ok priorities
same ABC "$(printf 'a\nb\nc\n' | client -f upper -N)" 'a job for each line'
ok 'a job for each line'
head -c 50000 /dev/zero | tr '\0' x >"$work/large"
same "$(tr a-z A-Z <"$work/large" | cksum)" "$(client -f upper <"$work/large" | cksum)" large
ok 'a larger job'
head -c 5000 /dev/urandom >"$work/binary"
worker copy 1000 cat
same "$(cksum <"$work/binary")" "$(client -f copy <"$work/binary" | cksum)" binary
ok 'binary data'
worker failing 1000 false
if echo x | client -f failing >/dev/null 2>&1; then fail 'a failing worker was not seen'; fi
ok 'a worker that fails'

for n in 1 2 3; do echo "job $n" | client -b -f later >/dev/null; done
eventually $'later\t3\t0\t0' admin --status
ok 'background jobs wait'
eventually $'later\t0\t3\t0\t0' admin --priority-status
ok 'priority-status'
[ "$(admin --show-jobs | grep -c ':')" = 3 ] || fail show-jobs
ok show-jobs
echo x | client -b -u mykey -f later >/dev/null
echo x | client -b -u mykey -f later >/dev/null
admin --show-unique-jobs | grep -qx mykey || fail show-unique-jobs
eventually $'later\t4\t0\t0' admin --status
ok 'a unique key'
handle=$(admin --show-jobs | head -1 | cut -f1)
same OK "$(admin --cancel-job "$handle" | tr -d '\r')" cancel-job
ok cancel-job
gearman -h "$host" -p "$port" -w -f later -- sh -c "cat >>'$work/done'; echo >>'$work/done'" >/dev/null 2>&1 &
started $!
eventually $'later\t0\t0\t1' admin --status
same 3 "$(grep -c . "$work/done")" 'jobs done'
ok 'background jobs are done'

same OK "$(admin --create-function made | tr -d '\r')" create-function
eventually $'made\t0\t0\t0' admin --status
same OK "$(admin --drop-function made | tr -d '\r')" drop-function
ok 'create-function and drop-function'
admin --workers | grep -q ': upper$' || fail workers
ok workers
[[ $(admin --server-version) == 1.1.20* ]] || fail server-version
[[ $(admin --getpid | tr -d '\r') =~ ^[0-9]+$ ]] || fail getpid
ok 'server-version and getpid'

# A worker that is killed in the middle of its job leaves it to another.
mkfifo "$work/pipe"
gearman -h "$host" -p "$port" -w -f slow -- sh -c "echo begun >'$work/pipe'; exec sleep 60" >/dev/null 2>&1 &
victim=$!
started $victim
echo -n data | client -f slow >"$work/result" &
waiting=$!
read -r _ <"$work/pipe"
kill -9 $victim
worker slow 1 cat
wait $waiting
same data "$(cat "$work/result")" 'after kill -9'
ok 'a worker that is killed'
