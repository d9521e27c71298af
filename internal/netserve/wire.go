package netserve

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// wire makes writing to a connection never block: what the kernel does not take
// at once is left to a goroutine that exists as long as there is some of it. TLS
// runs over it, so that its writes do not block either.
type wire struct {
	net.Conn
	raw     syscall.RawConn // nil when there is no descriptor beneath
	drained func()          // called when everything waiting was written, or failed

	mu       sync.Mutex
	waiting  []byte
	draining bool
	closing  bool // close when nothing waits
	err      error

	// What the functions given to raw work on; they are made once.
	tryWrite, tryRead func(fd uintptr) bool

	out      []byte
	wrote    int
	buf      *[]byte
	got      int
	errnoGot error
}

// lastWords is how long output of a closed connection may take to leave.
const lastWords = 5 * time.Second

// streamBuffers are what goroutines read into while there is something to read.
var streamBuffers = sync.Pool{New: func() any { p := make([]byte, 32<<10); return &p }}

func newWire(nc net.Conn, drained func()) *wire {
	w := &wire{Conn: nc, drained: drained}
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	w.tryWrite, w.tryRead = w.writeNow, w.readNow
	return w
}

// Write takes all of p.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	n := 0
	if !w.draining && w.raw != nil {
		w.out, w.wrote = p, 0
		err := w.raw.Write(w.tryWrite)
		w.out = nil
		if err != nil {
			return 0, err
		}
		n = w.wrote
	}
	if n < len(p) {
		w.waiting = append(w.waiting, p[n:]...)
		if !w.draining {
			w.draining = true
			go w.drain()
		}
	}
	return len(p), nil
}

// writeNow is one write that does not block. An error comes back from the write
// of the rest.
func (w *wire) writeNow(fd uintptr) bool {
	if n, err := syscall.Write(int(fd), w.out); err == nil {
		w.wrote = n
	}
	return true
}

// busy says that something written is still waiting for the kernel.
func (w *wire) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}

// drain writes what waits.
func (w *wire) drain() {
	w.mu.Lock()
	for len(w.waiting) > 0 && w.err == nil {
		p := w.waiting
		w.waiting = nil
		w.mu.Unlock()
		_, err := w.Conn.Write(p)
		w.mu.Lock()
		w.err = err
	}
	w.draining = false
	closing := w.closing
	w.mu.Unlock()
	if closing {
		w.Conn.Close()
		return
	}
	w.drained()
}

// Close closes the connection, after a last try to write what waits.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining {
		w.closing = true
		w.Conn.SetReadDeadline(time.Unix(1, 0))
		return w.Conn.SetWriteDeadline(time.Now().Add(lastWords))
	}
	return w.Conn.Close()
}

// SetWriteDeadline does nothing: writes do not block.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline limits reads.
func (w *wire) SetDeadline(t time.Time) error { return w.Conn.SetReadDeadline(t) }

// readReady waits until there is something to read and only then takes a buffer
// for it, which belongs to the caller until doneReading.
func (w *wire) readReady() ([]byte, error) {
	if err := w.raw.Read(w.tryRead); err != nil {
		return nil, err
	}
	switch {
	case w.errnoGot != nil:
		return nil, os.NewSyscallError("read", w.errnoGot)
	case w.got == 0:
		return nil, io.EOF
	}
	return (*w.buf)[:w.got], nil
}

func (w *wire) doneReading() {
	if w.buf != nil {
		streamBuffers.Put(w.buf)
		w.buf = nil
	}
}

func (w *wire) readNow(fd uintptr) bool {
	w.buf = streamBuffers.Get().(*[]byte)
	for {
		w.got, w.errnoGot = syscall.Read(int(fd), *w.buf)
		switch w.errnoGot {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			w.doneReading()
			return false
		}
		return true
	}
}
