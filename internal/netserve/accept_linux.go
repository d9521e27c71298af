package netserve

import (
	"net"
	"net/netip"
	"syscall"
	"time"
)

// doorstep is a listener as the first loop sees it.
type doorstep struct {
	*listener
	fd      int           // a duplicate of the listener's
	ready   bool          // somebody may be waiting
	again   time.Duration // when to try again after a failure, since srv.start; 0: all is well
	trouble complaint
}

const (
	// acceptsPerTurn keeps a crowd of new connections from delaying the old ones.
	acceptsPerTurn = 64
	// keepAliveIdle is how long a connection is silent before the kernel asks whether
	// the client's machine is still there, in seconds.
	keepAliveIdle = 60
)

// newDoorstep duplicates the descriptor of a listener. Options are set on it once:
// connections inherit them.
func newDoorstep(l *listener, sc syscall.Conn) (*doorstep, error) {
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &doorstep{listener: l}
	var errno syscall.Errno
	err = rc.Control(func(fd uintptr) {
		var n uintptr
		n, _, errno = syscall.RawSyscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		s.fd = int(n)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return nil, err
	}
	if _, ok := l.Addr().(*net.TCPAddr); ok {
		syscall.SetsockoptInt(s.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
		syscall.SetsockoptInt(s.fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveIdle)
	}
	return s, nil
}

// watchDoors begins to accept.
func (l *loop) watchDoors(steps []*doorstep) error {
	for _, s := range steps {
		l.doors = append(l.doors, s)
		if err := l.poll.addDoor(s.fd, len(l.doors)-1); err != nil {
			return err
		}
	}
	return nil
}

// closeDoors ends accepting.
func (l *loop) closeDoors() {
	for _, s := range l.doors {
		syscall.Close(s.fd)
	}
	l.doors = nil
}

func (l *loop) acceptAll() {
	for i, s := range l.doors {
		if s.again != 0 && l.srv.clock() >= s.again {
			s.again, s.ready = 0, true
			l.poll.addDoor(s.fd, i)
		}
		if s.ready {
			s.ready = false
			l.accept(s)
		}
	}
}

// accept takes some of the connections that wait at s; the event is
// level-triggered, so the others come with the next turn.
func (l *loop) accept(s *doorstep) {
	for range acceptsPerTurn {
		fd, sa, err := -1, syscall.Sockaddr(nil), error(syscall.EMFILE)
		if !l.srv.crowded() {
			fd, sa, err = syscall.Accept4(s.fd, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		}
		switch err {
		case nil:
			s.trouble.over()
			l.welcome(fd, sockPeer(sa), s)
		case syscall.EAGAIN:
			return
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			// Most likely no descriptor is left. Whoever waits would make an event of every
			// turn, so the doorstep is not looked at for a while.
			s.trouble.once(l.srv.o.Logger, "cannot accept connections; trying again until it works", "address", s.local, "error", err)
			l.poll.removeDoor(s.fd)
			s.again = l.srv.clock() + acceptPause
			return
		}
	}
}

// welcome gives a new connection to one of the loops.
func (l *loop) welcome(fd int, from peer, s *doorstep) {
	if !l.srv.gate.enter(from, l.srv.o.Logger) {
		syscall.Close(fd)
		return
	}
	l.next = (l.next + 1) % len(l.peers)
	to := l.peers[l.next]
	if to == l {
		l.connected(fd, from, s.listener)
	} else if !to.send(func() { to.connected(fd, from, s.listener) }) {
		l.turnAway(fd, from)
	}
}

// connected makes a connection of an accepted descriptor.
func (l *loop) connected(fd int, from peer, at *listener) {
	if l.stopped {
		l.turnAway(fd, from)
		return
	}
	s := &fdSocket{loop: l, fd: fd}
	s.c = l.open(s, at.door, from, at.local)
	if err := l.poll.add(fd, s.c.tag); err != nil {
		l.srv.o.Logger.Warn("closing a connection that epoll does not take", "peer", from, "error", err)
		l.close(s.c)
	}
}

func (l *loop) turnAway(fd int, from peer) {
	syscall.Close(fd)
	l.srv.gate.leave(from)
}

// sockPeer is the peer of an accepted connection.
func sockPeer(sa syscall.Sockaddr) peer {
	switch a := sa.(type) {
	case *syscall.SockaddrInet4:
		return peer(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
	case *syscall.SockaddrInet6:
		return peer(netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)))
	}
	return peer{}
}
