package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// loop drives all connections of a round from one thread: what it costs must stay
// below what the server costs, or it measures itself. Per batch it makes one read
// and one write, and it allocates nothing.
type loop struct {
	poll     *poller
	requests *requests
	depth    int
	meter    *meter
	conns    []*conn
	filler   *socket // puts the jobs that end a round; nil if nobody waits for ever
	parked   []*conn // producers that are too far ahead of the workers
	buf      []byte  // what one read brings, for whichever connection
	scratch  []byte  // deletes on their way out

	toPut, toReserve int           // how many more may be sent
	bound            int           // bound on ready
	limit            int           // what the bound grows to along the ramp
	ramp             time.Duration // time over which the bound grows from nothing to limit
	ready            int           // jobs put (at least sent) and not yet reserved
	stopping         bool          // delete what is held, and start nothing else
	flying           [stepKinds]int
	heard            int64         // when the last reply came
	patience         time.Duration // how long there may be none

	inserted, deleted int // replies received
}

// tick bounds the wait for input, and so how late a silent round ends and how
// coarse a ramp is.
const tick = time.Millisecond

// started is the zero of now.
var started = time.Now()

// now is a monotonic clock in nanoseconds.
func now() int64 { return int64(time.Since(started)) }

func newLoop(r *requests, depth int, m *meter) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		poll: poll, requests: r, depth: depth, meter: m,
		buf:   make([]byte, max(256<<10, 2*len(r.body)+maxLine)),
		toPut: maxCount, toReserve: maxCount, bound: maxCount,
		patience: patience,
	}, nil
}

func (l *loop) close() {
	for _, c := range l.conns {
		c.sock.close()
	}
	if l.filler != nil {
		l.filler.close()
	}
	l.poll.close()
}

// add takes a connection that is set up.
func (l *loop) add(s *socket, steps []step, tube int) error {
	l.conns = append(l.conns, &conn{sock: s, steps: steps, tube: tube})
	return l.poll.add(s, len(l.conns)-1)
}

