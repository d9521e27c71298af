package queue

import "time"

// Queue is a line of jobs with a name. It exists while it has jobs, a pause or a
// session that uses or watches it; the default queue always.
type Queue struct {
	index     uint32
	listing   int // place in State.listed
	name      string
	nameBytes []byte // the same, for records
	dead      bool   // forgotten: its index may be another's

	ready   ready
	delayed heap[dueItem]
	buried  list

	// pausedUntil is a fact: while it lies ahead of the clock, reserve is held back.
	pausedUntil int64
	pauseLength time.Duration
	paused      bool // the index's view of pausedUntil

	settings Settings // a fact
	children []*Queue // those with q as parent

	// The sets that watch the queue, by what they know of it: dormant ones take it
	// to have nothing to deliver, which is true; the others have it among their
	// candidates. See watchSet.
	dormant, candidate memberRing
	highest            key // at least that of every candidate

	bells bellRing // see sleep.go
	woken uint64   // sessions woken for its jobs that have not asked yet

	timer uint32 // 1 + position in State.queueTimers; 0: none
	alarm int64  // the time it has there

	counts          Counts
	low             uint64 // of counts.Ready, those of low priority
	using, watching uint64
	total           uint64
	expired         uint64
	waited          int64 // ns that the job handed out last had been there
	deletes, pauses uint64
}

// dueItem orders delayed jobs: by time, then by id.
type dueItem struct {
	due int64
	id  JobID
	at  slot
}

// deliverable says whether a reserve would get a job from q.
func (q *Queue) deliverable() bool { return q.counts.Ready > 0 && !q.paused }

func (q *Queue) jobs() uint64 {
	return q.counts.Ready + q.counts.Reserved + q.counts.Delayed + q.counts.Buried
}

// queueNamed returns the queue with a name, making it when there is none.
func (s *State) queueNamed(name []byte) *Queue {
	if q := s.byName[string(name)]; q != nil {
		return q
	}
	q := &Queue{name: string(name), nameBytes: append([]byte(nil), name...), ready: s.newReady()}
	q.delayed = heap[dueItem]{
		less: func(a, b dueItem) bool {
			return a.due < b.due || a.due == b.due && a.id < b.id
		},
		moved: func(item dueItem, pos uint32) { s.jobs.mut(item.at).prev = pos },
	}
	q.dormant.init()
	q.candidate.init()
	q.bells.init()
	if n := len(s.freeQueues); n > 0 {
		q.index = s.freeQueues[n-1]
		s.freeQueues = s.freeQueues[:n-1]
		s.queues[q.index] = q
	} else {
		q.index = uint32(len(s.queues))
		s.queues = append(s.queues, q)
	}
	s.byName[q.name] = q
	q.listing = len(s.listed)
	s.listed = append(s.listed, q)
	return q
}

// forgetIfUnused ends the life of a queue that nothing refers to.
func (s *State) forgetIfUnused(q *Queue) {
	if q.dead || q.jobs() > 0 || q.using > 0 || q.watching > 0 || q.paused ||
		q.settings != (Settings{}) || len(q.children) > 0 || q.name == DefaultQueue {
		return
	}
	if q.timer > 0 {
		s.queueTimers.remove(q.timer - 1)
		q.timer = 0
	}
	q.dead = true
	delete(s.byName, q.name)
	s.listed = swapOut(s.listed, q.listing, func(last *Queue) { last.listing = q.listing })
	s.queues[q.index] = nil
	s.freeQueues = append(s.freeQueues, q.index)
}

// place puts a job that is in no phase where its facts and the time say, and
// offers it to who waits.
func (s *State) place(at slot, j *job) {
	q := s.queues[j.queue]
	switch {
	case j.is(jobBuried):
		j.phase = Buried
		s.lastBurial = max(s.lastBurial, j.due)
		s.pushBack(&q.buried, at, j)
		s.count(q, j, 1)
	case s.delayed(j):
		j.phase = Delayed
		s.count(q, j, 1)
		q.delayed.push(dueItem{j.due, j.turn(), at})
		s.setQueueTimer(q)
	default:
		s.makeReady(q, at, j)
	}
}

// makeReady adds a job to its queue's ready ones and offers it to who waits.
func (s *State) makeReady(q *Queue, at slot, j *job) {
	j.phase = Ready
	s.pushReady(&q.ready, at, j)
	s.count(q, j, 1)
	s.offer(q)
	if j.phase == Ready && j.key().less(q.highest) {
		s.lowerKeys(q)
	}
	s.ring(q)
}

// take removes a job from the phase it is in. It is then in none.
func (s *State) take(at slot, j *job) {
	q := s.queues[j.queue]
	s.count(q, j, minusOne)
	switch j.phase {
	case Ready:
		s.removeReady(&q.ready, j)
	case Delayed:
		q.delayed.remove(j.pos())
	case Buried:
		s.unlink(&q.buried, j)
	case Reserved:
		s.endLease(at, j)
	}
	j.phase = PhaseNone
}

const minusOne = ^uint64(0)

// count adds n, 1 or minusOne, to the counts of the phase that j is in.
func (s *State) count(q *Queue, j *job, n uint64) {
	if j.phase == Ready && j.pri >= LowFrom {
		q.low += n
	}
	for _, c := range [...]*Counts{&q.counts, &s.counts} {
		switch j.phase {
		case Ready:
			c.Ready += n
			c.Bytes += n * uint64(j.size)
			if j.pri < UrgentBelow {
				c.Urgent += n
			}
		case Reserved:
			c.Reserved += n
		case Delayed:
			c.Delayed += n
		case Buried:
			c.Buried += n
		}
	}
}

// setQueueTimer makes the clock look at q when its soonest delayed job is due or
// its pause ends. The timer may ring early, never late.
func (s *State) setQueueTimer(q *Queue) {
	var next int64
	if len(q.delayed.items) > 0 {
		next = q.delayed.items[0].due
	}
	if q.paused && (next == 0 || q.pausedUntil < next) {
		next = q.pausedUntil
	}
	switch {
	case next == 0:
	case q.timer == 0:
		q.alarm = next
		s.queueTimers.push(q)
	case next < q.alarm:
		q.alarm = next
		s.queueTimers.fix(q.timer - 1)
	}
}

// runQueue does what time has brought for q, at most budget jobs, and returns what is
// left of the budget.
func (s *State) runQueue(q *Queue, budget int) int {
	if q.paused && q.pausedUntil <= s.now {
		q.paused = false
		s.offer(q)
		s.ring(q)
	}
	for len(q.delayed.items) > 0 && q.delayed.items[0].due <= s.now && budget > 0 {
		at := q.delayed.items[0].at
		j := s.jobs.mut(at)
		s.take(at, j)
		s.makeReady(q, at, j)
		budget--
	}
	s.queueTimers.remove(q.timer - 1)
	q.timer = 0
	s.setQueueTimer(q)
	s.forgetIfUnused(q)
	return budget
}
