package replica

import (
	"errors"
	"flag"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/vfs"
)

func TestLeaderIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1, 3, 0)
		defer g.stopAll()
		first := g.leader()
		if n := g.put(first, 200); n != 200 {
			t.Fatalf("%d of 200 puts were acknowledged", n)
		}
		began := time.Now()
		g.kill(first)
		second := g.leader()
		if after := time.Since(began); after > 6*time.Second {
			t.Errorf("another node leads after %v", after) // a vote may be split
		}
		if second == first {
			t.Fatal("a node that was killed leads")
		}
		g.put(second, 100)
		g.start(first, nil)
		g.audit()
	})
}

// TestCutOffLeader lets a leader go on alone: nothing of what it decides is
// acknowledged, and it comes back to what the others have.
func TestCutOffLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 2, 3, 0)
		defer g.stopAll()
		first := g.leader()
		g.put(first, 50)
		g.cutOff(first, true)
		if n := g.put(first, 10); n != 0 {
			t.Fatalf("a leader that is cut off acknowledged %d puts", n)
		}
		if first.engine.Leading() {
			t.Fatal("it leads on")
		}
		g.put(g.leader(), 50)
		g.cutOff(first, false)
		g.audit()
	})
}

// TestLaggingNode gives a node that missed much, and a new one, a snapshot.
func TestLaggingNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, 3, 100_000)
		defer g.stopAll()
		leader := g.leader()
		g.put(leader, 30)
		var lagging *node
		for _, n := range g.nodes {
			if n != leader {
				lagging = n
			}
		}
		g.cutOff(lagging, true)
		g.put(leader, 2500)
		time.Sleep(time.Second) // for snapshots to be stored
		for _, n := range g.nodes {
			if n != lagging && n.log.Status().Snapshot < 100 {
				t.Errorf("node %s has no snapshot of what it follows: %+v", n.id, n.log.Status())
			}
		}
		if first, _ := leader.log.store.FirstIndex(); first < 100 {
			t.Fatalf("the leader's log still begins with %d", first)
		}
		g.cutOff(lagging, false)
		fresh := &node{id: "n3", disk: vfs.NewMem()}
		g.nodes = append(g.nodes, fresh)
		g.start(fresh, nil)
		leader = g.leader()
		for _, voter := range []bool{false, true} {
			if err := leader.log.Add(Member{"n3", "n3", voter}, time.Second); err != nil {
				t.Fatal(err)
			}
			g.sameFacts(leader, fresh)
		}
		g.put(leader, 100)
		g.audit()
		if n := len(fresh.log.Status().Members); n != 4 {
			t.Errorf("the new node knows of %d members", n)
		}
		g.kill(fresh) // and it finds all again on its own disk
		g.start(fresh, nil)
		g.audit()
	})
}

func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 4, 3, 50_000)
		defer g.stopAll()
		for range 10 {
			from := g.leader()
			moved := make(chan error, 1)
			go func() {
				time.Sleep(time.Millisecond)
				moved <- from.log.Transfer(Member{})
			}()
			g.put(from, 100)
			if err := <-moved; err != nil {
				t.Fatal(err)
			}
			g.put(g.leader(), 20)
		}
		g.audit()
	})
}

// TestTransferFails hands over to a node that cannot be reached: raft refuses entries
// meanwhile, and the leader goes on in the same term without a gap.
func TestTransferFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 9, 3, 0)
		defer g.stopAll()
		leader := g.leader()
		g.put(leader, 10)
		away := g.nodes[0]
		if away == leader {
			away = g.nodes[1]
		}
		g.cutOff(away, true)
		term := leader.log.Status().Term
		moved := make(chan error, 1)
		go func() {
			time.Sleep(20 * time.Millisecond)
			moved <- leader.log.Transfer(Member{away.id, away.id, true})
		}()
		if n := g.put(leader, 100); n != 100 || leader.log.Status().Term != term {
			t.Errorf("%d of 100 puts were acknowledged, in term %d that was %d", n, leader.log.Status().Term, term)
		}
		if err := <-moved; err == nil {
			t.Error("the leadership went to a node that is cut off")
		}
		g.cutOff(away, false)
		g.audit()
	})
}

