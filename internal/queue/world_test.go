package queue_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/queue"
	"github.com/millrace/millrace/internal/sim"
)

// world is a State that leads, one that follows it by the batches alone, what a log
// would keep, and the model of them.
type world struct {
	unordered   bool // the names in the next answer come in any order
	s, follower *queue.State
	m           *sim.Model
	out         queue.Outputs

	now, wall int64
	epoch     uint64
	seq       uint32
	tags      uint64
	watcher   queue.SessionID // asks for statistics, and nothing else
	sessions  []queue.SessionID

	snapshot map[uint64][]byte // the last one stored; nil: none
	batches  [][]byte          // since
	views    []*openView

	err   error
	trace bool
	said  []string
}

// openView is a view and what it must turn out to hold.
type openView struct {
	*queue.View
	digest   [32]byte
	clock    int64
	sections bool // it is for a snapshot
	batches  int  // that it includes
}

const start = int64(1_000_000_000_000_000_000)

func newWorld() *world {
	w := &world{s: queue.New(true), follower: queue.New(true), m: sim.NewModel(start, start), now: start, wall: start}
	w.s.SetTime(start, start)
	w.lead()
	return w
}

// lead begins an epoch with new sessions.
func (w *world) lead() {
	w.epoch++
	b := w.s.BeginEpoch(w.epoch)
	w.store(b)
	w.fail(w.s.ApplyBatch(0, b))
	w.settle()
	w.sessions = nil
	w.watcher = w.open()
	for range 3 {
		w.sessions = append(w.sessions, w.open())
	}
}

func (w *world) open() queue.SessionID {
	w.tags++
	id := w.s.Open(0, w.tags, queue.Source(w.tags%3))
	w.m.Open(id, queue.Source(w.tags%3))
	return id
}

func (w *world) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *world) failf(format string, args ...any) { w.fail(fmt.Errorf(format, args...)) }

func (w *world) say(format string, args ...any) {
	if w.trace {
		w.said = append(w.said, fmt.Sprintf(format, args...))
	}
}

// place says where a panic came from.
func place() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var list []string
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/internal/queue.") || strings.Contains(f.Function, "/internal/sim.") {
			list = append(list, fmt.Sprintf("%s:%d", f.Function[strings.LastIndex(f.Function, ".")+1:], f.Line))
		}
		if !more {
			return strings.Join(list, " < ")
		}
	}
}

// do runs a request in both and compares what comes of it.
func (w *world) do(r queue.Request, room queue.Room) {
	w.seq++
	r.Seq = w.seq
	if w.trace && r.Session != w.watcher {
		w.say("    op %d by %x: queue %q id %d pri %d delay %v ttr %v timeout %v n %d body %d upload %d", r.Op, r.Session&0xffffff, r.Queue, r.ID, r.Pri, r.Delay, r.TTR, r.Timeout, r.N, len(r.Body), r.Upload)
	}
	w.s.Exec(&r, room)
	w.unordered = r.Op == queue.OpQueues // the model lists queues by name
	w.same(func() { w.m.Do(r, room) })
}

// same lets the model do what the state did, and compares their answers.
func (w *world) same(model func()) {
	w.s.TakeOutputs(&w.out)
	got := make([]sim.Answer, len(w.out.List))
	for i, o := range w.out.List {
		if o.Lost || o.Event != queue.EventNone {
			w.failf("session %x was told of something it did not ask for", o.Session)
		}
		r := o.Result
		if names, ok := r.Info.([]string); ok && w.unordered {
			slices.Sort(names)
		}
		body := append([]byte(nil), r.Body.Inline...)
		for _, c := range r.Body.Chunks {
			body = append(body, c...)
		}
		got[i] = sim.Answer{Session: o.Session, Seq: o.Seq, Err: r.Err, ID: r.ID, N: r.N, Queue: r.Queue, Body: string(body), Info: r.Info}
	}
	w.m.Choose = func(id queue.JobID, among []queue.SessionID) queue.SessionID {
		for _, a := range got {
			if a.ID == id && a.Err == queue.OK && slices.Contains(among, a.Session) {
				return a.Session
			}
		}
		return among[0]
	}
	w.m.Answers = w.m.Answers[:0]
	model()
	want := slices.Clone(w.m.Answers)
	bySession := func(a, b sim.Answer) int { return cmp.Compare(a.Session, b.Session) }
	slices.SortStableFunc(got, bySession)
	slices.SortStableFunc(want, bySession)
	if len(got) != len(want) {
		w.failf("answers %s, want %s", list(got), list(want))
		return
	}
	for i, a := range got {
		if !equal(a, want[i]) {
			w.failf("answer %s, want %s", list(got[i:i+1]), list(want[i:i+1]))
		}
	}
}

