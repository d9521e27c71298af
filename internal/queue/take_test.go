package queue

import (
	"strings"
	"testing"
	"time"
)

// A job that is taken at once is answered before its end is told, to who put it.
func TestTakeTellsFollowers(t *testing.T) {
	d := newDesk(t, true)
	taker := d.s.Open(0, 1, 0)
	d.do(Request{Session: taker, Op: OpWatch, Queue: []byte("q")})
	d.do(Request{Session: taker, Op: OpReserve, Timeout: time.Minute, Flags: FlagTake})
	id := d.put("other", 0, "x") + 1
	got := d.do(Request{Op: OpPut, Queue: []byte("q"), Body: []byte("body"), Flags: FlagFollow})
	var told []Event
	for _, o := range d.out.List {
		switch {
		case o.Session == taker:
			if o.Result.ID != id || string(o.Result.Body.Inline) != "body" {
				t.Errorf("the taker got %+v", o.Result)
			}
		default:
			told = append(told, o.Event)
		}
	}
	want := []Event{EventNone, EventAssigned, EventComplete}
	if got.ID != id || len(told) != 3 || told[0] != want[0] || told[1] != want[1] || told[2] != want[2] {
		t.Errorf("put %d, was told %v, want %v", got.ID, told, want)
	}
	if d.s.counts != (Counts{Ready: 1, Urgent: 1, Bytes: 1}) {
		t.Errorf("counts %+v", d.s.counts)
	}
}

// Taking writes, so it is refused where the log has no room for a delete.
func TestTakeNeedsRoom(t *testing.T) {
	d := newDesk(t, true)
	d.put("q", 0, "x")
	d.s.TakeBatch()
	d.s.Exec(&Request{Session: d.sess, Op: OpReserve, Queue: []byte("q"), Flags: FlagTake, Seq: 99}, RoomForNone)
	d.s.TakeOutputs(&d.out)
	if len(d.out.List) != 1 || d.out.List[0].Result.Err != ErrNoSpace {
		t.Errorf("%+v, want that there is no space", d.out.List)
	}
	d.s.Exec(&Request{Session: d.sess, Op: OpReserve, Queue: []byte("q"), Flags: FlagTake, Seq: 100}, RoomToDelete)
	d.s.TakeOutputs(&d.out)
	if len(d.out.List) != 1 || d.out.List[0].Result.Err != OK || d.s.counts != (Counts{}) {
		t.Errorf("%+v, counts %+v", d.out.List, d.s.counts)
	}
}

// Children get copies of a body that came in chunks, here and where the log is
// applied.
func TestFanOutOfChunks(t *testing.T) {
	d := newDesk(t, true)
	follower := New(true)
	settings := Settings{Parent: "p"}
	d.do(Request{Op: OpConfigure, Queue: []byte("c1"), Settings: &settings})
	d.do(Request{Op: OpConfigure, Queue: []byte("c2"), Settings: &settings})
	body := strings.Repeat("x", MaxInlineBody)
	for range 3 {
		d.do(Request{Op: OpChunk, Upload: 7, Body: []byte(body)})
	}
	d.do(Request{Op: OpPut, Queue: []byte("p"), Upload: 7, Flags: FlagFanOut})
	b, _ := d.s.TakeBatch()
	if err := follower.ApplyBatch(0, b); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"p", "c1", "c2"} {
		if got := d.do(Request{Op: OpPeekReady, Queue: []byte(q)}); got.Body.Len() != 3*len(body) {
			t.Errorf("queue %s has a body of %d bytes, want %d", q, got.Body.Len(), 3*len(body))
		}
	}
	if len(d.s.uploads) > 0 || d.s.Digest() != follower.Digest() {
		t.Errorf("%d uploads are left, digests equal: %v", len(d.s.uploads), d.s.Digest() == follower.Digest())
	}
}
