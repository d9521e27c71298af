package queue

func (s *State) execUse(sess *session, r *Request) {
	before := sess.used
	sess.used = s.queueNamed(r.Queue)
	sess.used.using++
	before.using--
	s.forgetIfUnused(before)
	s.answer(sess, r.Seq, Result{})
}

func (s *State) execWatch(sess *session, r *Request) {
	q := s.queueNamed(r.Queue)
	if sess.set.of[q] == nil {
		slept := sess.sleeping
		s.stopSleeping(sess)
		s.add(s.ownSet(sess), q)
		q.watching++
		if slept {
			s.sleepAgain(sess)
		}
	}
	s.answer(sess, r.Seq, Result{N: uint64(len(sess.set.members))})
}

func (s *State) execIgnore(sess *session, r *Request) {
	q := s.byName[string(r.Queue)]
	if q != nil && sess.set.of[q] != nil {
		if len(sess.set.members) == 1 {
			s.answer(sess, r.Seq, Result{Err: ErrNotIgnored})
			return
		}
		slept := sess.sleeping
		s.stopSleeping(sess)
		s.ownSet(sess).drop(q, r.Flags&FlagInOrder != 0)
		q.watching--
		s.forgetIfUnused(q)
		if slept {
			s.sleepAgain(sess)
		}
	}
	s.answer(sess, r.Seq, Result{N: uint64(len(sess.set.members))})
}

func (s *State) execPause(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	q.pauses++
	s.commit(&record{
		kind: recordPause, queue: q.nameBytes, due: s.after(int64(r.Delay)), delay: int64(r.Delay),
	})
	s.answer(sess, r.Seq, Result{})
}
