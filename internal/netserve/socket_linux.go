package netserve

import "syscall"

// fdSocket is a connection of a loop.
type fdSocket struct {
	loop *loop
	c    *conn
	fd   int

	readable bool // the kernel may have input
	hungUp   bool // both directions are over
	listed   bool // in loop.ready
	armed    bool // an event comes when the kernel takes output again
}

// readSoon has the next turn read the socket.
func (s *fdSocket) readSoon() {
	if !s.listed {
		s.listed = true
		s.loop.ready = append(s.loop.ready, s)
	}
}

func (s *fdSocket) resume() {
	if s.readable {
		s.readSoon()
	}
}

func (s *fdSocket) write(p []byte) (int, error) {
	n, err := rawWrite(s.fd, p)
	if err == errAgain {
		n, err = 0, nil
	}
	if short := n < len(p); err == nil && short != s.armed {
		s.armed = short
		s.loop.poll.watch(s.fd, s.c.tag, s.armed)
	}
	return n, err
}

// close closes the descriptor, which takes it out of the epoll too. Input that
// nobody read would make the kernel reset the connection, and the client lose its
// last replies: what has arrived is read, within reason.
func (s *fdSocket) close() {
	for range 4 {
		if !s.readable || s.hungUp {
			break
		}
		n, _ := rawRead(s.fd, s.loop.buf[s.loop.used:])
		s.readable = n > 0
	}
	syscall.Close(s.fd)
}
