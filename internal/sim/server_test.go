package sim_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/internal/wal"
)

// server is one life of a server with its clients. All of them are driven by one
// goroutine, so that a seed makes the same run again.
type server struct {
	w       *world
	rnd     *rand.Rand
	disk    *disk
	log     *tap
	engine  *engine.Engine
	clients []*client
	wake    chan struct{}
	seq     uint32
	unread  uint32 // the last request when a session went that may have been given a job
	diedAt  time.Time
	acked   uint64 // batches committed when it died
}

// world is what outlives a server: the disk, what clients know, and wall time.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	sync   time.Duration
	mem    *vfs.Mem
	ledger *ledger
	log    *history
	must   uint64       // batches that the next life must find
	offset atomic.Int64 // of wall time, ns
	fresh  bool         // no life has begun to serve
	full   bool         // the disk is, on purpose
	saw    *sights
}

// sights count what a simulation came by, to show that it came by all.
type sights struct {
	ops, stops, kills, powerCuts, ioErrors, noSpace, snapshots, restored, jumps, puts, deletes, deliveries, audits int
}

func (w *sights) all() []int {
	return []int{w.ops, w.stops, w.kills, w.powerCuts, w.ioErrors, w.noSpace, w.snapshots, w.restored, w.jumps, w.puts, w.deletes, w.deliveries, w.audits}
}

// start begins a life, or returns nil if the machine does not survive that.
func (w *world) start() *server {
	s := &server{w: w, rnd: rand.New(rand.NewPCG(w.rnd.Uint64(), 1)), wake: make(chan struct{}, 1)}
	s.disk = newDisk(w.mem, rand.New(rand.NewPCG(w.rnd.Uint64(), 2)))
	s.disk.power = w.rnd.IntN(2) == 0
	switch w.rnd.IntN(4) {
	case 0, 1:
		s.disk.crashAt = 1 + w.rnd.IntN(1000)
	case 2:
		s.disk.failAt = 1 + w.rnd.IntN(1000)
	}
	options := wal.Options{FS: &s.disk.Faulty, Sync: w.sync, SegmentSize: 32 << 10, RetryFull: 50 * time.Millisecond}
	log, err := wal.Open(dataDir, options)
	if err == nil {
		s.log = newTap(log, w)
		s.disk.onDeath = func() { s.acked, s.diedAt = s.log.committed(), time.Now() }
		s.engine = engine.New(engine.Options{Log: s.log, Wall: w.wall, SnapshotBytes: 40_000})
		if err = s.engine.Start(); err != nil {
			s.log.Close()
		}
	}
	if err == nil {
		return s
	}
	if !s.disk.dead() && !s.disk.broken() && !w.fresh {
		w.t.Errorf("start: %v", err)
	}
	s.bury()
	return nil
}

func (w *world) wall() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// bury settles what the next life finds, and what it must find.
func (s *server) bury() {
	w := s.w
	if s.log != nil {
		last := s.log.committed()
		if s.disk.dead() {
			last = s.acked
			if s.disk.power && w.sync != wal.SyncAlways {
				long := w.sync + slack
				if w.sync == wal.SyncNever {
					long = time.Hour
				}
				last = s.log.committedBy(s.diedAt.Add(-long))
			}
		}
		w.must = max(w.must, last)
	}
	w.saw.ops += s.disk.ops
	switch {
	case s.disk.dead() && s.disk.power:
		w.saw.powerCuts++
	case s.disk.dead():
		w.saw.kills++
	default:
		w.saw.stops++
	}
	if s.disk.broken() {
		w.saw.ioErrors++
	}
	if s.disk.dead() {
		w.mem = s.disk.after
	}
	w.fill(w.full && w.rnd.IntN(2) == 0, 0)
}

// fill makes the disk full, but for some bytes, or gives it room.
func (w *world) fill(full bool, room int64) {
	w.full = full
	if full {
		w.mem.SetCapacity(w.mem.Used() + room)
	} else {
		w.mem.SetCapacity(0)
	}
}

// end ends a life that has not been ended: by a crash, or as an operator does.
func (s *server) end() {
	if !s.disk.dead() && s.rnd.IntN(3) > 0 {
		s.disk.crash()
	}
	if err := s.engine.Failed(); err != nil && !s.disk.dead() && !s.disk.broken() && !s.w.full {
		s.w.t.Errorf("the server stopped for no reason: %v", err)
	}
	clean := !s.disk.dead() && !s.disk.broken() && s.engine.Failed() == nil
	if !clean {
		s.disk.crash()
	}
	close(s.log.snapshots)
	if err := s.engine.Close(); err != nil && clean && !s.disk.dead() && !s.disk.broken() {
		s.w.t.Errorf("close: %v", err)
	}
	s.bury()
}

// over says whether the server can serve no more.
func (s *server) over() bool {
	return s.disk.dead() || s.engine.Failed() != nil || s.w.failed()
}

func (w *world) failed() bool {
	return w.ledger.err != nil || w.log.err != nil || w.t.Failed()
}

