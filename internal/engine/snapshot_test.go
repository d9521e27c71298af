package engine_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/queue"
)

// metered is a log that adds up what snapshots write.
type metered struct {
	engine.Log
	snapshots, bytes int
}

func (m *metered) Snapshot(index uint64, v engine.View) error {
	m.snapshots++
	return m.Log.Snapshot(index, meteredView{v, m})
}

type meteredView struct {
	engine.View
	m *metered
}

func (v meteredView) Sections(visit func(key uint64, unchanged bool, write func(io.Writer) error) error) error {
	return v.View.Sections(func(key uint64, unchanged bool, write func(io.Writer) error) error {
		return visit(key, unchanged, func(w io.Writer) error { return write(io.MultiWriter(w, v)) })
	})
}

func (v meteredView) Write(p []byte) (int, error) {
	v.m.bytes += len(p)
	return len(p), nil
}

// TestSnapshotsWriteLittle fills a page with large jobs, which each snapshot has to
// write anew. All snapshots together write no more than the log does, twice over.
func TestSnapshotsWriteLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs, size, every = 400, 10_000, 100_000
		log := &metered{Log: enginetest.NewFaulty()}
		e := enginetest.Start(t, log, every)
		c := enginetest.NewClient(e, 1)
		body := make([]byte, size)
		for range jobs {
			if _, lost := c.Do(0, queue.Request{Op: queue.OpPut, TTR: time.Minute, Body: body}); lost {
				t.Fatal("a put was lost")
			}
			synctest.Wait() // for a snapshot that it brought about
		}
		enginetest.Stop(t, e)
		if log.snapshots < 3 {
			t.Errorf("%d snapshots", log.snapshots)
		}
		if most := 2 * jobs * size; log.bytes > most {
			t.Errorf("%d snapshots wrote %d bytes, more than %d", log.snapshots, log.bytes, most)
		}
	})
}
