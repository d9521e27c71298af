package queue

import "hash/maphash"

// rare holds the fields that few jobs have.
type rare struct {
	// Facts.
	expiresAt   int64 // wall time, ns; 0: never
	readyAt     int64 // wall time, ns, until which the job is delayed; 0: not by wall time
	unique      bodyRef
	reducer     bodyRef
	uniqueSize  uint32
	reducerSize uint32
	clientFlags uint32
	attempts    uint32

	// Index.
	alarm    uint32 // 1 + position in State.wallTimers; 0: none
	sameHash slot   // the next job whose unique key has the same hash
}

// storeRare gives j what r says beyond what every job has.
func (s *State) storeRare(at slot, j *job, r *record) {
	if r.expiresAt == 0 && r.more == nil {
		return
	}
	var x *rare
	j.rare, x = s.rares.alloc()
	x.expiresAt = r.expiresAt
	if m := r.more; m != nil {
		x.readyAt, x.clientFlags, x.attempts = m.ReadyAt, m.ClientFlags, m.Attempts
		x.unique, x.uniqueSize = s.bodies.put(m.Unique), uint32(len(m.Unique))
		x.reducer, x.reducerSize = s.bodies.put(m.Reducer), uint32(len(m.Reducer))
		s.addUnique(at, x)
	}
	s.watchWall(at, j)
}

// dropRare frees what storeRare made.
func (s *State) dropRare(at slot, j *job) {
	if j.rare == 0 {
		return
	}
	s.ignoreWall(j)
	x := s.rares.at(j.rare)
	s.removeUnique(at, x)
	s.bodies.drop(x.unique)
	s.bodies.drop(x.reducer)
	s.rares.free(j.rare)
}

// bytes reads what storeRare put: it fits a page or is one piece.
func (b *bodies) bytes(ref bodyRef, size uint32) []byte { return firstPiece(b.read(ref, size)) }

func (v *bodyView) bytes(ref bodyRef, size uint32) []byte { return firstPiece(v.read(ref, size)) }

func firstPiece(small []byte, large [][]byte) []byte {
	if len(large) > 0 {
		return large[0]
	}
	return small
}

// more returns the facts of x as a put carries them; nil when it would say nothing.
func (x *rare) more(bytes func(bodyRef, uint32) []byte) *More {
	if x.uniqueSize+x.reducerSize+x.clientFlags+x.attempts == 0 && x.readyAt == 0 {
		return nil
	}
	return &More{
		Unique:      bytes(x.unique, x.uniqueSize),
		Reducer:     bytes(x.reducer, x.reducerSize),
		ClientFlags: x.clientFlags, ReadyAt: x.readyAt, Attempts: x.attempts,
	}
}

// extra returns what a reserve with FlagMore says of j, or nil.
func (s *State) extra(j *job) *Extra {
	if j.rare == 0 {
		return nil
	}
	x := s.rares.at(j.rare)
	return &Extra{
		Unique:      string(s.bodies.bytes(x.unique, x.uniqueSize)),
		Reducer:     string(s.bodies.bytes(x.reducer, x.reducerSize)),
		ClientFlags: x.clientFlags,
	}
}

// Unique keys are found by their hash; jobs whose keys have the same one form a
// chain.

func (s *State) hash(unique []byte) uint64 { return maphash.Bytes(s.seed, unique) }

func (s *State) addUnique(at slot, x *rare) {
	if x.uniqueSize == 0 {
		return
	}
	h := s.hash(s.bodies.bytes(x.unique, x.uniqueSize))
	x.sameHash = s.uniques[h]
	s.uniques[h] = at
}

func (s *State) removeUnique(at slot, x *rare) {
	if x.uniqueSize == 0 {
		return
	}
	h := s.hash(s.bodies.bytes(x.unique, x.uniqueSize))
	switch first := s.uniques[h]; {
	case first != at:
		for before := first; before != 0; {
			y := s.rares.mut(s.jobs.at(before).rare)
			if y.sameHash == at {
				y.sameHash = x.sameHash
				return
			}
			before = y.sameHash
		}
	case x.sameHash == 0:
		delete(s.uniques, h)
	default:
		s.uniques[h] = x.sameHash
	}
}

// findUnique returns the job with a unique key, of q or of any queue when q is nil.
func (s *State) findUnique(q *Queue, unique []byte) (slot, *job) {
	for at := s.uniques[s.hash(unique)]; at != 0; {
		j := s.jobs.at(at)
		x := s.rares.at(j.rare)
		if (q == nil || j.queue == q.index) && string(s.bodies.bytes(x.unique, x.uniqueSize)) == string(unique) {
			return at, j
		}
		at = x.sameHash
	}
	return 0, nil
}
