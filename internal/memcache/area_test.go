package memcache

import (
	"fmt"
	"testing"
)

func set(a *area, key, value string) outcome {
	o, _ := a.do(&request{verb: verbSet, key: []byte(key)}, []byte(value))
	return o
}

func has(a *area, key string) bool {
	o, _ := a.do(&request{verb: verbGet, key: []byte(key)}, nil)
	return o == outHit
}

// What was used least recently goes first, and the area never grows beyond its size.
func TestEviction(t *testing.T) {
	now := int64(1e9)
	a := newArea(10*cost(2, 100), 1000, func() int64 { return now })
	value := string(make([]byte, 100))
	for i := range 10 {
		set(a, fmt.Sprintf("k%d", i), value)
	}
	if !has(a, "k0") {
		t.Fatal("ten items do not fit")
	}
	set(a, "ka", value)
	for i := range 10 {
		key := fmt.Sprintf("k%d", i)
		if _, there := a.items[key]; there == (i == 1) {
			t.Errorf("%s is there: %v; k1 alone was to go", key, there)
		}
	}
	// A value that replaces one takes its place, a larger one that of others.
	set(a, "ka", value+value+value)
	if s := a.stats(); s.bytes > s.limit || s.items != 9 || s.evictions != 2 {
		t.Errorf("%+v", s)
	}
	for i := range 1000 {
		set(a, fmt.Sprintf("n%d", i), value)
		set(a, fmt.Sprintf("n%d", i/2), "")
		if s := a.stats(); s.bytes > s.limit || s.items != uint64(len(a.items)) {
			t.Fatalf("%+v", s)
		}
	}
	var sum int64
	n := 0
	for it := a.recent.next; it != &a.recent; it = it.next {
		sum += cost(len(it.key), len(it.value))
		n++
	}
	if sum != a.size || n != len(a.items) {
		t.Errorf("%d items of %d bytes, counted as %d of %d", n, sum, len(a.items), a.size)
	}
}

// A value that an answer holds is not changed by later requests.
func TestValuesAreKept(t *testing.T) {
	a := newArea(1<<20, 1<<20, func() int64 { return 1 })
	set(a, "n", "41")
	_, f := a.do(&request{verb: verbGet, key: []byte("n")}, nil)
	a.do(&request{verb: verbArithmetic, key: []byte("n"), delta: 1}, nil)
	a.do(&request{verb: verbAppend, key: []byte("n")}, []byte("0"))
	if string(f.body.Inline) != "41" {
		t.Errorf("the value became %q", f.body.Inline)
	}
}
