package sim

import (
	"slices"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// Do runs a request; room is what the log has left.
func (m *Model) Do(r queue.Request, room queue.Room) {
	s := m.sessions[r.Session]
	if s == nil {
		return
	}
	if needs(r.Op) > room || r.Flags&queue.FlagTake != 0 && room < queue.RoomToDelete {
		m.answer(s, r.Seq, Answer{Err: queue.ErrNoSpace})
		return
	}
	if a, answered := m.do(s, &r); answered {
		m.answer(s, r.Seq, a)
	}
	m.forget()
}

func needs(op queue.Op) queue.Room {
	switch op {
	case queue.OpPut, queue.OpImport, queue.OpChunk:
		return queue.RoomForAll
	case queue.OpAck, queue.OpDelete, queue.OpRelease, queue.OpBury, queue.OpKick, queue.OpKickJob, queue.OpPurge, queue.OpPause:
		return queue.RoomToDelete
	}
	return queue.RoomForNone
}

var notFound = Answer{Err: queue.ErrNotFound}

// do returns the answer, unless it was given on the way or is still to come.
func (m *Model) do(s *session, r *queue.Request) (Answer, bool) {
	switch r.Op {
	case queue.OpClose:
		m.close(s)
		return Answer{}, false
	case queue.OpPut, queue.OpImport:
		return m.put(s, r), true
	case queue.OpChunk:
		m.uploads[upload{s.id, r.Upload}] += string(r.Body)
		return Answer{}, true
	case queue.OpDropUpload:
		delete(m.uploads, upload{s.id, r.Upload})
		return Answer{}, true
	case queue.OpSkipID:
		m.nextID++
		return Answer{ID: m.nextID - 1}, true
	case queue.OpReserve:
		return m.reserve(s, r)
	case queue.OpCancelReserve:
		if slices.Contains(m.waiting, s) {
			m.stopWaiting(s, queue.ErrTimedOut)
		}
		return Answer{}, false
	case queue.OpKick, queue.OpPurge:
		return m.begin(s, r)
	case queue.OpUse, queue.OpWatch, queue.OpIgnore, queue.OpPause:
		return m.set(s, r), true
	case queue.OpWatched, queue.OpQueues, queue.OpStats, queue.OpQueueStats:
		return m.tell(s, r), true
	case queue.OpPeekReady, queue.OpPeekDelayed, queue.OpPeekBuried:
		phase := map[queue.Op]queue.Phase{queue.OpPeekReady: queue.Ready, queue.OpPeekDelayed: queue.Delayed, queue.OpPeekBuried: queue.Buried}
		j := m.next(m.meant(s, r), phase[r.Op])
		if j == nil {
			return notFound, true
		}
		m.answerJob(s, r.Seq, j)
		return Answer{}, false
	}
	if j := m.find(r.ID); j != nil {
		return m.doJob(s, r, j)
	}
	return notFound, true
}

// doJob runs a request for job j.
func (m *Model) doJob(s *session, r *queue.Request, j *job) (Answer, bool) {
	held := j.holder == s
	allowed := map[queue.Op]bool{
		queue.OpPeek: true, queue.OpJobStats: true,
		queue.OpReserveJob: j.Phase != queue.Reserved,
		queue.OpKickJob:    j.Phase == queue.Delayed || j.Phase == queue.Buried,
		queue.OpDelete:     j.Phase != queue.Reserved || held,
		queue.OpAck:        held, queue.OpRelease: held, queue.OpBury: held, queue.OpTouch: held,
	}
	if !allowed[r.Op] {
		return notFound, true
	}
	switch r.Op {
	case queue.OpPeek:
		m.answerJob(s, r.Seq, j)
		return Answer{}, false
	case queue.OpReserveJob:
		m.lease(s, j, r.Seq, r.TTR)
		return Answer{}, false
	case queue.OpJobStats:
		return Answer{Info: m.jobStats(j)}, true
	case queue.OpTouch:
		j.end = m.end(j, r.TTR)
	case queue.OpAck, queue.OpDelete:
		j.line.deletes++
		m.remove(j)
	case queue.OpKickJob:
		m.kick(j)
	case queue.OpBury:
		j.Pri = r.Pri
		j.Buries++
		m.bury(j)
		m.settle(j)
	case queue.OpRelease:
		j.Pri, j.Delay, j.isBuried = r.Pri, r.Delay, false
		j.Releases++
		j.due = m.now + int64(r.Delay)
		m.settle(j)
	}
	return Answer{}, true
}

func (m *Model) bury(j *job) {
	m.buries++
	j.isBuried, j.buried = true, m.buries
}

func (m *Model) kick(j *job) {
	j.Kicks++
	j.isBuried, j.due = false, 0
	m.settle(j)
}

func (m *Model) close(s *session) {
	delete(m.sessions, s.id)
	m.waiting = slices.DeleteFunc(m.waiting, func(o *session) bool { return o == s })
	m.long = slices.DeleteFunc(m.long, func(o *long) bool { return o.sess == s })
	for k := range m.uploads {
		if k.sess == s.id {
			delete(m.uploads, k)
		}
	}
	for _, j := range slices.Clone(m.jobs) {
		if j.holder == s {
			m.giveBack(j)
		}
	}
}

// meant is the queue of a request, which need not exist.
func (m *Model) meant(s *session, r *queue.Request) *line {
	if len(r.Queue) == 0 {
		return s.used
	}
	return m.lines[string(r.Queue)]
}

func (m *Model) put(s *session, r *queue.Request) Answer {
	l := s.used
	if len(r.Queue) > 0 {
		l = m.line(string(r.Queue))
	}
	j := &job{line: l, created: m.now, due: m.now + int64(r.Delay), expiresAt: r.ExpiresAt}
	j.Pri, j.Delay, j.TTR, j.PutBy = r.Pri, r.Delay, r.TTR, s.door
	if im := r.Import; im != nil {
		if m.find(r.ID) != nil {
			return Answer{Err: queue.ErrBadRequest}
		}
		j.ID = r.ID
		j.created -= int64(im.Age)
		j.due = m.now + int64(im.Left)
		j.Reserves, j.Timeouts, j.Releases, j.Buries, j.Kicks = im.Reserves, im.Timeouts, im.Releases, im.Buries, im.Kicks
		if im.Phase == queue.Buried {
			m.bury(j)
		}
	} else {
		j.ID = m.nextID
		l.total++
		m.total++
	}
	m.lastPut = max(m.lastPut, j.ID)
	m.nextID = max(m.nextID, j.ID+1)
	j.body = m.uploads[upload{s.id, r.Upload}] + string(r.Body)
	delete(m.uploads, upload{s.id, r.Upload})
	m.jobs = append(m.jobs, j)
	m.settle(j)
	return Answer{ID: j.ID}
}

func (m *Model) reserve(s *session, r *queue.Request) (Answer, bool) {
	from := s.watched
	if len(r.Queue) > 0 {
		from = []*line{m.lines[string(r.Queue)]}
	}
	j := m.first(func(j *job) bool {
		return j.Phase == queue.Ready && j.line.pauseEnd == 0 && slices.Contains(from, j.line)
	}, byUrgency)
	soon, take := r.Flags&queue.FlagDeadlineSoon != 0, r.Flags&queue.FlagTake != 0
	switch {
	case j != nil:
		m.hand(s, j, r.Seq, r.TTR, take)
		return Answer{}, false
	case soon && m.leaseEnd(s)-int64(queue.DeadlineMargin) <= m.now:
		return Answer{Err: queue.ErrDeadlineSoon}, true
	case r.Timeout == 0 || len(r.Queue) > 0:
		return Answer{Err: queue.ErrTimedOut}, true
	}
	s.seq, s.ttr, s.soon, s.take, s.until = r.Seq, r.TTR, soon, take, forever
	if r.Timeout > 0 {
		s.until = m.now + int64(r.Timeout)
	}
	m.waiting = append(m.waiting, s)
	return Answer{}, false
}

// begin starts a kick or a purge.
func (m *Model) begin(s *session, r *queue.Request) (Answer, bool) {
	l := m.meant(s, r)
	if l == nil {
		return notFound, true
	}
	w := &long{sess: s, seq: r.Seq}
	count := func(p queue.Phase) uint64 { return m.count(l, p) }
	if r.Op == queue.OpPurge {
		w.left, w.do = count(queue.Ready)+count(queue.Delayed)+count(queue.Buried), m.remove
		w.next = func() *job {
			for _, p := range []queue.Phase{queue.Ready, queue.Delayed, queue.Buried} {
				if j := m.next(l, p); j != nil {
					return j
				}
			}
			return nil
		}
	} else {
		phase := queue.Delayed
		if count(queue.Buried) > 0 {
			phase = queue.Buried
		}
		w.left, w.do = min(r.N, count(phase)), m.kick
		w.next = func() *job { return m.next(l, phase) }
	}
	m.long = append(m.long, w)
	m.step(w)
	return Answer{}, false
}

func (m *Model) count(l *line, p queue.Phase) uint64 {
	return uint64(len(m.sorted(func(j *job) bool { return j.line == l && j.Phase == p }, byID)))
}

// set changes what a session uses or watches, or pauses a queue.
func (m *Model) set(s *session, r *queue.Request) Answer {
	switch r.Op {
	case queue.OpUse:
		s.used = m.line(string(r.Queue))
		return Answer{}
	case queue.OpPause:
		l := m.meant(s, r)
		if l == nil {
			return notFound
		}
		l.pauses++
		l.pause, l.pauseEnd = r.Delay, m.now+int64(r.Delay)
		if r.Delay == 0 {
			l.pauseEnd = 0
			m.offer(l)
		}
		return Answer{}
	case queue.OpWatch:
		if l := m.line(string(r.Queue)); !slices.Contains(s.watched, l) {
			s.watched = append(slices.Clone(s.watched), l)
		}
	case queue.OpIgnore:
		if i := slices.Index(s.watched, m.lines[string(r.Queue)]); i >= 0 {
			last := len(s.watched) - 1
			if last == 0 {
				return Answer{Err: queue.ErrNotIgnored}
			}
			s.watched = slices.Clone(s.watched)
			s.watched[i] = s.watched[last]
			s.watched = s.watched[:last]
		}
	}
	return Answer{N: uint64(len(s.watched))}
}

func (m *Model) tell(s *session, r *queue.Request) Answer {
	switch r.Op {
	case queue.OpWatched:
		names := []string{}
		for _, l := range s.watched {
			names = append(names, l.name)
		}
		return Answer{Info: names}
	case queue.OpQueues:
		return Answer{Info: m.Queues()}
	case queue.OpStats:
		return Answer{Info: &queue.Stats{
			Counts: m.counts(nil), Timeouts: m.timeouts, TotalJobs: m.total, Expired: m.expired,
			Queues: uint64(len(m.lines)), Waiting: uint64(len(m.waiting)), Sessions: uint64(len(m.sessions)),
		}}
	}
	l := m.meant(s, r)
	if l == nil {
		return notFound
	}
	info := &queue.QueueStats{Name: l.name, Counts: m.counts(l), TotalJobs: l.total, Deletes: l.deletes, Pauses: l.pauses, Low: m.low(l), Expired: l.expired, Waited: l.waited}
	for _, o := range m.sessions {
		if o.used == l {
			info.Using++
		}
		if slices.Contains(o.watched, l) {
			info.Watching++
			if slices.Contains(m.waiting, o) {
				info.Waiting++
			}
		}
	}
	if l.pauseEnd != 0 {
		info.Pause, info.PauseLeft = l.pause, time.Duration(l.pauseEnd-m.now)
	}
	return Answer{Info: info}
}

// counts counts the jobs of a line, or of all.
func (m *Model) counts(l *line) (c queue.Counts) {
	for _, j := range m.jobs {
		if l != nil && j.line != l {
			continue
		}
		switch j.Phase {
		case queue.Ready:
			c.Ready++
			c.Bytes += uint64(len(j.body))
			if j.Pri < queue.UrgentBelow {
				c.Urgent++
			}
		case queue.Reserved:
			c.Reserved++
		case queue.Delayed:
			c.Delayed++
		case queue.Buried:
			c.Buried++
		}
	}
	return c
}

// low counts the ready jobs of a line that are of low priority.
func (m *Model) low(l *line) uint64 {
	return uint64(len(m.sorted(func(j *job) bool { return j.line == l && j.Phase == queue.Ready && j.Pri >= queue.LowFrom }, byID)))
}

func (m *Model) jobStats(j *job) *queue.JobStats {
	info := j.JobStats
	info.Queue, info.Age = j.line.name, time.Duration(m.now-j.created)
	switch j.Phase {
	case queue.Delayed:
		info.Left = time.Duration(j.due - m.now)
	case queue.Reserved:
		if j.end != forever {
			info.Left = time.Duration(j.end - m.now)
		}
	}
	return &info
}

// Queues are the names of all queues, in order.
func (m *Model) Queues() []string {
	names := []string{}
	for name := range m.lines {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Jobs are the ids of all jobs, in the order they were put.
func (m *Model) Jobs() (ids []queue.JobID) {
	for _, j := range m.jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

// Held are the jobs that a session holds.
func (m *Model) Held(id queue.SessionID) (ids []queue.JobID) {
	for _, j := range m.jobs {
		if j.holder != nil && j.holder.id == id {
			ids = append(ids, j.ID)
		}
	}
	return ids
}

// Waiting are the sessions in a reserve, the longest first.
func (m *Model) Waiting() (ids []queue.SessionID) {
	for _, w := range m.waiting {
		ids = append(ids, w.id)
	}
	return ids
}

// Stepping says whether a session waits for the end of a long request.
func (m *Model) Stepping(id queue.SessionID) bool {
	return slices.ContainsFunc(m.long, func(w *long) bool { return w.sess.id == id })
}
