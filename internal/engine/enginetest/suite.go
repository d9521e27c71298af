// Package enginetest proves a log under the engine: one suite for every
// implementation of engine.Log, and a log that fails on command.
package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
)

// Store makes logs over one storage: each call opens what the last one left.
type Store func() engine.Log

// TestLog runs the suite over the stores that newStore makes. Each case runs in a
// bubble of virtual time.
func TestLog(t *testing.T, newStore func(t *testing.T) Store) {
	cases := []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"facts survive a restart", testRestart},
		{"facts survive restarts over snapshots", testSnapshots},
		{"facts are those of no log", testSameFacts},
		{"order survives a restart", testOrder},
		{"a body in chunks survives a restart", testChunks},
		{"an upload ends with its session", testAbandonedUpload},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, newStore(t)) })
		})
	}
}

// Start returns an engine over log that serves.
func Start(t *testing.T, log engine.Log, snapshotBytes int64) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Options{Log: log, SnapshotBytes: snapshotBytes})
	if err := e.Start(); err != nil {
		t.Fatalf("start: %v", err)
	}
	return e
}

// Stop closes e.
func Stop(t *testing.T, e *engine.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// Script sends n random requests of three sessions, with time between them.
func Script(c *Client, seed uint64, n int) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	held := make([][]queue.JobID, len(c.sessions))
	for range n {
		s := rnd.IntN(len(c.sessions))
		r := RandomRequest(rnd, held[s])
		res, lost := c.Do(s, r)
		if lost {
			return
		}
		if r.Op == queue.OpReserve && res.Err == queue.OK {
			held[s] = append(held[s], res.ID)
		}
		if rnd.IntN(10) == 0 {
			time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
		}
	}
}

// RandomRequest makes a request as a client could, on a few queues; held are the
// jobs its session reserved.
func RandomRequest(rnd *rand.Rand, held []queue.JobID) queue.Request {
	name := []byte(fmt.Sprintf("q%d", rnd.IntN(4)))
	delay := time.Duration(0)
	if rnd.IntN(3) == 0 {
		delay = time.Duration(rnd.IntN(10)) * time.Second
	}
	id := queue.JobID(rnd.IntN(100) + 1)
	if len(held) > 0 && rnd.IntN(4) > 0 {
		id = held[rnd.IntN(len(held))]
	}
	r := queue.Request{
		Queue: name, ID: id, Pri: uint32(rnd.IntN(12) * 200), Delay: delay,
		TTR: time.Duration(1+rnd.IntN(5)) * time.Second, N: uint64(rnd.IntN(5)),
	}
	switch rnd.IntN(16) {
	case 0, 1, 2, 3, 4:
		r.Op, r.Body = queue.OpPut, make([]byte, rnd.IntN(600)*rnd.IntN(20))
		for i := range r.Body {
			r.Body[i] = byte(rnd.Uint32())
		}
	case 5, 6, 7:
		r.Op = queue.OpReserve
	case 8:
		r.Op = queue.OpDelete
	case 9:
		r.Op = queue.OpRelease
	case 10:
		r.Op = queue.OpBury
	case 11:
		r.Op = queue.OpKick
	case 12:
		r.Op = queue.OpKickJob
	case 13:
		r.Op = queue.OpWatch
	case 14:
		r.Op = queue.OpTouch
	case 15:
		r.Op, r.Delay = queue.OpPause, delay/2
	}
	return r
}

func testRestart(t *testing.T, store Store) {
	for round := range uint64(5) {
		e := Start(t, store(), 0)
		Script(NewClient(e, 3), round, 300)
		before := e.Digest()
		Stop(t, e)
		e = Start(t, store(), 0)
		if e.Digest() != before {
			t.Fatalf("round %d: the facts differ after a restart", round)
		}
		Stop(t, e)
	}
}

func testSnapshots(t *testing.T, store Store) {
	for round := range uint64(6) {
		e := Start(t, store(), 20_000)
		Script(NewClient(e, 3), round, 400)
		before := e.Digest()
		Stop(t, e)
		e = Start(t, store(), 20_000)
		if e.Digest() != before {
			t.Fatalf("round %d: the facts differ after a restart", round)
		}
		Stop(t, e)
	}
}

func testSameFacts(t *testing.T, store Store) {
	var digests [2][32]byte
	start := time.Now()
	for i, log := range []engine.Log{nil, store()} {
		// The same time for both, and so the same ages: facts that carry it are made
		// relative to when the engine started.
		e := engine.New(engine.Options{Log: log, Wall: func() time.Time { return start }})
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		Script(NewClient(e, 3), 7, 500)
		digests[i] = e.Digest()
		Stop(t, e)
	}
	if digests[0] != digests[1] {
		t.Fatal("the same requests made other facts than without a log")
	}
}

func testOrder(t *testing.T, store Store) {
	queues := []string{"q0", "q1", "q2", "q3"}
	var drained [2][]string
	for i := range drained {
		var log engine.Log
		if i == 1 {
			log = store()
		}
		e := Start(t, log, 10_000)
		Script(NewClient(e, 3), 11, 400)
		if log != nil {
			Stop(t, e)
			e = Start(t, store(), 10_000)
		}
		time.Sleep(time.Minute)
		c := NewClient(e, 1)
		for _, q := range queues {
			c.Do(0, queue.Request{Op: queue.OpKick, Queue: []byte(q), N: 1000})
		}
		drained[i] = c.Drain(queues...)
		Stop(t, e)
	}
	if !slices.Equal(drained[0], drained[1]) {
		t.Fatalf("jobs come in another order after a restart:\n%v\n%v", drained[0], drained[1])
	}
}

func testChunks(t *testing.T, store Store) {
	e := Start(t, store(), 0)
	c := NewClient(e, 1)
	want := ""
	for i := range 5 {
		piece := fmt.Sprintf("piece %d;", i)
		want += piece
		c.Do(0, queue.Request{Op: queue.OpChunk, Upload: 9, Body: []byte(piece)})
	}
	c.Do(0, queue.Request{Op: queue.OpPut, Upload: 9, Body: []byte("end"), TTR: time.Minute})
	Stop(t, e)
	e = Start(t, store(), 0)
	defer Stop(t, e)
	res, _ := NewClient(e, 1).Do(0, queue.Request{Op: queue.OpReserve})
	if got := string(flat(res.Body)); got != want+"end" {
		t.Fatalf("the body is %q after a restart, want %q", got, want+"end")
	}
}

func testAbandonedUpload(t *testing.T, store Store) {
	e := Start(t, store(), 0)
	empty := e.Digest()
	NewClient(e, 1).Do(0, queue.Request{Op: queue.OpChunk, Upload: 9, Body: []byte("x")})
	if e.Digest() == empty {
		t.Fatal("a chunk is no fact")
	}
	Stop(t, e)
	e = Start(t, store(), 0)
	defer Stop(t, e)
	if e.Digest() != empty {
		t.Fatal("the chunks of a session that is gone are still there")
	}
}
