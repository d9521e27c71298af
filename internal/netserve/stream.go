package netserve

import (
	"context"
	"crypto/tls"
	"io"
	"net"
)

// stream is a connection of a crew.
type stream struct {
	crew    *crew
	c       *conn
	wire    *wire
	rw      net.Conn // wire, or TLS over it
	visit   *visit   // of the goroutine that reads
	flush   func()   // what a goroutine that has drained does in a turn
	data    []byte   // what was read
	err     error
	over    bool          // nothing more is to be read
	resumed chan struct{} // says to read on, after each turn that took data
}

// smallRead is the buffer of an idle connection that needs one in advance, as TLS
// does, in bytes.
const smallRead = 512

// writeChunk is the largest piece that is handed to a wire at once, and
// may wait in it, in bytes.
const writeChunk = 64 << 10

// serve drives nc until it is closed.
func (g *crew) serve(nc net.Conn, from peer, l *listener) {
	s := &stream{crew: g, resumed: make(chan struct{}, 1)}
	s.wire = newWire(nc, s.drained)
	s.rw = s.wire
	s.visit = newVisit(s.received)
	if l.o.TLS != nil {
		t, err := g.handshake(s.wire, l.o.TLS)
		if err != nil {
			g.srv.o.Logger.Debug("TLS handshake failed", "peer", from, "error", err)
			nc.Close()
			g.srv.gate.leave(from)
			return
		}
		s.rw = t
	}
	g.join(newVisit(func() {
		s.flush = func() { g.flushLater(s.c) }
		s.c = g.open(s, l.door, from, l.local)
	}))
	if s.c == nil { // the driver has stopped
		nc.Close()
		g.srv.gate.leave(from)
		return
	}
	if s.rw == s.wire && s.wire.raw != nil {
		s.readRaw()
	} else {
		g.streams.Go(s.read) // on a new stack: the handshake's is large
	}
}

// handshake makes nc a TLS connection, or fails within the request timeout.
func (g *crew) handshake(nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := g.ctx, context.CancelFunc(func() {})
	if limit := g.srv.o.RequestTimeout; limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	t := tls.Server(nc, config)
	return t, t.HandshakeContext(ctx)
}

// readRaw reads from a descriptor; no buffer is held while nothing is there.
func (s *stream) readRaw() {
	for !s.over {
		s.data, s.err = s.wire.readReady()
		s.deliver()
		s.wire.doneReading()
	}
}

// read reads from anything.
func (s *stream) read() {
	small := make([]byte, smallRead)
	for !s.over {
		if s.readInto(small) < len(small) {
			continue
		}
		big := streamBuffers.Get().(*[]byte)
		for !s.over && s.readInto(*big) >= len(small) {
		}
		streamBuffers.Put(big)
	}
}

func (s *stream) readInto(p []byte) (n int) {
	n, s.err = s.rw.Read(p)
	s.data = p[:n]
	s.deliver()
	return n
}

// deliver takes a turn with what was read, and returns when more is wanted.
func (s *stream) deliver() {
	if len(s.data) == 0 && s.err == nil {
		return
	}
	s.over = true // unless the turn says otherwise
	s.crew.join(s.visit)
	if !s.over {
		<-s.resumed
	}
}

// received is the turn's part of deliver.
func (s *stream) received() {
	d, c := &s.crew.driver, s.c
	if c.gone {
		return
	}
	if len(s.data) > 0 {
		c.stuck = false
		if len(c.in) == 0 {
			c.in, c.borrowed = s.data, true
		} else {
			c.own = append(c.own, s.data...)
			c.in = c.own
		}
	}
	switch s.err {
	case nil:
		s.over = false
		c.holding = true
	case io.EOF:
		c.halfway, c.drained = true, true
	default:
		d.close(c)
		return
	}
	d.queue(c)
	d.touch(c) // even if a congested engine keeps it from being fed
}

// drained has the driver write more. The next goroutine that drains may be here
// before this one is gone, so each has a visit of its own.
func (s *stream) drained() {
	if s.flush != nil {
		s.crew.join(newVisit(s.flush))
	}
}

// write hands p over piece by piece, until one has to wait for the kernel.
func (s *stream) write(p []byte) (n int, err error) {
	for n < len(p) && err == nil && !s.wire.busy() {
		var m int
		m, err = s.rw.Write(p[n:min(len(p), n+writeChunk)])
		n += m
	}
	return n, err
}

func (s *stream) resume() {
	select {
	case s.resumed <- struct{}{}:
	default:
	}
}

func (s *stream) close() {
	s.rw.Close()
	s.resume()
}
