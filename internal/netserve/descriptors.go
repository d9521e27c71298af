package netserve

import (
	"math"
	"syscall"
)

// descriptorRoom is how many connections the process has descriptors for. Some are
// left to its files: a log that cannot open its next one is at its end.
func descriptorRoom() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur > math.MaxInt32 {
		return math.MaxInt
	}
	all := int(r.Cur)
	return all - min(max(64, all/16), all/2)
}

// crowded says that those who want to connect have to wait until others leave.
func (s *Server) crowded() bool { return s.gate.count() >= s.room }
