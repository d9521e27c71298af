package netserve

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstInherited is the descriptor of the first inherited socket, SD_LISTEN_FDS_START
// of systemd's sd_listen_fds(3).
const firstInherited = 3

// Inherited returns the listening sockets that a service manager passed on, in
// its order: LISTEN_FDS of them, if LISTEN_PID names this process. The variables
// are removed, so that no child takes them for its own. Without them the result
// is empty.
func Inherited() ([]net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	n, err := strconv.ParseUint(count, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("LISTEN_FDS is %q, not a number of sockets", count)
	}
	var all []net.Listener
	for fd := firstInherited; fd < firstInherited+int(n); fd++ {
		f := os.NewFile(uintptr(fd), "inherited socket "+strconv.Itoa(fd))
		ln, err := net.FileListener(f)
		f.Close()
		if err != nil {
			for _, ln := range all {
				ln.Close()
			}
			return nil, fmt.Errorf("descriptor %d of LISTEN_FDS is not a listening stream socket: %w", fd, err)
		}
		all = append(all, ln)
	}
	return all, nil
}
