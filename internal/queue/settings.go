package queue

func (s *State) execConfigure(sess *session, r *Request) {
	if r.Settings == nil || len(r.Queue) == 0 {
		s.answer(sess, r.Seq, Result{Err: ErrBadRequest})
		return
	}
	var before Settings
	if q := s.named(sess, r); q != nil {
		before = q.settings
	}
	if before != *r.Settings {
		s.commit(&record{kind: recordConfigure, queue: r.Queue, settings: r.Settings})
	}
	s.answer(sess, r.Seq, Result{Info: before})
}

func (s *State) execSettings(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.answer(sess, r.Seq, Result{Info: q.settings})
}

// applySettings gives q its settings.
func (s *State) applySettings(q *Queue, x Settings) {
	if old := q.settings.Parent; old != x.Parent {
		if p := s.byName[old]; p != nil && old != "" {
			p.children = deleteQueue(p.children, q)
			defer s.forgetIfUnused(p)
		}
		if x.Parent != "" {
			p := s.queueNamed([]byte(x.Parent))
			p.children = append(p.children, q)
		}
	}
	q.settings = x
	s.forgetIfUnused(q)
}

func deleteQueue(from []*Queue, q *Queue) []*Queue {
	for i, x := range from {
		if x == q {
			return append(from[:i:i], from[i+1:]...)
		}
	}
	return from
}

// full says whether q takes no more jobs of a priority.
func (q *Queue) full(pri uint32) bool {
	limit := q.settings.Max[classOfPri(pri)]
	return limit > 0 && q.jobs() >= limit
}

// classOfPri returns 0, 1 or 2: high, normal or low.
func classOfPri(pri uint32) int {
	switch {
	case pri < UrgentBelow:
		return 0
	case pri < LowFrom:
		return 1
	}
	return 2
}