// run goes on until the meter's window is over, nothing is left to send or ctx has
// ended, and all replies have come: the counts are exact then.
func (l *loop) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := l.poll.begin(); err != nil {
		return err
	}
	begun := now()
	l.heard = begun
	for _, c := range l.conns {
		if err := l.next(c, begun); err != nil {
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
		if t-l.heard > int64(l.patience) {
			return l.stalled()
		}
		over, err := l.meter.over(t)
		if err != nil {
			return err
		}
		if !l.stopping && (over || ctx.Err() != nil) {
			l.stopping = true
			if err := l.release(); err != nil {
				return err
			}
		}
		if err := l.grow(t, time.Duration(t-begun)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// finished: nothing is on its way.
func (l *loop) finished() bool { return l.flying == [stepKinds]int{} }

// release puts a job for every reserve that waits, so that no connection is closed
// while the server may be about to give it a job: beanstalkd 1.12 now and then
// crashes at that. What turns out to be too many is drained later.
func (l *loop) release() error {
	if l.filler == nil {
		return nil
	}
	need := map[int]int{}
	for _, c := range l.conns {
		need[c.tube] += c.early
		if c.steps[c.at] == reserveStep {
			need[c.tube] += c.awaiting
		}
	}
	for tube, n := range need {
		if err := l.filler.exchange(useCommands(l.requests.tubes[tube])); err != nil {
			return err
		}
		if err := l.filler.exchange(l.requests.fillers(n)); err != nil {
			return err
		}
		l.inserted += n
	}
	return nil
}

func (l *loop) stalled() error {
	return fmt.Errorf("no reply for %v, while %d connections put, %d reserve and %d delete",
		l.patience, l.flying[putStep], l.flying[reserveStep], l.flying[deleteStep])
}

// service takes what a connection received. The poller reports an edge, so a read
// that filled the buffer is followed by another.
func (l *loop) service(c *conn) error {
	if len(c.unsent) > 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	for {
		held := copy(l.buf, c.partial)
		n, err := c.sock.read(l.buf[held:])
		if err != nil || n == 0 {
			return err
		}
		in := l.buf[:held+n]
		used, err := l.consume(c, in)
		if err != nil {
			return err
		}
		c.partial = append(c.partial[:0], in[used:]...)
		if len(in) < len(l.buf) {
			return nil
		}
	}
}

// consume takes the complete replies in. After the last of a batch it starts the
// connection's next step, whose requests may have been sent already.
func (l *loop) consume(c *conn, in []byte) (used int, err error) {
	t := now()
	l.heard = t
	for c.awaiting > 0 {
		n, err := l.replies(c, in[used:], t)
		used += n
		if err != nil || c.awaiting > 0 {
			return used, err
		}
		if c.early == 0 && used < len(in) {
			break
		}
		l.flying[c.steps[c.at]]--
		c.at = (c.at + 1) % len(c.steps)
		if err := l.next(c, t); err != nil {
			return used, err
		}
		if used == len(in) {
			return used, l.unpark(t)
		}
	}
	return used, fmt.Errorf("received %q, which nothing asked for", in[used:min(len(in), used+80)])
}

// replies takes those to the batch that the connection waits for.
func (l *loop) replies(c *conn, in []byte, t int64) (used int, err error) {
	kind, before := c.steps[c.at], c.awaiting
	for c.awaiting > 0 && used < len(in) {
		n, err := l.reply(c, kind, in[used:], t)
		if err != nil {
			return used, err
		}
		if n == 0 {
			break
		}
		used += n
		c.awaiting--
	}
	l.meter.replies(kind, before-c.awaiting, t-c.sentAt)
	return used, nil
}

// reply takes one reply to a request of the kind; used 0 means it is incomplete.
func (l *loop) reply(c *conn, kind step, in []byte, t int64) (used int, err error) {
	switch kind {
	case putStep:
		if used, err = l.requests.inserted(in, c.tube); used > 0 {
			c.tube = l.requests.advance(c.tube, 1)
			l.inserted++
		}
	case reserveStep:
		used, err = l.reserved(c, in, t)
	case deleteStep:
		if used, err = word(in, "DELETED\r\n"); used > 0 {
			l.deleted++
		}
	}
	return used, err
}

func (l *loop) reserved(c *conn, in []byte, t int64) (used int, err error) {
	id, body, used, err := reserved(in, len(l.requests.body))
	if used == 0 {
		return 0, err
	}
	stamp, err := l.requests.check(id, body)
	if err != nil {
		return 0, err
	}
	l.ready--
	c.ids = append(c.ids, id)
	if l.stopping {
		return used, nil // it may be a filler
	}
	return used, l.meter.reserved(id, stamp, t)
}

// next starts the connection's current step, or leaves the connection idle.
func (l *loop) next(c *conn, t int64) error {
	kind := c.steps[c.at]
	if c.early > 0 { // sent with the deletes before
		c.awaiting, c.early = c.early, 0
		l.flying[kind]++
		return nil
	}
	if l.stopping && kind != deleteStep {
		return nil
	}
	var batch []byte
	switch kind {
	case putStep:
		n := min(l.depth, l.toPut)
		if n > 0 && l.ready+n > l.bound {
			l.parked = append(l.parked, c)
			return nil
		}
		l.toPut -= n
		l.ready += n
		c.awaiting, batch = n, l.requests.put(c.tube, n, t)
	case reserveStep:
		batch = l.reserves()
		c.awaiting = len(batch) / len(reserveLine)
	case deleteStep:
		c.awaiting, batch = len(c.ids), l.deletes(c)
	}
	if c.awaiting == 0 {
		return nil
	}
	c.sentAt = t
	l.flying[kind]++
	return c.send(batch)
}

// reserves is the next batch of them.
func (l *loop) reserves() []byte {
	n := min(l.depth, l.toReserve)
	l.toReserve -= n
	return l.requests.reserve[:n*len(reserveLine)]
}

// deletes is a batch for all jobs that the connection holds. A worker that pipelines
// sends its next reserves along; they come last, for what is behind a reserve waits
// with it.
func (l *loop) deletes(c *conn) []byte {
	l.scratch = appendDeletes(l.scratch[:0], c.ids)
	c.ids = c.ids[:0]
	if l.depth > 1 && !l.stopping && c.steps[(c.at+1)%len(c.steps)] == reserveStep {
		batch := l.reserves()
		c.early = len(batch) / len(reserveLine)
		l.scratch = append(l.scratch, batch...)
	}
	return l.scratch
}

// grow raises the bound along its ramp: what is put evenly over one delay comes
// back evenly from then on.
func (l *loop) grow(t int64, elapsed time.Duration) error {
	if l.ramp == 0 {
		return nil
	}
	l.bound = int(float64(l.limit) * min(float64(elapsed)/float64(l.ramp), 1))
	return l.unpark(t)
}

// unpark lets producers go on for which the workers have made room.
func (l *loop) unpark(t int64) error {
	for len(l.parked) > 0 && l.ready+l.depth <= l.bound {
		c := l.parked[0]
		l.parked = l.parked[:copy(l.parked, l.parked[1:])]
		if err := l.next(c, t); err != nil {
			return err
		}
	}
	return nil
}

// send writes the batch, and keeps a copy of what the kernel does not take.
func (c *conn) send(batch []byte) error {
	n, err := c.sock.write(batch)
	if err == nil && n < len(batch) {
		c.unsent = append(c.unsent[:0], batch[n:]...)
	}
	return err
}

func (c *conn) flush() error {
	n, err := c.sock.write(c.unsent)
	c.unsent = c.unsent[:copy(c.unsent, c.unsent[n:])]
	return err
}
