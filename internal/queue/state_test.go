package queue

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// desk drives a State by hand: one session, a clock that moves when told.
type desk struct {
	t    testing.TB
	s    *State
	sess SessionID
	seq  uint32
	out  Outputs
}

func newDesk(t testing.TB, logging bool) *desk {
	d := &desk{t: t, s: New(logging)}
	d.s.SetTime(1_000_000_000_000, 1_000_000_000_000)
	d.sess = d.s.Open(0, 0, 0)
	return d
}

// do runs r and returns its answer.
func (d *desk) do(r Request) Result {
	d.seq++
	if r.Session == 0 {
		r.Session = d.sess
	}
	r.Seq = d.seq
	d.s.Exec(&r, RoomForAll)
	d.s.TakeOutputs(&d.out)
	for _, o := range d.out.List {
		if o.Session == r.Session && o.Seq == r.Seq {
			return o.Result
		}
	}
	return Result{}
}

func (d *desk) put(queue string, pri uint32, body string) JobID {
	return d.do(Request{Op: OpPut, Queue: []byte(queue), Pri: pri, TTR: time.Minute, Body: []byte(body)}).ID
}

func BenchmarkCycle(b *testing.B) {
	for _, backlog := range []int{0, 1_000_000} {
		b.Run(fmt.Sprint(backlog), func(b *testing.B) {
			d := newDesk(b, false)
			body := make([]byte, 256)
			put := Request{Op: OpPut, TTR: time.Minute, Body: body}
			for range backlog {
				d.do(put)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				d.do(put)
				id := d.do(Request{Op: OpReserve}).ID
				d.do(Request{Op: OpDelete, ID: id})
			}
		})
	}
}

func TestMemoryPerJob(t *testing.T) {
	const jobs = 200_000
	for _, size := range []int{16, 256, 4096} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := newDesk(t, false)
		body := make([]byte, size)
		for range jobs {
			d.do(Request{Op: OpPut, TTR: time.Minute, Body: body})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		over := float64(after.HeapAlloc-before.HeapAlloc)/jobs - float64(size)
		t.Logf("%d B bodies: %.0f B beside the body", size, over)
		// beanstalkd needs 203 B.
		if over > 180 {
			t.Errorf("%d B bodies: %.0f B beside the body, want at most 180", size, over)
		}
		runtime.KeepAlive(d)
	}
}

// TestMemoryIsGivenBack empties a backlog, the oldest job first or the newest, and
// finds the memory of the jobs free.
func TestMemoryIsGivenBack(t *testing.T) {
	const jobs, size = 50_000, 256
	for _, newestFirst := range []bool{false, true} {
		d := newDesk(t, false)
		before := heapInUse()
		for range jobs {
			d.put("q", 0, string(make([]byte, size)))
		}
		for i := range JobID(jobs) {
			id := i + 1
			if newestFirst {
				id = jobs - i
			}
			if res := d.do(Request{Op: OpDelete, ID: id}); res.Err != OK {
				t.Fatalf("delete %d: %v", id, res.Err)
			}
		}
		if left := heapInUse() - before; left > jobs*size/20 {
			t.Errorf("newest first: %v: %d jobs of %d bytes left %d bytes behind", newestFirst, jobs, size, left)
		}
		runtime.KeepAlive(d)
	}
}

// heapInUse is how many bytes are reachable.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
