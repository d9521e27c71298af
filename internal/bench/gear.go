package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
)

// Types of Gearman's packets.
const (
	gearCanDo    = 1
	gearPreSleep = 4
	gearNoop     = 6
	gearSubmit   = 7
	gearCreated  = 8
	gearGrab     = 9
	gearNoJob    = 10
	gearAssign   = 11
	gearComplete = 13
	gearSubmitBG = 18
)

const gearHeader = 12

// appendGear appends a packet that asks something.
func appendGear(b []byte, kind uint32, body ...[]byte) []byte {
	size := max(len(body)-1, 0)
	for _, part := range body {
		size += len(part)
	}
	b = append(b, 0, 'R', 'E', 'Q')
	b = binary.BigEndian.AppendUint32(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	for i, part := range body {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, part...)
	}
	return b
}

// gearPacket reads the packet at the start of in; used is 0 while it is not complete.
func gearPacket(in []byte) (kind uint32, body []byte, used int, err error) {
	if len(in) < gearHeader {
		return 0, nil, 0, nil
	}
	if string(in[:4]) != "\x00RES" {
		return 0, nil, 0, unexpected(in, "a packet")
	}
	size := int(binary.BigEndian.Uint32(in[8:]))
	if size > maxSize {
		return 0, nil, 0, fmt.Errorf("received a packet of %d bytes", size)
	}
	if len(in) < gearHeader+size {
		return 0, nil, 0, nil
	}
	return binary.BigEndian.Uint32(in[4:]), in[gearHeader : gearHeader+size], gearHeader + size, nil
}

// gearLoop drives the connections of a round with a Gearman server, as loop does
// those with a server of the beanstalkd protocol.
type gearLoop struct {
	poll       *poller
	meter      *meter
	conns      []*gearConn
	parked     []*gearConn // producers that are too far ahead of the workers
	body       []byte
	submits    []byte // a batch of submits
	grabs      []byte // a batch of grabs
	depth      int
	foreground bool
	function   []byte
	buf        []byte

	toSubmit    int // how many more may be sent
	bound       int // on outstanding
	outstanding int // jobs submitted and not yet completed
	goal        int // workers stop when no more are outstanding
	stopping    bool
	draining    bool // when stopping, take the jobs out before the end
	heard       int64
}

// gearConn is one connection of a gearLoop.
type gearConn struct {
	sock     *socket
	worker   bool
	awaiting int   // replies still to come
	sentAt   int64 // when the batch was sent
	taken    int   // jobs of the batch
	out      []byte
	partial  []byte
	unsent   []byte
}

func newGearLoop(function string, size, depth int, foreground bool, m *meter) (*gearLoop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &gearLoop{
		poll: poll, meter: m, depth: depth, foreground: foreground, function: []byte(function),
		body:     bytes.Repeat([]byte("millrace"), size/8+1)[:size],
		toSubmit: maxCount, bound: maxCount,
	}
	kind := uint32(gearSubmitBG)
	if foreground {
		kind = gearSubmit
	}
	for range depth {
		l.submits = appendGear(l.submits, kind, l.function, nil, l.body)
		l.grabs = appendGear(l.grabs, gearGrab)
	}
	l.buf = make([]byte, max(256<<10, 2*size+4096))
	return l, nil
}

func (l *gearLoop) close() {
	for _, c := range l.conns {
		c.sock.close()
	}
	l.poll.close()
}

// add opens a connection.
func (l *gearLoop) add(ctx context.Context, address string, worker bool) error {
	s, err := dialReady(ctx, address)
	if err != nil {
		return err
	}
	if worker {
		if err := s.writeAll(appendGear(nil, gearCanDo, l.function)); err != nil {
			return err
		}
	}
	l.conns = append(l.conns, &gearConn{sock: s, worker: worker})
	return l.poll.add(s, len(l.conns)-1)
}

// run goes on until the meter's window is over, or there is nothing more to do.
func (l *gearLoop) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := l.poll.begin(); err != nil {
		return err
	}
	l.heard = now()
	for _, c := range l.conns {
		if err := l.begin(c, l.heard); err != nil {
			return err
		}
	}
	var ready []int
	for !l.finished() {
		var err error
		if ready, err = l.poll.wait(ready); err != nil {
			return err
		}
		for _, i := range ready {
			if err := l.service(l.conns[i]); err != nil {
				return explain(err)
			}
		}
		t := now()
		if t-l.heard > int64(patience) {
			return fmt.Errorf("no packet for %v, while %d jobs are not done", patience, l.outstanding)
		}
		over, err := l.meter.over(t)
		if err != nil {
			return err
		}
		l.stopping = l.stopping || over || ctx.Err() != nil
	}
	return ctx.Err()
}

// finished: nothing is to be waited for.
func (l *gearLoop) finished() bool {
	if l.draining && l.outstanding > l.goal || !l.stopping && l.toSubmit > 0 && l.meter != nil {
		return false
	}
	for _, c := range l.conns {
		if c.awaiting > 0 { // what is behind it may not have been read, either
			return false
		}
	}
	return true
}

