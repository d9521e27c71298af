//go:build !race

// The race detector makes sync.Pool forget at random, which allocates.

package netserve_test

import (
	"io"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/netserve"
)

// TestNoAllocations holds the drivers to what a request costs in steady state:
// nothing is allocated, whether a batch ends with a request or inside one.
func TestNoAllocations(t *testing.T) {
	for _, how := range transports() {
		if how.tls {
			continue // crypto/tls allocates
		}
		t.Run(how.name, func(t *testing.T) {
			f := start(t, how, netserve.Options{})
			c := f.dial()
			batch := []byte(strings.Repeat("sixteen bytes...\n", 16))
			reply := make([]byte, len(batch))
			round := func() {
				for _, piece := range [][]byte{batch[:100], batch[100:]} {
					if _, err := c.Write(piece); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := io.ReadFull(c.Conn, reply); err != nil {
					t.Fatal(err)
				}
			}
			for range 100 {
				round()
			}
			if n := testing.AllocsPerRun(500, round); n >= 1 {
				t.Errorf("%.1f allocations per batch of 16 requests", n)
			}
		})
	}
}
