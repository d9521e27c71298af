package queue

import (
	"slices"
	"strings"
	"time"
)

func (s *State) execWatched(sess *session, r *Request) {
	names := make([]string, len(sess.set.members))
	for i, m := range sess.set.members {
		names[i] = m.queue.name
	}
	s.answer(sess, r.Seq, Result{Info: names})
}

func (s *State) execQueues(sess *session, r *Request) {
	names := make([]string, len(s.listed))
	for i, q := range s.listed {
		names[i] = q.name
	}
	s.answer(sess, r.Seq, Result{Info: names})
}

func (s *State) execStats(sess *session, r *Request) {
	s.answer(sess, r.Seq, Result{Info: &Stats{
		Counts:    s.counts,
		Timeouts:  s.timeouts,
		TotalJobs: s.total,
		Expired:   s.expired,
		Queues:    uint64(len(s.byName)),
		Waiting:   s.waiting,
		Sessions:  uint64(len(s.sessions) - len(s.freeSessions)),
	}})
}

func (s *State) execQueueStats(sess *session, r *Request) {
	q := s.named(sess, r)
	if q == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.answer(sess, r.Seq, Result{Info: s.queueStats(q)})
}

func (s *State) execAllQueueStats(sess *session, r *Request) {
	all := make([]QueueStats, 0, len(s.byName))
	for _, q := range s.byName {
		all = append(all, *s.queueStats(q))
	}
	slices.SortFunc(all, func(a, b QueueStats) int { return strings.Compare(a.Name, b.Name) })
	s.answer(sess, r.Seq, Result{Info: all})
}

func (s *State) queueStats(q *Queue) *QueueStats {
	info := &QueueStats{
		Name:      q.name,
		Counts:    q.counts,
		Low:       q.low,
		TotalJobs: q.total,
		Using:     q.using,
		Watching:  q.watching,
		Waiting:   q.waiting(),
		Expired:   q.expired,
		Deletes:   q.deletes,
		Waited:    duration(q.waited),
		Pauses:    q.pauses,
	}
	if q.paused {
		info.Pause = q.pauseLength
		info.PauseLeft = duration(q.pausedUntil - s.now)
	}
	return info
}

// waiting counts the sessions in a reserve that q's jobs could end.
func (q *Queue) waiting() (n uint64) {
	for _, ring := range [...]*memberRing{&q.dormant, &q.candidate} {
		for m := ring.first(); m != ring.end(); m = m.next {
			n += m.set.waiting.n
		}
	}
	return n
}

func (s *State) execJobStats(sess *session, r *Request) {
	_, j := s.find(r.ID)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.answer(sess, r.Seq, Result{Info: s.jobStats(j)})
}

func (s *State) execFind(sess *session, r *Request) {
	var q *Queue
	if len(r.Queue) > 0 {
		if q = s.byName[string(r.Queue)]; q == nil {
			s.answer(sess, r.Seq, Result{Err: ErrNotFound})
			return
		}
	}
	_, j := s.findUnique(q, r.Body)
	if j == nil {
		s.answer(sess, r.Seq, Result{Err: ErrNotFound})
		return
	}
	s.answer(sess, r.Seq, Result{Info: s.jobStats(j)})
}

func (s *State) execList(sess *session, r *Request) {
	var list []JobStats
	for _, p := range s.ids.sorted() {
		if p.n < uint64(r.ID)>>idPageBits {
			continue
		}
		if uint64(len(list)) >= r.N {
			break
		}
		for _, at := range p.slots {
			if uint64(len(list)) >= r.N {
				break
			}
			if at == 0 {
				continue
			}
			j := s.jobs.at(at)
			if j.id > r.ID && (len(r.Queue) == 0 || s.queues[j.queue].name == string(r.Queue)) {
				list = append(list, *s.jobStats(j))
			}
		}
	}
	s.answer(sess, r.Seq, Result{Info: list})
}

func (s *State) jobStats(j *job) *JobStats {
	info := &JobStats{
		ID:       j.id,
		Queue:    s.queues[j.queue].name,
		Phase:    j.phase,
		Pri:      j.pri,
		Age:      duration(s.now - j.created),
		Delay:    duration(j.delay),
		TTR:      duration(j.ttr),
		Reserves: j.reserves,
		Timeouts: j.timeouts,
		Releases: j.releases,
		Buries:   j.buries,
		Kicks:    j.kicks,
		Volatile: j.is(jobVolatile),
		Orphan:   j.is(jobOrphan),
		PutBy:    j.putBy,
		HeldBy:   j.heldBy,
		Left:     s.left(j),
	}
	if j.rare != 0 {
		x := s.rares.at(j.rare)
		info.Unique = string(s.bodies.bytes(x.unique, x.uniqueSize))
	}
	if f := s.followers[j.id]; f != nil {
		info.Followers, info.N, info.M = len(f.who), f.n, f.m
	}
	return info
}

// left returns how long until the lease of j ends or j is ready; 0 when neither is
// to come.
func (s *State) left(j *job) time.Duration {
	switch j.phase {
	case Delayed:
		if j.due == never {
			return duration(s.rares.at(j.rare).readyAt - s.wall)
		}
		return duration(j.due - s.now)
	case Reserved:
		if end := s.sessions[j.holder()].leases.items[j.pos()].end; end != never {
			return duration(end - s.now)
		}
	}
	return 0
}