func (s *server) connect() *client {
	c := &client{server: s}
	c.port = s.engine.NewPort(func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	s.clients = append(s.clients, c)
	return c
}

// send has a session ask something; the answer is not awaited.
func (s *server) send(x *session, r queue.Request, f *fact) {
	s.seq++
	r.Session, r.Seq = x.id, s.seq
	x.c.port.Do(&r)
	switch r.Op {
	case queue.OpCancelReserve:
		x.cancelled = true
		return
	case queue.OpReserve:
		x.cancelled = false
		x.blocked = true
	case queue.OpKick, queue.OpPurge:
		x.blocked = true
	}
	if f != nil {
		f.askers++
	}
	x.pending[r.Seq] = &pending{r, time.Now(), f}
}

// pump lets every client have a turn and reads what is published.
func (s *server) pump() {
	var all []heldOutput
	s.do(func() {
		for _, c := range s.clients {
			all = append(all, c.turn()...)
		}
	})
	if s.disk.dead() {
		return // whatever was published in the last moment: nobody has read it
	}
	slices.SortStableFunc(all, func(a, b heldOutput) int { return cmp.Compare(a.turn, b.turn) })
	for _, o := range all {
		s.read(o)
	}
}

func (s *server) read(o heldOutput) {
	for _, c := range s.clients {
		x := c.find(o.Session)
		if x == nil {
			continue
		}
		if o.Lost {
			c.remove(x)
			s.abandon(x)
			return
		}
		p := x.pending[o.Seq]
		if p == nil {
			s.w.ledger.failf("an answer to nothing that was asked")
			return
		}
		delete(x.pending, o.Seq)
		s.w.saw.answer(p.Op, o.Result.Err)
		if p.fact != nil {
			p.fact.askers--
		}
		if p.Op == queue.OpReserve || p.Op == queue.OpKick || p.Op == queue.OpPurge {
			x.blocked = false
		}
		s.w.ledger.answered(x, p, o.Result, time.Now(), s.log.committed())
	}
}

func (w *sights) answer(op queue.Op, err queue.Error) {
	switch {
	case err == queue.ErrNoSpace:
		w.noSpace++
	case err != queue.OK:
	case op == queue.OpPut:
		w.puts++
	case op == queue.OpReserve || op == queue.OpReserveJob:
		w.deliveries++
	case op == queue.OpDelete || op == queue.OpAck:
		w.deletes++
	}
}

// reserving says whether a session may have been given a job, at the time of request
// seq or since, that it has not read of.
func (s *server) reserving(seq uint32) bool {
	if seq <= s.unread {
		return true
	}
	for _, c := range s.clients {
		for _, x := range c.sessions {
			if x.reserving() {
				return true
			}
		}
	}
	return false
}

func (x *session) reserving() bool {
	for _, p := range x.pending {
		if p.Op == queue.OpReserve || p.Op == queue.OpReserveJob {
			return true
		}
	}
	return false
}

// abandon leaves open what became of a session's requests.
func (s *server) abandon(x *session) {
	if x.reserving() {
		s.unread = s.seq
	}
	for _, p := range x.pending {
		if f := p.fact; f != nil {
			f.askers--
			if (p.Op == queue.OpDelete || p.Op == queue.OpAck) && f.deleted.state == no {
				f.deleted.state = unknown
			}
			f.notBefore, f.readyBy = time.Time{}, time.Time{}
		}
	}
	x.pending = nil
	for len(x.holds) > 0 {
		x.holds[0].hold(nil)
	}
}

// do runs f, which may have to wait for the log.
func (s *server) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for {
		synctest.Wait()
		select {
		case <-done:
			return
		default:
			s.log.setFree(true)
		}
	}
}

// pass lets time pass, and reads answers when they come.
func (s *server) pass(d time.Duration) {
	s.log.setFree(true)
	timer := time.NewTimer(d)
	defer timer.Stop()
	for !s.over() {
		s.pump()
		select {
		case <-s.wake:
			continue
		default:
		}
		select {
		case <-s.wake:
		case <-timer.C:
			return
		}
	}
}

// yield lets the log do some of what it was asked.
func (s *server) yield() {
	s.log.setFree(false)
	s.log.allow([]int{0, 1, 2, 100}[s.rnd.IntN(4)])
	if s.rnd.IntN(8) == 0 {
		select {
		case s.log.snapshots <- struct{}{}:
		default:
		}
	}
	synctest.Wait()
}

// ask sends a request and waits for its answer; ok is false if there is none.
func (s *server) ask(x *session, r queue.Request) (res queue.Result, ok bool) {
	s.seq++
	r.Session, r.Seq = x.id, s.seq
	x.c.port.Do(&r)
	for !s.over() {
		var out []heldOutput
		s.do(func() { out = x.c.turn() })
		for _, o := range out {
			if o.Seq == r.Seq && !s.disk.dead() {
				return o.Result, !o.Lost
			}
		}
		select {
		case <-s.wake:
		case <-s.engine.Down():
		}
	}
	return res, false
}

// audit compares the ledger with every job there is, and reports whether it could.
func (s *server) audit(begins bool) bool {
	c := s.connect()
	x := c.open()
	found := map[queue.JobID]queue.Body{}
	res, ok := s.ask(x, queue.Request{Op: queue.OpList, N: 1 << 20})
	if !ok {
		return false
	}
	for _, info := range res.Info.([]queue.JobStats) {
		res, ok := s.ask(x, queue.Request{Op: queue.OpPeek, ID: info.ID})
		if !ok {
			return false
		}
		found[info.ID] = res.Body
	}
	index := s.log.committed()
	if begins {
		index = 0
	}
	s.w.ledger.audit(found, index)
	s.w.saw.audits++
	return true
}
