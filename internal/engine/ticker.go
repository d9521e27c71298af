package engine

import (
	"time"
)

// ticker wakes the engine when time brings something and no request does.
type ticker struct {
	timer *time.Timer
	at    int64 // engine's clock for which timer is set; never: not set
	quit  chan struct{}
	done  chan struct{} // closed when the ticker has ended; nil: it never began
}

const never = int64(1<<63 - 1)

// breath is what the ticker leaves to requests between two of its turns, which in a
// long kick or purge would otherwise take the lock again before anybody else gets it.
const breath = 200 * time.Microsecond

func (t *ticker) init() {
	t.timer = time.NewTimer(time.Hour)
	t.at = never
	t.quit = make(chan struct{})
}

// arm makes the ticker fire at the state's next deadline. It may fire early. mu is
// held.
func (e *Engine) arm() {
	at, ok := e.state.NextDeadline()
	if !e.leading || !ok || at >= e.ticker.at {
		return
	}
	e.ticker.at = at
	e.ticker.timer.Reset(max(breath, time.Duration(at-e.clock.now())))
}

func (e *Engine) startTicker() {
	e.ticker.done = make(chan struct{})
	go e.tick()
}

// tick runs a turn whenever the timer fires.
func (e *Engine) tick() {
	defer close(e.ticker.done)
	for {
		select {
		case <-e.ticker.quit:
			return
		case <-e.ticker.timer.C:
		}
		e.mu.Lock()
		e.awaitTurn()
		e.ticker.at = never
		if e.leading {
			e.setTime()
			e.active = true
			e.state.Advance()
			e.deliver(nil)
		}
		e.arm()
		e.mu.Unlock()
		e.commit()
	}
}

func (t *ticker) stop() {
	close(t.quit)
	if t.done != nil {
		<-t.done
	}
	t.timer.Stop()
}

// awaitTurn waits while a view is about to be taken. mu is held.
func (e *Engine) awaitTurn() {
	for e.holding {
		e.changed.Wait()
	}
}
