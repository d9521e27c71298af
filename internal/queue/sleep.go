package queue

import "slices"

// A session that sleeps is woken when a queue it watches has a job for it, and then
// asks for it. For each ready job one session is woken: a queue counts those that
// were and have not asked yet.
//
// A queue finds who sleeps by the members it has as bells. A set's members become
// bells when one of its sessions goes to sleep, and cease to when they ring for
// nobody: so going to sleep costs no more than the ringing before it.

// execSleep wakes the session at once or when a job comes.
func (s *State) execSleep(sess *session, r *Request) {
	s.stopSleeping(sess)
	s.settleWake(sess)
	sess.sleepSeq = r.Seq
	s.sleepAgain(sess)
}

// sleepAgain puts sess, which is awake, to sleep unless there is a job for it.
func (s *State) sleepAgain(sess *session) {
	s.share(sess)
	if q := s.next(sess.set); q != nil && q.counts.Ready > q.woken {
		s.wake(sess, q)
		return
	}
	s.sleep(sess)
}

func (s *State) sleep(sess *session) {
	w := sess.set
	sess.sleeping = true
	w.sleepers.pushBack(sess)
	for _, m := range w.silent {
		m.bell = true
		m.queue.bells = append(m.queue.bells, m)
	}
	w.silent = w.silent[:0]
}

func (s *State) stopSleeping(sess *session) {
	if sess.sleeping {
		sess.sleeping = false
		sess.set.sleepers.remove(sess)
	}
}

// wake tells sess that q has a job.
func (s *State) wake(sess *session, q *Queue) {
	s.stopSleeping(sess)
	sess.wokenFor = q
	q.woken++
	s.outputs.List = append(s.outputs.List, Output{
		Session: sess.id, Tag: sess.tag, Port: sess.port, Seq: sess.sleepSeq, Event: EventWake,
	})
}

// settleWake is for a session that has asked, or will not: if the job it was woken
// for is still there, another is woken.
func (s *State) settleWake(sess *session) {
	if q := sess.wokenFor; q != nil {
		sess.wokenFor = nil
		q.woken--
		s.ring(q)
	}
}

// ring wakes as many sessions as q has jobs that nobody was woken for.
func (s *State) ring(q *Queue) {
	for q.deliverable() && q.counts.Ready > q.woken && len(q.bells) > 0 {
		m := q.bells[0]
		q.bells = q.bells[1:]
		if m.set.sleepers.head == nil {
			m.bell = false
			m.set.silent = append(m.set.silent, m)
			continue
		}
		// To the back, so that sets take turns.
		q.bells = append(q.bells, m)
		s.wake(m.set.sleepers.head, q)
	}
}

// silence takes a member that leaves its set off its queue's bells.
func (m *member) silence() {
	if !m.bell {
		m.set.silent = deleteMember(m.set.silent, m)
		return
	}
	m.queue.bells = deleteMember(m.queue.bells, m)
}

func deleteMember(from []*member, m *member) []*member {
	if i := slices.Index(from, m); i >= 0 {
		return slices.Delete(from, i, i+1)
	}
	return from
}
