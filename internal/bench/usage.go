//go:build unix

package bench

import (
	"syscall"
	"time"
)

// usage is what a server has used up to now.
type usage struct {
	cpu    time.Duration
	memory int64 // resident bytes
}

// clientCPU is the CPU time of this process.
func clientCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
