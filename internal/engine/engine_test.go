package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/engine"
	"github.com/millrace/millrace/internal/engine/enginetest"
	"github.com/millrace/millrace/internal/queue"
)

func TestFaultyLog(t *testing.T) {
	enginetest.TestLog(t, func(*testing.T) enginetest.Store {
		f := enginetest.NewFaulty()
		return func() engine.Log { return f }
	})
}

// TestLostEpochs loses the leadership in every way the log may, and checks that
// what was acknowledged stays and that the state is what the log says.
func TestLostEpochs(t *testing.T) {
	faults := map[string]func(*enginetest.Faulty){
		"idle":              func(f *enginetest.Faulty) { f.Lose(false) },
		"uncommitted gone":  func(f *enginetest.Faulty) { f.Hold(); loseLater(f, false) },
		"committed late":    func(f *enginetest.Faulty) { f.Hold(); loseLater(f, true) },
		"a hole":            func(f *enginetest.Faulty) { f.DropNext(1); loseLater(f, false) },
		"a stale batch":     func(f *enginetest.Faulty) { f.Lose(false); f.Stale() },
		"stale, then ahead": func(f *enginetest.Faulty) { f.Stale(); f.Lose(false); f.Regain(); f.Stale(); f.Lose(false) },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) { lostEpoch(t, seed, fault) })
			}
		})
	}
}

// loseLater ends the leadership, in a bubble, a moment from now, with requests on
// their way.
func loseLater(f *enginetest.Faulty, late bool) {
	go func() {
		time.Sleep(time.Second)
		f.Lose(late)
	}()
}

func lostEpoch(t *testing.T, seed uint64, fault func(*enginetest.Faulty)) {
	f := enginetest.NewFaulty()
	e := enginetest.Start(t, f, 5_000)
	c := enginetest.NewClient(e, 3)
	acked := map[queue.JobID]bool{}
	put := func(n int) {
		for i := range n {
			res, lost := c.Do(0, queue.Request{Op: queue.OpPut, TTR: time.Minute, Body: fmt.Append(nil, i)})
			if lost {
				return
			}
			if acked[res.ID] {
				t.Fatalf("id %d was given twice", res.ID)
			}
			acked[res.ID] = true
		}
	}
	for range 3 {
		put(20)
		enginetest.Script(c, seed, 20)
		put(5)
		fault(f)
		put(10) // some are lost
		time.Sleep(2 * time.Second)
		f.Regain()
		synctest.Wait()
		c.Reopen(3)
	}
	for id := range acked {
		res, _ := c.Do(1, queue.Request{Op: queue.OpJobStats, ID: id})
		if res.Err == queue.ErrNotFound {
			// Script may have deleted some of the first hundred.
			if id > 100 {
				t.Fatalf("job %d was acknowledged and is gone", id)
			}
		}
	}
	before := e.Digest()
	enginetest.Stop(t, e)
	again := enginetest.Start(t, f, 0)
	defer enginetest.Stop(t, again)
	if again.Digest() != before {
		t.Fatal("the state is not what the log says")
	}
}

// TestHeldOutput checks that no answer leaves before its batch is committed, nor
// the answer of a later turn that saw it.
func TestHeldOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := enginetest.NewFaulty()
		e := enginetest.Start(t, f, 0)
		defer enginetest.Stop(t, e)
		writer, reader := enginetest.NewClient(e, 1), enginetest.NewClient(e, 1)
		f.Hold()
		answered := make(chan string, 2)
		go func() {
			writer.Do(0, queue.Request{Op: queue.OpPut, TTR: time.Minute})
			answered <- "put"
		}()
		synctest.Wait()
		go func() {
			if res, _ := reader.Do(0, queue.Request{Op: queue.OpReserve}); res.Err != queue.OK {
				t.Errorf("reserve: %v", res.Err)
			}
			answered <- "reserve"
		}()
		synctest.Wait()
		if len(answered) > 0 {
			t.Fatalf("%s was answered before the log had it", <-answered)
		}
		f.Release()
		synctest.Wait()
		if len(answered) != 2 {
			t.Fatalf("%d of 2 were answered after the log had all", len(answered))
		}
	})
}
