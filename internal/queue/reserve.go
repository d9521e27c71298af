package queue

import "slices"

// ask is what a reserve wants beside a job.
type ask struct {
	seq  uint32
	ttr  int64 // length of the lease, ns; 0: the job's, negative: as long as the session
	more bool
	take bool // the job is handed out for good
}

func (s *State) execReserve(sess *session, r *Request) {
	if sess.waiting {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	a := ask{seq: r.Seq, ttr: int64(r.TTR), more: r.Flags&FlagMore != 0, take: r.Flags&FlagTake != 0}
	s.stopSleeping(sess)
	switch q := s.choose(sess, r); {
	case q != nil:
		s.lease(sess, q, a)
	case r.Flags&FlagDeadlineSoon != 0 && sess.deadlineNear(s.now):
		s.answer(sess, r.Seq, Result{Err: ErrDeadlineSoon})
	case r.Timeout == 0 || len(r.Queue) > 0:
		s.answer(sess, r.Seq, Result{Err: ErrTimedOut})
	default:
		s.wait(sess, r, a)
	}
	s.settleWake(sess)
}

// choose returns the queue whose first job sess is to get, or nil.
func (s *State) choose(sess *session, r *Request) *Queue {
	if len(r.Queue) > 0 {
		if q := s.byName[string(r.Queue)]; q != nil && q.deliverable() {
			return q
		}
		return nil
	}
	s.share(sess)
	q := s.next(sess.set)
	switch {
	case q == nil:
		return nil
	case r.Flags&FlagInTurn != 0:
		return s.nextInTurn(sess, r.Flags&FlagInOrder != 0)
	case r.Flags&FlagInOrder != 0:
		return sess.set.lastNamed()
	}
	return q
}

// lastNamed returns, of the queues that have a job, the one that was named last.
func (w *watchSet) lastNamed() *Queue {
	for _, m := range slices.Backward(w.members) {
		if m.queue.deliverable() {
			return m.queue
		}
	}
	return nil
}

// nextInTurn returns, of the queues with the most urgent jobs (of all with jobs, when
// any will do), the next behind the one that sess got a job of last.
func (s *State) nextInTurn(sess *session, any bool) *Queue {
	members := sess.set.members
	var best *Queue
	var bestPri uint32
	var place int
	for i := range members {
		m := members[(sess.turn+i)%len(members)]
		if !m.queue.deliverable() {
			continue
		}
		if _, k := s.first(&m.queue.ready); best == nil || k.pri < bestPri {
			best, bestPri, place = m.queue, k.pri, m.place
		}
		if any {
			break
		}
	}
	sess.turn = place + 1
	return best
}

// lease gives sess the first job of q.
func (s *State) lease(sess *session, q *Queue, a ask) {
	at, _ := s.first(&q.ready)
	if a.take {
		s.give(sess, s.jobs.at(at), a)
		return
	}
	s.leaseJob(sess, at, s.jobs.mut(at), a)
}

// give hands job j, which is ready, to sess for good.
func (s *State) give(sess *session, j *job, a ask) {
	s.queues[j.queue].waited = s.now - j.created
	s.answerJob(sess, a, j)
	s.tell(j.id, EventAssigned, nil, Result{})
	s.tell(j.id, EventComplete, nil, Result{})
	s.queues[j.queue].deletes++
	s.commit(&record{kind: recordDelete, id: j.id, local: j.is(jobVolatile)})
}

func (s *State) leaseJob(sess *session, at slot, j *job, a ask) {
	s.take(at, j)
	s.ignoreWall(j)
	j.phase = Reserved
	j.next = sess.index
	j.reserves++
	j.heldBy = sess.source
	s.count(s.queues[j.queue], j, 1)
	s.queues[j.queue].waited = s.now - j.created
	end := s.leaseEnd(j, a.ttr)
	sess.leases.push(leaseItem{end, at})
	s.setSessionTimer(sess, end)
	s.answerJob(sess, a, j)
	s.tell(j.id, EventAssigned, nil, Result{})
}

// leaseEnd returns when a lease that starts now ends.
func (s *State) leaseEnd(j *job, ttr int64) int64 {
	switch {
	case ttr > 0:
		return s.after(ttr)
	case ttr < 0 || j.ttr == 0:
		return never
	}
	return s.after(j.ttr)
}

// giveBack ends a lease that its holder did not answer.
func (s *State) giveBack(at slot, j *job) {
	tried := j.rare != 0 && s.rares.at(j.rare).attempts > 0 && j.reserves >= s.rares.at(j.rare).attempts
	if tried || j.is(jobOrphan) {
		s.tell(j.id, EventFail, nil, Result{})
		s.commit(&record{kind: recordDelete, id: j.id, local: j.is(jobVolatile)})
		return
	}
	if f := s.followers[j.id]; f != nil {
		f.n, f.m = 0, 0
	}
	if s.delayed(j) || j.is(jobBuried) {
		// Taken by its id. It comes back as any job does: ready.
		s.commit(&record{kind: recordKick, id: j.id, kicks: j.kicks, local: j.is(jobVolatile)})
		return
	}
	s.take(at, j)
	s.place(at, j)
}

func (s *State) execGiveBack(sess *session, r *Request) {
	var jobs []slot
	for _, l := range sess.leases.items {
		if len(r.Queue) == 0 || s.queues[s.jobs.at(l.at).queue].name == string(r.Queue) {
			jobs = append(jobs, l.at)
		}
	}
	for _, at := range jobs {
		s.giveBack(at, s.jobs.mut(at))
	}
	s.answer(sess, r.Seq, Result{N: uint64(len(jobs))})
}

func (s *State) execCancelReserve(sess *session, _ *Request) {
	if sess.waiting {
		s.stopWaiting(sess)
		s.answer(sess, sess.ask.seq, Result{Err: ErrTimedOut})
	}
}

func (s *State) execReserveJob(sess *session, r *Request) {
	at, j := s.find(r.ID)
	if j == nil || j.phase == Reserved {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.leaseJob(sess, at, s.jobs.mut(at), ask{seq: r.Seq, ttr: int64(r.TTR), more: r.Flags&FlagMore != 0})
}
