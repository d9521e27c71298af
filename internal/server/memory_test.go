package server

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// TestGiveBack drops what it held. Two ticks later, the system has that memory back.
func TestGiveBack(t *testing.T) {
	const size = 64 << 20
	held := make([]byte, size)
	for i := range held {
		held[i] = 1
	}
	before := unreleased()
	runtime.KeepAlive(held)
	held = nil
	ticks := make(chan time.Time)
	go func() {
		defer close(ticks)
		for range 3 { // the last is taken once the second is done with
			ticks <- time.Time{}
		}
	}()
	giveBack(ticks)
	if after := unreleased(); after+size*9/10 > before {
		t.Errorf("the heap has %d bytes of the system, and had %d", after, before)
	}
}

// unreleased is how many bytes the heap has of the system.
func unreleased() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64()
}
