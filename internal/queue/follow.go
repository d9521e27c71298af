package queue

// following is who observes a job, and how far the job is.
type following struct {
	who  []follower
	n, m uint64 // progress
}

type follower struct {
	sess *session
	seq  uint32
}

// follow makes sess observe job j, as its request seq asks.
func (s *State) follow(sess *session, seq uint32, id JobID) {
	f := s.followers[id]
	if f == nil {
		f = &following{}
		s.followers[id] = f
	}
	f.who = append(f.who, follower{sess, seq})
	sess.follows = append(sess.follows, id)
}

// tell sends an event of a job to those that follow it. After one that ends they
// follow it no more.
func (s *State) tell(id JobID, e Event, r *Request, res Result) {
	f := s.followers[id]
	if f == nil {
		return
	}
	res.ID = id
	if r != nil {
		at := len(s.outputs.bodies)
		s.outputs.bodies = append(s.outputs.bodies, r.Body...)
		res.Body.Inline = s.outputs.bodies[at:len(s.outputs.bodies):len(s.outputs.bodies)]
		if r.More != nil {
			res.Body.Chunks = r.More.Chunks
		}
	}
	for _, w := range f.who {
		s.outputs.List = append(s.outputs.List, Output{
			Session: w.sess.id, Tag: w.sess.tag, Port: w.sess.port, Seq: w.seq, Event: e, Result: res,
		})
	}
	if e.ends() {
		s.forgetFollowers(id)
	}
}

func (s *State) forgetFollowers(id JobID) {
	if f := s.followers[id]; f != nil {
		delete(s.followers, id)
		for _, w := range f.who {
			w.sess.unfollow(id)
		}
	}
}

func (sess *session) unfollow(id JobID) {
	for i, followed := range sess.follows {
		if followed == id {
			last := len(sess.follows) - 1
			sess.follows[i] = sess.follows[last]
			sess.follows = sess.follows[:last]
			return
		}
	}
}

// stopFollowing ends what sess observes. A volatile job that nobody follows any more
// ends: at once, or, when it is reserved, with its lease.
func (s *State) stopFollowing(sess *session) {
	for _, id := range sess.follows {
		f := s.followers[id]
		if f == nil {
			continue // followed twice, and ended already
		}
		kept := f.who[:0]
		for _, w := range f.who {
			if w.sess != sess {
				kept = append(kept, w)
			}
		}
		if f.who = kept; len(kept) > 0 {
			continue
		}
		if f.n == 0 && f.m == 0 {
			delete(s.followers, id)
		}
		at := s.ids.get(id)
		switch j := s.jobs.mut(at); {
		case !j.is(jobVolatile):
		case j.phase == Reserved:
			j.set(jobOrphan, true)
		default:
			s.commit(&record{kind: recordDelete, id: id, local: true})
		}
	}
	sess.follows = nil
}

func (s *State) execFollow(sess *session, r *Request) {
	at, j := s.find(r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.jobs.mut(at).set(jobOrphan, false)
	s.follow(sess, r.Seq, r.ID)
	s.answer(sess, r.Seq, Result{ID: r.ID})
}

func (s *State) execReport(sess *session, r *Request) {
	_, j := s.held(sess, r.ID)
	if j == nil || r.Event == EventNone || r.Event.ends() {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	if r.Event == EventProgress {
		s.progress(r.ID, r.N, r.M)
	}
	s.tell(r.ID, r.Event, r, Result{N: r.N, M: r.M})
	s.answer(sess, r.Seq, Result{})
}

// progress notes how far a job is, whoever follows it.
func (s *State) progress(id JobID, n, m uint64) {
	f := s.followers[id]
	if f == nil {
		f = &following{}
		s.followers[id] = f
	}
	f.n, f.m = n, m
}
