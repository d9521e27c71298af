package queue

import "hash/maphash"

// State is everything the queue knows. It is not safe for concurrent use.
type State struct {
	now  int64 // engine's clock, ns: never goes back
	wall int64 // wall time, ns since 1970

	// Facts.
	epoch   uint64 // of the node that leads
	seq     uint64 // of its last batch
	jobs    slab[job]
	rares   slab[rare]
	bodies  bodies
	ids     idTable
	maxID   JobID // the highest a record named
	uploads map[uploadKey][][]byte
	// Ids of volatile jobs up to here may have been given out in this epoch or before.
	volatileEnd JobID

	// Queues, by index and by name. Their jobs and pauses are facts, the rest is not.
	queues     []*Queue
	freeQueues []uint32
	byName     map[string]*Queue
	listed     []*Queue // as OpQueues lists them

	// Session state.
	sessions     []*session
	freeSessions []uint32
	opened       uint64
	nextID       JobID
	followers    map[JobID]*following
	initial      *watchSet              // what a new session watches
	sets         map[uint64][]*watchSet // the shared ones, by hash
	steps        []*steps               // long requests under way
	waiting      uint64
	counts       Counts
	timeouts     uint64
	total        uint64
	expired      uint64

	// Indexes.
	lastBurial    int64           // engine's clock
	uniques       map[uint64]slot // by hash, the first job with such a unique key
	seed          maphash.Seed
	queueTimers   heap[*Queue]
	sessionTimers heap[*session]
	wallTimers    heap[wallItem]

	// What a turn makes.
	logging bool
	records []byte
	outputs Outputs

	snapshots uint64 // generation of the next snapshot
	stored    uint64 // generation of the last that was stored
}

// New returns an empty state. With logging, what requests decide is also encoded
// for TakeBatch.
func New(logging bool) *State {
	s := &State{
		logging:   logging,
		uploads:   map[uploadKey][][]byte{},
		byName:    map[string]*Queue{},
		followers: map[JobID]*following{},
		uniques:   map[uint64]slot{},
		seed:      maphash.MakeSeed(),
		nextID:    1,
		snapshots: 1,
	}
	s.queueTimers = heap[*Queue]{
		less:  func(a, b *Queue) bool { return a.alarm < b.alarm },
		moved: func(q *Queue, pos uint32) { q.timer = pos + 1 },
	}
	s.sessionTimers = heap[*session]{
		less:  func(a, b *session) bool { return a.alarm < b.alarm },
		moved: func(sess *session, pos uint32) { sess.timer = pos + 1 },
	}
	s.wallTimers = heap[wallItem]{
		less:  func(a, b wallItem) bool { return a.alarm < b.alarm },
		moved: func(item wallItem, pos uint32) { s.rares.mut(s.jobs.at(item.at).rare).alarm = pos + 1 },
	}
	s.queueNamed([]byte(DefaultQueue))
	s.dropSessions()
	return s
}

// Successor returns an empty state that gives sessions ids s has not given.
func (s *State) Successor() *State {
	next := New(s.logging)
	next.opened = s.opened
	return next
}

// Lose ends every session: each is told that the outcome of what it asked is
// unknown, and what it holds becomes ready.
func (s *State) Lose() {
	var lost []Output
	for _, sess := range s.sessions {
		if sess != nil {
			lost = append(lost, Output{Session: sess.id, Tag: sess.tag, Port: sess.port, Lost: true})
			s.stopWaiting(sess) // before a job that is given back reaches it
			s.stopSleeping(sess)
			if q := sess.wokenFor; q != nil {
				q.woken--
			}
			sess.follows = nil
		}
	}
	clear(s.followers)
	for _, sess := range s.sessions {
		if sess != nil {
			s.close(sess)
		}
	}
	s.steps = nil
	s.dropVolatile()
	s.outputs.List = lost
}

// dropSessions gives session state its first value.
func (s *State) dropSessions() {
	s.sessions, s.freeSessions, s.steps = nil, nil, nil
	s.sets = map[uint64][]*watchSet{}
	s.initial = newWatchSet()
	s.initial.sessions = 1 // never dissolved, and so never changed
	s.add(s.initial, s.byName[DefaultQueue])
	s.initial.shared = true
	s.sets[s.initial.hash] = []*watchSet{s.initial}
}

// after returns the time d ns from now.
func (s *State) after(d int64) int64 {
	if d > never-s.now {
		return never
	}
	return s.now + d
}

// Counts are the jobs of all queues, by phase.
func (s *State) Counts() Counts { return s.counts }

// Now returns the engine's clock, in ns.
func (s *State) Now() int64 { return s.now }

// NextDeadline returns the engine's clock at which Advance has something to do,
// or ok false when only a request can bring it. It may be early, never late.
func (s *State) NextDeadline() (at int64, ok bool) {
	at = never
	if len(s.steps) > 0 {
		return s.now, true
	}
	if len(s.queueTimers.items) > 0 {
		at = min(at, s.queueTimers.items[0].alarm)
	}
	if len(s.sessionTimers.items) > 0 {
		at = min(at, s.sessionTimers.items[0].alarm)
	}
	if len(s.wallTimers.items) > 0 {
		at = min(at, s.after(max(0, s.wallTimers.items[0].alarm-s.wall)))
	}
	return at, at != never
}

// stepJobs bounds the jobs that time or one long request moves in a turn.
const stepJobs = 1000

// SetTime moves the clock on, without doing what time brings. It never goes back.
func (s *State) SetTime(now, wall int64) {
	s.now = max(s.now, now)
	s.wall = wall
}

// Advance does what time has brought, and the next step of long requests, in
// bounded steps: NextDeadline says whether more is left.
func (s *State) Advance() {
	for budget := stepJobs; budget > 0 && len(s.queueTimers.items) > 0 && s.queueTimers.items[0].alarm <= s.now; {
		budget = s.runQueue(s.queueTimers.items[0], budget)
	}
	for n := 0; n < stepJobs && len(s.sessionTimers.items) > 0 && s.sessionTimers.items[0].alarm <= s.now; n++ {
		s.expire(s.sessionTimers.items[0])
	}
	s.runWall()
	s.runSteps()
}
