package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// usageOf reads a process's CPU time and resident memory from /proc.
func usageOf(pid int) (u usage, err error) {
	dir := "/proc/" + strconv.Itoa(pid)
	if u.cpu, err = scheduled(dir); err != nil {
		u.cpu, err = accounted(dir)
	}
	if err != nil {
		return u, fmt.Errorf("can't read the CPU time of process %d; is it running? %w", pid, err)
	}
	statm, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return u, fmt.Errorf("can't read the memory of process %d: %w", pid, err)
	}
	pages, err := field(statm, 1)
	u.memory = pages * int64(os.Getpagesize())
	return u, err
}

// scheduled adds up the threads' time on a CPU, which the scheduler keeps in
// nanoseconds. What threads used that are gone is missing: servers keep theirs.
func scheduled(dir string) (total time.Duration, err error) {
	threads, err := filepath.Glob(dir + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		return 0, os.ErrNotExist
	}
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		ns, err := field(b, 0)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// accounted is user and system time in clock ticks, for kernels without schedstat.
func accounted(dir string) (time.Duration, error) {
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0, err
	}
	// The name of the command, in parentheses, may hold spaces.
	b = b[bytes.LastIndexByte(b, ')')+1:]
	user, err := field(b, 11)
	if err != nil {
		return 0, err
	}
	system, err := field(b, 12)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture Go runs on
	return time.Duration(user+system) * tick, err
}

// field is the number at index i of a line.
func field(b []byte, i int) (int64, error) {
	fields := bytes.Fields(b)
	if i >= len(fields) {
		return 0, fmt.Errorf("unexpected content %q", b)
	}
	return strconv.ParseInt(string(fields[i]), 10, 64)
}
