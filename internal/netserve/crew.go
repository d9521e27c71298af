package netserve

import (
	"context"
	"sync"
	"time"
)

// crew is the driver of goroutines: each connection has one that reads, and
// whoever has something for the driver takes part in a turn. One of those who
// wait leads the turn for all, so that a turn batches what arrived during the one
// before it, its commit included.
type crew struct {
	driver
	stopped bool // set in the last turn

	mu      sync.Mutex
	waiting []*visit // for the next turn
	spare   []*visit
	leading bool

	woken  chan struct{}   // wakes answer
	ctx    context.Context // ends with the crew
	cancel context.CancelFunc
	alarm  *time.Timer   // wakes when a deadline has passed
	armed  time.Duration // when it does, since srv.start; 0: never

	streams sync.WaitGroup
}

// visit is one goroutine's part in turns: do is called once in each that it joins.
type visit struct {
	do   func()
	turn chan bool // true: lead the next turn; false: it is done
}

func newVisit(do func()) *visit { return &visit{do: do, turn: make(chan bool, 1)} }

func newCrew(s *Server) *crew {
	g := &crew{driver: *newDriver(s), woken: make(chan struct{}, 1)}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.alarm = time.AfterFunc(time.Hour, g.wake)
	g.alarm.Stop()
	g.port = s.o.NewPort(g.wake)
	go g.answer()
	return g
}

// wake has a turn taken soon. It never blocks.
func (g *crew) wake() {
	select {
	case g.woken <- struct{}{}:
	default:
	}
}

// answer takes the turns that no connection asks for.
func (g *crew) answer() {
	v := newVisit(func() {})
	for {
		select {
		case <-g.woken:
			g.join(v)
		case <-g.ctx.Done():
			return
		}
	}
}

// join takes part in the next turn and returns when it is over.
func (g *crew) join(v *visit) {
	g.mu.Lock()
	g.waiting = append(g.waiting, v)
	if g.leading {
		g.mu.Unlock()
		if lead := <-v.turn; !lead {
			return
		}
		g.mu.Lock()
	}
	g.leading = true
	party := g.waiting
	g.waiting = g.spare[:0]
	g.mu.Unlock()

	g.lead(party)

	for i, w := range party {
		party[i] = nil
		if w != v {
			w.turn <- false
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spare = party
	if g.leading = len(g.waiting) > 0; g.leading {
		g.waiting[0].turn <- true
	}
}

// lead takes a turn for all of party, and those that follow from it.
func (g *crew) lead(party []*visit) {
	if g.stopped {
		return
	}
	for _, v := range party {
		if v.do(); g.stopped {
			break
		}
	}
	for woken := true; ; woken = false {
		g.turn(woken)
		if !g.pending() {
			break
		}
	}
	if g.stopped {
		g.port.Close()
		return
	}
	if at := g.deadline(); at != 0 && (g.armed == 0 || at < g.armed || g.armed <= g.now) {
		g.armed = at
		g.alarm.Reset(at - g.now)
	}
}

func (g *crew) visit(do func(*driver)) { g.join(newVisit(func() { do(&g.driver) })) }

// stopAccepting does nothing: those who accept end with their listeners.
func (g *crew) stopAccepting() {}

func (g *crew) stop() {
	g.join(newVisit(func() {
		g.closeAll()
		g.stopped = true
	}))
	g.cancel()
	g.alarm.Stop()
	g.streams.Wait()
}
