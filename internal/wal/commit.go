package wal

// Append implements engine.Log. There is one caller at a time. Called from a method
// of the machine it leaves the batch to the syncer.
func (l *Log) Append(batch []byte) {
	l.mu.Lock()
	l.await()
	if l.err != nil || l.closing {
		l.mu.Unlock()
		return
	}
	if l.pace.inline && l.phase == phaseIdle && len(l.queue) == 0 {
		l.phase = phaseCalling
		l.mu.Unlock()
		l.commitInline(batch)
		return
	}
	l.queue = append(l.queue, batch)
	l.backlog += len(batch)
	l.work.Signal()
	l.mu.Unlock()
}

// await holds the caller back while too much is uncommitted, and while a commit
// that was begun before is under way and the next one may be inline.
func (l *Log) await() {
	if l.pace.inline && l.phase == phaseWriting {
		for l.phase != phaseIdle && l.err == nil {
			l.idle.Wait()
		}
	}
	for l.backlog > l.o.MaxBacklog && l.err == nil && !l.closing {
		l.idle.Wait()
	}
}

// Backlog is how many bytes wait to be committed.
func (l *Log) Backlog() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.backlog
}

func (l *Log) commitInline(batch []byte) {
	l.tail.one[0] = batch
	err := l.commit(l.tail.one[:], l.o.Sync == SyncAlways)
	l.tail.one[0] = nil
	if err == nil {
		err = l.machine.Apply(l.tail.index, 0, batch)
	}
	l.mu.Lock()
	l.committed(err)
	l.mu.Unlock()
}

// committed ends a commit, in l.mu.
func (l *Log) committed(err error) {
	if err != nil {
		l.end(err)
	} else {
		l.pace.observe(l.tail.took, l.tail.size)
		l.written, l.current = l.tail.index, l.tail.seg
		if l.o.Sync > 0 {
			l.schedule(l.o.Sync)
		}
	}
	l.rest()
}

// rest gives up the tail and the machine, in l.mu.
func (l *Log) rest() {
	l.phase = phaseIdle
	l.idle.Broadcast()
	if l.due() {
		l.work.Signal()
	}
}

// due reports whether the syncer has something to do, in l.mu.
func (l *Log) due() bool {
	switch {
	case l.phase != phaseIdle:
		return false
	case l.err != nil: // nothing is left to do but to say so, once
		return !l.lost
	}
	return len(l.tickets) > 0 || len(l.queue) > 0 || l.marking
}

// syncer does what is not done inline, until the log is closed.
func (l *Log) syncer() {
	defer close(l.finished)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case !l.due():
			if l.closing && l.phase == phaseIdle {
				return
			}
			l.work.Wait()
		case l.err != nil:
			l.tellLost()
		case len(l.tickets) > 0:
			l.confirmTickets()
		case len(l.queue) > 0:
			l.commitQueue()
		default:
			l.markSynced()
		}
	}
}

// The steps of the syncer enter and leave in l.mu, and take the tail meanwhile.

func (l *Log) commitQueue() {
	group, bytes := l.queue, l.backlog
	l.queue, l.spareQ = l.spareQ[:0], nil
	l.phase = phaseWriting
	l.mu.Unlock()
	err := l.commit(group, false)
	l.mu.Lock()
	l.phase = phaseCalling
	l.mu.Unlock()
	index := l.tail.index - uint64(len(group))
	for i, batch := range group {
		if index++; err == nil {
			err = l.machine.Apply(index, 0, batch)
		}
		group[i] = nil
	}
	l.mu.Lock()
	l.backlog -= bytes
	l.spareQ = group
	// Of several frames synced together only the last may pass for the torn tail of
	// a crash, so the next frame, if only a mark, should vouch for them soon.
	l.marking = l.marking || len(group) > 1
	l.committed(err)
}

func (l *Log) confirmTickets() {
	tickets := l.tickets
	l.tickets = nil
	l.phase = phaseCalling
	l.mu.Unlock()
	for _, ticket := range tickets {
		l.machine.Confirmed(ticket)
	}
	l.mu.Lock()
	l.rest()
}

func (l *Log) markSynced() {
	l.marking = false
	l.phase = phaseWriting
	l.mu.Unlock()
	err := l.mark()
	l.mu.Lock()
	if err != nil {
		l.end(err)
	}
	l.rest()
}

func (l *Log) tellLost() {
	l.lost = true
	l.phase = phaseCalling
	err := l.err
	l.mu.Unlock()
	l.machine.Lost(err) // nothing more is handed over, so nothing is rebuilt either
	l.mu.Lock()
	l.rest()
}

// Confirm implements engine.Log: a log on one disk always leads.
func (l *Log) Confirm(ticket uint64) {
	l.mu.Lock()
	if l.err != nil || l.closing {
		l.mu.Unlock()
		return
	}
	if l.phase != phaseIdle || len(l.queue)+len(l.tickets) > 0 {
		l.tickets = append(l.tickets, ticket)
		l.work.Signal()
		l.mu.Unlock()
		return
	}
	l.phase = phaseCalling
	l.mu.Unlock()
	l.machine.Confirmed(ticket)
	l.mu.Lock()
	l.rest()
	l.mu.Unlock()
}

// fail ends the log. What a failed write or sync left behind is unknown, so it is
// not tried again, and nothing more is acknowledged.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(err)
	l.work.Signal()
}

// end is fail, in l.mu.
func (l *Log) end(err error) {
	if l.err != nil {
		return
	}
	l.err = err
	l.stats.failed.Store(true)
	l.queue, l.tickets, l.backlog, l.marking = nil, nil, 0, false
	l.idle.Broadcast()
	l.o.Logger.Error("the log has failed: nothing more is acknowledged", "dir", l.dir, "error", err)
}
