package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
)

// Digest sums up the facts: equal on two nodes, two logs and before and after a
// restart exactly when the facts are. It reads every job.
func (s *State) Digest() [32]byte {
	h := sha256.New()
	h.Write(s.globalFacts())
	var b []byte
	for _, p := range s.ids.sorted() {
		for _, at := range p.slots {
			if at != 0 {
				b = s.digestJob(h, b[:0], at)
			}
		}
	}
	return [32]byte(h.Sum(nil))
}

func (s *State) digestJob(h hash.Hash, b []byte, at slot) []byte {
	j := s.jobs.at(at)
	if j.is(jobVolatile) {
		return b
	}
	var x *rare
	if j.rare != 0 {
		x = s.rares.at(j.rare)
	}
	b = appendJob(b, j, s.queues[j.queue].name, x, s.bodies.bytes)
	b = binary.AppendUvarint(b, uint64(j.size))
	small, large := s.bodies.read(j.body, j.size)
	h.Write(append(b, small...))
	for _, piece := range large {
		h.Write(piece)
	}
	return b
}

// globalFacts encodes the facts that belong to no job, in an order of their own.
// The clock and the epoch are left out: a restart moves them on.
func (s *State) globalFacts() []byte {
	b := binary.AppendUvarint(nil, uint64(s.maxID))
	b = binary.AppendUvarint(b, uint64(s.volatileEnd))
	paused, configured := s.setQueues()
	for _, q := range paused {
		b = appendBytes(b, q.nameBytes)
		b = binary.AppendUvarint(b, uint64(q.pausedUntil))
	}
	for _, q := range configured {
		b = appendSettings(appendBytes(b, q.nameBytes), &q.settings)
	}
	var uploads []uploadKey
	for k := range s.uploads {
		uploads = append(uploads, k)
	}
	slices.SortFunc(uploads, func(a, b uploadKey) int {
		return slices.Compare([]uint64{uint64(a.session), a.upload}, []uint64{uint64(b.session), b.upload})
	})
	for _, k := range uploads {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(k.session)), k.upload)
		for _, p := range s.uploads[k] {
			b = appendBytes(b, p)
		}
	}
	return b
}