// TestRestartOfAll stops all nodes and starts them again, with a power cut or
// without.
func TestRestartOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 5, 3, 30_000)
		defer g.stopAll()
		for round := range 6 {
			g.put(g.leader(), 150)
			for _, n := range g.nodes {
				if round%2 == 0 {
					g.kill(n)
				} else {
					g.stop(n)
				}
			}
			for _, n := range g.nodes {
				g.start(n, nil)
			}
		}
		g.audit()
	})
}

// TestStalledDisk blocks the leader's disk: another node leads soon, and the first
// comes back when its disk does.
func TestStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 6, 3, 0)
		defer g.stopAll()
		first := g.leader()
		g.put(first, 20)
		release := make(chan struct{})
		var stalled atomic.Bool
		first.hook = func(op vfs.Op, _ string) error {
			if op == vfs.OpSync && stalled.Load() {
				<-release
			}
			return nil
		}
		stalled.Store(true)
		done := make(chan int)
		go func() { done <- g.put(first, 1) }()
		began := time.Now()
		for g.leaderBut(first) == nil && time.Since(began) < 10*time.Second {
			time.Sleep(10 * time.Millisecond)
		}
		if after := time.Since(began); after > 5*time.Second {
			t.Errorf("another node leads after %v", after)
		}
		stalled.Store(false)
		close(release)
		<-done
		g.put(g.leader(), 20)
		g.audit()
	})
}

func (g *group) leaderBut(not *node) *node {
	for _, n := range g.nodes {
		if n != not && n.engine.Leading() {
			return n
		}
	}
	return nil
}

// TestBrokenDisk checks that a node whose disk fails says so, while the others go on.
func TestBrokenDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 7, 3, 0)
		first := g.leader()
		g.put(first, 20)
		first.hook = func(op vfs.Op, _ string) error {
			if op == vfs.OpSync {
				return errors.New("no disk")
			}
			return nil
		}
		g.put(first, 1)
		<-first.engine.Down()
		if err := first.engine.Failed(); !strings.Contains(err.Error(), "no disk") || !strings.Contains(err.Error(), first.id) {
			t.Errorf("the engine says: %v", err)
		}
		first.engine.Close() // says it too
		first.engine = nil
		first.cutOff.Store(true)
		g.connect()
		g.put(g.leader(), 20)
		g.audit()
		g.stopAll()
	})
}

var long = flag.Bool("long", false, "run far more schedules of faults")

// TestFaults does at random what may happen to a group, and audits it.
func TestFaults(t *testing.T) {
	seeds := uint64(12)
	if *long {
		seeds = 400
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { faults(t, seed) })
	}
}

// faults runs in a bubble.
func faults(t *testing.T, seed uint64) {
	g := newGroup(t, seed, 3, 20_000)
	defer g.stopAll()
	for range 12 {
		victim := g.nodes[g.rng.IntN(3)]
		if g.rng.IntN(2) == 0 {
			victim = g.leader()
		}
		what := g.rng.IntN(4)
		pause := time.Duration(g.rng.IntN(20)) * time.Millisecond
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(pause)
			switch what {
			case 0:
				g.cutOff(victim, true)
			case 1:
				victim.log.Transfer(Member{}) // fails where it does not lead
			}
		}()
		leader := g.leader()
		g.put(leader, 30)
		<-done
		g.put(g.leader(), 30)
		switch what {
		case 0:
			time.Sleep(time.Duration(g.rng.IntN(3000)) * time.Millisecond)
			g.cutOff(victim, false)
		case 2:
			g.kill(victim)
			g.put(g.leader(), 30)
			g.start(victim, nil)
		}
	}
	g.audit()
}

// TestConfirmedReads checks that a node that was cut off answers no read from what it
// has: a job deleted since must not be seen.
func TestConfirmedReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 8, 3, 0)
		defer g.stopAll()
		first := g.leader()
		g.put(first, 5)
		g.cutOff(first, true)
		if _, lost := first.client.Do(0, queue.Request{Op: queue.OpPeek, ID: 1}); !lost {
			t.Error("a leader that is cut off answered a read")
		}
	})
}
