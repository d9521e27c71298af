package netserve_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/netserve"
)

var long = flag.Bool("long", false, "run with as many connections as the reliability bars name")

// TestHalfSentFlood opens connections that stop in the middle of a request. They
// are closed in time, and nobody else notices.
func TestHalfSentFlood(t *testing.T) {
	flood, limit := 200, 300*time.Millisecond
	if *long {
		flood, limit = 5000, 5*time.Second
	}
	for _, how := range transports() {
		if how.tls && !*long {
			continue // a handshake may take longer than so short a deadline
		}
		t.Run(how.name, func(t *testing.T) {
			if !*long {
				t.Parallel() // the latencies are of no interest then
			}
			f := start(t, how, netserve.Options{RequestTimeout: limit})
			healthy := f.dial()
			before := latencies(healthy, 2000)
			for range flood {
				f.dial().send("half of a reques")
			}
			until(t, "all are served", func() bool { return f.engine.opened() == flood+1 })
			opened := time.Now()
			var during []time.Duration
			for open := flood; open > 0; open = f.Connections() - 1 {
				during = append(during, latencies(healthy, 100)...)
				if late := time.Since(opened) - limit; late > 5*time.Second {
					t.Fatalf("%d of the connections are open %v after their time", open, late)
				}
			}
			slices.Sort(during)
			t.Logf("p99 of a healthy client: %v before, %v during; all closed %v after the last was opened",
				p99(before), p99(during), time.Since(opened).Round(time.Millisecond))
		})
	}
}

// latencies are those of n round trips, sorted.
func latencies(c *client, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		began := time.Now()
		line := fmt.Sprintf("%d\n", i)
		c.send(line)
		c.expect(line)
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }
