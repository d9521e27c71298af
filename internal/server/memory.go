package server

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Jobs live in pages without pointers, which cost the garbage collector next to
// nothing to pass over, and little else of a server's heap is garbage. So it need
// not wait until the heap has doubled: it runs when the garbage is garbageRoom.
const (
	garbageRoom = 32 << 20
	// Bounds of GOGC: a small heap is not collected all the time, a huge one not
	// for a sliver of it.
	minGCPercent, maxGCPercent = 5, 400
)

// boundGarbage keeps the heap's size near that of what lives. Each collection sets
// the percentage for the next, by what it found alive.
func boundGarbage() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var tune func()
	tune = func() {
		metrics.Read(sample)
		live := max(1, sample[0].Value.Uint64())
		debug.SetGCPercent(int(min(maxGCPercent, max(minGCPercent, garbageRoom*100/live))))
		// An object nobody holds: its cleanup runs after the next collection.
		runtime.AddCleanup(new([16]byte), func(struct{}) { tune() }, struct{}{})
	}
	tune()
}

// quiet is how long no collection has to have taken place before the memory of jobs
// that are gone is looked for. That they go allocates little, so nothing else would
// bring a collection about.
const quiet = 15 * time.Second

// giveBack returns unused memory to the system whenever the server has become quiet,
// as ticks tell. While it stays idle, nothing is done again.
func giveBack(ticks <-chan time.Time) {
	const little = 64 << 10 // bytes allocated by a server that is idle
	samples := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/allocs:bytes"}}
	var cycles, allocated uint64
	for range ticks {
		metrics.Read(samples)
		if now := samples[0].Value.Uint64(); now != cycles {
			cycles, allocated = now, 0
			continue
		}
		if samples[1].Value.Uint64()-allocated < little {
			continue
		}
		debug.FreeOSMemory()
		metrics.Read(samples)
		cycles, allocated = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	}
}
