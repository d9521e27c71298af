//go:build !386 && !s390x

package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// socket is a connection outside the runtime's poller. It blocks, for the few
// requests that set it up, until a poller takes it.
type socket struct {
	fd     int
	polled bool
	alone  bool // polled, by a read that blocks
}

func dial(ctx context.Context, address string) (*socket, error) {
	network, address := split(address)
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{fd: -1}
	var dupErr error
	err = raw.Control(func(fd uintptr) { s.fd, dupErr = syscall.Dup(int(fd)) })
	if err == nil {
		err = os.NewSyscallError("dup", dupErr)
	}
	if err != nil {
		return nil, err
	}
	if err := s.block(patience); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// block makes calls wait, for at most the limit.
func (s *socket) block(limit time.Duration) error {
	if err := syscall.SetNonblock(s.fd, false); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	t := syscall.NsecToTimeval(int64(limit))
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} {
		if err := syscall.SetsockoptTimeval(s.fd, syscall.SOL_SOCKET, option, &t); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// read returns io.EOF at the end. A polled socket returns 0 when nothing is there.
func (s *socket) read(b []byte) (int, error) {
	n, err := s.call(syscall.SYS_RECVFROM, b)
	if n == 0 && err == nil && len(b) > 0 {
		return 0, io.EOF
	}
	return s.outcome("recv", n, err)
}

// write may take less than b, or nothing, on a polled socket.
func (s *socket) write(b []byte) (int, error) {
	n, err := s.call(syscall.SYS_SENDTO, b)
	return s.outcome("send", n, err)
}

// call is recv or send, which do a little less than read and write. (386 and s390x
// have no system calls of these names, and take the portable socket.)
func (s *socket) call(trap uintptr, b []byte) (int, error) {
	for {
		n, errno := s.once(trap, b)
		switch errno {
		case 0:
			return n, nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// once names b's address in the call itself: only there does the compiler keep it valid.
func (s *socket) once(trap uintptr, b []byte) (int, syscall.Errno) {
	if s.polled && !s.alone {
		// A raw call hides from the runtime, which is right only because it can't block.
		n, _, errno := syscall.RawSyscall6(trap, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0)
		return int(n), errno
	}
	n, _, errno := syscall.Syscall6(trap, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func (s *socket) outcome(call string, n int, err error) (int, error) {
	switch {
	case err == nil:
		return n, nil
	case err == syscall.EAGAIN && s.polled:
		return 0, nil
	case err == syscall.EAGAIN:
		return 0, fmt.Errorf("no answer for %v", patience)
	}
	return 0, os.NewSyscallError(call, err)
}

func (s *socket) close() { syscall.Close(s.fd) }

// poller waits for input on many sockets: edge triggered, so that a socket costs
// no system call but its own reads and writes.
type poller struct {
	fd     int
	count  int
	first  *socket
	events [256]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &poller{fd: fd}, nil
}

// add takes the socket, which wait calls by the number index from now on.
func (p *poller) add(s *socket, index int) error {
	if err := syscall.SetNonblock(s.fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	s.polled = true
	if p.count++; p.count == 1 {
		p.first = s
	}
	const edge = 1 << 31 // EPOLLET, which package syscall has as a negative number
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | edge, Fd: int32(index)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, s.fd, &event))
}

// begin is called once all sockets are added. A single one needs no poller: its
// read waits itself, which saves a system call.
func (p *poller) begin() error {
	if p.count != 1 {
		return nil
	}
	p.first.alone = true
	return p.first.block(tick)
}

// wait returns the numbers of the sockets that became ready, in place of those in
// ready. It gives up after a tick.
func (p *poller) wait(ready []int) ([]int, error) {
	ready = ready[:0]
	if p.count == 1 {
		return append(ready, 0), nil
	}
	n, err := syscall.EpollWait(p.fd, p.events[:], int(tick.Milliseconds()))
	if err != nil && err != syscall.EINTR {
		return ready, os.NewSyscallError("epoll_wait", err)
	}
	for i := range max(n, 0) {
		ready = append(ready, int(p.events[i].Fd))
	}
	return ready, nil
}

func (p *poller) close() { syscall.Close(p.fd) }
