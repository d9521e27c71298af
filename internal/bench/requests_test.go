package bench

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func TestPutBatches(t *testing.T) {
	const depth, size = 4, 3
	r, err := newRequests([]string{"a-0", "a-1", "a-2"}, size, depth, 0)
	if err != nil {
		t.Fatal(err)
	}
	for first := range 3 {
		var want []byte
		for i := range depth {
			want = fmt.Appendf(want, "use a-%d\r\nput 0 0 86400 3\r\nmil\r\n", (first+i)%3)
		}
		if got := r.put(first, depth, 0); !bytes.Equal(got, want) {
			t.Errorf("batch from tube %d is %q", first, got)
		}
		if got := r.advance(first, depth); got != (first+depth)%3 {
			t.Errorf("%d puts after tube %d comes tube %d", depth, first, got)
		}
	}
}

func TestStamps(t *testing.T) {
	r, err := newRequests([]string{"one"}, 20, 3, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	batch := r.put(0, 3, 4711)
	if !bytes.HasPrefix(batch, []byte("put 0 2 86400 20\r\n")) {
		t.Errorf("batch %q", batch)
	}
	for i := range 3 {
		body := batch[i*r.stride+r.bodyAt:][:20]
		if stamp, err := r.check(1, body); stamp != 4711 || err != nil {
			t.Errorf("put %d: stamp %d, error %v", i, stamp, err)
		}
		body[19]++
		if _, err := r.check(1, body); err == nil {
			t.Error("a changed body went unnoticed")
		}
	}
}

func TestEmptyBody(t *testing.T) {
	r, err := newRequests([]string{"one"}, 0, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(r.put(0, 1, 0)), "put 0 0 86400 0\r\n\r\n"; got != want {
		t.Errorf("put %q; want %q", got, want)
	}
	if got, want := string(r.reserve), "reserve\r\nreserve\r\n"; got != want {
		t.Errorf("reserves %q", got)
	}
	if got, want := string(appendDeletes(nil, []uint64{7, 1 << 52})), "delete 7\r\ndelete 4503599627370496\r\n"; got != want {
		t.Errorf("deletes %q", got)
	}
}
