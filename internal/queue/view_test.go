package queue

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"
)

// sectionsOf reads a view as a log that has no snapshot does.
func sectionsOf(t *testing.T, v *View) (keys []uint64, sections map[uint64][]byte) {
	t.Helper()
	sections = map[uint64][]byte{}
	err := v.Sections(func(key uint64, _ bool, write func(io.Writer) error) error {
		var b bytes.Buffer
		keys = append(keys, key)
		err := write(&b)
		sections[key] = b.Bytes()
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return keys, sections
}

func restoreFrom(t *testing.T, s *State, v *View) {
	t.Helper()
	r := NewRestorer(s)
	keys, sections := sectionsOf(t, v)
	for _, key := range keys {
		if err := r.Section(key, bytes.NewReader(sections[key])); err != nil {
			t.Fatal(err)
		}
	}
	r.Done()
}

// TestViewIsReadBesideChanges reads a view in one goroutine while another changes
// everything; the race detector looks on.
func TestViewIsReadBesideChanges(t *testing.T) {
	d := newDesk(t, true)
	for i := range 3000 {
		d.do(Request{Op: OpPut, Queue: fmt.Append(nil, "q", i%3), TTR: time.Minute, Body: bytes.Repeat([]byte{byte(i)}, i%400*(i%50))})
	}
	want := d.s.Digest()
	v := d.s.View()
	restored := New(true)
	read := make(chan struct{})
	go func() {
		defer close(read)
		restoreFrom(t, restored, v)
	}()
	for id := JobID(1); id <= 3000; id++ {
		d.do(Request{Op: OpDelete, ID: id})
		d.do(Request{Op: OpPut, Queue: []byte("q3"), TTR: time.Minute, Body: bytes.Repeat([]byte{0xff}, int(id)%400)})
	}
	<-read
	v.Close(true)
	restored.SetTime(d.s.Now(), 0)
	if restored.Digest() != want {
		t.Error("the view changed while it was read")
	}
	if err := Check(d.s); err != nil {
		t.Error(err)
	}
}

// TestUnchangedSections checks that a snapshot writes what changed, and no more.
func TestUnchangedSections(t *testing.T) {
	d := newDesk(t, true)
	const jobs = 10 * idPageSize
	for range jobs {
		d.put("q", 0, "a body")
	}
	snapshot := func() (written []uint64) {
		v := d.s.View()
		defer v.Close(true)
		err := v.Sections(func(key uint64, unchanged bool, write func(io.Writer) error) error {
			if unchanged {
				return nil
			}
			written = append(written, key)
			return write(io.Discard)
		})
		if err != nil {
			t.Fatal(err)
		}
		return written
	}
	if n := len(snapshot()); n != 2+2*11 {
		t.Errorf("the first snapshot writes %d sections, want %d", n, 2+2*11)
	}
	if got := snapshot(); fmt.Sprint(got) != "[0 1]" {
		t.Errorf("with nothing changed, sections %v are written, want 0 and 1", got)
	}
	d.do(Request{Op: OpDelete, ID: 3*idPageSize + 5})
	if got := snapshot(); fmt.Sprint(got) != "[0 1 9]" {
		t.Errorf("after a delete, sections %v are written, want 0, 1 and the jobs of its page", got)
	}
	d.put("q", 0, "one more")
	if got := snapshot(); fmt.Sprint(got) != "[0 1 22 23]" {
		t.Errorf("after a put, sections %v are written, want 0, 1 and both of its page", got)
	}
	for id := JobID(5 * idPageSize); id < 5*idPageSize+idPageSize*2/3; id++ {
		d.do(Request{Op: OpDelete, ID: id})
	}
	if got := snapshot(); fmt.Sprint(got) != "[0 1 12 13]" {
		t.Errorf("with most bodies of a page dead, sections %v are written, want 0, 1 and both of its page", got)
	}
}

// TestRelease frees what was kept for a view, step by step, before it is closed; what
// another view still reads stays.
func TestRelease(t *testing.T) {
	const jobs = 3*releaseStep + 1
	d := newDesk(t, false)
	for range jobs {
		d.put("q", 0, "a body")
	}
	first, second := d.s.View(), d.s.View()
	for id := JobID(1); id <= jobs; id++ {
		d.do(Request{Op: OpDelete, ID: id})
	}
	if first.Release() || len(d.s.bodies.limbo) != jobs {
		t.Errorf("%d of %d bodies are kept for the other view", len(d.s.bodies.limbo), jobs)
	}
	first.Close(true)
	steps := 1
	for second.Release() {
		steps++
	}
	if left := len(d.s.bodies.limbo); steps != 4 || left != 0 {
		t.Errorf("%d steps left %d bodies", steps, left)
	}
	second.Close(true)
	if err := Check(d.s); err != nil {
		t.Error(err)
	}
}
