package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// Model is the core as its contract describes it, written to be obviously right:
// lists that are searched from end to end. It takes the requests that queue.State
// takes and gives the answers State must give.
//
// Where the contract leaves a choice, which of several waiting sessions gets a job,
// Choose says what State chose.
type Model struct {
	// Choose picks who gets job id among the sessions that may, which are at least one.
	// nil: the first, who has waited longest.
	Choose func(id queue.JobID, among []queue.SessionID) queue.SessionID
	// Answers are those made since they were last taken away.
	Answers []Answer

	now, wall int64
	nextID    queue.JobID
	lastPut   queue.JobID
	jobs      []*job // in the order they were put
	lines     map[string]*line
	sessions  map[queue.SessionID]*session
	waiting   []*session // the longest first
	long      []*long
	uploads   map[upload]string
	buries    int

	timeouts, total, expired uint64
}

// Answer is a queue.Output without what changes under the reader's hands.
type Answer struct {
	Session queue.SessionID
	Seq     uint32
	Err     queue.Error
	ID      queue.JobID
	N       uint64
	Queue   string
	Body    string
	Info    any
}

type job struct {
	queue.JobStats // what State would say, but for the times that pass
	line           *line
	body           string
	created        int64
	due            int64
	expiresAt      int64
	holder         *session
	end            int64 // of the lease
	isBuried       bool  // unless somebody holds it, or its lease ended
	buried         int   // the how manieth it was
}

type line struct {
	name                   string
	pauseEnd               int64
	pause                  time.Duration
	total, deletes, pauses uint64
	expired                uint64
	waited                 time.Duration
	gone                   bool
}

type session struct {
	id      queue.SessionID
	door    queue.Source
	used    *line
	watched []*line
	// A reserve that waits.
	seq   uint32
	ttr   time.Duration
	until int64
	soon  bool
	take  bool
}

// long is a kick or a purge that takes several steps.
type long struct {
	sess *session
	seq  uint32
	left uint64
	done uint64
	next func() *job
	do   func(*job)
}

type upload struct {
	sess queue.SessionID
	n    uint64
}

const (
	forever  = int64(math.MaxInt64)
	stepJobs = 1000 // moved by a long request in one turn
)

// NewModel returns an empty queue at the given engine's clock and wall time, in ns.
func NewModel(now, wall int64) *Model {
	return &Model{
		now: now, wall: wall, nextID: 1,
		lines:    map[string]*line{queue.DefaultQueue: {name: queue.DefaultQueue}},
		sessions: map[queue.SessionID]*session{},
		uploads:  map[upload]string{},
	}
}

// Open adds a session, to which State gave id.
func (m *Model) Open(id queue.SessionID, door queue.Source) {
	d := m.lines[queue.DefaultQueue]
	m.sessions[id] = &session{id: id, door: door, used: d, watched: []*line{d}}
}

// Restart is what another node, or the next process, knows: nothing of sessions and
// statistics.
func (m *Model) Restart() {
	clear(m.sessions)
	clear(m.uploads)
	m.waiting, m.long, m.timeouts, m.total, m.expired = nil, nil, 0, 0, 0
	m.nextID = m.lastPut + 1 // ids that were skipped may be used
	for _, l := range m.lines {
		l.total, l.deletes, l.pauses, l.expired, l.waited = 0, 0, 0, 0, 0
	}
	for _, j := range m.jobs {
		j.Reserves, j.Timeouts, j.HeldBy = 0, 0, 0
		m.settle(j)
	}
	m.forget()
}

// SetTime moves the clocks.
func (m *Model) SetTime(now, wall int64) { m.now, m.wall = now, wall }

