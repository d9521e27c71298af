package queue

import (
	"time"
)

// A session that sleeps is woken when a queue it watches has a job for it, and then
// asks for it. For each ready job one session is woken: a queue counts those that
// were and have not asked yet.
//
// A queue finds who sleeps by the members it has as bells. A set's members become
// bells when one of its sessions goes to sleep, and cease to when they ring for
// nobody: so going to sleep costs no more than the ringing before it.

// wakePatience is how long a session that was woken may take to ask before another
// is woken in its place: the host of a connection that is still open may be gone.
const wakePatience = int64(time.Second)

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
		m.queue.bells.pushBack(&m.ringing)
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
	sess.askBy = s.after(wakePatience)
	q.woken++
	s.setSessionTimer(sess, sess.askBy)
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
	for q.deliverable() && q.counts.Ready > q.woken && q.bells.root.next != &q.bells.root {
		m := q.bells.root.next.member
		m.ringing.unlink()
		if m.set.sleepers.head == nil {
			m.silenced()
			continue
		}
		// To the back, so that sets take turns.
		q.bells.pushBack(&m.ringing)
		s.wake(m.set.sleepers.head, q)
	}
}

// silenced notes that m is no bell.
func (m *member) silenced() {
	m.bell = false
	m.ringing.member = m
	m.silentAt = len(m.set.silent)
	m.set.silent = append(m.set.silent, m)
}

// silence takes a member that leaves its set off its queue's bells.
func (m *member) silence() {
	if m.bell {
		m.ringing.unlink()
		return
	}
	m.set.silent = swapOut(m.set.silent, m.silentAt, func(last *member) { last.silentAt = m.silentAt })
}

// bell is a member's place among the bells of its queue.
type bell struct {
	member     *member
	prev, next *bell
}

// bellRing is a chain of bells; the zero value needs init.
type bellRing struct{ root bell }

func (r *bellRing) init() { r.root.prev, r.root.next = &r.root, &r.root }

func (r *bellRing) pushBack(b *bell) {
	b.prev, b.next = r.root.prev, &r.root
	b.prev.next, b.next.prev = b, b
}

func (b *bell) unlink() { b.prev.next, b.next.prev = b.next, b.prev }
