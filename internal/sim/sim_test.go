package sim_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/internal/wal"
)

var (
	simSeeds = flag.Int("sim.seeds", 60, "how many seeds to simulate")
	simSeed  = flag.Uint64("sim.seed", 0, "simulate this seed alone")
)

// TestSimulation runs servers on a disk through crashes, power cuts, errors, full
// disks and jumps of the wall clock, and checks after each answer what the clients
// were promised.
func TestSimulation(t *testing.T) {
	// A seed makes the same run again: one goroutine at a time, none of them the
	// collector's.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	first, n := uint64(1), *simSeeds
	if raceDetector {
		n /= 3
	}
	if *simSeed != 0 {
		first, n = *simSeed, 1
	}
	saw := &sights{}
	for seed := first; seed < first+uint64(n) && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { simulate(t, seed, saw) })
		runtime.GC()
	}
	t.Logf("%+v", *saw)
	if *simSeed == 0 && !t.Failed() && slices.Contains(saw.all(), 0) {
		t.Error("not everything was simulated")
	}
}

// simulate plays one seed: a few lives of a server.
func simulate(t *testing.T, seed uint64, saw *sights) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		t: t, rnd: rnd, mem: vfs.NewMem(), log: &history{}, fresh: true, saw: saw,
		sync:   []time.Duration{wal.SyncAlways, wal.SyncAlways, 50 * time.Millisecond, wal.SyncNever}[rnd.IntN(4)],
		ledger: &ledger{facts: map[uint64]*fact{}, byID: map[queue.JobID]*fact{}},
	}
	for life := 1; life <= 8 && !w.failed(); life++ {
		if s := w.start(); s != nil {
			w.fresh = false
			s.live()
			s.end()
		}
		for _, err := range []error{w.ledger.err, w.log.err} {
			if err != nil {
				t.Errorf("life %d: %v", life, err)
			}
		}
	}
	if t.Failed() {
		t.Errorf("run it again with -sim.seed %d (sync %v)", seed, w.sync)
	}
}

// live is what happens between a start and an end.
func (s *server) live() {
	s.w.ledger.reconcile(s.log.found)
	if !s.audit(true) {
		return
	}
	for range 3 {
		c := s.connect()
		for range 1 + s.rnd.IntN(3) {
			c.open()
		}
	}
	for n := s.rnd.IntN(600); n > 0 && !s.over(); n-- {
		s.act()
		s.yield()
		s.pump()
	}
	if !s.over() && s.rnd.IntN(2) == 0 {
		s.pass(30 * time.Second)
		s.audit(false)
	}
	for _, c := range s.clients {
		for _, x := range c.sessions {
			s.abandon(x)
		}
	}
}

// act is one thing that clients, time or an operator do.
func (s *server) act() {
	rnd := s.rnd
	switch n := rnd.IntN(100); {
	case n < 70:
		c := s.clients[1+rnd.IntN(3)]
		for range 1 + rnd.IntN(3) {
			s.request(c)
		}
	case n < 85:
		s.pass([]time.Duration{time.Microsecond, time.Millisecond, time.Second, 4 * time.Second}[rnd.IntN(4)] * time.Duration(1+rnd.IntN(3)))
	case n < 90:
		s.hangUp(s.clients[1+rnd.IntN(3)])
	case n < 93:
		jump := []time.Duration{time.Hour, 10 * 365 * 24 * time.Hour}[rnd.IntN(2)]
		if s.w.offset.Load() > 0 {
			jump = -jump
		}
		s.w.offset.Add(int64(jump))
		s.w.saw.jumps++
	case n < 95:
		s.w.fill(!s.w.full, int64(rnd.IntN(100_000)))
	case n == 95 && rnd.IntN(8) == 0:
		s.disk.crash()
	}
}

// hangUp closes one of a client's sessions and opens another.
func (s *server) hangUp(c *client) {
	if len(c.sessions) > 0 {
		x := c.sessions[s.rnd.IntN(len(c.sessions))]
		c.port.Do(&queue.Request{Op: queue.OpClose, Session: x.id})
		c.remove(x)
		s.abandon(x)
	}
	c.open()
}
