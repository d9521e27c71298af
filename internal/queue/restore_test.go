package queue_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/millrace/millrace/internal/queue"
)

// TestRestoreMemory restores a large job and a large upload: what that allocates is
// little more than their size, and so is what a view of them does.
func TestRestoreMemory(t *testing.T) {
	const chunks = 64
	const size = 2 * chunks * queue.MaxInlineBody
	s := queue.New(false)
	session := s.Open(0, 0, 0)
	body := bytes.Repeat([]byte("x"), queue.MaxInlineBody)
	for upload := uint64(1); upload <= 2; upload++ {
		for range chunks {
			s.Exec(&queue.Request{Op: queue.OpChunk, Session: session, Upload: upload, Body: body}, queue.RoomForAll)
		}
	}
	s.Exec(&queue.Request{Op: queue.OpPut, Session: session, Queue: []byte("q"), Upload: 1}, queue.RoomForAll)

	type section struct {
		key   uint64
		bytes bytes.Buffer
	}
	var sections []*section
	var view *queue.View
	if n := allocated(func() { view = s.View() }); n > size/2 {
		t.Errorf("a view of %d bytes allocates %d", size, n)
	}
	err := view.Sections(func(key uint64, _ bool, write func(io.Writer) error) error {
		sections = append(sections, &section{key: key})
		return write(&sections[len(sections)-1].bytes)
	})
	view.Close(err == nil)
	restored := queue.New(false)
	n := allocated(func() {
		r := queue.NewRestorer(restored)
		for _, x := range sections {
			err = errors.Join(err, r.Section(x.key, &x.bytes))
		}
		r.Done()
	})
	if err != nil {
		t.Fatal(err)
	}
	if n > size+size/4 {
		t.Errorf("restoring %d bytes allocates %d", size, n)
	}
	if restored.Digest() != s.Digest() {
		t.Error("what is restored differs")
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
