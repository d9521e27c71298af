package sim_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// ledger is what the clients know, over all lives of the server.
type ledger struct {
	facts  map[uint64]*fact // by the token in the body
	all    []*fact          // the same, in the order they were put
	byID   map[queue.JobID]*fact
	tokens uint64
	err    error
}

// fact is one job, as far as its clients know it.
type fact struct {
	id    queue.JobID // 0: not known
	token uint64
	body  []byte
	queue string

	put, deleted knowledge
	// In this life of the server:
	askers    int           // requests about it that are not answered
	notBefore time.Time     // it is not ready earlier, unless it is kicked
	readyBy   time.Time     // it is not delayed later
	delayedAt time.Time     // when that was asked for
	kickedAt  time.Time     // when something was asked that makes it ready
	holder    *session      // has it, as far as is known
	freed     uint32        // the last request of anybody before the last holder was known to have it no more
	from, by  time.Time     // when the lease began, at the earliest and the latest
	ttr       time.Duration // of the lease
}

// knowledge is whether something happened, by the answers.
type knowledge struct {
	state outcome
	index uint64 // of a batch that is not before the one that says so
}

type outcome uint8

const (
	no      outcome = iota
	unknown         // asked for, not answered
	yes
)

func (f *fact) String() string {
	return fmt.Sprintf("job %d (put in batch %d, of %d bytes)", f.id, f.put.index, len(f.body))
}

// slack is how much virtual time may pass between a decision and its answer.
const slack = 20 * time.Millisecond

func (l *ledger) failf(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
}

// expect makes a job that is about to be put, with a body that nobody else has.
func (l *ledger) expect(size int) *fact {
	l.tokens++
	f := &fact{token: l.tokens, put: knowledge{state: unknown}, body: binary.LittleEndian.AppendUint64(nil, l.tokens)}
	for i := range size {
		f.body = append(f.body, byte(l.tokens)+byte(i>>3))
	}
	l.facts[f.token] = f
	l.all = append(l.all, f)
	return f
}

// meet finds the job that an answer carries.
func (l *ledger) meet(id queue.JobID, body queue.Body) *fact {
	all := slices.Clone(body.Inline)
	for _, c := range body.Chunks {
		all = append(all, c...)
	}
	var f *fact
	if len(all) >= 8 {
		f = l.facts[binary.LittleEndian.Uint64(all)]
	}
	switch {
	case f == nil || !bytes.Equal(f.body, all):
		l.failf("job %d has a body that nobody put: %d bytes", id, len(all))
		return nil
	case f.deleted.state == yes:
		l.failf("job %d was deleted, and is there", id)
	case f.id != 0 && f.id != id:
		l.failf("job %d has the body of job %d", id, f.id)
	}
	l.named(f, id)
	return f
}

// named notes a job's id, which no other job may have had.
func (l *ledger) named(f *fact, id queue.JobID) {
	if other := l.byID[id]; other != nil && other != f {
		l.failf("id %d was given twice", id)
	}
	f.id, l.byID[id] = id, f
}

func (l *ledger) forget(f *fact) {
	delete(l.facts, f.token)
	l.all = slices.DeleteFunc(l.all, func(o *fact) bool { return o == f })
	if l.byID[f.id] == f {
		delete(l.byID, f.id)
	}
}

// answered takes the answer to a request. index is that of the last committed batch.
func (l *ledger) answered(s *session, p *pending, r queue.Result, now time.Time, index uint64) {
	f := p.fact
	switch p.Op {
	case queue.OpPut:
		l.answeredPut(f, p, r, now, index)
	case queue.OpReserve, queue.OpReserveJob:
		l.answeredReserve(s, p, r, now)
	case queue.OpDelete, queue.OpAck, queue.OpRelease, queue.OpBury, queue.OpTouch:
		l.answeredJob(s, p, r, now, index)
	case queue.OpPeek:
		if r.Err == queue.OK {
			l.meet(r.ID, r.Body)
		} else if f.there() {
			l.failf("%v was acknowledged and is gone", f)
		}
	case queue.OpJobStats:
		if r.Err == queue.OK {
			l.inTime(f, r.Info.(*queue.JobStats), now)
		} else if f.there() {
			l.failf("%v was acknowledged and is gone", f)
		}
	}
}

func (l *ledger) answeredPut(f *fact, p *pending, r queue.Result, now time.Time, index uint64) {
	switch r.Err {
	case queue.OK:
		f.put = knowledge{yes, index}
		f.delay(p, now)
		l.named(f, r.ID)
	case queue.ErrNoSpace:
		l.forget(f)
	default:
		l.failf("put: %v", r.Err)
	}
}

func (l *ledger) answeredReserve(s *session, p *pending, r queue.Result, now time.Time) {
	if r.Err != queue.OK {
		if late := now.Sub(p.sent) - p.Timeout; p.Op == queue.OpReserve && p.Timeout >= 0 && r.Err == queue.ErrTimedOut && !s.cancelled && (late < 0 || late > slack) {
			l.failf("a reserve of %v timed out after %v", p.Timeout, now.Sub(p.sent))
		}
		return
	}
	f := l.meet(r.ID, r.Body)
	if f == nil {
		return
	}
	if h := f.holder; h != nil && now.Before(f.from.Add(f.ttr)) && !h.asks(f) {
		l.failf("job %d was given to two sessions", f.id)
	}
	if p.Op == queue.OpReserve && f.early(now) {
		l.failf("job %d was given out %v early", f.id, f.notBefore.Sub(now))
	}
	f.hold(s)
	f.from, f.by, f.ttr = now.Add(-slack), now, f.leaseTime()
	f.kickedAt = now // when its lease ends it is ready
}

