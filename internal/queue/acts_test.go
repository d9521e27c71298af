package queue_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/queue"
)

// acts are what may happen, and how often.
var acts = []struct {
	name   string
	weight int
	do     func(*world, act)
}{
	{"put", 160, (*world).put},
	{"chunk", 15, (*world).chunk},
	{"drop upload", 3, op(queue.OpDropUpload)},
	{"import", 12, (*world).importJob},
	{"skip id", 3, op(queue.OpSkipID)},
	{"reserve", 180, (*world).reserve},
	{"cancel", 20, (*world).cancel},
	{"reserve job", 30, onJob(queue.OpReserveJob)},
	{"ack", 30, onJob(queue.OpAck)},
	{"delete", 70, onJob(queue.OpDelete)},
	{"release", 50, onJob(queue.OpRelease)},
	{"bury", 50, onJob(queue.OpBury)},
	{"touch", 30, onJob(queue.OpTouch)},
	{"kick", 25, op(queue.OpKick)},
	{"kick job", 20, onJob(queue.OpKickJob)},
	{"purge", 4, op(queue.OpPurge)},
	{"peek", 10, onJob(queue.OpPeek)},
	{"peek ready", 10, op(queue.OpPeekReady)},
	{"peek delayed", 10, op(queue.OpPeekDelayed)},
	{"peek buried", 10, op(queue.OpPeekBuried)},
	{"use", 30, op(queue.OpUse)},
	{"watch", 50, op(queue.OpWatch)},
	{"ignore", 40, op(queue.OpIgnore)},
	{"watched", 10, op(queue.OpWatched)},
	{"queues", 5, op(queue.OpQueues)},
	{"pause", 25, (*world).pause},
	{"open", 15, (*world).openSession},
	{"close", 12, (*world).closeSession},
	{"time", 200, (*world).time},
	{"wall clock jumps", 6, (*world).jump},
	{"many puts", 1, (*world).bulk},
	{"commit", 60, func(w *world, _ act) { w.commit() }},
	{"view", 14, func(w *world, _ act) { w.view() }},
	{"close view", 14, func(w *world, x act) {
		if len(w.views) > 0 {
			w.closeView(int(x.a)%len(w.views), x.b%4 > 0)
		}
	}},
	{"restart", 3, func(w *world, x act) { w.restart(x.a%2 == 0) }},
}

// request makes a request of the numbers in x, for a session that may ask one.
func (w *world) request(o queue.Op, x act) (queue.Request, bool) {
	var id queue.SessionID
	for i := range w.sessions {
		s := w.sessions[(int(x.a>>8)+i)%len(w.sessions)]
		if !slices.Contains(w.m.Waiting(), s) && !w.m.Stepping(s) {
			id = s
			break
		}
	}
	r := queue.Request{
		Op: o, Session: id,
		Queue: queueName(x.a),
		Pri:   []uint32{0, 1, 5, 100, 1023, 1024, 1025, 1 << 31, 1<<32 - 1, 7, 8, 9}[x.b%12],
		Delay: w.duration(x.b >> 4),
		TTR:   time.Millisecond + 2*w.duration(x.c>>4|1),
		N:     []uint64{0, 1, 2, 10, 1100}[x.c%5],
	}
	if o != queue.OpPut && o != queue.OpImport {
		r.TTR = []time.Duration{0, 0, -1, r.TTR}[x.c>>6%4]
	}
	if x.c%16 == 0 {
		r.Upload = uint64(x.c>>4)%2 + 1
	}
	if r.Queue == nil && (o == queue.OpUse || o == queue.OpWatch || o == queue.OpIgnore) {
		r.Queue = []byte(queue.DefaultQueue)
	}
	return r, id != 0
}

func queueName(n uint32) []byte {
	if n%8 == 0 {
		return nil
	}
	return []byte([]string{"default", "q1", "q2", "q3", "q4"}[n%5])
}

// duration is often 0, and hardly ever the same twice otherwise.
func (w *world) duration(n uint32) time.Duration {
	switch n % 8 {
	case 0, 1, 2, 3:
		return 0
	case 4:
		return time.Duration(n%3) * time.Second // may coincide
	}
	return time.Duration(n) % (5 * time.Second)
}

func (w *world) room(x act) queue.Room {
	return []queue.Room{queue.RoomForNone, queue.RoomToDelete, queue.RoomForAll}[min(2, x.c>>8%64)]
}

// op runs a request on a queue.
func op(o queue.Op) func(*world, act) {
	return func(w *world, x act) {
		if r, ok := w.request(o, x); ok {
			w.do(r, w.room(x))
		}
	}
}

// onJob runs a request on a job: mostly one that the session holds.
func onJob(o queue.Op) func(*world, act) {
	return func(w *world, x act) {
		r, ok := w.request(o, x)
		if !ok {
			return
		}
		jobs, held := w.m.Jobs(), w.m.Held(r.Session)
		switch {
		case x.c>>16%8 == 0:
			r.ID = queue.JobID(x.b >> 16 % 100)
		case len(held) > 0 && x.c>>16%8 < 6:
			r.ID = held[int(x.b>>16)%len(held)]
		case len(jobs) > 0:
			r.ID = jobs[int(x.b>>16)%len(jobs)]
		}
		w.do(r, w.room(x))
	}
}

