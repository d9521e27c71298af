package queue

import (
	"fmt"
	"testing"
	"time"
)

// TestNoGarbage checks that a worker in full swing makes none.
func TestNoGarbage(t *testing.T) {
	for _, size := range []int{0, 10, 256, maxSmall} {
		d := newDesk(t, false)
		var r Request
		do := func(op Op, id JobID) JobID {
			r.Op, r.ID = op, id
			d.s.Exec(&r, RoomForAll)
			d.s.TakeOutputs(&d.out)
			return d.out.List[0].Result.ID
		}
		r = Request{Session: d.sess, TTR: time.Minute, Body: make([]byte, size)}
		cycle := func() {
			do(OpPut, 0)
			do(OpDelete, do(OpReserve, 0))
		}
		for range 5000 {
			cycle()
		}
		if n := testing.AllocsPerRun(2000, cycle); n != 0 {
			t.Errorf("put, reserve and delete of %d bytes allocate %v times", size, n)
		}
	}
}

// TestWorkDoesNotGrow checks that a put, a reserve and a delete take as long however
// many queues, watchers and jobs there are. What grows with them takes 1,000 times as
// long for 10,000 of them.
func TestWorkDoesNotGrow(t *testing.T) {
	name := func(i int) []byte { return fmt.Append(nil, "queue", i) }
	open := func(d *desk, queues ...int) SessionID {
		id := d.s.Open(0, 0, 0)
		for _, q := range queues {
			d.do(Request{Op: OpWatch, Session: id, Queue: name(q)})
		}
		return id
	}
	crowds := map[string]func(d *desk, i int){
		"queues with jobs":   func(d *desk, i int) { d.put(string(name(i)), 9, "x") },
		"watched queues":     func(d *desk, i int) { d.do(Request{Op: OpWatch, Queue: name(i)}) },
		"watched with jobs":  func(d *desk, i int) { d.put(string(name(i)), 9, "x"); d.do(Request{Op: OpWatch, Queue: name(i)}) },
		"ready jobs":         func(d *desk, i int) { d.put("other", 9, "x") },
		"jobs of one queue":  func(d *desk, i int) { d.put(DefaultQueue, uint32(5+i%20), "x") },
		"delayed jobs":       func(d *desk, i int) { d.do(Request{Op: OpPut, TTR: time.Minute, Delay: time.Hour}) },
		"idle sessions":      func(d *desk, i int) { open(d) },
		"sessions that wait": func(d *desk, i int) { wait(d, open(d, i)) },
		"sets that know of jobs": func(d *desk, i int) {
			// Each watches the queue at hand and one of its own, and has seen a job there.
			id := open(d, i)
			d.put(DefaultQueue, 9, "x")
			job := d.do(Request{Op: OpReserve, Session: id})
			d.do(Request{Op: OpDelete, Session: id, ID: job.ID})
		},
		"leases": func(d *desk, i int) { d.put("mine", 0, "x"); d.do(Request{Op: OpReserve, Queue: []byte("mine")}) },
	}
	for what, add := range crowds {
		t.Run(what, func(t *testing.T) {
			few, many := cycleTime(t, 10, add), cycleTime(t, 10_000, add)
			t.Logf("with 10: %v, with 10,000: %v", few, many)
			if many > 40*few {
				t.Errorf("a cycle takes %v with 10 and %v with 10,000", few, many)
			}
		})
	}
}

// wait has a session wait on a queue that stays empty.
func wait(d *desk, id SessionID) {
	d.do(Request{Op: OpIgnore, Session: id, Queue: []byte(DefaultQueue)})
	d.do(Request{Op: OpReserve, Session: id, Timeout: -1})
}

// cycleTime is the least time that a put, a reserve and a delete took, among n of
// what add adds.
func cycleTime(t *testing.T, n int, add func(d *desk, i int)) time.Duration {
	d := newDesk(t, false)
	for i := range n {
		add(d, i)
	}
	worker := d.s.Open(0, 0, 0)
	least := time.Hour
	for range 30 {
		began := time.Now()
		for range 20 {
			d.put(DefaultQueue, 0, "x")
			job := d.do(Request{Op: OpReserve, Session: worker})
			if res := d.do(Request{Op: OpDelete, Session: worker, ID: job.ID}); res.Err != OK {
				t.Fatal(res.Err)
			}
		}
		least = min(least, time.Since(began)/20)
	}
	return least
}
