package queue

// steps is a request that touches any number of jobs, done in bounded steps with
// other requests between them.
type steps struct {
	sess *session
	seq  uint32
	left uint64
	done uint64
	// next returns the next job's record, or false when there is none left.
	next func() (record, bool)
}

// startSteps begins a long request and takes its first step.
func (s *State) startSteps(sess *session, r *Request, limit uint64, next func() (record, bool)) {
	w := &steps{sess: sess, seq: r.Seq, left: limit, next: next}
	if !s.step(w) {
		s.steps = append(s.steps, w)
	}
}

// runSteps takes the next step of each long request.
func (s *State) runSteps() {
	under := s.steps
	s.steps = s.steps[:0]
	for _, w := range under {
		if !s.step(w) {
			s.steps = append(s.steps, w)
		}
	}
}

// step does up to stepJobs jobs and reports whether the request is answered.
func (s *State) step(w *steps) bool {
	for range stepJobs {
		if w.left == 0 {
			break
		}
		rec, ok := w.next()
		if !ok {
			w.left = 0
			break
		}
		s.commit(&rec)
		w.left--
		w.done++
	}
	if w.left > 0 {
		return false
	}
	s.answer(w.sess, w.seq, Result{N: w.done})
	return true
}

// dropSteps forgets the long requests of a session that closes.
func (s *State) dropSteps(sess *session) {
	kept := s.steps[:0]
	for _, w := range s.steps {
		if w.sess != sess {
			kept = append(kept, w)
		}
	}
	s.steps = kept
}

func (s *State) execKick(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	// Which kind is decided once: a job buried meanwhile is not a delayed one.
	next := func() (record, bool) { return s.kickDelayed(q) }
	limit := min(r.N, q.counts.Delayed)
	if q.counts.Buried > 0 {
		next = func() (record, bool) { return s.kickBuried(q) }
		limit = min(r.N, q.counts.Buried)
	}
	s.startSteps(sess, r, limit, next)
}

func (s *State) kickBuried(q *Queue) (record, bool) {
	if q.buried.head == 0 {
		return record{}, false
	}
	j := s.jobs.at(q.buried.head)
	return kick(j), true
}

func (s *State) kickDelayed(q *Queue) (record, bool) {
	if len(q.delayed.items) == 0 {
		return record{}, false
	}
	j := s.jobs.at(q.delayed.items[0].at)
	return kick(j), true
}

func (s *State) execPurge(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	limit := q.counts.Ready + q.counts.Delayed + q.counts.Buried
	s.startSteps(sess, r, limit, func() (record, bool) { return s.purgeNext(q) })
}

func (s *State) purgeNext(q *Queue) (record, bool) {
	at, _ := s.first(&q.ready)
	if at == 0 && len(q.delayed.items) > 0 {
		at = q.delayed.items[0].at
	}
	if at == 0 {
		at = q.buried.head
	}
	if at == 0 {
		return record{}, false
	}
	j := s.jobs.at(at)
	s.tell(j.id, EventFail, nil, Result{})
	return record{kind: recordDelete, id: j.id, local: j.is(jobVolatile)}, true
}
