package queue

// execAck ends a job as its holder says.
func (s *State) execAck(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	outcome := r.Event
	if !outcome.ends() {
		outcome = EventComplete
	}
	s.tell(j.id, outcome, r, Result{})
	s.delete(sess, r, j)
}

func (s *State) execDelete(sess *session, r *Request) {
	_, j := s.find(r.ID)
	outcome := EventFail
	if j != nil && j.phase == Reserved {
		if j.holder() != sess.index {
			j = nil
		}
		outcome = EventComplete
	}
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.tell(j.id, outcome, nil, Result{})
	s.delete(sess, r, j)
}

func (s *State) delete(sess *session, r *Request, j *job) {
	s.queues[j.queue].deletes++
	s.commit(&record{kind: recordDelete, id: j.id, local: j.is(jobVolatile)})
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execRelease(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	if j.is(jobOrphan) {
		s.delete(sess, r, j) // nobody waits for it any more
		return
	}
	rec := record{
		kind: recordRelease, id: j.id, pri: r.Pri, delay: int64(r.Delay), releases: j.releases + 1,
		local: j.is(jobVolatile),
	}
	if r.Delay > 0 {
		rec.due = s.after(int64(r.Delay))
	}
	s.commit(&rec)
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execBury(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.tell(j.id, EventFail, nil, Result{})
	s.commit(&record{
		kind: recordBury, id: j.id, pri: r.Pri, due: s.burial(), buries: j.buries + 1,
		local: j.is(jobVolatile),
	})
	s.answer(sess, r.Seq, Result{})
}

// burial returns the time of a burial: now, or just after the last one, so that a
// restart finds the order of jobs buried in one turn.
func (s *State) burial() int64 { return max(s.now, s.lastBurial+1) }

func (s *State) execTouch(sess *session, r *Request) {
	at, j := s.held(sess, r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	end := s.leaseEnd(j, int64(r.TTR))
	sess.leases.items[j.pos()] = leaseItem{end, at}
	sess.leases.fix(j.pos())
	s.setSessionTimer(sess, end)
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execKickJob(sess *session, r *Request) {
	_, j := s.find(r.ID)
	if j == nil || j.phase != Buried && j.phase != Delayed {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	rec := kick(j)
	s.commit(&rec)
	s.answer(sess, r.Seq, Result{})
}

func kick(j *job) record {
	return record{kind: recordKick, id: j.id, kicks: j.kicks + 1, local: j.is(jobVolatile)}
}