func equal(a, b sim.Answer) bool {
	if a.Info == nil && b.Info == nil {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

func list(answers []sim.Answer) string {
	var b strings.Builder
	for _, a := range answers {
		if a.Info != nil && reflect.TypeOf(a.Info).Kind() == reflect.Pointer {
			a.Info = reflect.ValueOf(a.Info).Elem().Interface()
		}
		if len(a.Body) > 20 {
			a.Body = fmt.Sprintf("%s… (%d)", a.Body[:20], len(a.Body))
		}
		fmt.Fprintf(&b, "%+v ", a)
	}
	return b.String()
}

// commit ends a turn: what was decided goes to the log and to the follower.
func (w *world) commit() {
	if b, ok := w.s.TakeBatch(); ok {
		w.store(b)
	}
}

func (w *world) store(b queue.Batch) {
	raw := queue.AppendBatch(nil, b)
	w.batches = append(w.batches, raw)
	b, err := queue.DecodeBatch(raw)
	w.fail(err)
	w.fail(w.follower.ApplyBatch(0, b))
}

// set moves the clocks, which a batch must not see.
func (w *world) set(now int64) {
	w.commit()
	w.wall += now - w.now
	w.now = now
	w.s.SetTime(w.now, w.wall)
	w.m.SetTime(w.now, w.wall)
}

func (w *world) due() bool {
	at, ok := w.s.NextDeadline()
	return ok && at <= w.s.Now()
}

// advance does what time has brought, all of it at once.
func (w *world) advance() {
	w.s.Advance()
	w.same(w.m.Advance)
}

// until lets time pass. With sessions that wait, it stops wherever something
// happens: what several things in one turn do to them depends on an order that
// nobody promised.
func (w *world) until(at int64, jump bool) {
	for w.err == nil {
		next, things := w.m.NextEvent()
		if told, ok := w.s.NextDeadline(); next <= at && (!ok || told > next) {
			w.failf("the next deadline is %v (%v) too late", time.Duration(told-next), ok)
		}
		waiting := w.m.Waiting()
		switch {
		case next > at:
			w.set(at)
			return
		case len(waiting) > 0 && things > 1:
			w.nobodyWaits()
		case len(waiting) == 0 && jump && next > w.now:
			w.set(at)
			w.settle()
		default:
			w.set(next)
			w.advance()
		}
	}
}

func (w *world) nobodyWaits() {
	for _, id := range w.m.Waiting() {
		w.do(queue.Request{Op: queue.OpCancelReserve, Session: id}, queue.RoomForAll)
	}
}

// settle does all that is due, in as many turns as the state wants.
func (w *world) settle() {
	w.s.Advance()
	for w.due() {
		w.s.Advance()
	}
	w.same(w.m.Advance)
}

// audit compares statistics, and now and then the rest.
func (w *world) audit(step int) {
	if w.err != nil {
		return
	}
	ask := func(r queue.Request) {
		r.Session = w.watcher
		w.do(r, queue.RoomForAll)
	}
	ask(queue.Request{Op: queue.OpStats})
	for i, name := range w.m.Queues() {
		if (i+step)%4 == 0 || w.trace {
			ask(queue.Request{Op: queue.OpQueueStats, Queue: []byte(name)})
		}
	}
	jobs := w.m.Jobs()
	if len(jobs) > 0 {
		ask(queue.Request{Op: queue.OpJobStats, ID: jobs[step%len(jobs)]})
	}
	if step%16 == 0 || w.trace {
		w.fail(queue.Check(w.s))
	}
	if step%64 == 0 {
		for _, id := range jobs {
			ask(queue.Request{Op: queue.OpJobStats, ID: id})
			ask(queue.Request{Op: queue.OpPeek, ID: id})
		}
		w.commit()
		w.sameFacts("the follower", w.follower)
	}
}

func (w *world) sameFacts(what string, other *queue.State) {
	other.SetTime(w.now, w.wall)
	if other.Digest() != w.s.Digest() {
		w.failf("%s has other facts", what)
	}
	w.fail(queue.Check(other))
}

func (w *world) finish() error {
	for len(w.views) > 0 {
		w.closeView(0, false)
	}
	return w.err
}

// view opens a view; the first is for a snapshot.
func (w *world) view() {
	w.commit()
	if len(w.views) == 2 {
		return
	}
	v := &openView{digest: w.s.Digest(), clock: w.now, batches: len(w.batches), sections: true}
	for _, o := range w.views {
		v.sections = v.sections && !o.sections
	}
	v.View = w.s.View()
	w.views = append(w.views, v)
}

// closeView reads a view, which must hold what the state held when it was opened.
func (w *world) closeView(i int, stored bool) {
	v := w.views[i]
	w.views = slices.Delete(w.views, i, i+1)
	stored = stored && v.sections
	sections := map[uint64][]byte{}
	last := -1
	w.fail(v.Sections(func(key uint64, unchanged bool, write func(io.Writer) error) error {
		if int(key) <= last {
			return fmt.Errorf("section %d comes after %d", key, last)
		}
		last = int(key)
		if unchanged && v.sections && w.snapshot[key] != nil {
			sections[key] = w.snapshot[key]
			return nil
		}
		var b bytes.Buffer
		err := write(&b)
		sections[key] = b.Bytes()
		return err
	}))
	restored := w.restore(sections, nil)
	restored.SetTime(v.clock, 0)
	if restored.Digest() != v.digest {
		w.failf("a view holds other facts than the state did (snapshot: %v)", v.sections)
	}
	w.fail(queue.Check(restored))
	v.Close(stored)
	if !stored {
		return
	}
	w.snapshot = sections
	w.batches = w.batches[v.batches:]
	for _, o := range w.views {
		o.batches -= v.batches
	}
}

// restore makes a state of a snapshot, if there is one, and batches.
func (w *world) restore(sections map[uint64][]byte, batches [][]byte) *queue.State {
	s := queue.New(true)
	if sections != nil {
		r := queue.NewRestorer(s)
		for _, key := range sortedKeys(sections) {
			w.fail(r.Section(key, bytes.NewReader(sections[key])))
		}
		r.Done()
	}
	for _, raw := range batches {
		b, err := queue.DecodeBatch(raw)
		w.fail(err)
		w.fail(s.ApplyBatch(0, b))
	}
	return s
}

func sortedKeys(m map[uint64][]byte) (keys []uint64) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// restart goes on with what the log holds, or as the follower.
func (w *world) restart(failover bool) {
	w.commit()
	next := w.restore(w.snapshot, w.batches)
	w.sameFacts("a state restored from the log", next)
	if failover {
		next, w.follower = w.follower, next
	} else {
		w.follower = w.restore(w.snapshot, w.batches)
	}
	w.s, w.views = next, nil
	if failover {
		w.snapshot, w.batches = nil, nil // what another node has stored is its own
		w.rebase()
	}
	w.s.SetTime(w.now, w.wall)
	w.m.Restart()
	w.lead()
}

// rebase makes a snapshot of a state that has none.
func (w *world) rebase() {
	v := w.s.View()
	sections := map[uint64][]byte{}
	w.fail(v.Sections(func(key uint64, _ bool, write func(io.Writer) error) error {
		var b bytes.Buffer
		err := write(&b)
		sections[key] = b.Bytes()
		return err
	}))
	v.Close(true)
	w.snapshot = sections
}