// Advance does what time has brought, and a step of every long request.
func (m *Model) Advance() {
	for _, l := range m.lines {
		if l.pauseEnd != 0 && l.pauseEnd <= m.now {
			l.pauseEnd = 0
			m.offer(l)
		}
	}
	for _, j := range m.sorted(func(j *job) bool { return j.Phase == queue.Delayed && j.due <= m.now }, bySoonest) {
		m.ready(j)
	}
	for _, j := range m.sorted(func(j *job) bool { return j.Phase == queue.Reserved && j.end <= m.now }, byID) {
		j.Timeouts++
		m.timeouts++
		m.giveBack(j)
	}
	for _, w := range slices.Clone(m.waiting) {
		switch {
		case w.soon && m.leaseEnd(w)-int64(queue.DeadlineMargin) <= m.now:
			m.stopWaiting(w, queue.ErrDeadlineSoon)
		case w.until <= m.now:
			m.stopWaiting(w, queue.ErrTimedOut)
		}
	}
	for _, j := range m.sorted(func(j *job) bool { return m.expires(j) <= m.now }, byID) {
		m.expired++
		j.line.expired++
		m.remove(j)
	}
	for _, w := range slices.Clone(m.long) {
		m.step(w)
	}
	m.forget()
}

// NextEvent says when time next changes something (forever: never), and how many
// things it changes then in an order that matters to who waits.
func (m *Model) NextEvent() (at int64, things int) {
	at = forever
	add := func(t int64) {
		switch {
		case t < at:
			at, things = t, 1
		case t == at:
			things++
		}
	}
	for _, l := range m.lines {
		due := forever
		for _, j := range m.jobs {
			if j.line == l && j.Phase == queue.Delayed {
				due = min(due, j.due)
			}
		}
		add(due)
		if l.pauseEnd != 0 {
			add(l.pauseEnd)
		}
	}
	for _, j := range m.jobs {
		if j.Phase == queue.Reserved {
			add(j.end)
		}
		add(m.expires(j))
	}
	for _, w := range m.waiting {
		add(w.until)
		if end := m.leaseEnd(w); w.soon && end != forever {
			add(end - int64(queue.DeadlineMargin))
		}
	}
	if len(m.long) > 0 {
		add(m.now)
	}
	return at, things
}

// expires is the engine's clock at which a job goes unworked.
func (m *Model) expires(j *job) int64 {
	if j.expiresAt == 0 || j.Phase == queue.Reserved {
		return forever
	}
	return m.now + max(0, j.expiresAt-m.wall)
}

// leaseEnd is when the first of a session's leases ends.
func (m *Model) leaseEnd(s *session) int64 {
	end := forever
	for _, j := range m.jobs {
		if j.holder == s {
			end = min(end, j.end)
		}
	}
	return end
}

func byID(a, b *job) int { return cmp.Compare(a.ID, b.ID) }

func bySoonest(a, b *job) int { return cmp.Or(cmp.Compare(a.due, b.due), byID(a, b)) }

func byUrgency(a, b *job) int { return cmp.Or(cmp.Compare(a.Pri, b.Pri), byID(a, b)) }

func byBurial(a, b *job) int { return cmp.Compare(a.buried, b.buried) }

