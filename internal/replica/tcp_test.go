package replica

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/wal"
)

func dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// TestTCP runs three nodes over sockets and the disk of the machine: the first alone,
// then the others join, and take over when it leaves.
func TestTCP(t *testing.T) {
	var logs []*Log
	var engines []*engine.Engine
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o := Options{ID: fmt.Sprint("n", i), Transport: NewTransport(l, dial, nil), Timeout: 3 * time.Second, WAL: wal.Options{SegmentSize: 256 << 10}}
		if i == 0 {
			o.Found = []Member{{"n0", l.Addr().String(), true}}
		}
		log, err := Open(t.TempDir(), o)
		if err != nil {
			t.Fatal(err)
		}
		e := engine.New(engine.Options{Log: log, SnapshotBytes: 100_000})
		if err := e.Open(); err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		logs, engines = append(logs, log), append(engines, e)
	}
	waitFor(t, engines[0].Leading)
	c := enginetest.NewClient(engines[0], 1)
	for range 1000 {
		if _, lost := c.Do(0, queue.Request{Op: queue.OpPut, TTR: time.Minute, Body: make([]byte, 300)}); lost {
			t.Fatal("the only node lost its leadership")
		}
	}
	for i, l := range logs[1:] {
		m := Member{fmt.Sprint("n", i+1), string(l.o.Transport.LocalAddr()), false}
		for _, m.Voter = range []bool{false, true} {
			if err := logs[0].Add(m, time.Second); err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return engines[i+1].Digest() == engines[0].Digest() })
		}
	}
	began := time.Now()
	if err := logs[0].Transfer(Member{}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return engines[1].Leading() || engines[2].Leading() })
	t.Logf("handed over in %v", time.Since(began))
	now := engines[1]
	if !now.Leading() {
		now = engines[2]
	}
	c = enginetest.NewClient(now, 1)
	for id := range queue.JobID(1000) {
		if res, lost := c.Do(0, queue.Request{Op: queue.OpDelete, ID: id + 1}); lost || res.Err != queue.OK {
			t.Fatalf("delete %d: %v, lost: %v", id+1, res.Err, lost)
		}
	}
	for i := range engines {
		waitFor(t, func() bool { return engines[i].Digest() == now.Digest() })
	}
}

// waitFor polls until ok, for at most 20 s.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 4000 {
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatal("it did not happen within 20 s")
}
