package queue

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var followSteps = flag.Int("follow.steps", 60_000, "random acts of clients that follow and coalesce")

// followed is what the naive side knows of a job: who is to hear of it, and what
// keeps it.
type followedJob struct {
	queue, unique string
	durable       bool
	held          SessionID // 0: nobody
	who           []SessionID
}

// crowd is a state with sessions that put, follow and work, beside what is expected.
type crowd struct {
	t        *testing.T
	s        *State
	out      Outputs
	rnd      *rand.Rand
	seq      uint32
	sessions []SessionID
	jobs     map[JobID]*followedJob
	ids      []JobID // all that were given out
	follower *State  // what a node that follows makes of the batches
}

// TestFollowing makes random clients put jobs with few unique keys, follow them,
// work them and leave, and compares who is told what, which jobs coalesce, which
// end with their followers, and what is durable.
func TestFollowing(t *testing.T) {
	for seed := uint64(1); seed <= uint64(*followSteps/3000); seed++ {
		c := newCrowd(t, seed)
		for range 3000 {
			c.act()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	c := &crowd{t: t, s: New(true), follower: New(false), rnd: rand.New(rand.NewPCG(seed, 0)), jobs: map[JobID]*followedJob{}}
	c.s.SetTime(1e15, 1e15)
	c.follower.SetTime(1e15, 1e15)
	for range 6 {
		c.open()
	}
	return c
}

func (c *crowd) open() {
	id := c.s.Open(0, 0, 0)
	c.sessions = append(c.sessions, id)
	for _, q := range []string{"q0", "q1"} {
		c.run(Request{Session: id, Op: OpWatch, Queue: []byte(q)})
	}
}

// run executes r and returns its answer; events are checked against those due.
func (c *crowd) run(r Request, due ...told) Result {
	c.seq++
	r.Seq = c.seq
	c.s.Exec(&r, RoomForAll)
	c.s.TakeOutputs(&c.out)
	var answer Result
	got := map[told]int{}
	for _, o := range c.out.List {
		switch {
		case o.Event == EventAssigned:
		case o.Event != EventNone:
			got[told{o.Session, o.Result.ID, o.Event, string(o.Result.Body.Inline)}]++
		case o.Session == r.Session:
			answer = o.Result
		}
	}
	for _, d := range due {
		got[d]--
	}
	for d, n := range got {
		if n != 0 {
			c.t.Errorf("request %d: %+v was told %d times too often", r.Op, d, n)
		}
	}
	if b, ok := c.s.TakeBatch(); ok {
		if err := c.follower.ApplyBatch(0, b); err != nil {
			c.t.Fatal(err)
		}
	}
	return answer
}

// told is an event at a session.
type told struct {
	session SessionID
	job     JobID
	event   Event
	body    string
}

// tell returns what the followers of a job are to hear.
func (c *crowd) tell(id JobID, e Event, body string) (due []told) {
	for _, who := range c.jobs[id].who {
		due = append(due, told{who, id, e, body})
	}
	return due
}

func (c *crowd) act() {
	sess := c.sessions[c.rnd.IntN(len(c.sessions))]
	switch n := c.rnd.IntN(20); {
	case n < 8:
		c.put(sess)
	case n < 12:
		c.reserve(sess)
	case n < 17:
		c.answer()
	case n < 18:
		c.leave(sess)
	default:
		c.check()
	}
}

func (c *crowd) put(sess SessionID) {
	j := &followedJob{queue: fmt.Sprint("q", c.rnd.IntN(2)), durable: c.rnd.IntN(2) == 0}
	r := Request{Session: sess, Op: OpPut, Queue: []byte(j.queue), Pri: uint32(c.rnd.IntN(3)), Body: []byte("body")}
	if !j.durable {
		r.Flags = FlagVolatile | FlagFollow // as a foreground job is
	} else if c.rnd.IntN(2) == 0 {
		r.Flags = FlagFollow
	}
	if c.rnd.IntN(3) > 0 {
		j.unique = fmt.Sprint("u", c.rnd.IntN(5))
		r.More = &More{Unique: []byte(j.unique)}
	}
	want, had := c.same(j)
	res := c.run(r)
	if had != (res.N == 1) || had && res.ID != want {
		c.t.Errorf("put %q into %s: job %d (coalesced: %d), want job %d (%v)", j.unique, j.queue, res.ID, res.N, want, had)
		return
	}
	if had {
		c.jobs[want].durable = c.jobs[want].durable || j.durable
		j = c.jobs[want]
	} else {
		if c.jobs[res.ID] != nil {
			c.t.Errorf("id %d is given out twice", res.ID)
		}
		c.jobs[res.ID] = j
		c.ids = append(c.ids, res.ID)
	}
	if r.Flags&FlagFollow != 0 {
		j.who = append(j.who, sess)
	}
}

// same returns the job that has j's key.
func (c *crowd) same(j *followedJob) (JobID, bool) {
	for id, o := range c.jobs {
		if j.unique != "" && o.unique == j.unique && o.queue == j.queue {
			return id, true
		}
	}
	return 0, false
}

func (c *crowd) reserve(sess SessionID) {
	res := c.run(Request{Session: sess, Op: OpReserve, TTR: -1, Flags: FlagMore})
	if res.Err != OK {
		for id, j := range c.jobs {
			if j.held == 0 {
				c.t.Errorf("no job is there, but %d is", id)
			}
		}
		return
	}
	j := c.jobs[res.ID]
	if j == nil || j.held != 0 {
		c.t.Errorf("got job %d, which is gone or held", res.ID)
		return
	}
	if unique := res.Extra; j.unique != "" && (unique == nil || unique.Unique != j.unique) {
		c.t.Errorf("job %d came with %+v, want the key %q", res.ID, unique, j.unique)
	}
	j.held = sess
}

// answer has a worker report on a job it holds, end it or give it back.
func (c *crowd) answer() {
	for id, j := range c.jobs {
		if j.held == 0 {
			continue
		}
		r := Request{Session: j.held, ID: id, Body: []byte("said")}
		switch c.rnd.IntN(6) {
		case 0:
			r.Op, r.Event = OpReport, EventData
			c.run(r, c.tell(id, EventData, "said")...)
		case 1:
			r.Op, r.Event, r.N, r.M, r.Body = OpReport, EventProgress, 3, 4, nil
			c.run(r, c.tell(id, EventProgress, "")...)
		case 2:
			r.Op = OpRelease
			c.run(r)
			if j.held = 0; len(j.who) == 0 && !j.durable {
				delete(c.jobs, id) // nobody waits for it
			}
		default:
			r.Op, r.Event = OpAck, [...]Event{EventComplete, EventFail, EventException}[c.rnd.IntN(3)]
			c.run(r, c.tell(id, r.Event, "said")...)
			delete(c.jobs, id)
		}
		return
	}
}

// leave closes a session: what it holds is given back, and volatile jobs that only
// it followed end, or, when somebody works them, end with that.
func (c *crowd) leave(sess SessionID) {
	for id, j := range c.jobs {
		var kept []SessionID
		for _, who := range j.who {
			if who != sess {
				kept = append(kept, who)
			}
		}
		j.who = kept
		if j.held == sess {
			j.held = 0
		}
		if len(kept) == 0 && !j.durable && j.held == 0 {
			delete(c.jobs, id)
		}
	}
	c.run(Request{Session: sess, Op: OpClose})
	for i, id := range c.sessions {
		if id == sess {
			c.sessions = append(c.sessions[:i], c.sessions[i+1:]...)
		}
	}
	c.open()
}

// check asks after a job, and now and then compares with the node that follows.
func (c *crowd) check() {
	if len(c.ids) > 0 {
		id := c.ids[c.rnd.IntN(len(c.ids))]
		res := c.run(Request{Session: c.sessions[0], Op: OpJobStats, ID: id})
		if alive := c.jobs[id] != nil; alive != (res.Err == OK) {
			c.t.Errorf("job %d is there: %v, want %v", id, res.Err == OK, alive)
		} else if alive {
			info := res.Info.(*JobStats)
			if info.Volatile == c.jobs[id].durable || info.Followers != len(c.jobs[id].who) {
				c.t.Errorf("job %d: %+v, want %+v", id, info, c.jobs[id])
			}
		}
	}
	if c.rnd.IntN(50) == 0 && c.s.Digest() != c.follower.Digest() {
		c.t.Error("a node that follows has other facts")
	}
	c.s.SetTime(c.s.Now()+int64(time.Millisecond), 1e15)
}
