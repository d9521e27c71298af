package netserve_test

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/netserve"
	"github.com/millrace/millrace/internal/queue"
)

// fakeEngine answers puts with their body, and reserves when a test says so. It
// publishes turns at once, or when a test says so.
type fakeEngine struct {
	mu        sync.Mutex
	ports     []*fakePort
	byHand    bool // turns are published by publish only
	congested bool
	closed    map[queue.SessionID]bool
	sessions  queue.SessionID
}

func newFakeEngine() *fakeEngine { return &fakeEngine{closed: map[queue.SessionID]bool{}} }

type fakePort struct {
	e         *fakeEngine
	wake      func()
	tags      map[queue.SessionID]uint64
	waiting   map[queue.SessionID]uint32 // the seq of the session's reserve
	requests  []queue.Request
	inbox     []engine.Output
	outputs   []engine.Output
	turn      uint64
	published uint64
}

func (e *fakeEngine) NewPort(wake func()) netserve.Port {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &fakePort{e: e, wake: wake, tags: map[queue.SessionID]uint64{}, waiting: map[queue.SessionID]uint32{}}
	e.ports = append(e.ports, p)
	return p
}

func (p *fakePort) Open(tag uint64, _ queue.Source) queue.SessionID {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	p.e.sessions++
	p.tags[p.e.sessions] = tag
	return p.e.sessions
}

func (p *fakePort) Do(r *queue.Request) { p.requests = append(p.requests, *r) }

func (p *fakePort) Run() []engine.Output {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	p.outputs = append(p.outputs[:0], p.inbox...)
	p.inbox = p.inbox[:0]
	for i := range p.requests {
		r := &p.requests[i]
		switch r.Op {
		case queue.OpPut:
			p.answer(r.Session, r.Seq, queue.Result{Body: queue.Body{Inline: r.Body}})
		case queue.OpPeek:
			p.answer(r.Session, r.Seq, queue.Result{Body: queue.Body{
				Inline: bytes.Repeat([]byte("i"), 10), Chunks: [][]byte{bytes.Repeat([]byte("c"), int(r.N)), nil, []byte("end")},
			}})
		case queue.OpReserve:
			p.waiting[r.Session] = r.Seq
		case queue.OpCancelReserve:
			if seq, ok := p.waiting[r.Session]; ok {
				delete(p.waiting, r.Session)
				p.answer(r.Session, seq, queue.Result{Err: queue.ErrTimedOut})
			}
		case queue.OpClose:
			p.e.closed[r.Session] = true
			delete(p.waiting, r.Session)
			delete(p.tags, r.Session)
		}
	}
	p.requests = p.requests[:0]
	return p.outputs
}

func (p *fakePort) answer(id queue.SessionID, seq uint32, r queue.Result) {
	p.outputs = append(p.outputs, engine.Output{Session: id, Tag: p.tags[id], Seq: seq, Result: r})
}

func (p *fakePort) Commit() uint64 {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	p.turn++
	if !p.e.byHand {
		p.published = p.turn
	}
	return p.turn
}

func (p *fakePort) Published() uint64 {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	return p.published
}

func (p *fakePort) Congested() bool {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	return p.e.congested
}

func (p *fakePort) Close() {}

// each does something to every port and wakes its driver.
func (e *fakeEngine) each(do func(p *fakePort)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.ports {
		do(p)
		p.wake()
	}
}

func (e *fakeEngine) publish() { e.each(func(p *fakePort) { p.published = p.turn }) }

// grant answers every waiting reserve.
func (e *fakeEngine) grant(lost bool) {
	e.each(func(p *fakePort) {
		for id, seq := range p.waiting {
			p.inbox = append(p.inbox, engine.Output{Session: id, Tag: p.tags[id], Seq: seq, Lost: lost})
		}
		clear(p.waiting)
	})
}

// tell gives every session an event.
func (e *fakeEngine) tell() {
	e.each(func(p *fakePort) {
		for id, tag := range p.tags {
			p.inbox = append(p.inbox, engine.Output{Session: id, Tag: tag, Event: queue.EventWake})
		}
	})
}

// lose reports every session's requests as of unknown outcome.
func (e *fakeEngine) lose() {
	e.each(func(p *fakePort) {
		for id, tag := range p.tags {
			p.inbox = append(p.inbox, engine.Output{Session: id, Tag: tag, Lost: true})
		}
	})
}

func (e *fakeEngine) count(of func(p *fakePort) int) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.ports {
		n += of(p)
	}
	return n
}

// opened is how many sessions there ever were.
func (e *fakeEngine) opened() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return int(e.sessions)
}

func (e *fakeEngine) waiting() int { return e.count(func(p *fakePort) int { return len(p.waiting) }) }
func (e *fakeEngine) turns() int   { return e.count(func(p *fakePort) int { return int(p.turn) }) }
func (e *fakeEngine) open() int    { return e.count(func(p *fakePort) int { return len(p.tags) }) }

// lineDoor speaks a protocol of lines: "big N", "wait", "quit"; any other line is
// echoed.
type lineDoor struct{}

func (lineDoor) Name() string         { return "line" }
func (lineDoor) Source() queue.Source { return 0 }

func (lineDoor) Connect(s netserve.Session) netserve.Conn { return &lineConn{Session: s} }

type lineConn struct {
	netserve.Session
	r     queue.Request // reused: one made for each Do would be allocated
	waits bool
	eof   bool
	bye   bool
}

func (c *lineConn) Feed(in []byte) (used int) {
	for n := 0; n < netserve.FeedRequests && !c.waits && !c.bye; n++ {
		line, rest, ok := bytes.Cut(in[used:], []byte("\n"))
		if !ok {
			break
		}
		used = len(in) - len(rest)
		c.request(line)
	}
	return used
}

func (c *lineConn) request(line []byte) {
	switch {
	case bytes.Equal(line, []byte("quit")):
		c.bye = true
		c.Out.Close()
	case bytes.Equal(line, []byte("wait")):
		c.waits = true
		c.Port.Do(&queue.Request{Op: queue.OpReserve, Session: c.ID, Seq: 1})
		if c.eof {
			c.cancel()
		}
	case bytes.HasPrefix(line, []byte("big ")):
		n, _ := strconv.ParseUint(string(line[4:]), 10, 32)
		c.Port.Do(&queue.Request{Op: queue.OpPeek, Session: c.ID, Seq: 2, N: n})
	default:
		c.r = queue.Request{Op: queue.OpPut, Session: c.ID, Body: line}
		c.Port.Do(&c.r)
	}
}

func (c *lineConn) cancel() {
	c.Port.Do(&queue.Request{Op: queue.OpCancelReserve, Session: c.ID})
}

func (c *lineConn) Event(queue.Event, uint32, *queue.Result) { c.Out.String("event\n") }

func (c *lineConn) Result(seq uint32, r *queue.Result) {
	if seq == 1 {
		c.waits = false
		if r.Err != queue.OK {
			c.Out.String("timed out\n")
			return
		}
		c.Out.String("granted\n")
		return
	}
	c.Out.Body(r.Body)
	c.Out.String("\n")
}

func (c *lineConn) Blocked() bool   { return c.waits }
func (c *lineConn) InRequest() bool { return false }
func (c *lineConn) Closed()         {}

func (c *lineConn) EOF() {
	c.eof = true
	if c.waits {
		c.cancel()
	}
}
