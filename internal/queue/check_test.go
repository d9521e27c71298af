package queue

import (
	"fmt"
	"math/bits"
)

// Check compares every index and every counter of s with the jobs it stands for.
func Check(s *State) error {
	c := &checker{s: s, bodies: map[bodyRef]bool{}, rares: map[uint32]bool{}, counts: map[*Queue]*Counts{}}
	c.queues()
	c.jobs()
	for _, q := range s.queues {
		if q != nil {
			c.queue(q)
		}
	}
	c.ids()
	c.slab("jobs", s.jobs.partial, len(s.jobs.pages), func(n int) (bool, bool, int, int) { return pageState(s.jobs.pages[n]) })
	c.slab("rares", s.rares.partial, len(s.rares.pages), func(n int) (bool, bool, int, int) { return pageState(s.rares.pages[n]) })
	c.arenas()
	c.sessions()
	c.sets()
	c.timers()
	return c.err
}

// checker walks a State and keeps the first thing that is wrong.
type checker struct {
	s      *State
	err    error
	bodies map[bodyRef]bool   // in use
	rares  map[uint32]bool    // in use
	counts map[*Queue]*Counts // of jobs, by their phase
	live   int                // jobs
	timed  int                // jobs that wall time acts on
	leased int
}

func (c *checker) want(ok bool, format string, args ...any) bool {
	if !ok && c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	return ok
}

// queues checks the table of queues.
func (c *checker) queues() {
	s := c.s
	for i, q := range s.queues {
		if q == nil {
			continue
		}
		c.counts[q] = &Counts{}
		c.want(!q.dead && int(q.index) == i && s.byName[q.name] == q && string(q.nameBytes) == q.name, "queue %q is not where its index and name say", q.name)
	}
	c.want(len(s.byName) == len(c.counts), "%d queues have a name, %d a place", len(s.byName), len(c.counts))
	c.want(len(s.freeQueues)+len(c.counts) == len(s.queues), "%d places of %d queues are free, %d taken", len(s.freeQueues), len(s.queues), len(c.counts))
	for _, i := range s.freeQueues {
		c.want(s.queues[i] == nil, "place %d of a queue is free and taken", i)
	}
	c.want(s.byName[DefaultQueue] != nil, "there is no default queue")
}

// jobs visits every job by its id.
func (c *checker) jobs() {
	s := c.s
	var total Counts
	for _, p := range s.ids.sorted() {
		used, alive := 0, uint64(0)
		for i, at := range p.slots {
			if at == 0 {
				continue
			}
			used++
			j := s.jobs.at(at)
			alive += uint64(j.size)
			c.want(j.id == JobID(p.n<<idPageBits|uint64(i)), "job %d is found as %d", j.id, p.n<<idPageBits|uint64(i))
			c.want(j.id >= volatileIDs || j.id < s.nextID && j.id <= s.maxID, "job %d is above the highest id %d, or the next %d", j.id, s.maxID, s.nextID)
			c.job(at, j)
			for _, n := range []*Counts{&total, c.counts[s.queues[j.queue]]} {
				n.add(j)
			}
		}
		c.want(used == p.used && alive == p.alive, "page %d of ids counts %d jobs of %d bytes, has %d of %d", p.n, p.used, p.alive, used, alive)
		c.want(used > 0 || p.n == s.ids.newest, "page %d of ids is empty and kept", p.n)
	}
	c.want(total == s.counts, "the state counts %+v, has %+v", s.counts, total)
	for q, n := range c.counts {
		c.want(q.low <= q.counts.Ready, "queue %q counts %d ready jobs of low priority", q.name, q.low)
		c.want(*n == q.counts, "queue %q counts %+v, has %+v", q.name, q.counts, *n)
		exists := q.jobs() > 0 || q.using > 0 || q.watching > 0 || q.paused || q.settings != (Settings{}) || len(q.children) > 0 || q.name == DefaultQueue
		c.want(exists, "queue %q exists without a reason", q.name)
	}
}

func (n *Counts) add(j *job) {
	switch j.phase {
	case Ready:
		n.Ready++
		n.Bytes += uint64(j.size)
		if j.pri < UrgentBelow {
			n.Urgent++
		}
	case Reserved:
		n.Reserved++
	case Delayed:
		n.Delayed++
	case Buried:
		n.Buried++
	}
}

