package netserve

import (
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// socket moves the bytes of one connection for a driver.
type socket interface {
	// write takes what it can of p without blocking. When it takes less than all, it
	// has the driver flush the connection again later.
	write(p []byte) (int, error)
	// resume asks for input again, after a time in which the driver wanted none.
	resume()
	// close lets go of the connection; bytes that write took still go out.
	close()
}

// conn is the driver's side of a connection. An idle one owns no buffers.
type conn struct {
	door Conn
	out  Out
	sock socket
	id   queue.SessionID
	tag  uint64
	peer peer

	in     []byte // input that is not fed yet
	own    []byte // storage of in, unless borrowed
	fresh  uint64 // out.wrote when the current turn began
	places [2]place

	borrowed bool // in lies in a read buffer that is reused after the turn
	queued   bool // in driver.fed
	touched  bool // in driver.touched
	flushing bool // in driver.toFlush
	holding  bool // the socket waits for resume
	stuck    bool // the door made nothing of in
	halfway  bool // the client sends no more
	drained  bool // all that it sent was read
	told     bool // the door knows
	gone     bool
}

// driver runs the turns of the connections it owns. Everything in it is used by
// one goroutine at a time.
type driver struct {
	srv  *Server
	port Port
	now  time.Duration // since srv.start, read once per turn
	bufs buffers

	slots []slot
	free  []uint32
	count int
	empty chan struct{} // closed when count is 0; nil unless draining

	requests int     // made since the last Run
	fed      []*conn // have input for the door, in order of arrival
	spare    []*conn
	touched  []*conn // took part in this turn
	toFlush  []*conn
	flushed  []*conn // storage for the next toFlush
	held     held

	reading waits // for the rest of a request
	writing waits // for the client to read
}

// slot is a place in the table of connections. A tag is an index into the table
// and the generation of the slot, so that output for a connection that is gone
// finds nobody.
type slot struct {
	c          *conn
	generation uint32
}

func newDriver(s *Server) *driver {
	d := &driver{srv: s}
	d.reading = waits{which: 0, limit: s.o.RequestTimeout}
	d.writing = waits{which: 1, limit: s.o.WriteTimeout}
	return d
}

// Do passes a door's request on to the port.
func (d *driver) Do(r *queue.Request) {
	d.requests++
	d.port.Do(r)
}

// open starts a connection; the turn that follows flushes its greeting.
func (d *driver) open(sock socket, door Door, from peer, local string) *conn {
	var i uint32
	if n := len(d.free); n > 0 {
		i, d.free = d.free[n-1], d.free[:n-1]
	} else {
		i = uint32(len(d.slots))
		d.slots = append(d.slots, slot{})
	}
	c := &conn{sock: sock, peer: from, tag: uint64(d.slots[i].generation)<<32 | uint64(i)}
	d.slots[i].c = c
	d.count++
	c.id = d.port.Open(c.tag, door.Source())
	d.touch(c)
	c.door = door.Connect(Session{ID: c.id, Port: d, Out: &c.out, Peer: from.String(), Local: local})
	d.srv.o.Logger.Debug("connection opened", "door", door.Name(), "peer", from)
	if d.empty != nil {
		c.out.Close()
	}
	return c
}

// lookup finds the connection of a tag, nil when it is gone.
func (d *driver) lookup(tag uint64) *conn {
	if i := uint32(tag); int(i) < len(d.slots) {
		if s := &d.slots[i]; s.generation == uint32(tag>>32) {
			return s.c
		}
	}
	return nil
}

// close ends a connection and its session at once.
func (d *driver) close(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	d.reading.remove(c)
	d.writing.remove(c)
	c.door.Closed()
	d.Do(&queue.Request{Op: queue.OpClose, Session: c.id})
	c.sock.close()
	d.bufs.put(c.out.buf)
	// Requests not run yet may refer to the input, so its storage is not reused.
	c.in, c.own, c.out = nil, nil, Out{closed: true}
	s := &d.slots[uint32(c.tag)]
	s.c = nil
	s.generation++
	d.free = append(d.free, uint32(c.tag))
	d.count--
	d.srv.gate.leave(c.peer)
	d.checkEmpty()
}

// drain closes every connection as soon as what it is owed is flushed, and then
// closes empty.
func (d *driver) drain(empty chan struct{}) {
	d.empty = empty
	for i := range d.slots {
		if c := d.slots[i].c; c != nil {
			c.out.Close()
			d.touch(c)
		}
	}
	d.checkEmpty()
}

func (d *driver) checkEmpty() {
	if d.empty != nil && d.count == 0 {
		close(d.empty)
		d.empty = nil
	}
}

// closeAll ends every connection at once.
func (d *driver) closeAll() {
	for i := range d.slots {
		if c := d.slots[i].c; c != nil {
			d.close(c)
		}
	}
}

// expire closes the connections whose client left a request unfinished, or output
// unread, for too long.
func (d *driver) expire() {
	for c := d.reading.due(d.now); c != nil; c = d.reading.due(d.now) {
		d.srv.o.Logger.Debug("closing a connection that does not finish its request", "peer", c.peer)
		d.close(c)
	}
	for c := d.writing.due(d.now); c != nil; c = d.writing.due(d.now) {
		d.srv.o.Logger.Debug("closing a connection that does not read its replies", "peer", c.peer)
		d.close(c)
	}
}

// deadline is when expire has something to do, since srv.start; 0 for never.
func (d *driver) deadline() time.Duration {
	r, w := d.reading.next(), d.writing.next()
	if r == 0 || w != 0 && w < r {
		return w
	}
	return r
}
