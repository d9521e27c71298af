package vfs

import (
	"maps"
	"math/rand/v2"
)

// Crash returns the file system as it may be found after a power cut now: all that
// was synced, and of the rest any subset that a disk may have kept, chosen by rng.
// Each sector (512 B or 4 KiB) of a file is as some write since the last sync left
// it, whatever the sectors beside it are; each change of a directory is there or
// not. Locks are gone.
func (m *Mem) Crash(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	sector := []int64{512, 4096}[rng.IntN(2)]
	keep := []float64{0, 0.1, 0.5, 0.9, 1}[rng.IntN(5)]
	after := NewMem()
	copies := map[*memFile]*memFile{}
	for name, d := range m.sorted() {
		entries := map[string]*memFile{}
		for _, e := range sortedEntries(d.survivors(rng, keep)) {
			if copies[e.file] == nil {
				data := e.file.survivor(rng, keep, sector)
				copies[e.file] = &memFile{fs: after, name: e.file.name, data: data, durable: append([]byte(nil), data...)}
			}
			entries[e.name] = copies[e.file]
		}
		after.dirs[name] = &memDir{entries: entries, durable: maps.Clone(entries)}
	}
	return after
}

func (d *memDir) survivors(rng *rand.Rand, keep float64) map[string]*memFile {
	entries := maps.Clone(d.durable)
	for _, c := range d.pending {
		if rng.Float64() < keep {
			c.apply(entries)
		}
	}
	return entries
}

// survivor replays a prefix of the pending writes on each sector.
func (f *memFile) survivor(rng *rand.Rand, keep float64, sector int64) []byte {
	data := append([]byte(nil), f.durable...)
	stopped := map[int64]bool{} // sectors whose later versions are lost
	for _, w := range f.pending {
		for p, off := w.data, w.off; len(p) > 0; {
			n := min(int64(len(p)), sector-off%sector)
			at := off / sector
			if !stopped[at] && rng.Float64() >= keep {
				stopped[at] = true
			}
			if !stopped[at] {
				data = put(data, p[:n], off)
			}
			p, off = p[n:], off+n
		}
	}
	return data
}