// job checks what a job refers to.
func (c *checker) job(at slot, j *job) {
	s := c.s
	c.live++
	c.want(j.phase >= Ready && j.phase <= Buried, "job %d is in phase %v", j.id, j.phase)
	c.want(!j.is(jobInHeap) || j.phase == Ready, "job %d is %v and in the overflow of ready jobs", j.id, j.phase)
	c.want(int(j.queue) < len(s.queues) && s.queues[j.queue] != nil, "job %d is of a queue that is gone", j.id)
	c.body(j.id, j.body, j.size)
	if j.phase == Reserved {
		c.leased++
		sess := s.sessions[j.holder()]
		if c.want(sess != nil && int(j.pos()) < len(sess.leases.items), "job %d is held by nobody", j.id) {
			c.want(sess.leases.items[j.pos()].at == at, "the lease of job %d is another's", j.id)
		}
	}
	if j.rare == 0 {
		return
	}
	c.want(!c.rares[j.rare], "job %d shares its rare fields", j.id)
	c.rares[j.rare] = true
	x := s.rares.at(j.rare)
	c.body(j.id, x.unique, x.uniqueSize)
	c.body(j.id, x.reducer, x.reducerSize)
	if x.uniqueSize > 0 {
		found, _ := s.findUnique(s.queues[j.queue], s.bodies.bytes(x.unique, x.uniqueSize))
		// A job that was moved may have the key of another.
		c.want(found != 0, "job %d is not found by its unique key", j.id)
	}
	c.wallTimer(at, j, x)
}

// wallTimer checks the timer of a job that wall time acts on.
func (c *checker) wallTimer(at slot, j *job, x *rare) {
	readies := j.phase == Delayed && j.due == never && x.readyAt != 0
	if x.alarm == 0 {
		c.want(j.phase == Reserved || x.expiresAt == 0 && !readies, "job %d has no timer", j.id)
		return
	}
	c.timed++
	c.want(j.phase != Reserved, "job %d is reserved and has a timer", j.id)
	if !c.want(int(x.alarm) <= len(c.s.wallTimers.items), "job %d has a timer nowhere", j.id) {
		return
	}
	// One that was set while the job was delayed may ring early.
	it := c.s.wallTimers.items[x.alarm-1]
	c.want(it.at == at && (it.alarm == x.readyAt || it.alarm == x.expiresAt), "the timer of job %d is another's", j.id)
	c.want((x.expiresAt == 0 || it.alarm <= x.expiresAt) && (!readies || it.alarm <= x.readyAt), "the timer of job %d is late", j.id)
}

func (c *checker) body(id JobID, ref bodyRef, size uint32) {
	if ref == 0 {
		c.want(size == 0, "job %d has %d bytes nowhere", id, size)
		return
	}
	c.want(!c.bodies[ref], "job %d shares its bytes", id)
	c.bodies[ref] = true
	small, large := c.s.bodies.read(ref, size)
	c.want(Body{small, large}.Len() == int(size), "job %d has %d bytes of %d", id, Body{small, large}.Len(), size)
}

// queue checks the orders in which a queue keeps its jobs.
func (c *checker) queue(q *Queue) {
	s := c.s
	n := uint64(0)
	for i, l := range q.ready.lanes {
		c.want(i == 0 || q.ready.lanes[i-1].pri < l.pri, "the lanes of %q are not in order", q.name)
		n += c.list(q, &l.list, func(before, j *job) {
			c.want(j.phase == Ready && !j.is(jobInHeap) && j.pri == l.pri, "job %d is %v with priority %d, in the lane of %d", j.id, j.phase, j.pri, l.pri)
			c.want(before == nil || before.id < j.id, "job %d is in its lane behind a later one", j.id)
		})
	}
	n += uint64(len(q.ready.overflow.items))
	c.want(n == q.counts.Ready, "queue %q orders %d of its %d ready jobs", q.name, n, q.counts.Ready)
	c.heap(q.name+"'s overflow", len(q.ready.overflow.items), func(i int) bool {
		it := q.ready.overflow.items[i]
		j := s.jobs.at(it.at)
		return j.phase == Ready && j.is(jobInHeap) && it.key == j.key() && int(j.pos()) == i && s.queues[j.queue] == q
	}, func(a, b int) bool {
		return q.ready.overflow.less(q.ready.overflow.items[a], q.ready.overflow.items[b])
	})
	c.want(uint64(len(q.delayed.items)) == q.counts.Delayed, "queue %q orders %d of its %d delayed jobs", q.name, len(q.delayed.items), q.counts.Delayed)
	c.heap(q.name+"'s delayed", len(q.delayed.items), func(i int) bool {
		it := q.delayed.items[i]
		j := s.jobs.at(it.at)
		return j.phase == Delayed && it.id == j.id && it.due == j.due && int(j.pos()) == i && s.queues[j.queue] == q
	}, func(a, b int) bool { return q.delayed.less(q.delayed.items[a], q.delayed.items[b]) })
	buried := c.list(q, &q.buried, func(_, j *job) {
		c.want(j.phase == Buried && j.is(jobBuried), "job %d is %v among the buried", j.id, j.phase)
	})
	c.want(buried == q.counts.Buried, "queue %q orders %d of its %d buried jobs", q.name, buried, q.counts.Buried)
}

