package netserve

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// loop is the driver that waits for all of its connections in one epoll, and runs
// one turn for all that were ready. It is one goroutine.
type loop struct {
	driver
	poll  poller
	ready []*fdSocket // to be read, in order of arrival
	later []*fdSocket
	buf   []byte // what a turn reads lies here
	used  int
	doors []*doorstep
	peers []*loop // for the one that accepts: where connections go, in rotation
	next  int

	signals atomic.Bool // something waits: a wake or a letter
	asleep  atomic.Bool // the loop does not look at signals
	mu      sync.Mutex
	letters []func()
	stopped bool
	done    chan struct{}
}

const (
	readChunk  = 64 << 10 // read from one connection per turn, at most
	turnBuffer = 1 << 20  // read from all, at most
	// smallLeft is how much of an unfinished request is moved in front of what is
	// read next. A longer one grows in storage of its own.
	smallLeft = 4 << 10
)

// startLoops starts the epoll loops, if a listener can use them, and returns the
// listeners that cannot.
func (s *Server) startLoops() (rest []*listener, err error) {
	var steps []*doorstep
	for _, l := range s.listeners {
		sc, ok := l.Listener.(syscall.Conn)
		if !ok || l.o.TLS != nil {
			rest = append(rest, l)
			continue
		}
		step, err := newDoorstep(l, sc)
		if err != nil {
			return nil, fmt.Errorf("cannot wait for connections on %s: %w", l.local, err)
		}
		steps = append(steps, step)
	}
	if len(steps) == 0 {
		return rest, nil
	}
	loops := make([]*loop, s.loops())
	for i := range loops {
		if loops[i], err = newLoop(s); err != nil {
			return nil, fmt.Errorf("cannot use epoll: %w; try the goroutines driver", err)
		}
		s.drivers = append(s.drivers, loops[i])
	}
	loops[0].peers = loops
	if err := loops[0].watchDoors(steps); err != nil {
		return nil, fmt.Errorf("cannot use epoll: %w; try the goroutines driver", err)
	}
	for _, l := range loops {
		go l.run()
	}
	return rest, nil
}

// loops is how many loops share the connections.
func (s *Server) loops() int {
	if s.o.Drivers > 0 {
		return s.o.Drivers
	}
	n := runtime.GOMAXPROCS(0)
	if n <= 3 {
		return 1
	}
	return min(4, n/2)
}

func newLoop(s *Server) (*loop, error) {
	l := &loop{driver: *newDriver(s), buf: make([]byte, turnBuffer), done: make(chan struct{})}
	var err error
	if l.poll, err = newPoller(); err != nil {
		return nil, err
	}
	l.port = s.o.NewPort(l.wake)
	return l, nil
}

// wake has a turn taken soon. A loop that is at work notices by itself.
func (l *loop) wake() {
	l.signals.Store(true)
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.poll.interrupt()
	}
}

// send has the loop call letter between two turns. It says no when the loop has
// stopped.
func (l *loop) send(letter func()) bool {
	l.mu.Lock()
	stopped := l.stopped
	if !stopped {
		l.letters = append(l.letters, letter)
	}
	l.mu.Unlock()
	l.wake()
	return !stopped
}

func (l *loop) visit(do func(*driver)) {
	done := make(chan struct{})
	if l.send(func() { do(&l.driver); close(done) }) {
		<-done
	}
}

func (l *loop) stopAccepting() { l.visit(func(*driver) { l.closeDoors() }) }

func (l *loop) stop() {
	l.send(l.halt)
	<-l.done
}

// halt closes everything and makes this turn the last.
func (l *loop) halt() {
	l.closeAll()
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
}

// run takes turns until the loop is stopped.
func (l *loop) run() {
	defer close(l.done)
	for !l.stopped {
		events, err := l.poll.wait(l.patience(), &l.asleep, &l.signals)
		if err != nil {
			l.srv.o.Logger.Error("an I/O driver stops: it cannot wait for its connections", "error", err)
			l.halt()
		}
		for i := range events {
			l.note(&events[i])
		}
		woken := l.signals.Load() && l.signals.Swap(false)
		if woken {
			l.readLetters()
		}
		l.acceptAll()
		l.readAll()
		l.turn(woken)
		l.used = 0
	}
	l.readLetters() // those that were sent before the loop had stopped
	for l.pending() {
		l.turn(false)
	}
	l.port.Close()
	l.closeDoors()
	l.poll.close()
}