func (f *fact) delay(p *pending, now time.Time) {
	f.delayedAt, f.notBefore, f.readyBy = p.sent, p.sent.Add(p.Delay), now.Add(p.Delay)
}

// early says whether job f cannot be ready yet.
func (f *fact) early(now time.Time) bool {
	return now.Before(f.notBefore) && f.kickedAt.Before(f.delayedAt) && f.askers == 0
}

// leaseTime is a part of the job's identity, so that nothing need be remembered.
func (f *fact) leaseTime() time.Duration { return leaseTimes[f.token%uint64(len(leaseTimes))] }

var leaseTimes = []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, time.Hour}

func (f *fact) hold(s *session) {
	if f.holder != nil {
		f.freed = f.holder.c.server.seq
		f.holder.holds = slices.DeleteFunc(f.holder.holds, func(o *fact) bool { return o == f })
	}
	f.holder = s
	if s != nil {
		s.holds = append(s.holds, f)
	}
}

// asks says whether a request of s about f is not answered: it may have ended the
// lease.
func (s *session) asks(f *fact) bool {
	for _, p := range s.pending {
		if p.fact == f {
			return true
		}
	}
	return false
}

// there says whether job f must exist: it was put, and nobody may have deleted it.
func (f *fact) there() bool {
	return f.put.state == yes && f.deleted.state == no && f.askers == 0
}

func (l *ledger) answeredJob(s *session, p *pending, r queue.Result, now time.Time, index uint64) {
	f := p.fact
	sure := f.holder == s && f.there() && now.Before(f.from.Add(f.ttr))
	over := f.holder == s && p.sent.After(f.by.Add(f.ttr+slack))
	switch {
	case r.Err == queue.ErrNoSpace:
		return
	case r.Err == queue.ErrNotFound && sure:
		l.failf("the lease of job %d ended %v early, or the job is lost", f.id, f.from.Add(f.ttr).Sub(now))
	case r.Err == queue.ErrNotFound && p.Op == queue.OpDelete && f.holder == nil && p.Seq > f.freed && f.there() && !s.c.server.reserving(p.Seq):
		l.failf("%v was acknowledged and is gone", f)
	case r.Err == queue.OK && p.Op != queue.OpDelete && over:
		l.failf("the lease of job %d was over for %v, and still held", f.id, p.sent.Sub(f.by.Add(f.ttr)))
	case r.Err == queue.OK && p.Op == queue.OpDelete && f.holder != nil && f.holder != s && now.Before(f.from.Add(f.ttr)) && f.askers == 0:
		l.failf("job %d was deleted while another session held it", f.id)
	}
	if r.Err != queue.OK {
		return
	}
	if p.Op == queue.OpDelete || p.Op == queue.OpAck {
		if f.deleted.state == yes {
			l.failf("job %d was deleted twice", f.id)
		}
		f.deleted = knowledge{yes, index}
		f.hold(nil)
	}
	if f.holder != s {
		return // it was given to another before this answer was read
	}
	switch p.Op {
	case queue.OpTouch:
		f.from, f.by = p.sent, now
	case queue.OpRelease:
		f.hold(nil)
		f.delay(p, now)
	case queue.OpBury:
		f.hold(nil)
		f.notBefore, f.readyBy = time.Time{}, time.Time{}
	}
}

// inTime checks that what time brings has come, and nothing else.
func (l *ledger) inTime(f *fact, info *queue.JobStats, now time.Time) {
	switch info.Phase {
	case queue.Delayed:
		if !f.readyBy.IsZero() && now.After(f.readyBy.Add(slack)) && f.askers == 0 {
			l.failf("job %d is delayed %v longer than asked", f.id, now.Sub(f.readyBy))
		}
	case queue.Ready:
		if f.early(now) {
			l.failf("job %d is ready %v early", f.id, f.notBefore.Sub(now))
		}
	case queue.Reserved:
		if f.holder != nil && now.After(f.by.Add(f.ttr+2*slack)) && info.Left == 0 {
			l.failf("job %d is held %v longer than its lease", f.id, now.Sub(f.by.Add(f.ttr)))
		}
	}
}

// reconcile starts a new life of the server, which knows the batches up to index.
// What a later batch said is as if it had never been answered.
func (l *ledger) reconcile(index uint64) {
	for _, f := range l.all {
		if f.put.state == yes && f.put.index > index {
			f.put.state = unknown
		}
		if f.deleted.state == yes && f.deleted.index > index {
			f.deleted.state = unknown
		}
		f.holder, f.askers = nil, 0
		f.notBefore, f.readyBy = time.Time{}, time.Time{}
	}
}

// audit compares what is known with all jobs there are, after the batch with the
// given index, or, if that is 0, as the life begins: then everything is known after it.
func (l *ledger) audit(found map[queue.JobID]queue.Body, index uint64) {
	for id, body := range found {
		if f := l.meet(id, body); f != nil {
			f.deleted = knowledge{}
			if f.put.state != yes {
				f.put = knowledge{yes, index}
			}
		}
	}
	for _, f := range slices.Clone(l.all) {
		_, there := found[f.id]
		switch {
		case there, f.deleted.state == yes: // so that it may not come back
		case f.put.state == unknown:
			if index == 0 {
				l.forget(f)
			}
		case f.deleted.state == no:
			l.failf("%v was acknowledged and is lost", f)
		default:
			f.deleted = knowledge{yes, index}
		}
	}
}