// begin starts what a connection does.
func (l *gearLoop) begin(c *gearConn, t int64) error {
	if c.worker {
		return l.grab(c, t)
	}
	return l.submit(c, t)
}

// submit sends the next batch of a producer, or parks it.
func (l *gearLoop) submit(c *gearConn, t int64) error {
	n := min(l.depth, l.toSubmit)
	if l.stopping || n == 0 {
		return nil
	}
	if l.outstanding+n > l.bound {
		l.parked = append(l.parked, c)
		return nil
	}
	l.toSubmit -= n
	l.outstanding += n
	c.awaiting, c.sentAt = n, t
	if l.foreground {
		c.awaiting = 2 * n // a handle and a result
	}
	return c.send(l.submits[:n*len(l.submits)/l.depth])
}

// grab sends what a worker has completed and the next batch of grabs.
func (l *gearLoop) grab(c *gearConn, t int64) error {
	if !l.stopping || l.draining {
		c.out = append(c.out, l.grabs...)
		c.awaiting = l.depth
	}
	c.sentAt, c.taken = t, 0
	if len(c.out) == 0 {
		return nil
	}
	err := c.send(c.out)
	c.out = c.out[:0]
	return err
}

// service takes what a connection received.
func (l *gearLoop) service(c *gearConn) error {
	if len(c.unsent) > 0 {
		n, err := c.sock.write(c.unsent)
		if err != nil {
			return err
		}
		c.unsent = c.unsent[:copy(c.unsent, c.unsent[n:])]
	}
	for {
		held := copy(l.buf, c.partial)
		n, err := c.sock.read(l.buf[held:])
		if err != nil || n == 0 {
			return err
		}
		in := l.buf[:held+n]
		t := now()
		l.heard = t
		used, err := l.consume(c, in, t)
		if err != nil {
			return err
		}
		c.partial = append(c.partial[:0], in[used:]...)
		if len(in) < len(l.buf) {
			return nil
		}
	}
}

// consume takes the complete packets in.
func (l *gearLoop) consume(c *gearConn, in []byte, t int64) (used int, err error) {
	for {
		kind, body, n, err := gearPacket(in[used:])
		if err != nil || n == 0 {
			return used, err
		}
		used += n
		if c.worker {
			err = l.workerPacket(c, kind, body, t)
		} else {
			err = l.producerPacket(c, kind, body, t)
		}
		if err != nil {
			return used, err
		}
	}
}

func (l *gearLoop) producerPacket(c *gearConn, kind uint32, body []byte, t int64) error {
	switch {
	case kind == gearCreated:
		if !l.foreground {
			l.meter.replies(putStep, 1, t-c.sentAt)
		}
	case kind == gearComplete && l.foreground:
		l.outstanding--
		l.meter.replies(deleteStep, 1, t-c.sentAt)
	default:
		return fmt.Errorf("a client received packet %d %.80q", kind, body)
	}
	if c.awaiting--; c.awaiting > 0 {
		return nil
	}
	return l.submit(c, t)
}

func (l *gearLoop) workerPacket(c *gearConn, kind uint32, body []byte, t int64) error {
	switch kind {
	case gearNoop:
		if c.awaiting == 0 {
			return l.grab(c, t)
		}
		return nil
	case gearAssign:
		end := bytes.IndexByte(body, 0)
		if end < 0 || len(body) < len(l.body) || !bytes.Equal(body[len(body)-len(l.body):], l.body) {
			return fmt.Errorf("a job came back with another body than was submitted")
		}
		c.out = appendGear(c.out, gearComplete, body[:end], nil)
		c.taken++
	case gearNoJob:
	default:
		return fmt.Errorf("a worker received packet %d %.80q", kind, body)
	}
	if c.awaiting--; c.awaiting > 0 {
		return nil
	}
	if c.taken == 0 {
		if l.stopping && (!l.draining || l.outstanding <= l.goal) {
			return nil
		}
		return c.send(appendGear(c.out[:0], gearPreSleep))
	}
	if !l.foreground {
		l.outstanding -= c.taken
		l.meter.replies(deleteStep, c.taken, t-c.sentAt)
	}
	if err := l.grab(c, t); err != nil {
		return err
	}
	return l.unpark(t)
}

// unpark lets producers go on for which the workers have made room.
func (l *gearLoop) unpark(t int64) error {
	for len(l.parked) > 0 && l.outstanding+l.depth <= l.bound {
		c := l.parked[0]
		l.parked = l.parked[:copy(l.parked, l.parked[1:])]
		if err := l.submit(c, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *gearConn) send(batch []byte) error {
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, batch...)
		return nil
	}
	n, err := c.sock.write(batch)
	if err == nil && n < len(batch) {
		c.unsent = append(c.unsent[:0], batch[n:]...)
	}
	return err
}
