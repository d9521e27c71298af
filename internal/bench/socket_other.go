//go:build !linux || 386 || s390x

package bench

import (
	"context"
	"net"
	"time"
)

// socket is a connection that a goroutine of its own reads once a poller takes it.
type socket struct {
	net.Conn
	polled bool
	chunk  []byte
	err    error
	taken  chan struct{}
}

func dial(ctx context.Context, address string) (*socket, error) {
	network, address := split(address)
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &socket{Conn: c, taken: make(chan struct{}, 1)}, nil
}

// read returns io.EOF at the end. A polled socket returns 0 when nothing is there.
func (s *socket) read(b []byte) (int, error) {
	if !s.polled {
		_ = s.SetReadDeadline(time.Now().Add(patience))
		return s.Conn.Read(b)
	}
	if s.err != nil {
		return 0, s.err
	}
	n := copy(b, s.chunk)
	if s.chunk = s.chunk[n:]; n > 0 && len(s.chunk) == 0 {
		s.taken <- struct{}{}
	}
	return n, nil
}

func (s *socket) write(b []byte) (int, error) { return s.Conn.Write(b) }

func (s *socket) close() { s.Conn.Close() }

// poller collects what the readers of its sockets received.
type poller struct {
	ready chan int
	done  chan struct{}
}

func newPoller() (*poller, error) {
	return &poller{ready: make(chan int, 256), done: make(chan struct{})}, nil
}

// add takes the socket, which wait calls by the number index from now on.
func (p *poller) add(s *socket, index int) error {
	s.polled = true
	_ = s.SetReadDeadline(time.Time{})
	go func() {
		buf := make([]byte, 16<<10) // less than a loop reads at once
		for s.err == nil {
			n, err := s.Conn.Read(buf)
			s.chunk, s.err = buf[:n], err
			select {
			case p.ready <- index:
			case <-p.done:
				return
			}
			select {
			case <-s.taken:
			case <-p.done:
				return
			}
		}
	}()
	return nil
}

// begin is called once all sockets are added.
func (p *poller) begin() error { return nil }

// wait returns the numbers of the sockets that became ready, in place of those in
// ready. It gives up after a tick.
func (p *poller) wait(ready []int) ([]int, error) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case i := <-p.ready:
		return append(ready[:0], i), nil
	case <-timer.C:
		return ready[:0], nil
	}
}

func (p *poller) close() { close(p.done) }
