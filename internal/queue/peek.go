package queue

func (s *State) execPeek(sess *session, r *Request) { s.answerPeek(sess, r, s.ids.get(r.ID)) }

func (s *State) execPeekReady(sess *session, r *Request) {
	var at slot
	if q := s.named(sess, r); q != nil {
		at, _ = s.first(&q.ready)
	}
	s.answerPeek(sess, r, at)
}

func (s *State) execPeekDelayed(sess *session, r *Request) {
	var at slot
	if q := s.named(sess, r); q != nil && len(q.delayed.items) > 0 {
		at = q.delayed.items[0].at
	}
	s.answerPeek(sess, r, at)
}

func (s *State) execPeekBuried(sess *session, r *Request) {
	var at slot
	if q := s.named(sess, r); q != nil {
		at = q.buried.head
	}
	s.answerPeek(sess, r, at)
}

func (s *State) answerPeek(sess *session, r *Request, at slot) {
	if at == 0 {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.answerJob(sess, ask{seq: r.Seq, more: r.Flags&FlagMore != 0}, s.jobs.at(at))
}
