package wal

import "time"

// schedule has what is written synced after d, in l.mu.
func (l *Log) schedule(d time.Duration) {
	if !l.timing && !l.closing {
		l.timing = true
		l.timer.Reset(d)
	}
}

// flushOnTime is what the timer calls.
func (l *Log) flushOnTime() {
	l.mu.Lock()
	l.timing = false
	over := l.closing || l.err != nil
	l.mu.Unlock()
	if !over {
		l.flush() // an error has ended the log
	}
}

// flush makes durable what is written, and has a mark written about it.
func (l *Log) flush() error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	index, err := l.written, l.err
	segments := append(l.unsaved, l.current)
	l.unsaved = nil
	l.mu.Unlock()
	if err != nil || l.synced.Load() >= index && len(segments) == 1 {
		return err
	}
	for _, s := range segments {
		if err := s.file.Sync(); err != nil {
			l.fail(err)
			return err
		}
	}
	if index > l.synced.Load() {
		l.synced.Store(index)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marking = l.err == nil
	l.work.Signal()
	return l.err
}
