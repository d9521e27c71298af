package queue

import (
	"bytes"
	"testing"
	"time"
)

// FuzzDecodeRecord checks that what is decoded is encoded to what decodes the same.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(appendRecord(nil, &r)[3:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok, err := decodeRecord(b)
		if err != nil || !ok {
			return
		}
		encoded := appendRecord(nil, &r)
		again, ok, err := decodeRecord(encoded[3:])
		if err != nil || !ok || !bytes.Equal(appendRecord(nil, &again), encoded) {
			t.Fatalf("%+v is encoded to %+v (%v, %v)", r, again, ok, err)
		}
	})
}

func sampleRecords() []record {
	return []record{
		{kind: recordPut, id: 1, queue: []byte("q"), pri: 5, ttr: 1e9, body: []byte("body")},
		{kind: recordPut, id: 2, queue: []byte("q"), delay: 1e9, due: 2e9, expiresAt: 3e9, upload: uploadKey{1, 7}},
		{kind: recordPut, id: 3, queue: []byte("p"), created: 9, due: 8, buried: true, releases: 1, buries: 2, kicks: 3, source: 1},
		{kind: recordPut, id: 4, queue: []byte("p"), due: never, more: &More{Unique: []byte("u"), Reducer: []byte("r"), ClientFlags: 1, ReadyAt: 5, Attempts: 2}},
		{kind: recordChunk, upload: uploadKey{1, 7}, body: []byte("piece")},
		{kind: recordDropUpload, upload: uploadKey{1, 7}},
		{kind: recordRelease, id: 1, pri: 2, delay: 5, due: 7, releases: 1},
		{kind: recordBury, id: 1, pri: 2, due: 8, buries: 1},
		{kind: recordKick, id: 1, kicks: 1},
		{kind: recordPause, queue: []byte("q"), due: 9, delay: 4},
		{kind: recordMove, id: 1, queue: []byte("r")},
		{kind: recordConfigure, queue: []byte("q"), settings: &Settings{Keep: true, Max: [3]uint64{1, 2, 3}, ExpireTo: "r", Parent: "p"}},
		{kind: recordVolatile, id: volatileIDs + 100},
		{kind: recordExpire, id: 4},
		{kind: recordDelete, id: 1},
		{kind: recordEpoch},
	}
}

// FuzzApplyBatch checks that no batch that is taken leaves the indexes at odds with
// the facts, and that none is too much for what comes after it.
func FuzzApplyBatch(f *testing.F) {
	var all []byte
	for _, r := range sampleRecords() {
		all = appendRecord(all, &r)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, records []byte) {
		s := New(true)
		if err := s.ApplyBatch(0, s.BeginEpoch(1)); err != nil {
			t.Fatal(err)
		}
		if err := s.ApplyBatch(0, Batch{Epoch: 1, Seq: 1, Clock: 5, Records: records}); err != nil {
			return
		}
		if err := Check(s); err != nil {
			t.Fatal(err)
		}
		before := s.Digest()
		v := s.View()
		restored := New(true)
		restoreFrom(t, restored, v)
		v.Close(true)
		restored.SetTime(s.Now(), 0)
		if restored.Digest() != before {
			t.Fatal("a snapshot holds other facts")
		}
		s.SetTime(int64(time.Hour), int64(time.Hour))
		s.Advance()
		sess := s.Open(0, 0, 0)
		s.Exec(&Request{Op: OpReserve, Session: sess}, RoomForAll)
		s.Exec(&Request{Op: OpClose, Session: sess}, RoomForAll)
		if err := Check(s); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNegativeTimes checks that no request makes a record that cannot be read.
func TestNegativeTimes(t *testing.T) {
	d := newDesk(t, true)
	d.do(Request{Op: OpDelete, ID: d.put("q", 0, "x")})
	for _, r := range []Request{
		{Op: OpPut, Delay: -1}, {Op: OpPut, TTR: -1}, {Op: OpPut, ExpiresAt: -1}, {Op: OpPause, Delay: -1},
		{Op: OpImport, ID: 7, TTR: -1, Queue: []byte("q"), Import: &ImportInfo{Phase: Ready}},
	} {
		if res := d.do(r); res.Err != ErrBadRequest {
			t.Errorf("%+v: %v, want %v", r, res.Err, ErrBadRequest)
		}
	}
	b, _ := d.s.TakeBatch()
	if err := eachRecord(b.Records, func(*record) error { return nil }); err != nil {
		t.Error(err)
	}
}
