//go:build !race

package memcache

import (
	"strings"
	"testing"
)

// Putting and taking allocate nothing; what else does, does so for what it keeps.
func TestAllocations(t *testing.T) {
	for _, w := range workloads {
		turn := pipeline(t, Options{Prefix: w.prefix})
		turn([]byte("set n 0 0 1\r\n0\r\n"))
		in := []byte(strings.Repeat(w.in, 16))
		if n := testing.AllocsPerRun(500, func() { turn(in) }); n > w.most+1 { // the output's buffer grows
			t.Errorf("%s: %.1f allocations for 16, want %v at most", w.name, n, w.most)
		}
	}
}