// list walks a chain of jobs and returns its length.
func (c *checker) list(q *Queue, l *list, visit func(before, j *job)) (n uint64) {
	var before *job
	last := slot(0)
	for at := l.head; at != 0 && c.err == nil; {
		j := c.s.jobs.at(at)
		c.want(j.prev == last && c.s.queues[j.queue] == q, "job %d is in a chain that it does not belong to", j.id)
		visit(before, j)
		n++
		before, last, at = j, at, j.next
	}
	c.want(l.tail == last, "a chain of %q ends before its tail", q.name)
	return n
}

// heap checks that items know their places and come after their parents.
func (c *checker) heap(what string, n int, placed func(i int) bool, less func(a, b int) bool) {
	for i := range n {
		c.want(placed(i), "%s: item %d is not what it stands for", what, i)
		c.want(i == 0 || !less(i, (i-1)/4), "%s: item %d comes before its parent", what, i)
	}
}

// ids checks the table that finds jobs.
func (c *checker) ids() {
	for n, node := range c.s.ids.nodes {
		used := 0
		for _, p := range node.pages {
			if p != nil {
				used++
				c.want(p.gen <= c.s.ids.gen, "a page of ids is newer than its table")
			}
		}
		c.want(used == node.used && used > 0, "node %d of ids counts %d pages, has %d", n, node.used, used)
	}
	c.want(c.s.ids.last == nil || c.s.ids.nodes[c.s.ids.lastN] == c.s.ids.last, "the last look-up is remembered of a node that is gone")
}

func pageState[T any](p *page[T]) (there, listed bool, used, taken int) {
	if p == nil {
		return false, true, 0, 0
	}
	for _, w := range p.taken {
		taken += bits.OnesCount64(w)
	}
	return true, p.listed, int(p.used), taken
}

// slab checks the pages of a slab.
func (c *checker) slab(what string, partial []uint32, pages int, state func(n int) (there, listed bool, used, taken int)) {
	listed := map[uint32]bool{}
	for _, n := range partial {
		c.want(!listed[n], "page %d of %s is listed twice", n, what)
		listed[n] = true
	}
	total := 0
	for n := range pages {
		_, l, used, taken := state(n)
		c.want(used == taken, "page %d of %s counts %d items, has %d", n, what, used, taken)
		c.want(l == listed[uint32(n)] && l == (used < pageSize), "page %d of %s with %d items: listed %v, thinks %v", n, what, used, listed[uint32(n)], l)
		total += used
	}
	want := c.live
	if what == "rares" {
		want = len(c.rares)
	}
	c.want(total == want, "%d %s are taken, %d in use", total, what, want)
}

// arenas checks the places of small bodies, and the list of large ones.
func (c *checker) arenas() {
	b := &c.s.bodies
	for _, ref := range b.limbo {
		c.want(!c.bodies[ref], "body %x was dropped and is in use", uint64(ref))
		c.bodies[ref] = true
	}
	c.want(b.views > 0 || len(b.limbo) == 0, "%d bodies wait for views to be closed, and none is open", len(b.limbo))
	on := map[uint32]int{}
	large := 0
	for ref := range c.bodies {
		if ref&bodyLarge != 0 {
			large++
		} else {
			on[uint32((ref-1)>>16)]++
		}
	}
	c.want(large+len(b.free) == len(b.large), "%d large bodies of %d in use, %d free", large, len(b.large), len(b.free))
	listed := map[uint32]uint8{}
	for class, pages := range b.partial {
		for _, n := range pages {
			_, twice := listed[n]
			c.want(!twice, "page %d of bodies is listed twice", n)
			listed[n] = uint8(class)
		}
	}
	for n := range b.pages {
		c.arena(uint32(n), &b.pages[n], on[uint32(n)], listed)
	}
}

func (c *checker) arena(n uint32, p *arena, used int, listed map[uint32]uint8) {
	class, l := listed[n]
	c.want(l == p.listed && (!l || class == p.class), "page %d of bodies: listed %v, thinks %v", n, l, p.listed)
	if p.buf == nil {
		c.want(used == 0, "page %d of bodies is gone, with %d in use", n, used)
		return
	}
	size := classes[p.class]
	free := 0
	for i := p.chain; i != 0 && free <= int(p.next); free++ {
		at := uint32(i-1) * size
		c.want(!c.bodies[(bodyRef(n)<<16|bodyRef(i-1))+1], "place %d on page %d of bodies is free and in use", i-1, n)
		i = uint16(p.buf[at]) | uint16(p.buf[at+1])<<8
	}
	c.want(int(p.used) == used, "page %d of bodies counts %d, has %d", n, p.used, used)
	c.want(used+free == int(p.next), "page %d of bodies: %d in use and %d free of %d", n, used, free, p.next)
	c.want(p.listed == (used < int(arenaPage/size)), "page %d of bodies has %d of %d places taken, listed %v", n, used, arenaPage/size, p.listed)
}
