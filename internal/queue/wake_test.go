package queue

import (
	"testing"
	"time"
)

// watching opens one more session, which watches the queues in this order and no other.
func (d *desk) watching(names ...string) SessionID {
	id := d.s.Open(0, 0, 0)
	for _, name := range names {
		d.do(Request{Session: id, Op: OpWatch, Queue: []byte(name)})
	}
	d.do(Request{Session: id, Op: OpIgnore, Flags: FlagInOrder, Queue: []byte(DefaultQueue)})
	return id
}

// events runs r and returns the events it made, by session.
func (d *desk) events(r Request) map[SessionID][]Event {
	d.s.Exec(&r, RoomForAll)
	return d.taken()
}

func (d *desk) taken() map[SessionID][]Event {
	d.s.TakeOutputs(&d.out)
	events := map[SessionID][]Event{}
	for _, o := range d.out.List {
		if o.Event != EventNone {
			events[o.Session] = append(events[o.Session], o.Event)
		}
	}
	return events
}

// A session that was woken and does not ask leaves the job to another.
func TestWakeIsPassedOn(t *testing.T) {
	d := newDesk(t, false)
	a, b := d.watching("q"), d.watching("q")
	d.events(Request{Session: a, Op: OpSleep})
	d.events(Request{Session: b, Op: OpSleep})
	woken := d.events(Request{Session: d.sess, Op: OpPut, Queue: []byte("q")})
	if len(woken) != 1 || len(woken[a]) != 1 {
		t.Fatalf("woken: %v, want the first", woken)
	}
	d.s.SetTime(d.s.Now()+wakePatience-1, 0)
	d.s.Advance()
	if woken := d.taken(); len(woken) != 0 {
		t.Fatalf("woken too early: %v", woken)
	}
	d.s.SetTime(d.s.Now()+1, 0)
	d.s.Advance()
	if woken := d.taken(); len(woken) != 1 || len(woken[b]) != 1 {
		t.Fatalf("woken: %v, want the second", woken)
	}
	if r := d.do(Request{Session: b, Op: OpReserve}); r.Err != OK {
		t.Error(r.Err)
	}
	if r := d.do(Request{Session: a, Op: OpReserve}); r.Err != ErrTimedOut {
		t.Error(r.Err)
	}
}

// The order of a reserve that is told to go by queues.
func TestReserveByQueues(t *testing.T) {
	for _, test := range []struct {
		flags Flags
		want  string // "": as long as the queues take turns
	}{
		{FlagInOrder, "ccaabb"},
		{FlagInTurn, ""},
		{FlagInTurn | FlagInOrder, ""},
	} {
		d := newDesk(t, false)
		w := d.watching("x", "b", "a", "c", "y")
		d.do(Request{Session: w, Op: OpIgnore, Flags: FlagInOrder, Queue: []byte("x")})
		for _, name := range []string{"a", "b", "c", "a", "b", "c"} {
			d.put(name, 0, name)
		}
		got := ""
		for range 6 {
			got += d.do(Request{Session: w, Op: OpReserve, Flags: test.flags}).Queue
		}
		if test.want == "" {
			if got[:3] != got[3:] {
				t.Errorf("flags %v: %s", test.flags, got)
			}
			continue
		}
		if got != test.want {
			t.Errorf("flags %v: %s, want %s", test.flags, got, test.want)
		}
	}
}

func TestGiveBack(t *testing.T) {
	d := newDesk(t, false)
	a, b := d.put("a", 0, ""), d.put("b", 0, "")
	once := d.do(Request{Op: OpPut, Queue: []byte("a"), More: &More{Attempts: 1}}).ID
	for range 2 {
		d.do(Request{Op: OpReserve, Queue: []byte("a")})
	}
	d.do(Request{Op: OpReserve, Queue: []byte("b"), TTR: time.Hour})
	if r := d.do(Request{Op: OpGiveBack, Queue: []byte("a")}); r.N != 2 {
		t.Errorf("%d jobs were given back, want 2", r.N)
	}
	phase := func(id JobID) Phase {
		if info, ok := d.do(Request{Op: OpJobStats, ID: id}).Info.(*JobStats); ok {
			return info.Phase
		}
		return PhaseNone
	}
	if phase(a) != Ready || phase(once) != PhaseNone || phase(b) != Reserved {
		t.Errorf("phases %v %v %v", phase(a), phase(once), phase(b))
	}
	if r := d.do(Request{Op: OpGiveBack}); r.N != 1 || phase(b) != Ready {
		t.Errorf("%d jobs were given back, want 1", r.N)
	}
}

// A session may follow a job twice, and may end before the job.
func TestFollowTwice(t *testing.T) {
	d := newDesk(t, false)
	c := d.watching("q")
	put := Request{Session: c, Op: OpPut, Queue: []byte("q"), Flags: FlagVolatile | FlagFollow, More: &More{Unique: []byte("k")}}
	first := d.do(put)
	second := d.do(put)
	if second.ID != first.ID || second.N != 1 {
		t.Fatalf("%+v, %+v", first, second)
	}
	d.do(Request{Op: OpReserve, Queue: []byte("q")})
	if e := d.events(Request{Session: d.sess, Op: OpReport, ID: first.ID, Event: EventData}); len(e[c]) != 2 {
		t.Errorf("events %v, want one for each time", e)
	}
	d.do(Request{Op: OpReport, ID: first.ID, Event: EventProgress, N: 1, M: 2})
	d.do(Request{Session: c, Op: OpClose})
	info := d.do(Request{Op: OpJobStats, ID: first.ID}).Info.(*JobStats)
	if !info.Orphan || info.N != 1 || info.M != 2 {
		t.Errorf("%+v", info)
	}
	if r := d.do(Request{Op: OpAck, ID: first.ID}); r.Err != OK {
		t.Error(r.Err)
	}
}
