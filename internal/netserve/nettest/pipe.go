package nettest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// half is one direction of a connection: a buffer without bound, so that writing
// never blocks. Waiting happens on channels only, so that a bubble's time goes on.
type half struct {
	mu       sync.Mutex
	data     []byte
	ended    bool // no more comes
	broken   bool // nobody reads
	deadline time.Time
	changed  chan struct{} // closed and replaced at every change
}

func newHalf() *half { return &half{changed: make(chan struct{})} }

// change does something to the half and wakes who waits for it.
func (h *half) change(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *half) write(p []byte) (n int, err error) {
	h.change(func() {
		if h.ended || h.broken {
			err = io.ErrClosedPipe
			return
		}
		h.data = append(h.data, p...)
		n = len(p)
	})
	return n, err
}

func (h *half) read(p []byte) (int, error) {
	for {
		h.mu.Lock()
		n, err := copy(p, h.data), error(nil)
		h.data = h.data[n:]
		switch {
		case h.broken:
			n, err = 0, net.ErrClosed
		case n > 0 || len(p) == 0:
		case h.ended:
			err = io.EOF
		case !h.deadline.IsZero() && !time.Now().Before(h.deadline):
			err = os.ErrDeadlineExceeded
		}
		changed, deadline := h.changed, h.deadline
		h.mu.Unlock()
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		wait(changed, deadline)
	}
}

// wait returns when changed is closed or the deadline (if any) has passed.
func wait(changed chan struct{}, deadline time.Time) {
	if deadline.IsZero() {
		<-changed
		return
	}
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	}
}

// end is one side of a connection.
type end struct{ in, out *half }

func pipe() (a, b end) {
	x, y := newHalf(), newHalf()
	return end{x, y}, end{y, x}
}

func (e end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e end) Write(p []byte) (int, error) { return e.out.write(p) }

// CloseWrite ends what this side sends.
func (e end) CloseWrite() error {
	e.out.change(func() { e.out.ended = true })
	return nil
}

// Close ends both directions. What was written before can still be read by the
// other side.
func (e end) Close() error {
	e.in.change(func() { e.in.broken = true })
	return e.CloseWrite()
}

func (e end) SetReadDeadline(t time.Time) error {
	e.in.change(func() { e.in.deadline = t })
	return nil
}

func (e end) SetWriteDeadline(time.Time) error { return nil }
func (e end) SetDeadline(t time.Time) error    { return e.SetReadDeadline(t) }
func (e end) LocalAddr() net.Addr              { return addr{} }
func (e end) RemoteAddr() net.Addr             { return addr{} }

// addr is the address of everything here.
type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "pipe" }

// ends is a listener whose connections are made by dial.
type ends struct {
	accept chan end
	closed chan struct{}
	once   sync.Once
}

func (l *ends) Accept() (net.Conn, error) {
	select {
	case e := <-l.accept:
		return e, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *ends) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *ends) Addr() net.Addr { return addr{} }

var errClosed = errors.New("nettest: the server is closed")

func (l *ends) dial() (end, error) {
	client, server := pipe()
	select {
	case l.accept <- server:
		return client, nil
	case <-l.closed:
		return end{}, errClosed
	}
}