// sorted returns the jobs that are meant, in order.
func (m *Model) sorted(meant func(*job) bool, order func(a, b *job) int) (list []*job) {
	for _, j := range m.jobs {
		if meant(j) {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, order)
	return list
}

// first returns the first of the jobs that are meant, or nil.
func (m *Model) first(meant func(*job) bool, order func(a, b *job) int) (first *job) {
	for _, j := range m.jobs {
		if meant(j) && (first == nil || order(j, first) < 0) {
			first = j
		}
	}
	return first
}

// next returns the first job of a line in a phase, or nil.
func (m *Model) next(l *line, p queue.Phase) *job {
	order := map[queue.Phase]func(a, b *job) int{
		queue.Ready: byUrgency, queue.Delayed: bySoonest, queue.Buried: byBurial,
	}[p]
	return m.first(func(j *job) bool { return j.line == l && j.Phase == p }, order)
}

// settle puts a job where its facts say.
func (m *Model) settle(j *job) {
	j.holder = nil
	switch {
	case j.isBuried:
		j.Phase = queue.Buried
	case j.due > m.now:
		j.Phase = queue.Delayed
	default:
		m.ready(j)
	}
}

// giveBack makes ready a job whose lease nobody ended, whatever it was before.
func (m *Model) giveBack(j *job) {
	if j.isBuried || j.due > m.now {
		j.isBuried, j.due = false, 0
	}
	m.ready(j)
}

func (m *Model) ready(j *job) {
	j.Phase, j.holder = queue.Ready, nil
	m.offer(j.line)
}

// offer gives ready jobs of a line to who waits for them. Of sessions that watch the
// same, it is the one that has waited longest.
func (m *Model) offer(l *line) {
	for l.pauseEnd == 0 {
		j := m.next(l, queue.Ready)
		var among []queue.SessionID
		var same [][]*line
		for _, w := range m.waiting {
			if slices.Contains(w.watched, l) && !slices.ContainsFunc(same, func(o []*line) bool { return slices.Equal(o, w.watched) }) {
				among, same = append(among, w.id), append(same, w.watched)
			}
		}
		if j == nil || len(among) == 0 {
			return
		}
		chosen := among[0]
		if m.Choose != nil {
			chosen = m.Choose(j.ID, among)
		}
		w := m.sessions[chosen]
		m.waiting = slices.DeleteFunc(m.waiting, func(o *session) bool { return o == w })
		m.hand(w, j, w.seq, w.ttr, w.take)
	}
}

// hand gives job j to s: for good, or for a lease.
func (m *Model) hand(s *session, j *job, seq uint32, ttr time.Duration, take bool) {
	if !take {
		m.lease(s, j, seq, ttr)
		return
	}
	j.line.waited = time.Duration(m.now - j.created)
	j.line.deletes++
	m.answerJob(s, seq, j)
	m.remove(j)
}

func (m *Model) lease(s *session, j *job, seq uint32, ttr time.Duration) {
	j.Phase, j.holder, j.end = queue.Reserved, s, m.end(j, ttr)
	j.HeldBy = s.door
	j.line.waited = time.Duration(m.now - j.created)
	j.Reserves++
	m.answerJob(s, seq, j)
}

// end is when a lease of job j ends that starts now: after ttr, or, if that is 0, as
// the job says.
func (m *Model) end(j *job, ttr time.Duration) int64 {
	if ttr == 0 {
		ttr = j.TTR
	}
	if ttr <= 0 {
		return forever
	}
	return m.now + int64(ttr)
}

func (m *Model) stopWaiting(s *session, err queue.Error) {
	m.waiting = slices.DeleteFunc(m.waiting, func(o *session) bool { return o == s })
	m.answer(s, s.seq, Answer{Err: err})
}

func (m *Model) remove(j *job) {
	m.jobs = slices.DeleteFunc(m.jobs, func(o *job) bool { return o == j })
}

// forget ends the life of queues that nothing refers to.
func (m *Model) forget() {
	for name, l := range m.lines {
		used := name == queue.DefaultQueue || l.pauseEnd != 0
		for _, s := range m.sessions {
			used = used || s.used == l || slices.Contains(s.watched, l)
		}
		for i := 0; i < len(m.jobs) && !used; i++ {
			used = m.jobs[i].line == l
		}
		if !used {
			l.gone = true
			delete(m.lines, name)
		}
	}
}

func (m *Model) line(name string) *line {
	if m.lines[name] == nil {
		m.lines[name] = &line{name: name}
	}
	return m.lines[name]
}

func (m *Model) find(id queue.JobID) *job {
	return m.first(func(j *job) bool { return j.ID == id }, byID)
}

func (m *Model) answer(s *session, seq uint32, a Answer) {
	a.Session, a.Seq = s.id, seq
	m.Answers = append(m.Answers, a)
}

func (m *Model) answerJob(s *session, seq uint32, j *job) {
	m.answer(s, seq, Answer{ID: j.ID, Queue: j.line.name, Body: j.body})
}

// step does the next jobs of a long request.
func (m *Model) step(w *long) {
	for n := 0; n < stepJobs && w.left > 0; n++ {
		j := w.next()
		if j == nil {
			w.left = 0
			break
		}
		w.do(j)
		w.left--
		w.done++
	}
	if w.left == 0 {
		m.long = slices.DeleteFunc(m.long, func(o *long) bool { return o == w })
		m.answer(w.sess, w.seq, Answer{N: w.done})
	}
}
