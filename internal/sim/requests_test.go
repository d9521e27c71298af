package sim_test

import (
	"slices"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

const maxJobs = 80

// request has one of a client's sessions ask for something.
func (s *server) request(c *client) {
	rnd := s.rnd
	if len(c.sessions) == 0 {
		return
	}
	x := c.sessions[rnd.IntN(len(c.sessions))]
	if x.blocked {
		if rnd.IntN(4) == 0 {
			s.send(x, queue.Request{Op: queue.OpCancelReserve}, nil)
		}
		return
	}
	name := []byte([]string{"default", "a", "b"}[rnd.IntN(3)])
	switch n := rnd.IntN(100); {
	case n < 30:
		s.put(x, name)
	case n < 52:
		timeout := []time.Duration{0, time.Second, -1, 3 * time.Second}[rnd.IntN(4)]
		s.send(x, queue.Request{Op: queue.OpReserve, Timeout: timeout}, nil)
	case n < 55:
		s.send(x, queue.Request{Op: queue.OpWatch, Queue: name}, nil)
	case n < 57:
		s.send(x, queue.Request{Op: queue.OpIgnore, Queue: name}, nil)
	case n < 58:
		s.send(x, queue.Request{Op: queue.OpPause, Queue: name, Delay: time.Duration(rnd.IntN(2000)) * time.Millisecond}, nil)
	case n < 60:
		s.kick(x, name)
	case n == 60 && rnd.IntN(4) == 0:
		s.purge(x, name)
	default:
		s.aboutJob(x)
	}
}

func (s *server) put(x *session, name []byte) {
	if len(s.w.ledger.byID) > 0 && s.living() > maxJobs {
		return
	}
	size := []int{0, 10, 100, 600, 9_000, 40_000}[s.rnd.IntN(6)]
	f := s.w.ledger.expect(s.rnd.IntN(size + 1))
	f.queue = string(name)
	r := queue.Request{Op: queue.OpPut, Queue: name, Pri: uint32(s.rnd.IntN(4)), TTR: f.leaseTime(), Body: f.body}
	if s.rnd.IntN(3) == 0 {
		r.Delay = []time.Duration{200 * time.Millisecond, 2 * time.Second, time.Minute}[s.rnd.IntN(3)]
	}
	if len(f.body) > 5_000 {
		r.Upload = f.token
		for range 2 {
			n := s.rnd.IntN(len(r.Body))
			s.send(x, queue.Request{Op: queue.OpChunk, Upload: r.Upload, Body: r.Body[:n]}, nil)
			r.Body = r.Body[n:]
		}
	}
	s.send(x, r, f)
}

func (s *server) living() (n int) {
	for _, f := range s.w.ledger.all {
		if f.deleted.state != yes {
			n++
		}
	}
	return n
}

// kick and purge are about jobs that the answer does not name.

func (s *server) kick(x *session, name []byte) {
	for _, f := range s.w.ledger.all {
		if f.queue == string(name) {
			f.kickedAt = time.Now()
		}
	}
	s.send(x, queue.Request{Op: queue.OpKick, Queue: name, N: uint64(s.rnd.IntN(5))}, nil)
}

func (s *server) purge(x *session, name []byte) {
	for _, f := range s.w.ledger.all {
		if f.queue == string(name) && f.deleted.state == no {
			f.deleted.state = unknown
		}
	}
	s.send(x, queue.Request{Op: queue.OpPurge, Queue: name}, nil)
}

// aboutJob asks something about a job, mostly one that the session holds.
func (s *server) aboutJob(x *session) {
	var f *fact
	known := slices.DeleteFunc(slices.Clone(s.w.ledger.all), func(f *fact) bool { return f.id == 0 })
	switch n := s.rnd.IntN(3); {
	case n < 2 && len(x.holds) > 0:
		f = x.holds[s.rnd.IntN(len(x.holds))]
	case len(known) > 0:
		f = known[s.rnd.IntN(len(known))]
	default:
		return
	}
	ops := []queue.Op{
		queue.OpDelete, queue.OpDelete, queue.OpAck, queue.OpAck, queue.OpRelease, queue.OpBury, queue.OpTouch,
		queue.OpKickJob, queue.OpReserveJob, queue.OpPeek, queue.OpJobStats, queue.OpJobStats,
	}
	r := queue.Request{Op: ops[s.rnd.IntN(len(ops))], ID: f.id, Pri: uint32(s.rnd.IntN(4))}
	if r.Op == queue.OpRelease {
		r.Delay = time.Duration(s.rnd.IntN(3)) * time.Second
	}
	if r.Op == queue.OpKickJob {
		f.kickedAt = time.Now()
	}
	s.send(x, r, f)
}
