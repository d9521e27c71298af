package queue

import "math"

// session is who holds leases and waits: a connection, seen from the core.
type session struct {
	id     SessionID
	index  uint32
	port   uint32
	tag    uint64
	source Source
	used   *Queue
	set    *watchSet

	leases heap[leaseItem]

	// A reserve that waits.
	waiting      bool
	deadlineSoon bool
	ask          ask
	waitUntil    int64 // engine's clock
	prev, next   *session

	// See sleep.go.
	sleeping bool
	sleepSeq uint32
	wokenFor *Queue
	askBy    int64 // engine's clock at which it counts as not woken

	uploads bool // it has sent chunks
	follows []JobID
	turn    int // see nextInTurn

	timer uint32 // 1 + position in State.sessionTimers; 0: none
	alarm int64  // the time it has there
}

const never = int64(math.MaxInt64)

// leaseItem orders the leases of a session by their end.
type leaseItem struct {
	end int64 // engine's clock
	at  slot
}

// sessionList is a chain of waiting sessions, the oldest first.
type sessionList struct {
	head, tail *session
	n          uint64
}

func (l *sessionList) pushBack(x *session) {
	l.n++
	x.prev, x.next = l.tail, nil
	if l.tail == nil {
		l.head = x
	} else {
		l.tail.next = x
	}
	l.tail = x
}

func (l *sessionList) remove(x *session) {
	l.n--
	if x.prev == nil {
		l.head = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		l.tail = x.prev
	} else {
		x.next.prev = x.prev
	}
	x.prev, x.next = nil, nil
}

// Open starts a session of a door. Its outputs carry port and tag.
func (s *State) Open(port uint32, tag uint64, source Source) SessionID {
	sess := &session{port: port, tag: tag, source: source, used: s.queueNamed([]byte(DefaultQueue)), set: s.initial}
	sess.leases = heap[leaseItem]{
		less:  func(a, b leaseItem) bool { return a.end < b.end },
		moved: func(item leaseItem, pos uint32) { s.jobs.mut(item.at).prev = pos },
	}
	sess.used.using++
	sess.used.watching++
	s.initial.sessions++
	if n := len(s.freeSessions); n > 0 {
		sess.index = s.freeSessions[n-1]
		s.freeSessions = s.freeSessions[:n-1]
		s.sessions[sess.index] = sess
	} else {
		sess.index = uint32(len(s.sessions))
		s.sessions = append(s.sessions, sess)
	}
	s.opened++
	sess.id = SessionID(s.opened<<24 | uint64(sess.index)&0xffffff)
	return sess.id
}

// session returns the session with an id, or nil.
func (s *State) session(id SessionID) *session {
	if i := int(id & 0xffffff); i < len(s.sessions) {
		if sess := s.sessions[i]; sess != nil && sess.id == id {
			return sess
		}
	}
	return nil
}

// close ends a session without a decision: what it holds becomes ready.
func (s *State) close(sess *session) {
	s.stopWaiting(sess)
	s.stopSleeping(sess)
	for len(sess.leases.items) > 0 {
		at := sess.leases.items[0].at
		j := s.jobs.mut(at)
		s.take(at, j)
		s.place(at, j)
	}
	for _, m := range sess.set.members {
		m.queue.watching--
	}
	watched := sess.set.members
	if sess.set.sessions--; sess.set.sessions == 0 {
		s.dissolve(sess.set)
	}
	for _, m := range watched {
		s.forgetIfUnused(m.queue)
	}
	sess.used.using--
	s.forgetIfUnused(sess.used)
	if sess.timer > 0 {
		s.sessionTimers.remove(sess.timer - 1)
	}
	s.sessions[sess.index] = nil
	s.freeSessions = append(s.freeSessions, sess.index)
}

// execClose ends a session as its connection did.
func (s *State) execClose(sess *session, _ *Request) {
	if sess.uploads {
		s.dropUploads(sess)
	}
	s.dropSteps(sess)
	s.stopWaiting(sess) // before a job that is given back reaches it
	s.stopSleeping(sess)
	s.stopFollowing(sess)
	for len(sess.leases.items) > 0 {
		at := sess.leases.items[0].at
		s.giveBack(at, s.jobs.mut(at))
	}
	s.settleWake(sess)
	s.close(sess)
}

// dropUploads forgets what sess sent chunks of and did not put.
func (s *State) dropUploads(sess *session) {
	for k := range s.uploads {
		if k.session == sess.id {
			s.dropUpload(k)
		}
	}
}

// endLease takes job j, which is reserved, from its holder.
func (s *State) endLease(at slot, j *job) {
	s.sessions[j.holder()].leases.remove(j.pos())
	s.watchWall(at, j)
}

// wait makes sess wait for a job, as its request r asks.
func (s *State) wait(sess *session, r *Request, a ask) {
	sess.waiting = true
	sess.ask = a
	sess.deadlineSoon = r.Flags&FlagDeadlineSoon != 0
	sess.waitUntil = never
	if r.Timeout >= 0 {
		sess.waitUntil = s.after(int64(r.Timeout))
	}
	sess.set.waiting.pushBack(sess)
	s.waiting++
	s.setSessionTimer(sess, sess.nextAlarm())
}

func (s *State) stopWaiting(sess *session) {
	if !sess.waiting {
		return
	}
	sess.waiting = false
	sess.set.waiting.remove(sess)
	s.waiting--
}

// nextAlarm returns when time changes something for sess, or never.
func (sess *session) nextAlarm() int64 {
	next := never
	if len(sess.leases.items) > 0 {
		next = sess.leases.items[0].end
		if sess.waiting && sess.deadlineSoon {
			next -= int64(DeadlineMargin)
		}
	}
	if sess.waiting {
		next = min(next, sess.waitUntil)
	}
	if sess.wokenFor != nil {
		next = min(next, sess.askBy)
	}
	return next
}

// deadlineNear says whether a lease of sess ends within DeadlineMargin.
func (sess *session) deadlineNear(now int64) bool {
	return len(sess.leases.items) > 0 && sess.leases.items[0].end-int64(DeadlineMargin) <= now
}

// setSessionTimer makes the clock look at sess at the given time. The timer may
// ring early, never late: a lease that ends leaves it as it is, so that a worker in
// full swing seldom touches it.
func (s *State) setSessionTimer(sess *session, at int64) {
	switch {
	case at == never:
	case sess.timer == 0:
		sess.alarm = at
		s.sessionTimers.push(sess)
	case at < sess.alarm:
		sess.alarm = at
		s.sessionTimers.fix(sess.timer - 1)
	}
}

// expire does what time has brought for sess: leases that ended, a wait that did.
func (s *State) expire(sess *session) {
	soon := sess.waiting && sess.deadlineSoon && sess.deadlineNear(s.now)
	for len(sess.leases.items) > 0 && sess.leases.items[0].end <= s.now {
		at := sess.leases.items[0].at
		j := s.jobs.mut(at)
		j.timeouts++
		s.timeouts++
		s.giveBack(at, j)
	}
	switch {
	case !sess.waiting: // the job whose lease ended may have gone to its own holder
	case soon:
		s.stopWaiting(sess)
		s.answer(sess, sess.ask.seq, Result{Err: ErrDeadlineSoon})
	case sess.waitUntil <= s.now:
		s.stopWaiting(sess)
		s.answer(sess, sess.ask.seq, Result{Err: ErrTimedOut})
	}
	if sess.wokenFor != nil && sess.askBy <= s.now {
		s.settleWake(sess)
	}
	s.sessionTimers.remove(sess.timer - 1)
	sess.timer = 0
	s.setSessionTimer(sess, sess.nextAlarm())
}