// patience is how long the loop may sleep; negative: until something happens.
func (l *loop) patience() time.Duration {
	if l.pending() || len(l.ready) > 0 && !l.port.Congested() {
		return 0
	}
	at := l.deadline()
	for _, s := range l.doors {
		if s.again != 0 && (at == 0 || s.again < at) {
			at = s.again
		}
	}
	if at == 0 {
		return -1
	}
	return max(0, at-l.srv.clock())
}

func (l *loop) readLetters() {
	l.mu.Lock()
	letters := l.letters
	l.letters = nil
	l.mu.Unlock()
	for _, letter := range letters {
		letter()
	}
}

// note remembers what an event says.
func (l *loop) note(e *syscall.EpollEvent) {
	if e.Fd < 0 {
		if i := doorIndex(e); i >= 0 {
			l.doors[i].ready = true
		}
		return
	}
	c := l.lookup(eventTag(e))
	if c == nil {
		return
	}
	s := c.sock.(*fdSocket)
	if e.Events&syscall.EPOLLOUT != 0 {
		l.flushLater(c)
	}
	if e.Events&^syscall.EPOLLOUT == 0 {
		return
	}
	s.readable = true
	if e.Events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		s.hungUp, c.halfway = true, true
	}
	if e.Events&syscall.EPOLLRDHUP != 0 {
		c.halfway = true
	}
	s.readSoon()
}

// readAll reads what has arrived, as far as the buffer goes. While the engine is
// congested everything stays where it is.
func (l *loop) readAll() {
	if len(l.ready) == 0 || l.port.Congested() {
		return
	}
	list := l.ready
	l.ready = l.later[:0]
	for i, s := range list {
		list[i] = nil
		s.listed = false
		switch {
		case s.c.gone:
		case l.used+smallLeft+readChunk > len(l.buf):
			s.readSoon()
		default:
			l.read(s)
		}
	}
	l.later = list
}

// read reads once from a connection, if its input is wanted.
func (l *loop) read(s *fdSocket) {
	c := s.c
	if l.sated(c) || c.door.Blocked() {
		l.refrain(s)
		return
	}
	p := l.space(c)
	left := len(c.in)
	n, err := rawRead(s.fd, p[left:left+readChunk])
	if n > 0 {
		l.take(c, p[:left+n])
		// A short read has emptied the socket, and more input makes another event;
		// but the end of the stream may have been reported already.
		if n == readChunk || c.halfway {
			s.readSoon()
		} else {
			s.readable = false
		}
		return
	}
	s.readable = false
	switch {
	case err == errAgain:
	case err == nil && !s.hungUp:
		c.halfway, c.drained = true, true
		l.queue(c)
		l.touch(c)
	default:
		l.close(c)
	}
}

// refrain leaves the input of a connection in the kernel until resume, but sees to
// it that a connection that is gone does not wait for that.
func (l *loop) refrain(s *fdSocket) {
	s.c.holding = true
	switch {
	case s.hungUp:
		l.close(s.c)
	case s.c.halfway && !s.c.told:
		l.queue(s.c)
	}
}

// space is where input of c can be read to: the unfed input, and readChunk behind
// it.
func (l *loop) space(c *conn) []byte {
	left := len(c.in)
	if left > smallLeft {
		if cap(c.own) < left+readChunk {
			old := c.own
			c.own = append(make([]byte, 0, 2*(left+readChunk)), c.in...)
			l.bufs.put(old)
		}
		return c.own[:left+readChunk]
	}
	p := l.buf[l.used : l.used+left+readChunk]
	copy(p, c.in)
	return p
}

// take makes p, which came from space, the input of c.
func (l *loop) take(c *conn, p []byte) {
	if len(c.in) > smallLeft {
		c.own = p
	} else {
		c.borrowed = true
		l.used += len(p)
	}
	c.in = p
	c.stuck = false
	l.queue(c)
	l.touch(c) // even if a congested engine keeps it from being fed
}