func (w *world) put(x act) {
	r, ok := w.request(queue.OpPut, x)
	if !ok {
		return
	}
	if jobs := w.m.Jobs(); len(jobs) > 60 {
		onJob(queue.OpDelete)(w, x)
		return
	}
	r.Body = w.body(x.c)
	if x.b>>24%8 == 0 {
		r.ExpiresAt = w.wall + int64(x.c)%int64(10*time.Second) - int64(time.Second)
	}
	w.do(r, w.room(x))
}

// body makes bytes of all the sizes that are kept differently.
func (w *world) body(n uint32) []byte {
	size := []uint32{0, n % 20, n % 20, n % 70, n % 600, n % 3000, n % 9000, 8191 + n%4}[n>>12%8]
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(n>>(i%4*8)) + byte(i)
	}
	return b
}

func (w *world) chunk(x act) {
	if r, ok := w.request(queue.OpChunk, x); ok {
		r.Upload, r.Body = uint64(x.c>>4)%2+1, w.body(x.b)
		w.do(r, w.room(x))
	}
}

func (w *world) importJob(x act) {
	r, ok := w.request(queue.OpImport, x)
	if !ok || r.Queue == nil {
		return
	}
	r.ID = queue.JobID(x.b>>8%5000 + 1)
	r.Body = w.body(x.c)
	r.Import = &queue.ImportInfo{
		Phase: []queue.Phase{queue.Ready, queue.Delayed, queue.Buried}[x.c>>20%3],
		Age:   time.Duration(x.b), Reserves: x.c % 7, Timeouts: x.c % 3, Releases: x.c % 5, Buries: x.c % 2, Kicks: x.b % 9,
	}
	if r.Import.Phase == queue.Delayed {
		r.Import.Left = time.Duration(x.a)
	}
	w.do(r, w.room(x))
}

func (w *world) reserve(x act) {
	r, ok := w.request(queue.OpReserve, x)
	if !ok {
		return
	}
	r.Timeout = []time.Duration{0, 0, -1, w.duration(x.b), time.Duration(x.b)}[x.c%5]
	if x.b>>6%8 > 0 {
		r.Queue = nil
	}
	r.Flags = queue.Flags(x.c>>8%2)*queue.FlagDeadlineSoon | queue.Flags(x.c>>9%2)*queue.FlagTake
	w.do(r, w.room(x))
}

func (w *world) cancel(x act) {
	if waiting := w.m.Waiting(); len(waiting) > 0 {
		w.do(queue.Request{Op: queue.OpCancelReserve, Session: waiting[int(x.a)%len(waiting)]}, queue.RoomForAll)
	}
}

func (w *world) pause(x act) {
	r, ok := w.request(queue.OpPause, x)
	if !ok {
		return
	}
	if x.c%2 == 0 {
		r.Delay = 0
	}
	w.do(r, w.room(x))
}

func (w *world) openSession(act) {
	if len(w.sessions) < 8 {
		w.sessions = append(w.sessions, w.open())
	}
}

func (w *world) closeSession(x act) {
	if len(w.sessions) < 2 {
		return
	}
	i := int(x.a) % len(w.sessions)
	id := w.sessions[i]
	w.sessions = slices.Delete(w.sessions, i, i+1)
	if len(w.m.Held(id)) > 1 {
		w.nobodyWaits() // which of the jobs they get is not promised
	}
	w.do(queue.Request{Op: queue.OpClose, Session: id}, queue.RoomForAll)
	// Nobody is there to be answered.
	w.do(queue.Request{Op: queue.OpPut, Session: id}, queue.RoomForAll)
}

func (w *world) time(x act) {
	d := []int64{1, int64(x.b) % 1e6, int64(x.b) % 1e9, int64(x.b) % 1e9, int64(x.b), 10 * int64(x.b)}[x.a%6]
	w.until(w.now+d, x.c%2 == 0)
}

// jump moves the wall clock alone.
func (w *world) jump(x act) {
	d := []time.Duration{time.Second, time.Hour, 10 * 365 * 24 * time.Hour}[x.a%3]
	if x.b%2 == 0 && w.wall > start {
		d = -d
	}
	w.say("    by %v", d)
	w.commit()
	w.wall += int64(d)
	w.set(w.now)
	w.until(w.now, false)
}

// bulk puts more jobs than one step of a long request moves.
func (w *world) bulk(x act) {
	r, ok := w.request(queue.OpPut, x)
	if !ok || len(w.m.Jobs()) > 100 || x.a%4 > 0 {
		return
	}
	r.Queue, r.Upload = fmt.Append(nil, "q", x.b%4+1), 0
	n := 1100 + x.c%1000
	w.say("    %d times put %q pri %d delay %v ttr %v", n, r.Queue, r.Pri, r.Delay, r.TTR)
	defer func(trace bool) { w.trace = trace }(w.trace)
	w.trace = false
	for range n {
		w.do(r, queue.RoomForAll)
		if r.Delay > 0 {
			r.Delay++ // a turn moves 1,000 jobs at most
		}
	}
}
