package queue

import "slices"

func (s *State) execWatched(sess *session, r *Request) {
	names := make([]string, len(sess.set.members))
	for i, m := range sess.set.members {
		names[i] = m.queue.name
	}
	s.answer(sess, r.Seq, Result{Info: names})
}

func (s *State) execQueues(sess *session, r *Request) {
	names := make([]string, 0, len(s.byName))
	for name := range s.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	s.answer(sess, r.Seq, Result{Info: names})
}

func (s *State) execStats(sess *session, r *Request) {
	s.answer(sess, r.Seq, Result{Info: &Stats{
		Counts:    s.counts,
		Timeouts:  s.timeouts,
		TotalJobs: s.total,
		Expired:   s.expired,
		Queues:    uint64(len(s.byName)),
		Waiting:   s.waiting,
		Sessions:  uint64(len(s.sessions) - len(s.freeSessions)),
	}})
}

func (s *State) execQueueStats(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	info := &QueueStats{
		Name:      q.name,
		Counts:    q.counts,
		TotalJobs: q.total,
		Using:     q.using,
		Watching:  q.watching,
		Waiting:   q.waiting(),
		Deletes:   q.deletes,
		Pauses:    q.pauses,
	}
	if q.paused {
		info.Pause = q.pauseLength
		info.PauseLeft = duration(q.pausedUntil - s.now)
	}
	s.answer(sess, r.Seq, Result{Info: info})
}

// waiting counts the sessions in a reserve that q's jobs could end.
func (q *Queue) waiting() (n uint64) {
	for _, ring := range [...]*memberRing{&q.dormant, &q.candidate} {
		for m := ring.first(); m != ring.end(); m = m.next {
			n += m.set.waiting.n
		}
	}
	return n
}

func (s *State) execJobStats(sess *session, r *Request) {
	_, j := s.find(r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	info := &JobStats{
		ID:       j.id,
		Queue:    s.queues[j.queue].name,
		Phase:    j.phase,
		Pri:      j.pri,
		Age:      duration(s.now - j.created),
		Delay:    duration(j.delay),
		TTR:      duration(j.ttr),
		Reserves: j.reserves,
		Timeouts: j.timeouts,
		Releases: j.releases,
		Buries:   j.buries,
		Kicks:    j.kicks,
	}
	switch j.phase {
	case Delayed:
		info.Left = duration(j.due - s.now)
	case Reserved:
		info.Left = duration(s.sessions[j.holder()].leases.items[j.pos()].end - s.now)
	}
	s.answer(sess, r.Seq, Result{Info: info})
}
