package queue

import "slices"

// sessions checks what sessions hold, watch and wait for.
func (c *checker) sessions() {
	s := c.s
	using, watching := map[*Queue]uint64{}, map[*Queue]uint64{}
	live, leased, waiting := 0, 0, uint64(0)
	for i, sess := range s.sessions {
		if sess == nil {
			c.want(slices.Contains(s.freeSessions, uint32(i)), "place %d of a session is lost", i)
			continue
		}
		live++
		leased += len(sess.leases.items)
		using[sess.used]++
		c.want(int(sess.index) == i && s.session(sess.id) == sess, "session %x is not where its id says", sess.id)
		c.heap("leases", len(sess.leases.items), func(i int) bool {
			j := s.jobs.at(sess.leases.items[i].at)
			return j.phase == Reserved && j.holder() == sess.index && int(j.pos()) == i
		}, func(a, b int) bool { return sess.leases.less(sess.leases.items[a], sess.leases.items[b]) })
		for _, m := range sess.set.members {
			watching[m.queue]++
		}
		if sess.waiting {
			waiting++
			c.want(sess.set.shared, "session %x waits on a set that others cannot find", sess.id)
		}
		c.want(sess.nextAlarm() == never || sess.timer > 0 && sess.alarm <= sess.nextAlarm(), "the clock looks at session %x too late", sess.id)
	}
	c.want(live+len(s.freeSessions) == len(s.sessions), "%d sessions and %d free places of %d", live, len(s.freeSessions), len(s.sessions))
	c.want(leased == c.leased, "%d jobs are reserved, %d leases held", c.leased, leased)
	c.want(waiting == s.waiting, "%d sessions wait, %d are counted", waiting, s.waiting)
	for q := range c.counts {
		c.want(q.using == using[q] && q.watching == watching[q], "queue %q counts %d that use and %d that watch it, has %d and %d", q.name, q.using, q.watching, using[q], watching[q])
	}
}

// sets checks the watched queues: who shares them, and what is dormant.
func (c *checker) sets() {
	s := c.s
	watchers := map[*watchSet]int{s.initial: 1}
	waiters := map[*watchSet]int{}
	for _, sess := range s.sessions {
		if sess != nil {
			watchers[sess.set]++
			if sess.waiting {
				waiters[sess.set]++
			}
		}
	}
	shared := 0
	for hash, same := range s.sets {
		shared += len(same)
		for i, w := range same {
			c.want(w.shared && w.hash == hash && watchers[w] > 0, "a set of watched queues that nobody watches is found")
			for _, other := range same[:i] {
				c.want(!sameQueues(w, other), "two sets of watched queues are the same and both shared")
			}
		}
	}
	members := map[*Queue]int{}
	for w, n := range watchers {
		if w.shared {
			shared--
		}
		c.want(n == w.sessions, "a set of watched queues counts %d sessions, has %d", w.sessions, n)
		c.want(int(w.waiting.n) == waiters[w], "a set counts %d that wait, has %d", w.waiting.n, waiters[w])
		c.waiting(w)
		c.members(w)
		for _, m := range w.members {
			members[m.queue]++
		}
	}
	c.want(shared == 0, "the table of sets is off by %d", shared)
	for q := range c.counts {
		n := 0
		for ring, candidates := range map[*memberRing]bool{&q.dormant: false, &q.candidate: true} {
			lowered := false
			for m := ring.first(); m != ring.end() && c.err == nil; m = m.next {
				n++
				c.want(!candidates || !lowered || m.key == key{}, "a set that watches %q is behind one that expects nothing", q.name)
				lowered = m.key == key{}
				c.want(m.next.prev == m && m.queue == q && m.candidate == candidates && watchers[m.set] > 0, "a ring of %q holds what does not belong there", q.name)
			}
		}
		c.want(n == members[q], "queue %q knows %d of the %d sets that watch it", q.name, n, members[q])
	}
}

// waiting checks the line of a set's waiting sessions.
func (c *checker) waiting(w *watchSet) {
	var last *session
	for x := w.waiting.head; x != nil && c.err == nil; x = x.next {
		c.want(x.waiting && x.set == w && x.prev == last, "session %x is in a line where it does not belong", x.id)
		last = x
	}
	c.want(w.waiting.tail == last, "a line of waiting sessions ends before its tail")
}

// members checks what a set knows of its queues: that those it takes to be empty
// are, and that no key is above a queue's first job.
func (c *checker) members(w *watchSet) {
	candidates, hash := 0, uint64(0)
	for i, m := range w.members {
		q := m.queue
		hash += hashQueue(q)
		c.want(m.set == w && m.place == i && w.of[q] == m && !q.dead, "%q is watched in a place that is another's", q.name)
		if !m.candidate {
			c.want(!q.deliverable(), "%q has jobs, and a set that watches it does not know", q.name)
			continue
		}
		candidates++
		c.want(w.waiting.head == nil || !q.deliverable(), "%q has jobs, and a session waits for them", q.name)
		if q.deliverable() {
			_, first := c.s.first(&q.ready)
			c.want(!first.less(m.key), "%q begins with %v, and a set that watches it expects %v", q.name, first, m.key)
			c.want(!q.highest.less(m.key), "a set that watches %q expects %v, above the highest, %v", q.name, m.key, q.highest)
		}
	}
	c.want(len(w.of) == len(w.members) && w.hash == hash, "a set's members and its index differ")
	c.want(candidates == len(w.candidates.items), "a set has %d candidates and orders %d", candidates, len(w.candidates.items))
	c.heap("candidates", len(w.candidates.items), func(i int) bool {
		m := w.candidates.items[i]
		return m.candidate && m.set == w && int(m.pos) == i
	}, func(a, b int) bool { return w.candidates.less(w.candidates.items[a], w.candidates.items[b]) })
}

// timers checks that the clock looks at everything in time.
func (c *checker) timers() {
	s := c.s
	for q := range c.counts {
		next := never
		if len(q.delayed.items) > 0 {
			next = q.delayed.items[0].due
		}
		if q.paused {
			next = min(next, q.pausedUntil)
		}
		c.want(next == never || q.timer > 0 && q.alarm <= next, "the clock looks at %q too late", q.name)
	}
	c.heap("timers of queues", len(s.queueTimers.items), func(i int) bool {
		q := s.queueTimers.items[i]
		return int(q.timer) == i+1 && s.byName[q.name] == q
	}, func(a, b int) bool { return s.queueTimers.less(s.queueTimers.items[a], s.queueTimers.items[b]) })
	c.heap("timers of sessions", len(s.sessionTimers.items), func(i int) bool {
		sess := s.sessionTimers.items[i]
		return int(sess.timer) == i+1 && s.session(sess.id) == sess
	}, func(a, b int) bool { return s.sessionTimers.less(s.sessionTimers.items[a], s.sessionTimers.items[b]) })
	c.heap("timers of jobs", len(s.wallTimers.items), func(i int) bool {
		return int(s.rares.at(s.jobs.at(s.wallTimers.items[i].at).rare).alarm) == i+1
	}, func(a, b int) bool { return s.wallTimers.less(s.wallTimers.items[a], s.wallTimers.items[b]) })
	c.want(len(s.wallTimers.items) == c.timed, "wall time acts on %d jobs, %d have a timer", c.timed, len(s.wallTimers.items))
	for _, w := range s.steps {
		c.want(s.session(w.sess.id) == w.sess, "a long request goes on for a session that is gone")
	}
}
