package replica

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/queue"
)

// BenchmarkPut puts jobs of 200 B from several ports at once, through groups of one
// and three nodes on the disk of the machine and its loopback.
func BenchmarkPut(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		for _, ports := range []int{1, 64} {
			b.Run(fmt.Sprintf("nodes=%d/ports=%d", nodes, ports), func(b *testing.B) { benchmarkPut(b, nodes, ports) })
		}
	}
}

func benchmarkPut(b *testing.B, nodes, ports int) {
	var found []Member
	var listeners []net.Listener
	for i := range nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		listeners = append(listeners, l)
		found = append(found, Member{fmt.Sprint("n", i), l.Addr().String(), true})
	}
	var engines []*engine.Engine
	for i, l := range listeners {
		log, err := Open(b.TempDir(), Options{ID: found[i].ID, Transport: NewTransport(l, dial, nil), Found: found, Timeout: 3 * time.Second})
		if err != nil {
			b.Fatal(err)
		}
		e := engine.New(engine.Options{Log: log})
		if err := e.Open(); err != nil {
			b.Fatal(err)
		}
		defer e.Close()
		engines = append(engines, e)
	}
	var leader *engine.Engine
	for leader == nil {
		for _, e := range engines {
			if e.Leading() {
				leader = e
			}
		}
		<-time.After(time.Millisecond)
	}
	done := make(chan bool)
	jobs := make(chan struct{}, ports)
	for range ports {
		go func() {
			c := enginetest.NewClient(leader, 1)
			lost := false
			for range jobs {
				if !lost {
					_, lost = c.Do(0, queue.Request{Op: queue.OpPut, TTR: time.Minute, Body: make([]byte, 200)})
				}
			}
			done <- lost
		}()
	}
	for b.Loop() {
		jobs <- struct{}{}
	}
	close(jobs)
	for range ports {
		if <-done {
			b.Error("the leadership was lost")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "put/s")
}
