package queue

import "slices"

// watchSet is what a session reserves from: its watched queues, in the order it
// named them. Sessions that watch the same share one set.
//
// The cost of a reserve or a put must not grow with the queues watched or the
// sessions that wait. So each queue of a set is, for that set, either dormant
// (the queue has nothing to deliver) or a candidate, kept in a heap by a key that
// is at most the queue's first job: taking jobs makes keys too low, never too
// high, and what is too low is put right when it comes to the top. Each put to a
// dormant queue is paid for by the reserve that found it empty.
//
// While a session waits, all queues of its set are dormant; so a put finds who
// waits among the sets its queue is dormant in.
type watchSet struct {
	members    []*member
	of         map[*Queue]*member
	candidates heap[*member]
	waiting    sessionList
	sleepers   sessionList
	silent     []*member // those that are no bells, see sleep.go
	hash       uint64
	sessions   int  // that watch it
	shared     bool // in State.sets, and so not to be changed
}

// member is one queue of a set.
type member struct {
	set        *watchSet
	queue      *Queue
	place      int // in set.members
	key        key // candidate: at most that of the queue's first job
	pos        uint32
	candidate  bool
	prev, next *member // in the queue's ring

	// See sleep.go.
	bell     bool
	ringing  bell // among queue.bells, if it is one
	silentAt int  // in set.silent, if it is not
}

// memberRing is a chain of members; the zero value needs init.
type memberRing struct{ root member }

func (r *memberRing) init()          { r.root.prev, r.root.next = &r.root, &r.root }
func (r *memberRing) first() *member { return r.root.next }
func (r *memberRing) end() *member   { return &r.root }

func (r *memberRing) pushBack(m *member) {
	m.prev, m.next = r.root.prev, &r.root
	m.prev.next, m.next.prev = m, m
}

func (r *memberRing) pushFront(m *member) {
	m.prev, m.next = &r.root, r.root.next
	m.prev.next, m.next.prev = m, m
}

func (m *member) unlink() {
	m.prev.next, m.next.prev = m.next, m.prev
}

func newWatchSet() *watchSet {
	return &watchSet{
		of: map[*Queue]*member{},
		candidates: heap[*member]{
			less:  func(a, b *member) bool { return a.key.less(b.key) },
			moved: func(m *member, pos uint32) { m.pos = pos },
		},
	}
}

// add makes the set watch q. A new member counts as dormant or a candidate by
// what the queue has.
func (s *State) add(w *watchSet, q *Queue) {
	m := &member{set: w, queue: q, place: len(w.members)}
	w.members = append(w.members, m)
	w.of[q] = m
	m.silenced()
	w.hash += hashQueue(q)
	q.dormant.pushBack(m)
	if q.deliverable() {
		s.awaken(m)
	}
}

// drop ends the watching of q. The last queue named takes its place in the order,
// or, inOrder, those behind it move up.
func (w *watchSet) drop(q *Queue, inOrder bool) {
	m := w.of[q]
	delete(w.of, q)
	w.hash -= hashQueue(q)
	if inOrder {
		w.members = slices.Delete(w.members, m.place, m.place+1)
		for _, later := range w.members[m.place:] {
			later.place--
		}
	} else {
		w.members = swapOut(w.members, m.place, func(last *member) { last.place = m.place })
	}
	if m.candidate {
		w.candidates.remove(m.pos)
	}
	m.unlink()
	m.silence()
}

// swapOut takes the element at i out of from and moves the last there.
func swapOut[T any](from []T, i int, moved func(T)) []T {
	last := len(from) - 1
	from[i] = from[last]
	moved(from[i])
	clear(from[last:])
	return from[:last]
}

// dissolve takes the set, which no session watches any more, off its queues.
func (s *State) dissolve(w *watchSet) {
	s.unshare(w)
	for _, m := range w.members {
		m.unlink()
		m.silence()
	}
}

func hashQueue(q *Queue) uint64 {
	x := (uint64(q.index) + 1) * 0x9E3779B97F4A7C15
	return (x ^ x>>29) * 0xBF58476D1CE4E5B9
}

// awaken makes a dormant member a candidate.
func (s *State) awaken(m *member) {
	m.candidate = true
	_, k := s.first(&m.queue.ready)
	m.raise(k)
	m.set.candidates.push(m)
}

// raise gives a candidate the key of its queue's first job. It goes to the front of
// the ring, so that those lowerKeys has to look at are together.
func (m *member) raise(k key) {
	m.key = k
	if m.queue.highest.less(k) {
		m.queue.highest = k
	}
	m.unlink()
	m.queue.candidate.pushFront(m)
}

// next returns the queue whose first job is the set's next, or nil.
func (s *State) next(w *watchSet) *Queue {
	for len(w.candidates.items) > 0 {
		m := w.candidates.items[0]
		q := m.queue
		if !q.deliverable() {
			w.candidates.remove(0)
			m.candidate = false
			m.unlink()
			q.dormant.pushBack(m)
			continue
		}
		if _, k := s.first(&q.ready); k != m.key {
			m.raise(k)
			w.candidates.fix(0)
			continue
		}
		return q
	}
	return nil
}

// offer hands the jobs of q to sessions that wait, and tells the sets nobody waits
// on that q has some.
func (s *State) offer(q *Queue) {
	for q.deliverable() && q.dormant.first() != q.dormant.end() {
		m := q.dormant.first()
		if m.set.waiting.head == nil {
			s.awaken(m)
			continue
		}
		// To the back, so that sets take turns.
		m.unlink()
		q.dormant.pushBack(m)
		sess := m.set.waiting.head
		s.stopWaiting(sess)
		s.lease(sess, q, sess.ask)
	}
}

// lowerKeys gives the candidates of q, whose first job is now before what some
// expect, the lowest key there is. Each such key was raised by a reserve of its own
// set, which pays for this; the next one puts it right.
func (s *State) lowerKeys(q *Queue) {
	for m := q.candidate.first(); m != q.candidate.end() && m.key != (key{}); m = m.next {
		m.key = key{}
		m.set.candidates.fix(m.pos)
	}
	q.highest = key{}
}

// ownSet returns a set that only sess watches and that may be changed.
func (s *State) ownSet(sess *session) *watchSet {
	w := sess.set
	if w.sessions > 1 {
		own := newWatchSet()
		for _, m := range w.members {
			s.add(own, m.queue)
		}
		w.sessions--
		own.sessions = 1
		sess.set = own
		return own
	}
	s.unshare(w)
	return w
}

// share gives sess the set that other sessions with the same queues have, or
// makes its own the one that others will find.
func (s *State) share(sess *session) {
	w := sess.set
	if w.shared {
		return
	}
	for _, other := range s.sets[w.hash] {
		if sameQueues(w, other) {
			s.dissolve(w)
			other.sessions++
			sess.set = other
			return
		}
	}
	w.shared = true
	s.sets[w.hash] = append(s.sets[w.hash], w)
}

func sameQueues(a, b *watchSet) bool {
	if len(a.members) != len(b.members) {
		return false
	}
	for i, m := range a.members {
		if b.members[i].queue != m.queue {
			return false
		}
	}
	return true
}

// unshare takes a set out of those that are found.
func (s *State) unshare(w *watchSet) {
	if !w.shared {
		return
	}
	w.shared = false
	same := s.sets[w.hash]
	for i, other := range same {
		if other == w {
			same[i] = same[len(same)-1]
			s.sets[w.hash] = same[:len(same)-1]
		}
	}
	if len(s.sets[w.hash]) == 0 {
		delete(s.sets, w.hash)
	}
}
